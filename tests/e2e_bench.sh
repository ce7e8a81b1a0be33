#!/usr/bin/env bash
# clipq bench: its figures agree with each other, and what cannot be measured is named while the rest is.
. "$(dirname "$0")/e2e_lib.sh"
need python3

lines() {   # lines PYTHON: says whether it holds for the JSON lines `r` of the last command
    python3 -c "import json, sys; r = [json.loads(l) for l in open('out.txt')]; print(bool($1))"
}

check_code 0 "$clipq" bench infer --json --batch 1,3 --runs 4 --threads 1 builtin:scene
check "one line for each batch" True "$(lines '[x["batch"] for x in r] == [1, 3]')"
check "lines name their kind and what was measured" True \
    "$(lines 'all(x["message_type"] == "bench_infer" and x["schema_version"] == 1 and x["model"] == "builtin:scene" for x in r)')"
check "the least time is at most the median" True \
    "$(lines 'all(0 < x["ms_per_image_min"] <= x["ms_per_image_median"] for x in r)')"
check "as many runs as asked for, on one thread" True "$(lines 'all(x["runs"] == 4 and x["threads"] == 1 for x in r)')"
check "rates follow from times" True \
    "$(lines 'all(abs(x["images_per_s"] * x["ms_per_image_median"] - 1000) < 5 for x in r)')"
check "the share is that of the peak" True \
    "$(lines 'all(abs(x["gflops"] / x["peak_gflops"] - x["share_of_peak"]) < 0.002 and x["peak_gflops"] > 0.1 for x in r)')"
check "a larger batch takes more bytes" True "$(lines '0 < r[0]["weight_bytes"] < r[0]["bytes"] < r[1]["bytes"]')"

check_code 0 "$clipq" bench infer --json --layers --runs 2 --seconds 0.2 builtin:scene
check "then one line for each operator, in order" True \
    "$(lines 'r[0]["runs"] >= 2 and [x["index"] for x in r[1:]] == list(range(len(r) - 1)) and len(r) > 3')"
check "operators have shapes, variants and times" True \
    "$(lines 'all(x["message_type"] == "bench_layer" and x["variant"] and "[" in x["output"] and x["ms"] > 0 and x["bytes"] > 0 for x in r[1:])')"

check_code 0 "$clipq" bench infer --json --layers --runs 2 --threads 2 --batch 8 builtin:scene
check "each operator says for how many images its figures are" True \
    "$(lines 'all(x["batch"] == 8 and 8 % x["images"] == 0 and abs(x["ms"] - x["images"] * x["ms_per_image"]) < 0.001 * x["images"] for x in r[1:])')"
check "and those of an image are of one" True "$(lines \
    'all(abs(x["bytes"] / x["images"] - x["bytes_per_image"]) <= 1 for x in r[1:]) and abs(sum(x["gflops"] * x["ms"] / x["images"] for x in r[1:]) / 1e3 / r[0]["gflop_per_image"] - 1) < 0.1')"

check_code 0 "$clipq" bench infer --layers --runs 1 builtin:scene
check_says "GFLOPS"
check_says "conv"

echo "no model" > text.onnx
check_code 1 "$clipq" bench infer --json --runs 1 missing.onnx text.onnx builtin:scene
check_says "missing.onnx"
check_says "text.onnx cannot be measured"
check "others are still measured" True "$(lines 'len(r) == 1 and r[0]["model"] == "builtin:scene"')"
check_code 1 "$clipq" bench infer --runs 1 --memory-limit 1000 builtin:scene
check_says "builtin:scene"

check_code 2 "$clipq" bench
check_says "say what to measure"
check_code 2 "$clipq" bench nonsense
check_says "nothing that can be measured"
check_code 2 "$clipq" bench infer
check_says "name models"
for batches in 0 1,,2 1, x 1x 1,2000; do
    check_code 2 "$clipq" bench infer --batch "$batches" builtin:scene
    check_says "is no list"
done
check_code 2 "$clipq" bench infer --device nonsense builtin:scene
check_says "P:D"
finish
