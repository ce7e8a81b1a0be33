#!/usr/bin/env bash
# builtin:scene on real footage: cutting pieces of different clips together gives cuts where they are; a
# re-encoded, rescaled copy is found as a near-duplicate, and unrelated clips are not.
#
#   tests/e2e_scene.sh PATH_TO_CLIPQ
set -euo pipefail
cd "$(dirname "$0")/.."
clipq=$(realpath "$1")
data=$(realpath "${CLIPQ_DATA:-../shared/data}" 2>/dev/null || true)
if [ ! -d "$data/clips" ] || ! command -v ffmpeg > /dev/null; then
    echo "skipped: needs real clips (set CLIPQ_DATA) and ffmpeg"
    exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
clips=$data/clips
mkdir "$work/in"
encode() { ffmpeg -v error -y "$@"; }

# Five pieces at 25 frames a second: 75, 62, 100, 50 and 75 frames.
pieces='setsar=1,scale=640:360,fps=25,trim=end_frame'
encode -i "$clips/sam2_juggle.mp4" -i "$clips/sam2_dog.mp4" -i "$clips/solidWhiteRight.mp4" -i "$clips/car-detection.mp4" \
    -ss 3 -i "$clips/sam2_juggle.mp4" -filter_complex \
    "[0:v]$pieces=75[a];[1:v]$pieces=62[b];[2:v]$pieces=100[c];[3:v]$pieces=50[d];[4:v]$pieces=75[e];[a][b][c][d][e]concat=n=5" \
    -c:v libx264 -preset veryfast -an "$work/in/cuts.mp4"
encode -i "$clips/sam2_juggle.mp4" -vf scale=480:-2 -c:v libx264 -crf 33 -preset veryfast -an "$work/in/juggle_copy.mkv"
encode -i "$clips/sam2_dog.mp4" -vf scale=400:-2 -c:v mpeg4 -q:v 8 -an "$work/in/dog_copy.avi"

db=$work/scene.db
"$clipq" submit --db "$db" -q "$work/in" "$clips"/*.*
"$clipq" work --db "$db" -q --workers 2
sql() { sqlite3 -readonly -separator ' ' "$db" "$1"; }
failed=0
check() {
    if [ "$2" = "$3" ]; then
        echo "ok: $1"
    else
        printf 'FAILED: %s\n  expected: %s\n  actual:   %s\n' "$1" "$2" "$3"
        failed=1
    fi
}

check "cuts where they are" "0 75 137 237 287" \
    "$(sql "SELECT group_concat(first_frame, ' ') FROM (SELECT first_frame FROM v_shots WHERE path LIKE '%/cuts.mp4' ORDER BY first_frame)")"
check "no cuts in clips of one shot" "" \
    "$(sql "SELECT path, count(*) FROM v_shots WHERE path NOT LIKE '%/cuts.mp4' GROUP BY path HAVING count(*) > 1")"
# face_av1 and face_bt601 are two encodings of one recording.
check "copies are near-duplicates, nothing else" "dog_copy.avi sam2_dog.mp4
face_av1.mp4 face_bt601.mov
juggle_copy.mkv sam2_juggle.mp4" \
    "$(sql "SELECT min(a, b), max(a, b) FROM (SELECT replace(path_a, rtrim(path_a, replace(path_a, '/', '')), '') AS a,
            replace(path_b, rtrim(path_b, replace(path_b, '/', '')), '') AS b FROM v_duplicates) ORDER BY 1")"
check "sharpness falls with a blurred copy" 1 \
    "$(sql "SELECT (SELECT avg(sharpness) FROM v_quality WHERE path LIKE '%/sam2_juggle.mp4') >
                   (SELECT avg(sharpness) FROM v_quality WHERE path LIKE '%/juggle_copy.mkv')")"
exit $failed
