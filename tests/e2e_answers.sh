#!/usr/bin/env bash
# Answers that are known already: found by the pixels and the settings, on disk, by several at once, and never worth a job.
. "$(dirname "$0")/e2e_lib.sh"
need sqlite3

frames=24
export CLIPQ_CACHE=disk XDG_CACHE_HOME=$work/cache
file=$work/cache/clipq/answers/answers-1.sqlite
# make_frames FILE SEED: pictures of one grey each, none twice, and a few pixels that differ for each seed
make_frames() {
    awk -v seed="$2" -v frames=$frames 'BEGIN {
        print "YUV4MPEG2 W64 H48 F10:1 Ip A1:1 C420jpeg"
        for (f = 0; f < frames; f++) {
            line = sprintf("%c", 65 + f); while (length(line) < 64 * 48 * 3 / 2) line = line line
            printf "FRAME\n%020d%s", seed * 111111111, substr(line, 1, 64 * 48 * 3 / 2 - 20)
        }
    }' > "$1"
}
make_frames one.y4m 1
sed '1s/C420jpeg/C420jpeg Xtagged_anew/' one.y4m > two.y4m
work() { check_code 0 "$clipq" work --progress none "$@"; }
answers() { sql "$1" "SELECT frame, time_s, sharpness, exposure, contrast, hex(embedding) FROM v_quality JOIN v_embeddings USING (path, frame, time_s) ORDER BY 1"; }
use() { sql "$1" "SELECT frames_inferred, frames_cached FROM v_runs ORDER BY run_id DESC LIMIT 1"; }

# 1. a copy of another content, in another database: all of it is known, and its rows are equal
"$clipq" submit -q --db a.db one.y4m
work --db a.db
check "all is new" "$frames 0" "$(use a.db)"
"$clipq" submit -q --db b.db two.y4m
check "it is another clip" 0 "$(sql b.db "ATTACH 'a.db' AS a; SELECT count(*) FROM v_clips b JOIN a.v_clips c USING (fingerprint)")"
work --db b.db
check "nothing is computed twice, not in another database either" "0 $frames" "$(use b.db)"
check "every row says so" $frames "$(sql b.db "SELECT count(*) FROM v_frames WHERE source = 'cached'")"
check "the rows are equal" "$(answers a.db)" "$(answers b.db)"
check "and the shots" "$(sql a.db "SELECT shot, first_frame, last_frame FROM v_shots")" "$(sql b.db "SELECT shot, first_frame, last_frame FROM v_shots")"
check "sampled = inferred + cached" 1 "$(sql b.db "SELECT frames_sampled = frames_inferred + frames_cached AND saved_ms > 0 FROM v_job_cache")"
check_code 0 "$clipq" report --db b.db
check_says "$frames were known"
check_code 0 "$clipq" report --db b.db --json
check_says "\"frames_cached\":$frames"
check "only its owner may read the file" 600 "$(stat -c %a "$file")"

# 2. other settings, other answers
"$clipq" submit -q --db c.db --threshold 0.77 one.y4m
work --db c.db
check "another threshold finds nothing of that" "$frames 0" "$(use c.db)"

# 3. the command
check_code 0 "$clipq" cache
check_says "builtin:scene"
check_code 0 "$clipq" cache --json
check_says "\"hits\":$frames,"
check_code 0 "$clipq" cache clear --dry-run
check "a dry run deletes nothing" yes "$([ -e "$file" ] && echo yes)"
check_code 2 "$clipq" cache empty
cp "$file" sound

# 4. damage, whichever: a warning, all answers, exit code 0
damaged() {   # damaged WHAT: the file is; look at a run
    rm -f d.db*
    "$clipq" submit -q --db d.db two.y4m
    work --db d.db
    check "$1: the answers are all there" "$(answers a.db)" "$(answers d.db)"
}
printf 'this is no database, but it is as long as the beginning of one must be, and longer\n%.0s' $(seq 50) > "$file"
damaged "another file"
check_says "clipq cache clear"
check_code 0 "$clipq" doctor
check_says "known answers of frames are not reused"
cp sound "$file"
for page in 1 2 3 4 5 6 7 8 9 10; do printf 'damage%.0s' $(seq 200) | dd of="$file" bs=1 seek=$((page * 4096 + 100)) conv=notrunc status=none; done
damaged "broken pages"
cp sound "$file"
sqlite3 "$file" "UPDATE answers SET blob = zeroblob(length(blob))" > /dev/null
damaged "an answer that is not what was written"
check_says "damaged data"
check_code 0 "$clipq" cache clear
check "it is gone" no "$([ -e "$file" ] || echo no)"
chmod 500 "$work/cache/clipq/answers"
if [ ! -w "$work/cache/clipq/answers" ]; then damaged "a folder that cannot be written"; fi
chmod 700 "$work/cache/clipq/answers"

# 5. a life that is over
rm -f e.db* f.db*
"$clipq" submit -q --db e.db one.y4m
work --db e.db --cache-ttl 0.0002
"$clipq" submit -q --db f.db two.y4m
sleep 1
work --db f.db --cache-ttl 0.0002
check "what is over is computed anew" "$frames 0" "$(use f.db)"

# 6. two at once, of different databases, and the file's budget
rm -f "$file"* g.db* h.db*
for i in 3 4 5 6; do make_frames "$i.y4m" "$i"; done
"$clipq" submit -q --db g.db 3.y4m 4.y4m 5.y4m 6.y4m
"$clipq" submit -q --db h.db 3.y4m 4.y4m 5.y4m 6.y4m
"$clipq" work -q --db g.db --progress none & one=$!
"$clipq" work -q --db h.db --progress none & two=$!
codes=; for pid in $one $two; do wait $pid && codes="$codes 0" || codes="$codes $?"; done
check "both end well" " 0 0" "$codes"
check "both have the same answers" "$(sql g.db "SELECT path, frame, round(sharpness, 3) FROM v_quality ORDER BY 1, 2")" \
    "$(sql h.db "SELECT path, frame, round(sharpness, 3) FROM v_quality ORDER BY 1, 2")"
check "four clips, not one" "4 $(( 4 * frames ))" "$(sql h.db "SELECT count(DISTINCT path), count(*) FROM v_quality")"
check "the file is sound" ok "$(sqlite3 "$file" "PRAGMA integrity_check")"
check "its books are right" 1 "$(sqlite3 "$file" "SELECT bytes = (SELECT sum(bytes) FROM answers) FROM meta")"
"$clipq" submit -q --db i.db one.y4m
work --db i.db --cache-disk 20KiB
check "a smaller budget holds" 1 "$(sqlite3 "$file" "SELECT bytes <= 20480 AND bytes = (SELECT sum(bytes) FROM answers) FROM meta")"

# 7. off
rm -f j.db*
"$clipq" submit -q --db j.db two.y4m
work --db j.db --cache off
check "off computes all" "$frames 0" "$(use j.db)"

finish
