#!/usr/bin/env bash
# A clip alone is decoded on several threads, and its rows are those of one thread, damaged or not.
. "$(dirname "$0")/e2e_lib.sh"
need sqlite3 ffmpeg taskset

[ "$(nproc)" -gt 1 ] || { echo "skipped: one processor"; exit 77; }
ffmpeg -nostdin -v error -y -f lavfi -i testsrc2=s=192x108:r=40:d=240 -c:v libx264 -preset ultrafast -g 100 -bf 2 whole.mp4 2> /dev/null ||
    { echo "skipped: this ffmpeg makes no H.264"; exit 77; }
cp whole.mp4 damaged.mp4
size=$(stat -c %s whole.mp4)
head -c 3000 /dev/zero | tr '\0' '\377' | dd of=damaged.mp4 bs=1 seek=$(( size * 6 / 10 )) conv=notrunc status=none

run() {   # run CODE DB CLIP [COMMAND...]
    "$clipq" submit -q --db "$2" --every 40 "$3"
    check_code "$1" "${@:4}" "$clipq" work -v --db "$2" --workers 1 --progress none
}
same() {   # same WHAT DB DB
    check "$1" "240 0 0" "$(sqlite3 -separator ' ' "$2" "ATTACH '$3' AS w; SELECT (SELECT count(*) FROM main.v_frames),
        (SELECT count(*) FROM main.v_frames f LEFT JOIN w.v_frames g USING (seq, frame, pts, time_s) WHERE g.seq IS NULL),
        (SELECT count(*) FROM main.v_quality a LEFT JOIN w.v_quality b USING (seq) WHERE b.seq IS NULL OR
            abs(a.sharpness - b.sharpness) > 1e-4 OR abs(a.exposure - b.exposure) > 1e-4)")"
}

run 0 whole.db whole.mp4
check_says "is decoded on"
run 0 whole1.db whole.mp4 taskset -c 0
check "one processor: one thread" 0 "$(grep -c 'is decoded on' err.txt || true)"
same "the same rows" whole.db whole1.db
check "in one attempt" "1 done" "$(sql whole.db "SELECT count(*), max(outcome) FROM v_attempts")"

run 3 damaged.db damaged.mp4
check_says "one does it again"
run 3 damaged1.db damaged.mp4 taskset -c 0
same "damaged: the same rows" damaged.db damaged1.db
check "damaged: partial, and only one attempt is counted" "partial damaged 1" "$(sql damaged.db "SELECT state, reason, attempts FROM v_jobs")"
check "damaged: its history has both" "released damaged, partial damaged" \
    "$(sql damaged.db "SELECT group_concat(outcome || ' ' || reason, ', ') FROM (SELECT outcome, reason FROM v_attempts ORDER BY attempt)")"
finish
