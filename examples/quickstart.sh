#!/usr/bin/env bash
# From a bare Debian 12 to answers in SQL: packages, build, and the whole job.
#
#   examples/quickstart.sh          on clips that it makes itself
#   examples/quickstart.sh DIR      on your clips; they are only read
#
# May be run again and from any folder: what is there is not done twice. The database is ./clipq.db (or
# $CLIPQ_DB) with DIR, and build/quickstart/clipq.db without.
set -euo pipefail

case ${1:-} in
-h | --help)
    sed -n '2,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
    exit 0
    ;;
esac
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [ $# -gt 0 ] && [ ! -d "$1" ]; then
    echo "quickstart: $1 is not a directory" >&2
    exit 2
fi
clips=${1:+$(realpath -- "$1")}
. "$root/examples/packages.sh"

# shellcheck disable=SC2086
install_packages $packages_build sqlite3 ffmpeg

echo "== building into $root/build"
cmake -S "$root" -B "$root/build" -G Ninja -DCMAKE_BUILD_TYPE=Release >/dev/null
cmake --build "$root/build" --target clipq
clipq=$root/build/clipq

# Pieces that look different, put together, so that builtin:scene has cuts to find; a smaller, re-encoded copy, so
# that it has a near-duplicate; and a file that is no video, because real folders have those too.
make_clips() {   # make_clips DIR
    local to=$1 encode=(-c:v libx264 -preset veryfast -pix_fmt yuv420p -y)
    local run=(ffmpeg -nostdin -v error)
    mkdir -p "$to"
    "${run[@]}" -f lavfi -i testsrc2=s=640x360:r=25:d=3 -f lavfi -i mandelbrot=s=640x360:r=25 \
        -f lavfi -i smptehdbars=s=640x360:r=25:d=2 \
        -filter_complex '[1:v]trim=duration=4,setpts=PTS-STARTPTS[m];[0:v][m][2:v]concat=n=3:v=1,setsar=1' "${encode[@]}" "$to/three_pieces.mp4"
    "${run[@]}" -f lavfi -i life=s=640x360:r=25:mold=10:ratio=0.1:death_color=#C83232:life_color=#00ff00 -t 4 "${encode[@]}" "$to/life.mkv"
    "${run[@]}" -f lavfi -i gradients=s=480x270:r=30:d=5 -f lavfi -i rgbtestsrc=s=480x270:r=30:d=2 \
        -filter_complex '[0:v][1:v]concat=n=2:v=1,setsar=1' "${encode[@]}" "$to/two_pieces.mp4"
    "${run[@]}" -i "$to/three_pieces.mp4" -vf scale=320:180 "${encode[@]}" -crf 32 "$to/three_pieces_small.mp4"
    echo "not a video" > "$to/broken.mp4"
    touch "$to/.made"
}

if [ -z "$clips" ]; then
    clips=$root/build/quickstart/clips
    db=$root/build/quickstart/clipq.db
    if [ ! -e "$clips/.made" ]; then
        echo "== making clips in $clips"
        make_clips "$clips"
    fi
else
    db=${CLIPQ_DB:-$PWD/clipq.db}
fi

step() {   # runs and shows a command; code 3 says that some clips failed, which is no reason to stop
    local code=0
    echo
    echo "== $*"
    "$@" || code=$?
    [ "$code" -eq 0 ] || [ "$code" -eq 3 ] || exit "$code"
}

step "$clipq" submit --db "$db" "$clips"
step "$clipq" work --db "$db"
step "$clipq" report --db "$db"
step sqlite3 -readonly -header -column "$db" \
    "SELECT replace(path, rtrim(path, replace(path, '/', '')), '') AS clip, shot, round(start_s, 2) AS start_s, round(end_s, 2) AS end_s,
            round(cut_score, 2) AS cut_score FROM v_shots ORDER BY path, shot LIMIT 20"

echo
echo "The answers are in $db. examples/queries.sql asks it eleven questions:"
echo "  sqlite3 $db < $root/examples/queries.sql"
