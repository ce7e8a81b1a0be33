#!/usr/bin/env bash
# Memory: budgets that are kept, limits that are real (resource limits, kills), and what is said when nothing fits.
# Whatever happens, every frame is there once, with the answers of an undisturbed run.
. "$(dirname "$0")/e2e_lib.sh"
need sqlite3

clips=3 frames=40
mkdir in
for i in $(seq $clips); do make_clip "in/clip$i.y4m" "$i" $frames; done

answers() { sql f.db "SELECT path, frame, round(sharpness, 3), round(exposure, 3) FROM v_quality ORDER BY 1, 2"; }
of_run() { sql f.db "SELECT $1 FROM v_runs ORDER BY run_id DESC LIMIT 1"; }
queue() { rm -f f.db*; "$clipq" submit -q --db f.db "$@" in; }
# run_ok WHAT [OPTION...]: runs the queue; every clip is done at its first attempt, and nothing differs.
run_ok() {
    local what=$1
    shift
    check_code 0 "$clipq" work -v --db f.db --workers 1 --progress none "$@"
    check "$what: all done, nothing lost, nothing twice" "$clips $(( clips * frames )) $(( clips * frames ))" \
        "$(sql f.db "SELECT (SELECT count(*) FROM v_jobs WHERE state = 'done' AND attempts = 1),
                     count(*), count(DISTINCT job_id || ' ' || frame) FROM v_frames")"
    check "$what: the same answers" "$want" "$(answers)"
}

queue
"$clipq" work -q --db f.db --workers 1
want=$(answers)

# Streams take the same memory for a batch of any size: what is tried here is a device that runs all of it together.
export CLIPQ_STREAMS=1

# ---- what a plan says before it takes anything ----

plan() { "$clipq" model builtin:scene --json "$@" > plan.json; }
of_plan() { sqlite3 -separator ' ' :memory: "SELECT $1 FROM (SELECT json_extract(readfile('plan.json'), '\$.plan') AS p)"; }
plan --batch 16
check "the arena is within a tenth of its bound, and the sum is the sum" "1 1" "$(of_plan "
    p ->> 'activation_bytes' <= 1.1 * (p ->> 'activation_bound_bytes'),
    p ->> 'total_bytes' = (p ->> 'weight_bytes') + (p ->> 'activation_bytes') + (p ->> 'staging_bytes')")"
sixteen=$(of_plan "p ->> 'total_bytes'")
plan
one=$(of_plan "p ->> 'total_bytes'")
plan --memory-limit "$sixteen"
check "the largest batch for that many bytes" 16 "$(of_plan "p ->> 'largest_batch'")"
plan --memory-limit $(( one - 1 ))
check "not even one" 0 "$(of_plan "p ->> 'largest_batch'")"
"$clipq" devices --json | grep '"message_type":"device"' | head -1 > device.json
check "each device has a budget" 1 "$(sqlite3 :memory: "SELECT json_extract(readfile('device.json'), '\$.budget_bytes') > 0")"

# ---- budgets ----

queue
run_ok "a budget for 16 frames" --batch 64 --memory-limit "$sixteen"
check_says "up to 16 frames a batch"
check_code 0 "$clipq" report --db f.db
check_says "builtin:scene: batches of 16)"
check "no batch was halved, for none was too large" 0 "$(of_run oom_halvings)"

queue --model builtin:scene --threshold 0.5
run_ok "one frame at a time" --memory-limit "$one"
check_says "up to 1 frames a batch"

queue
check_code 3 "$clipq" work --db f.db --progress none --memory-limit $(( one - 1 ))
check "less than a frame: each job fails with the numbers" "$clips" "$(sql f.db "SELECT count(*) FROM v_failures WHERE
    reason = 'out_of_memory' AND message LIKE '%needs $one bytes%limit is $(( one - 1 )) bytes%'")"
check_code 2 "$clipq" work --db f.db --memory-limit 12parsecs

# ---- resource limits ----

# How much an engine needs beside its models differs by machine: from plenty downwards, until one cannot even start.
halved=0 ran=0
for mib in 512 320 256 224 192 176 160 144 128; do
    queue
    code=0
    (ulimit -d $(( mib * 1024 )); "$clipq" work -v --db f.db --workers 1 --progress none --batch 64 \
        --memory-limit 1GiB > out.txt 2> err.txt) || code=$?
    if [ "$code" = 1 ]; then            # the device itself did not come up
        check "$mib MiB are too little to start with: the clips wait" "$clips" \
            "$(sql f.db "SELECT count(*) FROM v_jobs WHERE state = 'pending'")"
        break
    fi
    failed_for_memory=$(sql f.db "SELECT count(*) FROM v_failures WHERE reason = 'out_of_memory' AND message LIKE '% bytes%'")
    if [ "$code" = 3 ] && [ "$failed_for_memory" = "$clips" ]; then
        echo "ok: $mib MiB: refused with the numbers"
        continue
    fi
    check "$mib MiB of data: complete, and the same answers" "0 $want" "$code $(answers)"
    ran=$(( ran + 1 ))
    halved=$(( halved + $(of_run oom_halvings) ))
done
check "some ran, and of those some had to halve their batches" "1 1" "$(( ran > 0 )) $(( halved > 0 ))"

check "PoCL's own limit is seen" 1 "$(POCL_MEMORY_LIMIT=1 "$clipq" devices --json | grep -c '"global_bytes": *[0-9]\{1,10\}[,}]')"
export POCL_MEMORY_LIMIT=1
queue
run_ok "a device of 1 GiB" --batch 64
unset POCL_MEMORY_LIMIT

# ---- deaths ----

export CLIPQ_FAULT=killover@3
queue
run_ok "engines killed over more than 3 frames" --batch 16
halvings=$(of_run oom_halvings)
# 8, 4, 2, or what is left of that where the first batch went before it was full.
limits=$(sed -n 's/.*batches of builtin:scene are now at most //p' err.txt)
want_limits=${limits%%$'\n'*}
for (( n = want_limits; n > 3; )); do want_limits+=$'\n'$(( n /= 2 )); done
check "halved from death to death, until it fits" "$want_limits" "$limits"
check "counted for the run and for jobs" "$(wc -l <<< "$limits") 1" \
    "$halvings $(sql f.db "SELECT sum(oom_halvings) >= $halvings FROM v_job_summary")"
check "an engine for each death" "$(grep -c 'ended (signal 9)' err.txt)" "$(of_run engine_restarts)"
# One frame that was with the engine before the first large batch is suspected first.
check "which are the halvings, or one more" 1 "$(of_run "engine_restarts - $halvings IN (0, 1)")"
check "and remembered" 1 "$(sql f.db "SELECT batch IN (2, 3) FROM device_limits")"     # the halves of 4 or 6
"$clipq" submit -q --db f.db --every 2 in
check_code 0 "$clipq" work -q --db f.db --workers 1 --batch 16
check "the next run starts there" "0 0" "$(of_run "oom_halvings, engine_restarts")"
sqlite3 f.db "UPDATE device_limits SET updated_ms = updated_ms - 49 * 3600 * 1000"
"$clipq" submit -q --db f.db --every 3 in
check_code 0 "$clipq" work -q --db f.db --workers 1 --batch 16
check "two days later it tries more, and learns again" "1 1" "$(of_run "oom_halvings > 0") $(sql f.db "SELECT batch IN (2, 3) FROM device_limits")"

export CLIPQ_FAULT=killover@0
queue
check_code 3 "$clipq" work --db f.db --workers 1 --progress none
check "a frame that kills alone: the bytes that it needs" 1 "$(sql f.db "SELECT count(*) > 0 FROM v_failures WHERE
    reason = 'out_of_memory' AND message LIKE '%needs $one bytes%'")"

# CL_OUT_OF_RESOURCES: the engine ends, a new one has a new context.
export CLIPQ_FAULT=resources@100
queue
run_ok "resources@100"
check "engines were replaced" 1 "$(of_run "engine_restarts > 0 AND oom_halvings > 0")"

finish
