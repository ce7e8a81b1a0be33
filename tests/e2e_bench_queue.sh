#!/usr/bin/env bash
# clipq bench queue: every job is claimed and completed once, by so many processes as asked for, and nothing stays.
. "$(dirname "$0")/e2e_lib.sh"
need python3

lines() {   # lines PYTHON: says whether it holds for the JSON lines of the last command, by type
    python3 -c "import json, sys
rows = [json.loads(l) for l in open('out.txt')]
load, size = ([r for r in rows if r['message_type'] == 'bench_queue_' + kind] for kind in ('load', 'size'))
print(bool($1))"
}

mkdir tmp
export TMPDIR=$work/tmp
check_code 0 "$clipq" bench queue --json --claimants 1,3 --jobs 500 --group 8 --sizes 1,2e3
check "what was measured" True "$(lines '[(r["claimants"], r["group"]) for r in load] == [(1, 8), (1, 1), (3, 8), (3, 1)]')"
check "every job was done once" True "$(lines '[r["jobs"] for r in load] == [500] * 4 and [r["jobs"] for r in size] == [1, 2000]')"
check "figures are there" True "$(lines 'all(r["cycles_per_s"] > 0 and 0 < r["claim_ms_p50"] <= r["claim_ms_p99"] for r in load)')"
check "and those of the curve" True \
    "$(lines 'all(r[k] > 0 for r in size for k in ("submit_us", "claim_us", "complete_us", "commit_us", "status_ms", "report_ms"))')"
check "no database stays" "" "$(ls tmp)"

check_code 0 "$clipq" bench queue --claimants 1 --jobs 10 --sizes 10
check_says "cycles a s"
check_says "report ms"
for wrong in 0 1.5 1, x 65; do
    check_code 2 "$clipq" bench queue --claimants "$wrong"
    check_says "list of numbers"
done
check_code 2 "$clipq" bench queue --sizes 1e9
check_code 2 "$clipq" bench queue something
check_code 10 env TMPDIR=/nonexistent "$clipq" bench queue --jobs 1 --sizes 1
check_says "TMPDIR"
finish
