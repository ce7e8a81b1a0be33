#!/usr/bin/env bash
# A long clip in segments: the rows are those of the whole clip whatever the number of workers, a kill costs a segment,
# what is done stays done, a damaged clip is as if it had not been split, and cancel and retry know nothing of segments.
. "$(dirname "$0")/e2e_lib.sh"
need sqlite3 setsid ffmpeg

# Unequal steps of time, B frames and sound; a group of frames is about a second.
ffmpeg -nostdin -v error -y -f lavfi -i testsrc2=s=320x180:r=30:d=16 -f lavfi -i sine=d=16 \
    -vf "select='not(eq(mod(n,7),3))',hue=H=floor(n/150)" -vsync vfr -c:v libx264 -preset veryfast -g 25 -bf 2 -threads 1 long.mp4 2> /dev/null ||
    { echo "skipped: this ffmpeg makes no H.264"; exit 77; }

# same WHAT DB: as whole.db, numbers to 1e-3
same() {
    local differ="0"
    for columns in "job_id, model, frame, seq, pts, time_s, source FROM @v_frames" "model, shot, first_frame, last_frame FROM @v_shots" \
        "model, seq, detection, class_id FROM @v_detections" "seq, dims FROM @v_embeddings" "state, reason, frames FROM @v_jobs"; do
        differ+=$(sqlite3 "$2" "ATTACH '$whole' AS w; SELECT ' ' || count(*) FROM (SELECT * FROM (SELECT ${columns/@/main.} EXCEPT
            SELECT ${columns/@/w.}) UNION ALL SELECT * FROM (SELECT ${columns/@/w.} EXCEPT SELECT ${columns/@/main.}))")
    done
    check "$1: the same rows" "0 0 0 0 0 0" "$differ"
    check "$1: the same numbers" "0 0 0" "$(sqlite3 -separator ' ' "$2" "ATTACH '$whole' AS w; SELECT
        (SELECT count(*) FROM main.v_quality a JOIN w.v_quality b USING (seq) WHERE abs(a.sharpness - b.sharpness) > 1e-3 OR
            abs(a.exposure - b.exposure) > 1e-3),
        (SELECT count(*) FROM main.v_shots a JOIN w.v_shots b USING (shot) WHERE abs(a.cut_score - b.cut_score) > 1e-3),
        (SELECT count(*) FROM main.v_detections a JOIN w.v_detections b USING (model, seq, detection) WHERE
            abs(a.score - b.score) > 1e-3 OR abs(a.x0 - b.x0) > 0.1 OR abs(a.y1 - b.y1) > 0.1)")"
    check "$1: the database is sound" ok "$(sql "$2" "PRAGMA integrity_check")"
}
segments() { sql "$1" "SELECT count(*) FROM v_segments WHERE state = '$2'" 2> /dev/null || echo 0; }
# said COLUMNS TYPE: of the lines of that type in out.json
said() { sqlite3 -separator ' ' :memory: "SELECT $1 FROM json_each('[' || replace(trim(readfile('out.json'), char(10)), char(10), ',') || ']')
    WHERE json_extract(value, '\$.message_type') = '$2'"; }
start() {   # start DB: in a process group of its own, slow enough to be struck
    "$clipq" submit -q --db "$1" long.mp4
    CLIPQ_FAULT=drag@0:0=8 setsid "$clipq" work --db "$1" --workers 2 --split 2 --progress none > out.txt 2> err.txt &
    pid=$!
}
await_segments() { while [ "$(segments "$1" done)" -lt "$2" ] && kill -0 "$pid" 2> /dev/null; do sleep 0.02; done; }

whole=whole.db
"$clipq" submit -q --db whole.db long.mp4
check_code 0 "$clipq" work --db whole.db --split off --progress none
check "off: it is whole" 0 "$(sql whole.db "SELECT segments FROM v_jobs")"
check "it has several shots" 1 "$(sql whole.db "SELECT count(*) > 1 FROM v_shots")"
for n in 1 2 5; do
    "$clipq" submit -q --db "split$n.db" long.mp4
    check_code 0 "$clipq" work --db "split$n.db" --workers "$n" --split 2 --progress none
    check "$n workers: it was split" 1 "$(sql "split$n.db" "SELECT segments > 5 FROM v_jobs")"
    check "$n workers: one clip is counted" "1 1" "$(sql "split$n.db" "SELECT count(*), sum(jobs) FROM v_runs, v_jobs")"
    same "$n workers" "split$n.db"
    check "$n workers: metrics are sums" "$(sql whole.db "SELECT frames_decoded, frames_inferred FROM v_job_summary")" \
        "$(sql "split$n.db" "SELECT frames_decoded, frames_inferred FROM v_job_summary")"
done
for sampling in "--fps 2.5" "--every 3 --from 6 --to 13"; do
    rm -f sampled.db sampledwhole.db
    for db in sampled sampledwhole; do "$clipq" submit -q --db $db.db $sampling long.mp4; done
    check_code 0 "$clipq" work --db sampled.db --workers 2 --split 2 --progress none
    check_code 0 "$clipq" work --db sampledwhole.db --split off --progress none
    whole=sampledwhole.db same "$sampling" sampled.db
done

start worker.db
await_segments worker.db 2
kill -KILL "$(pgrep -g "$pid" clipq-decode | head -1)" || true
code=0
wait "$pid" || code=$?
check "a killed worker: the run goes on" 0 "$code"
check "a killed worker: at most one segment was tried again" 1 "$(sql worker.db "SELECT sum(attempts) - count(*) <= 1 FROM v_segments")"
same "a killed worker" worker.db
"$clipq" show --db worker.db --json 1 > out.json
check "show: every segment, in order" "$(sql worker.db "SELECT segments, 1, 1, 1 FROM v_jobs")" "$(said "count(*),
    min(json_extract(value, '\$.segment')), max(json_extract(value, '\$.segment')) = count(*),
    min(json_extract(value, '\$.state') = 'done')" segment)"
check_code 0 "$clipq" show --db worker.db 1
check_says "segment  state"
"$clipq" report --db worker.db --json > out.json
check "report: clips, segments, those tried again" "$(sql worker.db "SELECT 1, count(*), sum(attempts > 1) FROM v_segments")" \
    "$(said "json_extract(value, '\$.clips_in_segments'), json_extract(value, '\$.segments'), json_extract(value, '\$.segments_tried_again')" report)"
check_code 0 "$clipq" report --db worker.db
check_says "1 long clip in "

start group.db
await_segments group.db 3
kill -KILL -- "-$pid" 2> /dev/null || true
wait "$pid" 2> /dev/null || true
done=$(segments group.db done)
echo "killed with $done segments done, $(segments group.db running) running"
"$clipq" status --db group.db --json > out.json
check "status: so many of so many" "$(sql group.db "SELECT count(*), max(segments), max($done) FROM v_jobs WHERE state = 'running'")" \
    "$(said "count(*), max(json_extract(value, '\$.segments')), max(json_extract(value, '\$.segments_done'))" running_job)"
check "status says it in words" "$(sql group.db "SELECT count(*) FROM v_jobs WHERE state = 'running'")" \
    "$("$clipq" status --db group.db | grep -c "long.mp4 ($done of [0-9]* segments done)")"
check "the kill came in the middle" "pending 0" "$(sql group.db "SELECT CASE state WHEN 'running' THEN 'pending' ELSE state END, frames FROM v_jobs")"
check_code 0 "$clipq" work --db group.db --workers 2 --progress none
check "what was done stays done" "$done" "$(sql group.db "SELECT min($done, count(*)) FROM v_segments g WHERE attempts = 1 AND
    ended < (SELECT started FROM v_runs WHERE run_id = 2)")"
same "a killed run" group.db

start cancel.db
await_segments cancel.db 3
kill -INT "$pid"
wait "$pid" || true
check "drained: the clip waits" "pending" "$(sql cancel.db "SELECT state FROM v_jobs")"
check_code 0 "$clipq" cancel --db cancel.db --all
check "cancelled with all that it had" "cancelled 0 0" "$(sql cancel.db "SELECT state, frames, (SELECT count(*) FROM v_segments WHERE state <> 'cancelled') FROM v_jobs")"
check_code 0 "$clipq" work --db cancel.db --progress none
check_code 0 "$clipq" retry --db cancel.db 1
check_code 0 "$clipq" work --db cancel.db --split 2 --workers 2 --progress none
same "cancelled and tried again" cancel.db

cp long.mp4 damaged.mp4
size=$(stat -c %s long.mp4)
head -c 3000 /dev/zero | tr '\0' '\377' | dd of=damaged.mp4 bs=1 seek=$(( size * 6 / 10 )) conv=notrunc status=none
for db in damaged damagedwhole; do "$clipq" submit -q --db $db.db damaged.mp4; done
check_code 3 "$clipq" work --db damagedwhole.db --split off --progress none
check_code 3 "$clipq" work --db damaged.db --workers 2 --split 2 --progress none
check "damaged: segments were tried" 1 "$(sql damaged.db "SELECT count(*) > 2 FROM v_segments WHERE state = 'cancelled'")"
check "damaged: it is partial and whole" "partial damaged 0 1" "$(sql damaged.db "SELECT state, reason, segments, attempts FROM v_jobs")"
whole=damagedwhole.db same "damaged" damaged.db

data=${CLIPQ_DATA:-$root/../shared/data}
if [ -r "$data/models/FastestDet.onnx" ]; then
    for db in real realwhole; do
        "$clipq" submit -q --db $db.db --every 3 --model "$data/models/FastestDet.onnx" --model builtin:scene "$data/clips/car-detection.mp4"
    done
    check_code 0 "$clipq" work --db real.db --workers 2 --split 2 --progress none
    check_code 0 "$clipq" work --db realwhole.db --split off --progress none
    check "a real clip: it was split and has detections" "1 1" "$(sql real.db "SELECT segments > 2, (SELECT count(*) > 50 FROM v_detections) FROM v_jobs")"
    whole=realwhole.db same "a real clip" real.db
fi
finish
