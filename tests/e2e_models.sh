#!/usr/bin/env bash
# Models on the command line: several at once, equal names, cards, what `clipq model` tells, a file that is gone later.
#
#   tests/e2e_models.sh PROGRAM SCENE_ONNX
. "$(dirname "$0")/e2e_lib.sh"
need sqlite3
scene=$(realpath "$2")

mkdir a b
cp "$scene" a/m.onnx
cp "$scene" b/m.onnx
printf '\062\001x' >> b/m.onnx          # a doc_string: the same network in another file
make_clip clip.y4m 1 12

check_code 0 "$clipq" model a/m.onnx --batch 4 --json
check "what a model is, as JSON" "scene 160 1 4" "$(sqlite3 -separator ' ' :memory: "SELECT json_extract(j, '\$.decoder'),
    json_extract(j, '\$.outputs[0].shape[1]'), json_extract(j, '\$.operators.Conv') > 0, json_extract(j, '\$.plan.batch')
    FROM (SELECT readfile('out.txt') AS j)")"
check_code 0 "$clipq" model -v builtin:scene
check_says "GFLOP"
check_code 0 "$clipq" model a/m.onnx --decoder raw
check_says "raw"

check_code 0 "$clipq" submit --model a/m.onnx --model b/m.onnx clip.y4m
check_says "model m.onnx"
check_code 2 "$clipq" submit --model a/m.onnx --model a/m.onnx clip.y4m
check_code 0 "$clipq" work -q
check "two models, one decode" "24 12" \
    "$(sql clipq.db "SELECT (SELECT count(*) FROM v_frames), frames_decoded FROM v_job_summary")"
check "both say the same" 1 "$(sql clipq.db "SELECT count(DISTINCT hex(embedding)) FROM v_embeddings WHERE frame = 3")"

echo '{"threshold": 0.25}' > a/m.card.json
check_code 0 "$clipq" submit --model a/m.onnx clip.y4m
check_says "1 queued"
check_code 0 "$clipq" submit --model a/m.onnx clip.y4m
check_says "1 known"
check_code 0 "$clipq" submit --model a/m.onnx --threshold 0.5 clip.y4m
check_says "1 queued"
echo '{"treshold": 0.25}' > a/m.card.json
check_code 2 "$clipq" submit --model a/m.onnx clip.y4m
check_says "treshold"
echo 'threshold = 0.25' > a/m.card.json
check_code 2 "$clipq" submit --model a/m.onnx clip.y4m
check_says "m.card.json"
rm a/m.card.json

head -c 2000 a/m.onnx > cut.onnx
check_code 1 "$clipq" submit --model cut.onnx clip.y4m
check_says "cut.onnx"

check_code 0 "$clipq" submit --db gone.db --model b/m.onnx clip.y4m
rm b/m.onnx
check_code 1 "$clipq" work --db gone.db --progress none
check_says "b/m.onnx"
check "the clip waits" "pending 0" "$(sql gone.db "SELECT state, attempts FROM v_jobs")"

finish
