#!/usr/bin/env bash
# The main job on real clips: every clip ends in its state, with as many frames as really decode, at the times
# ffprobe gives, and what is in the pictures is found. Needs the clips and models named by CLIPQ_DATA.
#
#   tests/e2e_real_footage.sh PATH_TO_CLIPQ
set -euo pipefail
cd "$(dirname "$0")/.."
clipq=$(realpath "$1")
data=$(realpath "${CLIPQ_DATA:-../shared/data}" 2>/dev/null || true)
if [ ! -d "$data/clips" ]; then
    echo "skipped: no real clips (set CLIPQ_DATA)"
    exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
db=$work/real.db
failed=0

check() {   # check WHAT EXPECTED ACTUAL
    if [ "$2" = "$3" ]; then
        echo "ok: $1"
    else
        printf 'FAILED: %s\n  expected: %s\n  actual:   %s\n' "$1" "$2" "$3"
        failed=1
    fi
}
sql() { sqlite3 -readonly -separator ' ' "$db" "$1"; }

code=0
"$clipq" submit --db "$db" -q --model "$data/models/yolox_nano.onnx" --labels "$data/models/coco.names" "$data/clips" || code=$?
check "submit tells that some clips cannot be read" 3 "$code"
code=0
"$clipq" work --db "$db" -q --workers 4 || code=$?
check "work tells that some clips failed" 3 "$code"

states=$(sql "SELECT replace(path, rtrim(path, replace(path, '/', '')), ''), state, coalesce(reason, ''), n
              FROM v_jobs LEFT JOIN (SELECT job_id, count(*) AS n FROM v_frames GROUP BY job_id) USING (job_id)
              ORDER BY 1")
check "states and frames" "asl_walk.mkv done  89
audio_only.mp4 failed no_video_stream 
bear_vp9_odd.webm done  30
bird_mpeg4.avi done  96
car-detection.mp4 done  377
car_truncated.mp4 partial truncated 200
car_truncated_moov_first.mp4 partial truncated 264
face_av1.mp4 done  30
face_bt601.mov done  30
face_mjpeg.avi done  30
fire2_rot180_vfr.mp4 done  25
juggle_hevc.mkv done  72
not_a_video.mp4 failed not_media 
one-by-one-person-detection.mp4 done  1394
phone_hevc_rot90_vfr_2tracks.mp4 done  53
road_vfr_odd_641x361.webm done  83
sam2_dog.mp4 done  289
sam2_juggle.mp4 done  247
solidWhiteRight.mp4 done  221
zero_bytes.mp4 failed empty " "$states"

check "the juggler is found in nearly every frame" 1 \
    "$(sql "SELECT count(DISTINCT frame) > 230 FROM v_detections WHERE path LIKE '%sam2_juggle.mp4' AND label = 'person' AND score > 0.5")"
check "the first person comes into view around 34 s" 1 \
    "$(sql "SELECT count(*) > 5 FROM v_detections WHERE path LIKE '%one-by-one%' AND label = 'person' AND time_s BETWEEN 33 AND 35 AND score > 0.5")"
check "frames are whole: one row for each ordinal from 0" 0 \
    "$(sql "SELECT count(*) FROM (SELECT job_id, min(frame) AS low, max(frame) + 1 - count(*) AS gap, count(*) - count(DISTINCT frame) AS twice
            FROM v_frames GROUP BY job_id) WHERE low <> 0 OR gap <> 0 OR twice <> 0")"

# Times, frame by frame, against ffprobe on the stream that was chosen.
while read -r path stream; do
    sql "SELECT printf('%.6f', time_s) FROM v_frames WHERE path = '$path' ORDER BY frame" > "$work/ours"
    ffprobe -v quiet -select_streams "$stream" -show_entries frame=best_effort_timestamp_time -of csv=p=0 "$path" |
        sed 's/,.*//' | awk 'NF { printf "%.6f\n", $1 }' > "$work/theirs"
    check "times of $(basename "$path")" "$(md5sum < "$work/theirs")" "$(md5sum < "$work/ours")"
done < <(sql "SELECT path, stream_index FROM v_clips WHERE path IN (SELECT DISTINCT path FROM v_frames)")

# Skipped where Python, OpenCV or ONNX Runtime is missing.
code=77
python=${CLIPQ_PYTHON:-python3}
if command -v "$python" > /dev/null; then
    code=0
    "$python" tests/compare_detections.py "$db" "$data/clips/sam2_juggle.mp4" "$data/models/yolox_nano.onnx" || code=$?
fi
[ "$code" = 77 ] || check "detections agree with an independent pipeline" 0 "$code"

# The rotated phone clip: with the picture upright the face is found, eyes above mouth.
db=$work/face.db
"$clipq" submit --db "$db" -q --model "$data/models/yunet_n_320_320.onnx" "$data/clips/phone_hevc_rot90_vfr_2tracks.mp4"
"$clipq" work --db "$db" -q --workers 2
check "an upright face in most frames of the rotated clip" 1 \
    "$(sql "SELECT count(DISTINCT frame) > 40 FROM v_detections WHERE score > 0.6 AND y1 - y0 > x1 - x0
            AND json_extract(landmarks, '\$[0][1]') < json_extract(landmarks, '\$[3][1]')")"

exit $failed
