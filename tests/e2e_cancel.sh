#!/usr/bin/env bash
# cancel and retry, from another process while `clipq work` runs: a decoder that hangs, and clips that wait.
. "$(dirname "$0")/e2e_lib.sh"
need sqlite3

mkdir in
for i in $(seq 6); do make_clip "in/clip$i.y4m" "$i" 8; done
"$clipq" submit -q in
job() { sql clipq.db "SELECT job_id FROM v_jobs WHERE path LIKE '%clip$1.y4m'"; }
state() { sql clipq.db "SELECT state FROM v_jobs WHERE job_id = $1"; }
await() {   # await QUERY VALUE: until the database says so, or the program is gone
    while [ "$(sql clipq.db "$1")" != "$2" ] && kill -0 "$pid" 2> /dev/null; do sleep 0.05; done
}

check_code 2 "$clipq" cancel
check_says "--all"
check_code 0 "$clipq" cancel --dry-run --all
check_says "6 jobs would be cancelled"
check "and it changed nothing" 6 "$(sql clipq.db "SELECT count(*) FROM v_jobs WHERE state = 'pending'")"
check_code 0 "$clipq" cancel --path clip6
check_says "1 job is cancelled"
check_code 1 "$clipq" cancel 99 "$(job 6)"
check_says "no job 99"
check_says "is cancelled: there is nothing to cancel"

# One clip's decoder stands still; the run waits for it and for nothing else, until it is cancelled.
CLIPQ_FAULT=hang@clip3 "$clipq" work --workers 1 --progress none -v > work.txt 2> work.err &
pid=$!
await "SELECT state FROM v_jobs WHERE job_id = $(job 3)" running
check_code 0 "$clipq" cancel --json "$(job 3)"
check "it ran, and is cancelled" 1 "$(grep -c '"jobs":1,"running":1' out.txt)"
check "at once" cancelled "$(state "$(job 3)")"
code=0
wait "$pid" || code=$?
check "the run goes on without it and ends" 0 "$code"
check "it said so" 1 "$(grep -c "was cancelled or taken over" work.err)"
check "the others are done" 4 "$(sql clipq.db "SELECT count(*) FROM v_jobs WHERE state = 'done'")"
check "nothing of it is kept" 0 "$(sql clipq.db "SELECT count(*) FROM v_frames WHERE job_id = $(job 3)")"
check_code 0 "$clipq" log "$(job 3)"
check_says "attempt 1: cancelled"

# All at once, pending and running: the run ends by itself.
check_code 2 "$clipq" retry
check_says "--failed"
check_code 0 "$clipq" retry --cancelled --dry-run
check_says "2 jobs would be pending again"
check_code 0 "$clipq" retry --cancelled
check_says "2 jobs are pending again"
CLIPQ_FAULT=hang@clip "$clipq" work --workers 1 --progress none > work.txt 2> work.err &
pid=$!
await "SELECT count(*) > 0 FROM v_jobs WHERE state = 'running'" 1
check_code 0 "$clipq" cancel --all
check_says "2 jobs are cancelled"
code=0
wait "$pid" || code=$?
check "the run ends" 0 "$code"
check "books" "4 2" "$(sql clipq.db "SELECT sum(state = 'done'), sum(state = 'cancelled') FROM v_jobs")"

# A crash twice over is dead; retried, it comes through.
check_code 0 "$clipq" retry "$(job 3)" "$(job 6)"
check_code 3 env CLIPQ_FAULT=crash@clip3 "$clipq" work --progress none
check "dead" dead "$(state "$(job 3)")"
check_code 0 "$clipq" retry --dead --class crash
check_says "1 job is pending again"
check_code 0 "$clipq" work --progress none
check "all are done" 6 "$(sql clipq.db "SELECT count(*) FROM v_jobs WHERE state = 'done'")"
check "and its history is whole" "cancelled cancelled retried dead done" \
    "$(sql clipq.db "SELECT group_concat(outcome, ' ') FROM (SELECT outcome FROM v_attempts WHERE job_id = $(job 3) AND outcome <> 'released' ORDER BY attempt)")"
check_code 0 "$clipq" retry 1
check_says "there is nothing to retry"
check "the database is sound" ok "$(sql clipq.db "PRAGMA integrity_check")"
finish
