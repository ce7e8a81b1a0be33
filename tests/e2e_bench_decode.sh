#!/usr/bin/env bash
# clipq bench decode: every clip is decoded as often as asked for, figures agree, leaving out frames changes none chosen.
. "$(dirname "$0")/e2e_lib.sh"
need python3

lines() {   # lines PYTHON: says whether it holds for the JSON lines of the last command, clips `c` and total `t`
    python3 -c "import json, sys; c = [json.loads(l) for l in open('out.txt')]; t = c.pop(); print(bool($1))"
}

mkdir clips
for i in 1 2 3; do
    make_clip "clips/$i.y4m" "$i" $((20 * i))
done

check_code 0 "$clipq" bench decode --json --runs 3 --workers 2 clips
check "a line for each clip, then one for all" True \
    "$(lines '[x["message_type"] for x in c] == ["bench_decode"] * 3 and t["message_type"] == "bench_decode_total"')"
check "every frame of every clip, by name" True \
    "$(lines '[x["frames_sampled"] for x in c] == [20, 40, 60] and [x["path"][-5:] for x in c] == ["1.y4m", "2.y4m", "3.y4m"]')"
check "what they are" True "$(lines 'all(x["codec"] == "rawvideo" and (x["width"], x["height"]) == (64, 48) for x in c)')"
check "what a frame is expected to cost" True "$(lines '0 < c[0]["predicted_ms"] < c[1]["predicted_ms"] < c[2]["predicted_ms"]')"
check "the total adds up" True "$(lines 't["clips"] == 3 and t["frames_sampled"] == 120 == t["frames_decoded"] and t["workers"] == 2')"
check "rates follow from times" True \
    "$(lines 'all(abs(x["frames_per_s"] * x["ms_median"] / 1000 / x["frames_sampled"] - 1) < 0.02 for x in c + [t])')"
check "the least time is at most the median" True "$(lines 'all(0 < x["ms_min"] <= x["ms_median"] and x["runs"] == 3 for x in c + [t])')"
check "scaling takes its share" True "$(lines 'all(0 < x["scale_share"] < 1 for x in c + [t])')"

check_code 0 "$clipq" bench decode --json --runs 1 --every 4 --from 1 --to 3 --against-all --size 32x32 clips
check "sampling is followed: 10 frames a second" True "$(lines '[x["frames_sampled"] for x in c] == [3, 5, 5]')"
check "decoding everything gives the same frames" True \
    "$(lines 'all(x["same_frames"] and x["ratio"] > 0 and x["all_frames_decoded"] >= x["frames_decoded"] for x in c + [t])')"

if command -v ffmpeg > /dev/null && ffmpeg -nostdin -v quiet -f lavfi -i testsrc2=s=320x180:r=25:d=12 -g 50 coded.mp4; then
    for sampling in --keyframes "--fps 0.5"; do
        # shellcheck disable=SC2086
        check_code 0 "$clipq" bench decode --json --runs 2 $sampling --against-all coded.mp4
        check "$sampling decodes fewer frames and takes the same" True \
            "$(lines 't["frames_decoded"] < 300 == t["all_frames_decoded"] and 0 < t["frames_sampled"] < 20 and t["same_frames"]')"
    done
fi

check_code 0 "$clipq" bench decode --runs 1 --against-all clips
check_says "ratio"
check_says "3.y4m"

echo "no clip" > clips/text.mp4
check_code 3 "$clipq" bench decode --json --runs 1 clips
check_says "text.mp4"
check "others are still measured" True "$(lines 't["frames_sampled"] == 120')"
check_code 3 env CLIPQ_FAULT=crash@2.y4m "$clipq" bench decode --json --runs 2 clips
check_says "crash"
check "a decoder that dies costs its clip only" True "$(lines '[x["frames_sampled"] for x in c] == [20, 60]')"
check_code 1 "$clipq" bench decode --runs 1 clips/text.mp4
check_says "no frame"
check_code 1 "$clipq" bench decode --runs 1 missing.mp4
check_code 1 "$clipq" bench decode --runs 1 --model missing.onnx clips
check_says "missing.onnx"
check_code 2 "$clipq" bench decode
check_says "name clips"
check_code 2 "$clipq" bench decode --every 2 --keyframes clips
check_says "exclude each other"
finish
