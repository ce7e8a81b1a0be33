#!/usr/bin/env bash
# Many small clips: more than 100 a second, and memory that does not grow with their number.
# CLIPQ_MANY=50000 in the environment for the full size.
. "$(dirname "$0")/e2e_lib.sh"
need sqlite3
many=${CLIPQ_MANY:-3000}

make_many() {   # make_many DIR COUNT: uncompressed clips of two 16x16 frames, a number in each
    mkdir "$1"
    awk -v dir="$1" -v n="$2" 'BEGIN {
        grey = "~"; while (length(grey) < 372) grey = grey grey
        grey = substr(grey, 1, 372)
        for (i = 0; i < n; i++) {
            file = sprintf("%s/c%06d.y4m", dir, i)
            printf "YUV4MPEG2 W16 H16 F10:1 Ip A1:1 C420jpeg\nFRAME\n%s%012dFRAME\n%s%012d", grey, i, grey, i > file
            close(file)
        }
    }'
}
rss() {   # rss DIR DB: peak resident KiB of the program itself, sampled, while it submits
    local most=0 now
    "$clipq" submit -q --db "$2" "$1" &
    local pid=$!
    while now=$(awk '/^VmHWM/ { print $2 }' "/proc/$pid/status" 2> /dev/null) && [ -n "$now" ]; do
        most=$now
        sleep 0.02
    done
    wait "$pid"
    echo "$most"
}
make_many few 50
make_many many "$many"
few_kib=$(rss few few.db)
start=$(date +%s%N)
many_kib=$(rss many many.db)
ms=$(( ($(date +%s%N) - start) / 1000000 ))
check "all are queued" "$many" "$(sql many.db "SELECT count(*) FROM v_jobs WHERE state = 'pending'")"
echo "$many clips in $ms ms: $(( many * 1000 / (ms + 1) )) a second; peak $many_kib KiB, with 50 clips $few_kib KiB"
check "more than 100 a second" 1 $(( many * 1000 / (ms + 1) > 100 ))
# What may grow is SQLite's page cache, up to its 16 MiB, and the index of a WAL that is not longer than 64 MiB.
check "no more memory for many than for 50, but for the page cache" 1 $(( many_kib < few_kib + 20 * 1024 ))

# Ctrl-C keeps what was probed by then, and says by its code that it was not all.
"$clipq" submit -q --db cut.db many &
pid=$!
while [ "$(sql cut.db "SELECT count(*) FROM v_jobs" 2> /dev/null || echo 0)" -lt 100 ]; do sleep 0.01; done
kill -INT "$pid"
code=0
wait "$pid" || code=$?
kept=$(sql cut.db "SELECT count(*) FROM v_jobs WHERE state = 'pending'")
check "Ctrl-C ends it with 130" 130 "$code"
check "what was done by then is kept" 1 $(( kept >= 100 && kept < many ))
check_code 0 "$clipq" submit --db cut.db many
check "submitting again takes up the rest" "$many" "$(sql cut.db "SELECT count(*) FROM v_jobs")"
finish
