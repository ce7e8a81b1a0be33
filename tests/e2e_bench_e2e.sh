#!/usr/bin/env bash
# clipq bench e2e: a queue is worked off as often as asked for, its figures agree, and nothing of it stays.
. "$(dirname "$0")/e2e_lib.sh"
need python3

lines() {   # lines PYTHON: says whether it holds for the JSON line `r` of the last command
    python3 -c "import json, sys; r, = [json.loads(l) for l in open('out.txt')]; print(bool($1))"
}

mkdir clips tmp
export TMPDIR=$work/tmp
for i in 1 2 3; do
    make_clip "clips/$i.y4m" "$i" 40
done

check_code 0 "$clipq" bench e2e --json --runs 2 --workers 2 --batch 4 --every 2 clips builtin:scene
check "what was measured" True \
    "$(lines 'r["message_type"] == "bench_e2e" and (r["clips"], r["frames"], r["workers"], r["batch"], r["runs"]) == (3, 60, 2, 4, 2)')"
check "rates are there" True "$(lines 'all(r[k + "_frames_per_s"] > 0 for k in ("decode", "infer")) and r["frames_per_s"] > 0')"
check "the engine's start costs time" True \
    "$(lines 'r["frames_per_s_from_start"] < r["frames_per_s"] and 0 < r["prepare_s"] < r["elapsed_s"]')"
check "shares lie within reason" True \
    "$(lines '0 < r["share"] < 2 and 0 < r["infer_busy"] <= 1.01 and 0 < r["decode_busy"] <= 1.01 and 0 < r["cpu_busy"] <= 1.01')"
check "batches are of the size asked for" True "$(lines '1 <= r["mean_batch"] <= 4')"
check "no database stays" "" "$(ls tmp)"

check_code 0 "$clipq" bench e2e --runs 1 clips builtin:scene
check_says "decoding alone"
check_says "of the slower half"

echo "no clip" > clips/text.mp4
check_code 3 "$clipq" bench e2e --json --runs 1 clips builtin:scene
check "others are still measured" True "$(lines 'r["frames"] == 120 and r["clips"] == 4')"
check_code 1 "$clipq" bench e2e --runs 1 clips/text.mp4 builtin:scene
check_says "no frame"
check_code 1 "$clipq" bench e2e --runs 1 clips missing.onnx
check_says "missing.onnx"
check_code 1 env TMPDIR=/nonexistent "$clipq" bench e2e --runs 1 clips builtin:scene
check_says "TMPDIR"
check "no database stays after errors" "" "$(ls tmp)"
check_code 2 "$clipq" bench e2e clips
check_says "then the model"
check_code 2 "$clipq" bench e2e --device nonsense clips builtin:scene
check_says "P:D"
finish
