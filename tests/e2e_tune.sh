#!/usr/bin/env bash
# clipq tune kernels: what it measures is kept, and used by bench and work where it fits; answers stay the same.
. "$(dirname "$0")/e2e_lib.sh"
need python3 sqlite3
export XDG_CACHE_HOME=${XDG_CACHE_HOME:-$work/cache}

lines() {   # lines PYTHON: says whether it holds for the JSON lines `r` of the last command
    python3 -c "import json, sys; r = [json.loads(l) for l in open('out.txt')]; print(bool($1))"
}

variants() {   # variants DB: those that bench runs the model's operators with
    "$clipq" bench infer --db "$1" --json --layers --runs 1 --batch 2 builtin:scene |
        python3 -c 'import json, sys; print(*[x["variant"] for x in map(json.loads, sys.stdin) if "variant" in x])'
}

check_code 0 "$clipq" tune kernels --json --db a.db --batch 2 --budget 2 builtin:scene
check "operators with several kernels are measured" True "$(lines 'len(r) > 0 and all(len(x["ms"]) > 1 for x in r)')"
check "what is chosen was measured, and is not slower" True \
    "$(lines 'all(0 < x["ms"][x["variant"]] <= x["ms"][x["heuristic"]] and x["gain"] >= 0 for x in r)')"
check "one row for each" "$(wc -l < out.txt)" "$(sql a.db "SELECT count(*) FROM v_tunings WHERE ms <= heuristic_ms")"
check_code 0 "$clipq" tune kernels --db a.db --batch 2 --budget 2 builtin:scene
check_says "operators measured"

# Say that another kernel was the fastest, wherever there is one: bench has it, and a run gives the same answers.
before=$(variants none.db)
sqlite3 a.db "UPDATE tunings SET variant = (SELECT key FROM json_each(measured) WHERE key <> heuristic LIMIT 1)"
after=$(variants a.db)
check "bench takes the kernels of the database" differ "$([ "$before" = "$after" ] && echo same || echo differ)"
check "the same operators" "$(wc -w <<< "$before")" "$(wc -w <<< "$after")"
check "no database is made for reading" missing "$([ -e none.db ] && echo made || echo missing)"
cp a.db b.db
sqlite3 a.db "DELETE FROM tunings"
python3 - <<'PYTHON'
import random
random.seed(1)
for i in range(3):
    with open(f"clip{i}.y4m", "wb") as f:
        f.write(b"YUV4MPEG2 W64 H48 F10:1 Ip A1:1 C420jpeg\n")
        for frame in range(6):
            f.write(b"FRAME\n" + random.randbytes(64 * 48 * 3 // 2))
PYTHON
for db in a.db b.db; do
    check_code 0 "$clipq" submit --db $db --model builtin:scene clip?.y4m
    check_code 0 "$clipq" work --db $db --batch 2 --workers 1
done
answers="SELECT path, seq, round(sharpness, 3), round(exposure, 3), round(contrast, 3) FROM v_quality ORDER BY 1, 2"
check "a run with other kernels gives the same answers" "$(sql a.db "$answers")" "$(sql b.db "$answers")"
check "and gives them for all frames" 18 "$(sql b.db "SELECT count(*) FROM v_quality")"

sqlite3 b.db "UPDATE tunings SET variant = 'no_such_kernel'"
check "an unknown kernel is ignored" "$before" "$(variants b.db)"
sqlite3 b.db "UPDATE tunings SET variant = 'gemm_tile'"
check "one that does not serve is ignored" "$before" "$(variants b.db)"

# Within a run: what is found is kept, by an engine that dies in the middle too, and not looked for twice.
check "short queues are not tuned for" 0 "$(sql a.db "SELECT count(*) FROM tunings")"
check_code 0 "$clipq" submit --db t.db --model builtin:scene clip0.y4m
CLIPQ_FAULT=killtuned@2 check_code 0 "$clipq" work --db t.db --workers 1 --tune always
check_says "builtin:scene: its kernels are timed on"
check "said once" 1 "$(grep -c "are timed" err.txt)"
check "an engine that dies while it times kernels loses none" "2 1" \
    "$(sql t.db "SELECT count(*), (SELECT engine_restarts FROM runs ORDER BY id DESC LIMIT 1) FROM v_tunings")"
check_code 0 "$clipq" submit --db t.db --model builtin:scene clip1.y4m
check_code 0 "$clipq" work --db t.db --workers 1 --tune always
all=$(sql t.db "SELECT count(*) FROM v_tunings WHERE ms <= heuristic_ms")
check "the next one goes on" more "$([ "$all" -gt 2 ] && echo more || echo "$all")"
when=$(sql t.db "SELECT max(tuned_ms) FROM tunings")
check_code 0 "$clipq" submit --db t.db --model builtin:scene clip2.y4m
check_code 0 "$clipq" work --db t.db --workers 1 --tune always
check "a third finds all" "$when $all 0" "$(sql t.db "SELECT max(tuned_ms), count(*) FROM tunings") $(grep -c "are timed" err.txt)"
check "answers are those of other runs" "$(sql a.db "$answers")" "$(sql t.db "$answers")"
check_code 0 "$clipq" submit --db o.db --model builtin:scene clip0.y4m
sqlite3 o.db "UPDATE jobs SET media_ms = 7200000"
check_code 0 "$clipq" work --db o.db --workers 1 --tune off
check "nothing is timed when it is off" 0 "$(sql o.db "SELECT count(*) FROM v_tunings")"
check_code 0 "$clipq" submit --db o.db --model builtin:scene clip1.y4m
sqlite3 o.db "UPDATE jobs SET media_ms = 7200000"
check_code 0 "$clipq" work --db o.db --workers 1
check "long queues are tuned for" "$all" "$(sql o.db "SELECT count(*) FROM v_tunings")"
check_says "for up to 10 s"

# Precision is the pipeline's: other jobs, operators and limits.
check_code 0 "$clipq" submit --db d.db --model builtin:scene clip0.y4m
check_code 0 "$clipq" submit --db d.db --model builtin:scene --precision fp32 clip0.y4m
check "fp32 is what there was" "1 1" "$(sql d.db "SELECT count(*), count(DISTINCT pipeline_id) FROM jobs")"
check_code 0 "$clipq" submit --db d.db --model builtin:scene --precision fp16 clip0.y4m
check_code 0 "$clipq" submit --db d.db --model builtin:scene --precision fp16 clip0.y4m
check "fp16 makes another job, once" "2 2" "$(sql d.db "SELECT count(*), count(DISTINCT pipeline_id) FROM jobs")"
check_code 0 "$clipq" work --db d.db --workers 1
check "both are answered" "2 6 6" \
    "$(sql d.db "SELECT count(*), min(n), max(n) FROM (SELECT count(*) AS n FROM v_quality GROUP BY job_id)")"
check "and agree" "0" "$(sql d.db "SELECT count(*) FROM (SELECT max(exposure) - min(exposure) AS d, max(contrast) - min(contrast) AS e
    FROM v_quality GROUP BY seq) WHERE d > 0.005 OR e > 0.005")"
check_code 0 "$clipq" model --json --precision fp16 builtin:scene
check_says '"precision":"fp16"'
check_code 0 "$clipq" tune kernels --json --db e.db --budget 1 --precision fp16 builtin:scene
check_code 2 "$clipq" bench infer --precision fp8 builtin:scene

check_code 1 "$clipq" tune kernels --db c.db --budget 1 missing.onnx
check_says "missing.onnx"
check_code 2 "$clipq" tune
check_says "say \`kernels\`"
check_code 2 "$clipq" tune kernels --db c.db
check_says "name models"
echo "no database" > other.db
check_code 10 "$clipq" tune kernels --db other.db builtin:scene
finish
