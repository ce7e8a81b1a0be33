#!/usr/bin/env bash
# Submitting from directories, patterns, lists; awkward names; once and again; what is printed for programs.
. "$(dirname "$0")/e2e_lib.sh"
need sqlite3

mkdir -p in/deep in/.hidden
make_clip in/one.y4m 1
make_clip "in/deep/two words.y4m" 2
make_clip in/.hidden/no.y4m 3
make_clip -- 4 && mv ./-- "in/-rf.y4m"
make_clip "in/line
break.y4m" 5
make_clip "$(printf 'in/bytes\377.y4m')" 6
make_clip plain 7
: > in/zero.mp4
echo "text" > in/text.mp4
echo "text" > in/readme.txt

check_code 3 "$clipq" submit --dry-run in
check "a dry run makes no database" "" "$(ls ./*.db* 2> /dev/null || true)"
check_code 3 "$clipq" submit in
check "states" "failed 2|pending 5" "$(sql clipq.db "SELECT state, count(*) FROM v_jobs GROUP BY state" | paste -sd'|')"
check "classes" "empty|not_media" "$(sql clipq.db "SELECT reason FROM v_jobs WHERE state = 'failed' ORDER BY 1" | paste -sd'|')"
check_code 0 "$clipq" submit in
check_says "7 known already"
check_code 3 "$clipq" submit in nowhere.mp4
check_code 0 "$clipq" submit plain
check_code 0 "$clipq" submit --every 2 'in/o*.y4m'
check_says "1 candidate: 1 queued"
check "a different sampling is another job" 2 "$(sql clipq.db "SELECT count(*) FROM v_jobs WHERE path LIKE '%/one.y4m'")"
check_code 0 "$clipq" submit -- in/-rf.y4m

cp in/one.y4m copy.y4m
check_code 0 "$clipq" submit copy.y4m
check_says "1 known already"
check "a copy makes no second job" 0 "$(sql clipq.db "SELECT count(*) FROM v_jobs WHERE path LIKE '%/copy.y4m'")"
check "its path is kept" 1 "$(sql clipq.db "SELECT count(*) FROM v_paths WHERE path LIKE '%/copy.y4m'")"

check_code 3 sh -c "find in -type f -print0 | '$clipq' submit --db list.db --from-file - -0"
check_says "9 candidates"
printf 'in/one.y4m\nin/deep\n' > list.txt
check_code 0 "$clipq" submit --db lines.db --from-file list.txt
check_says "2 candidates: 2 queued"

# JSON lines: one for each candidate and one for the whole, each of them valid, whatever the names.
check_code 3 "$clipq" submit --json --db json.db in
check "lines" 8 "$(wc -l < out.txt)"
check "each line is JSON with its type" "candidate 7|submit_result 1" \
    "$(sqlite3 -separator ' ' :memory: "SELECT json_extract(value, '\$.message_type') AS k, count(*) FROM
       json_each('[' || replace(trim(readfile('out.txt'), char(10)), char(10), ',') || ']') GROUP BY k" | paste -sd'|')"
check_code 0 "$clipq" status --json --db json.db
check_says '"submitted":7'
check_code 0 "$clipq" report --json --db json.db
check_says '"reconciles":true'
check_code 0 "$clipq" report --db json.db
check_says "submitted 7 = done 0 + partial 0 + failed 2 + dead 0 + cancelled 0 + pending 5"
check_says "clipq work"

# A prober that dies or hangs costs its own path.
check_code 3 env CLIPQ_FAULT=probe-crash@one.y4m "$clipq" submit --db crash.db in
check "crash" "crash|empty|not_media" "$(sql crash.db "SELECT reason FROM v_jobs WHERE state <> 'pending' ORDER BY 1" | paste -sd'|')"
check "the others are queued" 4 "$(sql crash.db "SELECT count(*) FROM v_jobs WHERE state = 'pending'")"

# A locked database is told after the busy timeout, not waited for without end.
mkfifo go
( sqlite3 json.db "BEGIN IMMEDIATE" ".shell cat go" > /dev/null 2>&1 ) &
holder=$!
sleep 0.5
check_code 10 "$clipq" submit --db json.db --every 3 in/one.y4m
check_says "json.db"
echo > go
wait "$holder" || true

finish
