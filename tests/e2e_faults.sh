#!/usr/bin/env bash
# Faults of the device and deaths of the real engine: batches halve, the same frames run again, and in the end every
# clip is done once, with all its frames.
. "$(dirname "$0")/e2e_lib.sh"
need sqlite3

clips=3 frames=30
mkdir in
for i in $(seq $clips); do make_clip "in/clip$i.y4m" "$i" $frames; done

run_with() {   # run_with FAULT [OPTION...]: a fresh database, run to its end under that fault
    fault=$1
    shift
    rm -f f.db*
    "$clipq" submit -q --db f.db in
    check_code 0 env CLIPQ_FAULT="$fault" "$clipq" work --db f.db --workers 2 --progress none "$@"
    check "$fault: every clip is done at its first attempt" "$clips" \
        "$(sql f.db "SELECT count(*) FROM v_jobs WHERE state = 'done' AND attempts = 1")"
    check "$fault: every frame is there once, with its embedding" "$(( clips * frames )) $(( clips * frames )) $(( clips * frames ))" \
        "$(sql f.db "SELECT count(*), count(DISTINCT job_id || ' ' || frame), (SELECT count(*) FROM v_embeddings) FROM v_frames")"
    check "$fault: the database is sound" ok "$(sql f.db "PRAGMA integrity_check")"
}
of_run() { sql f.db "SELECT $1 FROM v_runs"; }

run_with none@1
answers() { sql f.db "SELECT path, frame, round(sharpness, 3), round(exposure, 3) FROM v_quality ORDER BY 1, 2"; }
want=$(answers)
check "without a fault nothing is halved" "0 0" "$(of_run "oom_halvings, engine_restarts")"

# While a model is loaded, memory is asked for once more.
for fault in alloc@1 alloc@3 alloc@4 enqueue@1 enqueue@20; do
    run_with "$fault"
    check "$fault: no engine was lost" 0 "$(of_run engine_restarts)"
done

# While it runs: half the batch, and the answers are the same. How many calls a batch takes may change: several tries.
halved=0
for fault in enqueue@60 enqueue@90 enqueue@120 enqueue@180; do
    run_with "$fault"
    check "$fault: no engine lost, the same answers" "0 $want" "$(of_run engine_restarts) $(answers)"
    n=$(of_run oom_halvings)
    halved=$(( halved + n ))
    check "$fault: a halving is remembered" "$n" "$(sql f.db "SELECT count(*) FROM device_limits WHERE batch <= 4")"
done
check "some of them halved a batch" 1 $(( halved > 0 ))
run_with enqueue@120 --batch 1
check "one frame alone is tried again" "0 0" "$(of_run "oom_halvings, engine_restarts")"

# Every engine dies of its 6th batch.
run_with kill@6
check "kill@6: engines died, batches were halved" 1 "$(of_run "engine_restarts >= 2 AND oom_halvings >= 1")"
check "kill@6: each halving is remembered" 1 "$(sql f.db "SELECT batch < 8 FROM device_limits")"

finish
