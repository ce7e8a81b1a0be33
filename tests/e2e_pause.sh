#!/usr/bin/env bash
# pause and resume: through the database, from another process, and by signals to one process.
. "$(dirname "$0")/e2e_lib.sh"
need sqlite3 pgrep

mkdir first second third
for i in 1 2; do make_clip "first/clip$i.y4m" "$i" 8; done
for i in 3 4 5; do make_clip "second/clip$i.y4m" "$i" 8; done
for i in 6 7 8; do make_clip "third/clip$i.y4m" "$i" 8; done
count() { sql clipq.db "SELECT count(*) FROM v_jobs WHERE state = '$1'"; }
await() {   # await COMMAND...: until it is true, or the program is gone
    while ! "$@" && kill -0 "$pid" 2> /dev/null; do sleep 0.05; done
}
are() { [ "$(count "$1")" = "$2" ]; }
runs() { [ "$(sql clipq.db "SELECT count(*) FROM v_runs WHERE end_reason = 'running'")" = "$1" ]; }
other_said() { grep -qF -- "$1" other.err; }
said() { grep -qF -- "$1" work.err; }
start() {   # start OPTION...: a run whose process is $pid
    "$clipq" work --workers 2 --progress none "$@" > work.txt 2> work.err &
    pid=$!
}
end() {   # end CODE WHAT: it ends by itself
    local code=0
    wait "$pid" || code=$?
    check "$2" "$1" "$code"
}

"$clipq" submit -q first
check_code 0 "$clipq" pause
check_says "clipq resume"
check_code 0 "$clipq" pause
check_says "paused since"
check_code 4 "$clipq" work --progress none
check_says "clipq resume"
check_code 4 "$clipq" work --json --progress none
check "a result in JSON" 1 "$(grep -c '"message_type":"work_result".*"left":2' out.txt)"
check_code 0 "$clipq" status
check_says "paused since"
check_code 0 "$clipq" status --json
check "status in JSON" 1 "$(grep -c '"paused":true' out.txt)"
check "and in SQL" 1 "$(sql clipq.db "SELECT count(*) FROM v_pause WHERE by <> ''")"
check "nothing was begun" 2 "$(count pending)"

start --forever                                   # waits for the end of the pause
await said "paused since"
check "it waits" 2 "$(count pending)"
check_code 0 "$clipq" resume
await are done 2
kill -TERM "$pid"
end 143 "resumed, it did its work until it was told to end"
check "both are done" 2 "$(count done)"
check_code 0 "$clipq" resume
check_says "was not paused"

# In the middle, two runs: what runs (a decoder that stands still) goes on, nothing new is begun, and both wait.
"$clipq" submit -q second
CLIPQ_FAULT=hang@clip3 start
await are done 4
await are running 1
CLIPQ_FAULT=hang@clip3 "$clipq" work --forever --workers 2 --progress none 2> other.err > other.txt &
other=$!
await runs 2
check_code 0 "$clipq" pause
await said "paused since"
await other_said "paused since"
"$clipq" submit -q third
sleep 1.5                                         # longer than a run looks away from its queue
check "one clip goes on, the new ones wait" "1 3" "$(count running) $(count pending)"
kill -TERM "$other"
wait "$other" || true
check_code 0 "$clipq" cancel --path clip3
await are running 0
sleep 1
check "with nothing under way it still waits" 0 "$(kill -0 "$pid"; echo $?)"
check_code 0 "$clipq" resume
end 0 "resumed, it ends when all is done"
check "all but one" "7 1" "$(count done) $(count cancelled)"

# A paused run has nothing to wait for once its queue is cancelled.
check_code 0 "$clipq" retry --cancelled
CLIPQ_FAULT=hang@clip3 start
await are running 1
check_code 0 "$clipq" pause
await said "paused since"
check_code 0 "$clipq" cancel --all
end 0 "a paused run whose queue was cancelled ends"
check_code 0 "$clipq" resume

# By signals, one process alone.
mkdir fourth
for i in 9 10 11; do make_clip "fourth/clip$i.y4m" "$i" 8; done
check_code 0 "$clipq" retry --cancelled
CLIPQ_FAULT=hang@clip3 start
await are running 1
kill -TSTP "$pid"
await said "held back"
"$clipq" submit -q fourth
sleep 1.5
check "the new ones wait" "1 3" "$(count running) $(count pending)"
check "no process is stopped" "" "$(pgrep -P "$pid" -r T || true)"
check "the queue itself is not paused" 0 "$(sql clipq.db "SELECT count(*) FROM v_pause")"
kill -CONT "$pid"
await are done 10
check "it goes on" 10 "$(count done)"
check_code 0 "$clipq" cancel --all
end 0 "and ends"
check "the database is sound" ok "$(sql clipq.db "PRAGMA integrity_check")"
finish
