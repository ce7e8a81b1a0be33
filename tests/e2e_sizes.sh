#!/usr/bin/env bash
# Input sizes: from --size, from each clip, more of them at once than there are lanes for.
#
#   tests/e2e_sizes.sh PROGRAM MODEL_MAKE
make=$(realpath "$2")
. "$(dirname "$0")/e2e_lib.sh"
need sqlite3

make_sized_clip() {   # make_sized_clip FILE WIDTH HEIGHT FRAMES: even sizes; each clip has other bytes
    awk -v w="$2" -v h="$3" -v frames="$4" 'BEGIN {
        printf "YUV4MPEG2 W%d H%d F10:1 Ip A1:1 C420jpeg\n", w, h
        for (f = 0; f < frames; f++) {
            print "FRAME"
            head = sprintf("%08d%08d%08d", w, h, f)
            line = "z"; while (length(line) < w * h * 3 / 2) line = line line
            printf "%s%s", head, substr(line, 1, w * h * 3 / 2 - length(head))
        }
    }' > "$1"
}

"$make" halves halves.onnx

# ---- what applies is told ----
check_code 0 "$clipq" model halves.onnx
check_says "of the clip, in steps of 2 up to 1920"
check_code 0 "$clipq" model halves.onnx --size 320x240
check_says "320x240"
check_code 1 "$clipq" model halves.onnx --size 321x240
check_says "Add"
check_code 2 "$clipq" model halves.onnx --size clips
check_says "or clip"

# ---- three sizes, one run ----
make_sized_clip a.y4m 64 48 9
make_sized_clip b.y4m 48 64 5
make_sized_clip c.y4m 80 22 7
check_code 0 "$clipq" submit --model halves.onnx a.y4m b.y4m c.y4m
check_says "of the clip, in steps of 2"
check_code 0 "$clipq" work -q --workers 3
check "each clip's pictures have its size" "a.y4m 64x48 9,b.y4m 48x64 5,c.y4m 80x22 7" \
    "$(sql clipq.db "SELECT replace(path, rtrim(path, replace(path, '/', '')), ''), shape, count(*) FROM v_artifacts
                     GROUP BY 1, 2 ORDER BY 1" | paste -sd,)"

# ---- the same model at one size, and within a bound ----
check_code 0 "$clipq" submit --db fixed.db --model halves.onnx --size 32x32 a.y4m b.y4m
check_code 0 "$clipq" work --db fixed.db -q
check "one size for all" "32x32 14" "$(sql fixed.db "SELECT shape, count(*) FROM v_artifacts GROUP BY 1")"
echo '{"max_size": 40, "stride": 8}' > halves.card.json
check_code 0 "$clipq" submit --db bound.db --model halves.onnx a.y4m c.y4m
check_code 0 "$clipq" work --db bound.db -q
check "a bound and a stride" "40x32 9,40x8 7" \
    "$(sql bound.db "SELECT shape, count(*) FROM v_artifacts GROUP BY 1 ORDER BY 2 DESC" | paste -sd,)"
rm halves.card.json

# ---- more sizes than lanes (64): lanes are used again ----
mkdir many
for i in $(seq 1 75); do
    make_sized_clip "many/$i.y4m" $((16 + 2 * i)) 24 2
done
check_code 0 "$clipq" submit --db many.db --model halves.onnx many
check_code 0 "$clipq" work --db many.db -q --workers 4
check "every clip is done" "75 150 75" "$(sql many.db "SELECT (SELECT count(*) FROM v_jobs WHERE state = 'done'),
    (SELECT count(*) FROM v_artifacts), (SELECT count(DISTINCT shape) FROM v_artifacts)")"

# ---- a model for four pictures at once: the last group is filled up, and its answers dropped ----
"$make" four four.onnx
check_code 0 "$clipq" model four.onnx
check_says "4 at once"
check_code 0 "$clipq" submit --db four.db --model four.onnx --decoder embedding a.y4m b.y4m
check_code 0 "$clipq" work --db four.db -q --batch 32
check "an answer for each frame" "9 9,5 5" "$(sql four.db "SELECT count(*), count(DISTINCT frame) FROM v_embeddings
    GROUP BY path ORDER BY 1 DESC" | paste -sd,)"
"$make" one one.onnx
check_code 0 "$clipq" submit --db one.db --model one.onnx --decoder embedding a.y4m b.y4m
check_code 0 "$clipq" work --db one.db -q --batch 1
check "the same as one by one" 0 "$(sql four.db "ATTACH 'one.db' AS o; SELECT count(*) FROM (
    SELECT path, frame, hex(embedding) FROM v_embeddings EXCEPT SELECT path, frame, hex(embedding) FROM o.v_embeddings)")"

# ---- a detector that asks for the size of its picture ----
"$make" sized sized.onnx
check_code 0 "$clipq" submit --db sized.db --model sized.onnx a.y4m b.y4m
check_code 0 "$clipq" work --db sized.db -q
check "boxes in display pixels" "9 7 16.0 12.0 32.0 36.0,5 7 12.0 16.0 24.0 48.0" "$(sql sized.db "SELECT count(*), class_id,
    x0, y0, x1, y1 FROM v_detections GROUP BY path, class_id, x0, y0, x1, y1 ORDER BY path" | paste -sd,)"

# ---- a size that cannot run is its clips' trouble only ----
echo '{"stride": 1}' > halves.card.json
make_sized_clip odd.y4m 33 24 3
check_code 0 "$clipq" submit --db odd.db --model halves.onnx a.y4m odd.y4m
check_code 3 "$clipq" work --db odd.db -q
check "the other clip is done" "done ,failed model" \
    "$(sql odd.db "SELECT state, reason FROM v_jobs ORDER BY state" | paste -sd,)"
rm halves.card.json

# ---- a model file that is gone: its clips wait ----
check_code 0 "$clipq" submit --db gone.db --model halves.onnx a.y4m
rm halves.onnx
check_code 1 "$clipq" work --db gone.db --progress none
check_says "halves.onnx"
check "the clip waits" "pending 0" "$(sql gone.db "SELECT state, attempts FROM v_jobs")"

finish
