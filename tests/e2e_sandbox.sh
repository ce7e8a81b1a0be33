#!/usr/bin/env bash
# Clips inside the walls: the same states, frames and answers as without walls, and a word where a wall is missing.
. "$(dirname "$0")/e2e_lib.sh"
need sqlite3

mkdir clips
for i in 1 2 3 4; do
    make_clip "clips/$i.y4m" "$i" 12
done
echo "no clip" > clips/text.mp4
: > clips/empty.mp4
if command -v ffmpeg > /dev/null; then
    for codec in libx264:h264.mp4 libx265:hevc.mkv libvpx-vp9:vp9.webm mpeg4:mpeg4.avi mjpeg:mjpeg.avi mpeg2video:mpeg2.mpg \
                 libvpx:vp8.webm prores_ks:prores.mov ffv1:ffv1.mkv gif:anim.gif png:png.mov dvvideo:dv.dv; do
        size=320x180
        [ "${codec%%:*}" = dvvideo ] && size=720x576
        ffmpeg -nostdin -v quiet -f lavfi -i "testsrc2=s=$size:r=25:d=0.6" -c:v "${codec%%:*}" "clips/${codec#*:}" ||
            rm -f "clips/${codec#*:}"
    done
    head -c $(( $(stat -c %s clips/ffv1.mkv) / 2 )) clips/ffv1.mkv > clips/cut.mkv
fi
printf "#EXTM3U\n#EXTINF:5,\n%s/clips/1.y4m\n#EXTINF:5,\nhttp://127.0.0.1:9/a.ts\n" "$work" > clips/list.m3u8
printf "ffconcat version 1.0\nfile %s/clips/2.y4m\n" "$work" > clips/concat.mkv
cp clips/list.m3u8 clips/list.mp4
cp clips/concat.mkv clips/concat.mp4
data=${CLIPQ_DATA:-$root/../shared/data}
[ -d "$data/clips" ] && ln -s "$(realpath "$data")/clips/"*.* "$(realpath "$data")/clips/edge/"*.* clips/

answers() {   # answers DATABASE: states, then all that was seen in each frame
    sql "$1" "SELECT path, state, reason FROM v_jobs ORDER BY path"
    sql "$1" "SELECT path, frame, pts, round(sharpness, 4), round(exposure, 4) FROM v_quality ORDER BY path, frame, pts"
}

for mode in off auto; do
    check_code 3 "$clipq" submit -q --db "$mode.db" --sandbox "$mode" --every 10 clips clips/list.m3u8
    check_code 3 "$clipq" work -q --db "$mode.db" --sandbox "$mode"
    check "no decoder died ($mode)" 0 "$(sql "$mode.db" "SELECT count(*) FROM v_attempts WHERE reason IN ('crash', 'hang')")"
    answers "$mode.db" > "$mode.txt"
done
check "clips were decoded" yes "$([ "$(sql off.db "SELECT count(*) FROM v_jobs WHERE state = 'done'")" -ge 4 ] && echo yes)"
check "a playlist leads nowhere" "failed not_media" "$(sql off.db "SELECT state, reason FROM v_jobs WHERE path LIKE '%m3u8'")"
check "a list of files leads nowhere" "failed not_media" \
    "$(sql off.db "SELECT state, reason FROM v_jobs WHERE path LIKE '%concat.mkv'")"
check "nor do they by a clip's name" "2 failed not_media" \
    "$(sql off.db "SELECT count(*), state, reason FROM v_jobs WHERE path LIKE '%list.mp4' OR path LIKE '%concat.mp4' GROUP BY 2, 3")"
check "the walls change nothing" "$(cksum < off.txt)" "$(cksum < auto.txt)"
diff off.txt auto.txt | head -5 || true

# A kernel without a wall: the run goes on and says so once, unless walls are required.
rm -f clips/*.*
make_clip clips/5.y4m 5
export CLIPQ_FAULT=no-seccomp@1,no-landlock@1
check_code 0 "$clipq" submit --db soft.db clips
check_says "sandbox: missing here: landlock (Function not implemented), seccomp"
check_code 1 "$clipq" submit --db none.db --sandbox require clips
check_says "--sandbox auto"
check "nothing is begun" "" "$(ls none.db 2> /dev/null || true)"
check_code 1 "$clipq" work --db soft.db --sandbox require
check_says "clipq doctor"
check_code 0 "$clipq" work --db soft.db
check "said once" 1 "$(grep -c "sandbox:" err.txt)"
check_code 0 "$clipq" bench decode --runs 1 --sandbox off clips
check "nothing is said where no walls are wanted" 0 "$(grep -c "sandbox:" err.txt)"
finish
