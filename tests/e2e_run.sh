#!/usr/bin/env bash
# The main job on small clips of our own: every state, every accident, and what the reports say about them.
. "$(dirname "$0")/e2e_lib.sh"
need sqlite3

mkdir in
for i in 1 2 3 4 5 6; do make_clip "in/clip$i.y4m" "$i" 12; done
: > in/zero.mp4
check_code 3 "$clipq" submit in
check_code 0 "$clipq" work --workers 2 --progress json
cp err.txt progress.txt
check_says "6 done, 0 partial, 0 failed, 0 dead, 0 left"
check "every frame has a row" "6 72" "$(sql clipq.db "SELECT count(DISTINCT job_id), count(*) FROM v_frames")"
check "frames are numbered from 0, in order of time" 0 \
    "$(sql clipq.db "SELECT count(*) FROM v_frames WHERE abs(time_s - frame / 10.0) > 1e-6")"
check "every frame has an embedding" 72 "$(sql clipq.db "SELECT count(*) FROM v_embeddings")"
check "progress is JSON, and the last line says so" 1 "$(sqlite3 :memory: "SELECT json_extract(value, '\$.clips_done') = 6 AND json_extract(value, '\$.last')
    FROM json_each('[' || replace(trim(readfile('progress.txt'), char(10)), char(10), ',') || ']') ORDER BY key DESC LIMIT 1")"
check_code 0 "$clipq" work --progress none
check_says "0 done"
check "nothing is done twice" 72 "$(sql clipq.db "SELECT count(*) FROM v_frames")"

check_code 0 "$clipq" report
check_says "submitted 7 = done 6 + partial 0 + failed 1 + dead 0 + cancelled 0 + pending 0"
check_says "Bottleneck: "
check_says "What to try next"
check_says "zero.mp4"
check_code 0 "$clipq" report --json
check "the report's lines" "1 1 1" "$(sqlite3 -separator ' ' :memory: "SELECT sum(json_extract(value, '\$.message_type') = 'report' AND json_extract(value, '\$.reconciles') = 1),
    sum(json_extract(value, '\$.message_type') = 'failure_class'), sum(json_extract(value, '\$.stage') = 'infer' AND json_extract(value, '\$.count') > 0)
    FROM json_each('[' || replace(trim(readfile('out.txt'), char(10)), char(10), ',') || ']')")"
check "engines take time to be prepared, which no step is charged with" "1 1" "$(sqlite3 -separator ' ' :memory: "WITH line AS (SELECT value
    FROM json_each('[' || replace(trim(readfile('out.txt'), char(10)), char(10), ',') || ']')), total AS (SELECT value ->> 'wall_s' AS wall_s,
    value ->> 'prepare_s' AS prepare_s FROM line WHERE value ->> 'message_type' = 'report'), load AS (SELECT value ->> 'capacity_s' AS capacity_s,
    value ->> 'busy_s' AS busy_s FROM line WHERE value ->> 'resource' = 'inference')
    SELECT prepare_s > 0, busy_s > 0 AND abs(capacity_s - (wall_s - prepare_s)) < 0.1 FROM total, load")"
check "the device is named" 1 "$(sql clipq.db "SELECT devices <> 'auto' AND engines = 1 AND prepare_s < wall_s FROM v_runs WHERE jobs > 0")"
check_code 0 "$clipq" status
check_says "submitted"

# Sampling.
check_code 0 "$clipq" submit --db some.db --every 5 --from 0.2 in/clip1.y4m
check_code 0 "$clipq" work -q --db some.db
check "one in five from 0.2 s" "2 7" "$(sql some.db "SELECT group_concat(frame, ' ') FROM (SELECT frame FROM v_frames ORDER BY frame)")"
check_code 0 "$clipq" submit --db fps.db --fps 2.5 in/clip1.y4m
check_code 0 "$clipq" work -q --db fps.db
check "2.5 a second" "0 4 8" "$(sql fps.db "SELECT group_concat(frame, ' ') FROM (SELECT frame FROM v_frames ORDER BY frame)")"

# More clips than are compared with each other in one piece.
mkdir many
for i in $(seq 70); do make_clip "many/$i.y4m" "$i" 1; done
check_code 0 "$clipq" submit -q --db many.db many
TIMEFORMAT='%U + %S'
{ time check_code 0 timeout 300 "$clipq" work -q --db many.db; } 2> computed.txt
check "every signature is compared with every other" "70 70" "$(sql many.db "SELECT count(*), sum(matched) FROM signatures")"
check "what short clips compute is counted, though each has a process of its own" 1 \
    "$(sql many.db "SELECT sum(cpu_s) > 0.02 FROM v_workers WHERE role = 'decode'")"
check "all processes together computed what the system says" 1 \
    "$(sql many.db "SELECT sum(cpu_s) BETWEEN 0.7 * ($(tail -1 computed.txt)) AND 1.1 * ($(tail -1 computed.txt)) FROM v_workers")"

# What happens between submit and work.
mkdir late
for name in gone changed; do make_clip "late/$name.y4m" "${#name}" 5; done
check_code 0 "$clipq" submit --db late.db late
rm late/gone.y4m
make_clip late/changed.y4m 99 7
check_code 3 "$clipq" work -q --db late.db --max-attempts 1
check "gone and changed" "changed.y4m failed changed|gone.y4m dead vanished" \
    "$(sql late.db "SELECT replace(path, rtrim(path, replace(path, '/', '')), ''), state, reason FROM v_jobs ORDER BY 1" | paste -sd'|')"

# Accidents.
check_code 0 "$clipq" submit --db crash.db in/clip*.y4m
check_code 3 env CLIPQ_FAULT=crash@clip2,kill@6 "$clipq" work -q --db crash.db --workers 2
check "a clip that kills its decoder is put aside, the others are done, in spite of a lost engine" "dead crash 1|done  5" \
    "$(sql crash.db "SELECT state, coalesce(reason, ''), count(*) FROM v_jobs GROUP BY 1, 2 ORDER BY 1" | paste -sd'|')"
check "each frame once" 60 "$(sql crash.db "SELECT count(*) FROM v_frames")"
check "it was tried twice" 2 "$(sql crash.db "SELECT attempts FROM v_jobs WHERE state = 'dead'")"
check_code 0 "$clipq" report --db crash.db
check_says "crash"
check_code 0 "$clipq" submit --db hang.db in/clip1.y4m in/clip2.y4m
check_code 3 env CLIPQ_FAULT=hang@clip1 "$clipq" work -q --db hang.db --workers 2 --stall-timeout 2
check "a clip that hangs is put aside" "dead hang|done " \
    "$(sql hang.db "SELECT state, coalesce(reason, '') FROM v_jobs ORDER BY path" | paste -sd'|')"

check_code 11 env OCL_ICD_VENDORS="$work/none/" "$clipq" devices
check_code 0 "$clipq" submit --db nodev.db in/clip1.y4m
check_code 11 env OCL_ICD_VENDORS="$work/none/" "$clipq" work --db nodev.db
check_code 11 "$clipq" work --db nodev.db --device 99:0
check_says "99:0"
check "the queue is as it was" "pending 0" "$(sql nodev.db "SELECT state, attempts FROM v_jobs")"

finish
