#!/usr/bin/env bash
# Two engines, each on a part of one device, share the batches of a run by their speed: one of them is made slower.
. "$(dirname "$0")/e2e_lib.sh"
need sqlite3
"$clipq" devices --json > devices.txt
units=$(sqlite3 :memory: "SELECT max(json_extract(value, '\$.compute_units'))
    FROM json_each('[' || replace(trim(readfile('devices.txt'), char(10)), char(10), ',') || ']')")
[ "$units" -ge 2 ] || { echo "skipped: needs a device of two compute units"; exit 77; }

mkdir in
for i in 1 2 3 4 5 6 7 8; do make_clip in/clip$i.y4m $i 150; done
check_code 0 "$clipq" submit -q in
check_code 0 env CLIPQ_FAULT='drag@0:0/2/2=4' "$clipq" work -q --device '0:0*2' --workers 2
check "every frame is answered once" "8 1200 1200" \
    "$(sql clipq.db "SELECT count(DISTINCT job_id), count(*), count(DISTINCT job_id * 100000 + frame) FROM v_frames")"
check "the engines' batches and frames are the run's" "2 1 1" "$(sql clipq.db "SELECT count(*), sum(e.batches) = r.batches, sum(e.frames) = r.frames_inferred
    FROM v_engines e JOIN v_runs r USING (run_id)")"
sqlite3 -header -column clipq.db "SELECT spec, batches, frames, round(share, 3) AS share, round(busy_s, 2) AS busy_s, round(frames_per_s) AS frames_per_s, round(speed_share, 3) AS speed_share FROM v_engines"
check "the slowed one is slower" 1 "$(sql clipq.db "SELECT 2 * (SELECT frames_per_s FROM v_engines WHERE slot = 1) < frames_per_s FROM v_engines WHERE slot = 0")"
check "it gets what its speed is worth, within half" 1 "$(sql clipq.db "SELECT share BETWEEN speed_share / 1.5 AND speed_share * 1.5 FROM v_engines WHERE slot = 1")"
check_code 0 "$clipq" report
check_says "engine 0:0/1/2"
check_says "engine 0:0/2/2"
check_says "asked for by number"

# Parts that there are not, and names that are none.
check_code 2 "$clipq" work --device '0:0*'
check_code 2 "$clipq" work --device '0:0/3/2'
check_code 2 "$clipq" work --device '0:0/1/2*2'
check_says "P:D"
cp in/clip1.y4m in/clip9.y4m && echo >> in/clip9.y4m
"$clipq" submit -q --every 3 in/clip9.y4m
check_code 1 "$clipq" work -q --device "0:0/1/16"
check_says "cannot be cut into 16 parts"
finish
