#!/usr/bin/env bash
# The three ways to divide work on real clips, in turn: two engines, each on half of a device, and one of them made slower.
#
#     compare_balance.sh CLIPQ MODEL PATH...
#
# ROUNDS (5), WORKERS (2), DEVICE (0:0) and DRAG (4: the second engine takes so many times as long) are taken from the
# environment. A line a run: round, balancer, seconds without preparation, batches and share of the frames of each engine;
# then the medians.
set -euo pipefail
[ $# -ge 3 ] || { sed -n '2,8s/^# \?//p' "$0"; exit 2; }
clipq=$(realpath "$1") model=$2
shift 2
work=$(mktemp -d /tmp/clipq-balance-XXXXXX)
trap 'rm -rf "$work"' EXIT
device=${DEVICE:-0:0}
"$clipq" submit -q --db "$work/queue.db" --every 4 --model "$model" "$@" || [ $? -eq 3 ]
ways=(adaptive least-loaded round-robin)
for round in $(seq "${ROUNDS:-5}"); do
    for nth in 0 1 2; do                        # each goes first in turn
        way=${ways[(round + nth) % 3]}
        rm -f "$work"/run.db*
        cp "$work/queue.db" "$work/run.db"
        CLIPQ_FAULT="drag@$device/2/2=${DRAG:-4}" "$clipq" work -q --db "$work/run.db" --device "$device*2" --workers "${WORKERS:-2}" \
            --balance "$way" --tune off --cache off --progress none || [ $? -eq 3 ]
        sqlite3 -separator ' ' "$work/run.db" "SELECT $round, '$way', round(wall_s - prepare_s, 2), group_concat(e.batches),
            group_concat(round(e.share, 2)) FROM v_runs JOIN v_engines e USING (run_id)" | tee -a "$work/lines"
    done
done
for way in "${ways[@]}"; do
    awk -v way=$way '$2 == way { print $3 }' "$work/lines" | sort -n | awk -v way=$way '{ s[NR] = $1 }
        END { printf "%-13s median %.2f s, %.2f to %.2f\n", way, (s[int((NR + 1) / 2)] + s[int(NR / 2) + 1]) / 2, s[1], s[NR] }'
done
