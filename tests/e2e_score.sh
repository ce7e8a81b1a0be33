#!/usr/bin/env bash
# The optimization score: limits measured and kept, a score for the run and for each clip that SQL works out again, and a lower
# one with the right reason where an engine is made slow or attempts are lost.
. "$(dirname "$0")/e2e_lib.sh"
need sqlite3
"$clipq" devices --json > devices.txt
device=$(sqlite3 :memory: "SELECT json_extract(value, '\$.device')
    FROM json_each('[' || replace(trim(readfile('devices.txt'), char(10)), char(10), ',') || ']') LIMIT 1")
mkdir in more
for i in 1 2 3 4; do make_clip in/clip$i.y4m $i 100; make_clip more/clip$i.y4m 1$i 100; done

check_code 0 "$clipq" bench infer --batch 4 --runs 5 --device "$device" --record builtin:scene
check_code 0 "$clipq" bench decode --runs 2 --record in
check "both limits are kept" "decode|infer" "$(sql clipq.db "SELECT group_concat(kind, '|') FROM (SELECT DISTINCT kind FROM v_limits WHERE source = 'bench' AND unit_s > 0 ORDER BY kind)")"

check_code 0 "$clipq" submit -q in
TIMEFORMAT='%U %S'
{ time check_code 0 "$clipq" work -q --device "$device" --batch 4 --workers 2 2> /dev/null; } 2> times.txt
read -r user system < times.txt
check "what its processes computed is what the system says, about" 1 \
    "$(sql clipq.db "SELECT sum(cpu_s) BETWEEN ($user + $system) / 2 AND $user + $system + 0.2 FROM v_workers WHERE run_id = 1")"
check "the run and each clip have a score" "job 4|run 1" "$(sql clipq.db "SELECT group_concat(t, '|') FROM (SELECT scope || ' ' || count(*) AS t FROM v_scores
    WHERE score > 0 AND score <= 100 AND reason <> '' AND advice <> '' GROUP BY scope ORDER BY scope)")"
check "SQL works out the same" 5 "$(sql clipq.db "SELECT count(*) FROM v_scores WHERE abs(score - recomputed) < 1e-5")"
check "nothing was taken from observation" 0 "$(sql clipq.db "SELECT sum(observed) FROM v_scores")"
check "all frames were necessary, once" "400 400" "$(sql clipq.db "SELECT decoded, inferred + on_devices FROM v_scores WHERE scope = 'run'")"
check "clips share the run's time" 1 "$(sql clipq.db "SELECT sum(took_s) FILTER (WHERE scope = 'job') <= sum(took_s) FILTER (WHERE scope = 'run') + 1e-6 FROM v_scores")"
check "the parts are what is missing" 5 "$(sql clipq.db "SELECT count(*) FROM v_scores s WHERE
    abs(max(0, took_s - needed_s) - (SELECT total(value) FROM json_each(s.losses))) < 1e-4")"
check_code 0 "$clipq" report
check_says "Score of run 1"
check_says "of 100, the largest part of the rest for:"
check_code 0 "$clipq" report --json
check "the report's line has the same" 1 "$(sqlite3 :memory: "ATTACH 'clipq.db' AS c;
    SELECT count(*) FROM json_each('[' || replace(trim(readfile('out.txt'), char(10)), char(10), ',') || ']') j JOIN c.runs r
    WHERE j.value ->> 'message_type' = 'score' AND abs((j.value ->> 'score') - r.score) < 0.01")"
check_code 0 "$clipq" show 1
check_says "advice"
check_code 0 "$clipq" show --json 1
check_says '"job_score"'

# An engine that takes twenty times as long, and a clip whose decoder dies.
check_code 0 "$clipq" submit -q more
check_code 3 env CLIPQ_FAULT="drag@$device=20,crash@more/clip3" "$clipq" work -q --device "$device" --batch 4 --workers 2
sqlite3 -header -column clipq.db "SELECT scope, run_id, round(score, 2) AS score, round(took_s, 3) AS took_s, round(needed_s, 3) AS needed_s, reason, losses FROM v_scores"
check "the slow run has a lower score" 1 "$(sql clipq.db "SELECT 2 * (SELECT score FROM v_scores WHERE scope = 'run' AND run_id = 2) < score FROM v_scores WHERE scope = 'run' AND run_id = 1")"
check "for the engine's sake" "slow inference" "$(sql clipq.db "SELECT reason FROM v_scores WHERE scope = 'run' AND run_id = 2")"
check "what was lost with the decoder is told apart" 1 "$(sql clipq.db "SELECT (losses ->> '\$.\"lost attempts\"') > 0 FROM v_scores WHERE scope = 'run' AND run_id = 2")"
check "only what was accepted was necessary" "300 300" "$(sql clipq.db "SELECT decoded, inferred + on_devices FROM v_scores WHERE scope = 'run' AND run_id = 2")"
check_code 0 "$clipq" report
check_says "tune kernels"

# Of a copy whose limits nobody has measured, the best of its runs are taken, and that is said.
check_code 0 "$clipq" submit -q --db other.db in
check_code 0 "$clipq" work -q --db other.db --device "$device" --workers 2
check "limits are observed" "1 1" "$(sql other.db "SELECT observed, score > 0 FROM v_scores WHERE scope = 'run'")"
check "and kept" "decode|infer" "$(sql other.db "SELECT group_concat(kind, '|') FROM (SELECT DISTINCT kind FROM v_limits WHERE source = 'observed' ORDER BY kind)")"
check_code 0 "$clipq" report --db other.db
check_says "clipq bench infer|decode --record"
finish
