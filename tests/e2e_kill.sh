#!/usr/bin/env bash
# kill -9 of the whole process group in the middle, then again: every clip is done once, no row is there twice.
# And the gentler ends: a first signal drains, a second aborts.
. "$(dirname "$0")/e2e_lib.sh"
need sqlite3 setsid

clips=30 frames=60
mkdir in
for i in $(seq $clips); do make_clip "in/clip$i.y4m" "$i" $frames; done

# count DB STATE
count() { sql "$1" "SELECT count(*) FROM v_jobs WHERE state = '$2'" 2> /dev/null || echo 0; }
start() {   # start DB: works in a process group of its own, whose leader is $pid
    setsid "$clipq" work --db "$1" --workers 2 --progress none > "$work/out.txt" 2> "$work/err.txt" &
    pid=$!
}
await_done() {   # await_done DB N: until N are done, or the program ends
    while [ "$(count "$1" done)" -lt "$2" ] && kill -0 "$pid" 2> /dev/null; do sleep 0.05; done
}
check_whole() {   # check_whole DB WHAT
    check "$2: every clip is done" "$clips" "$(count "$1" done)"
    check "$2: every frame is there once" "$(( clips * frames )) $(( clips * frames ))" \
        "$(sql "$1" "SELECT count(*), count(DISTINCT job_id || ' ' || frame) FROM v_frames")"
    check "$2: every frame has one embedding" $(( clips * frames )) "$(sql "$1" "SELECT count(*) FROM v_embeddings")"
    check "$2: one attempt of each is accepted" "$clips" "$(sql "$1" "SELECT count(*) FROM v_attempts WHERE accepted")"
    check "$2: the database is sound" ok "$(sql "$1" "PRAGMA integrity_check")"
}

"$clipq" submit -q --db kill.db in
for round in 1 2 3; do
    start kill.db
    await_done kill.db $(( round * 5 ))
    kill -KILL -- "-$pid" 2> /dev/null || true
    wait "$pid" 2> /dev/null || true
    echo "killed with $(count kill.db done) done, $(count kill.db running) running"
    check "the kill came in the middle" 1 $(( $(count kill.db done) < clips ))
done
sleep 0.2
check "no process is left behind" "" "$(pgrep -g "$pid" -r R,S,D,T || true)"
check_code 0 "$clipq" work --db kill.db --workers 2 --progress none
check_whole kill.db "after three kills"

"$clipq" submit -q --db drain.db in
start drain.db
await_done drain.db 3
kill -INT "$pid"
code=0
wait "$pid" || code=$?
check "the first Ctrl-C drains and ends with 130" 130 "$code"
check "it says what it does" 1 "$(grep -c 'Ctrl-C again' err.txt)"
check "nothing is left running" 0 "$(count drain.db running)"
check "it ended in the middle" 1 $(( $(count drain.db pending) > 0 ))
check_code 0 "$clipq" work --db drain.db --progress none
check_whole drain.db "after a drain"
check "draining lost no attempt" 0 "$(sql drain.db "SELECT count(*) FROM v_attempts WHERE NOT accepted AND outcome <> 'released'")"

"$clipq" submit -q --db abort.db in
start abort.db
await_done abort.db 3
kill -TERM "$pid"
kill -TERM "$pid"
sleep 0.05
kill -TERM "$pid" 2> /dev/null || true
code=0
wait "$pid" || code=$?
check "two signals abort with 143" 143 "$code"
check "leases are given back" 0 "$(count abort.db running)"
check_code 0 "$clipq" work --db abort.db --progress none
check_whole abort.db "after an abort"

# One of two dies holding clips, while the other has more to do: that one does them before it calls the queue empty.
"$clipq" submit -q --db two.db in
CLIPQ_FAULT=hang@clip7. start two.db
await_done two.db 1
dying=$pid
start two.db
await_done two.db $(( clips / 2 ))
check "the one that dies holds some" 1 $(( $(sql two.db "SELECT count(*) FROM jobs WHERE owner GLOB '*/$dying/*'") > 0 ))
kill -KILL -- "-$dying"
wait "$dying" 2> /dev/null || true
code=0
wait "$pid" || code=$?
check "the other ends well" 0 "$code"
check_whole two.db "after the death of one of two"

# One of two is stopped: what it holds is not lost, and the other says whose it is.
"$clipq" submit -q --db stopped.db in
CLIPQ_FAULT=hang@clip7. start stopped.db
await_done stopped.db 1
stopped=$pid
kill -STOP -- "-$stopped"
until sqlite3 stopped.db "BEGIN IMMEDIATE; ROLLBACK" 2> /dev/null; do        # not with the write lock in its hand
    kill -CONT -- "-$stopped"
    sleep 0.02
    kill -STOP -- "-$stopped"
done
check_code 0 "$clipq" work --db stopped.db --progress none
check_says "with another run"
check_says "Next: clipq status --db stopped.db"
check "all but what the stopped one holds is done" 1 $(( $(count stopped.db running) > 0 && $(count stopped.db pending) == 0 ))
kill -KILL -- "-$stopped"
wait "$stopped" 2> /dev/null || true
check_code 0 "$clipq" work --db stopped.db --progress none
check_whole stopped.db "after one of two was stopped"

"$clipq" submit -q --db watch.db in
CLIPQ_FAULT=hang@clip7. start watch.db
while [ "$(sql watch.db "SELECT count(*) FROM v_workers WHERE path LIKE '%/clip7.y4m'")" != 1 ] && kill -0 "$pid"; do sleep 0.1; done
timeout 1 "$clipq" status --db watch.db --watch --interval 0.2 > watch.txt || true
check "status --watch shows every process, again and again" 1 \
    $(( $(grep -c '^decode *[01] ' watch.txt) >= 4 && $(grep -c '^engine *0 ' watch.txt) >= 2 &&
        $(grep -c '^supervisor *0 ' watch.txt) >= 2 ))
check "and the clip that does not move on" 1 $(( $(grep -c '^decode .* busy .*/clip7.y4m' watch.txt) >= 2 ))
kill -KILL -- "-$pid"
wait "$pid" 2> /dev/null || true
check "what is gone is said to be gone" \
    0 "$(sqlite3 watch.db "UPDATE runs SET alive_until_ms = 0; SELECT count(*) FROM v_workers WHERE state <> 'killed'")"

finish
