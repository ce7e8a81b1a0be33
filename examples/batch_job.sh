#!/usr/bin/env bash
#SBATCH --job-name=clipq
#SBATCH --cpus-per-task=8
#SBATCH --mem=8G
#SBATCH --time=04:00:00
#SBATCH --signal=B:TERM@180
#SBATCH --requeue
# Works off a folder from cron or Slurm, as often as it takes:
#
#   examples/batch_job.sh DIR DB [submit's options]             by hand, or as a line of a crontab
#   sbatch examples/batch_job.sh DIR DB [submit's options]      as a Slurm job, put back when its time is over
#
# Clips that are done are not done again. TERM, which Slurm sends three minutes before the end, lets the clips under way
# finish. DB belongs on a disk of this machine. $CLIPQ names the program, where it is not in the PATH.
set -euo pipefail

clipq=${CLIPQ:-clipq}
if [ $# -lt 2 ]; then
    echo "usage: $0 DIR DB [options of clipq submit]" >&2
    exit 2
fi
dir=$1 db=$2
shift 2

exec 9>> "$db.lock"
flock -n 9 || exit 0         # the one before is still at it

code=0
"$clipq" submit -q --progress=none --db "$db" "$@" -- "$dir" 9>&- || code=$?
[ "$code" -eq 0 ] || [ "$code" -eq 3 ] || exit "$code"      # 3: some files are no clips, the others are queued

"$clipq" work -q --progress=plain --db "$db" 9>&- &
work=$!
trap 'kill -TERM "$work"' TERM INT
code=0
wait "$work" || code=$?
while kill -0 "$work" 2> /dev/null; do       # a signal ends the first wait, not the work
    code=0
    wait "$work" || code=$?
done

if [ "$code" -eq 143 ] && [ -n "${SLURM_JOB_ID:-}" ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
"$clipq" status --db "$db"
exit "$code"
