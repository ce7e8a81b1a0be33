#!/usr/bin/env bash
# list, show and log: what a person sees of single jobs, and the decoder's last words in their history.
. "$(dirname "$0")/e2e_lib.sh"
need sqlite3
data=$(realpath "${CLIPQ_DATA:-$root/../shared/data}" 2> /dev/null || true)

mkdir in
for i in 1 2 3; do make_clip "in/clip$i.y4m" "$i" 8; done
printf 'no clip\n' > in/text.mp4
check_code 3 "$clipq" submit -q in
check_code 0 "$clipq" list --state pending
check "a heading and three jobs" 4 "$(wc -l < out.txt)"
check_code 3 env CLIPQ_FAULT=crash@clip2 "$clipq" work --progress none

id=$(sql clipq.db "SELECT job_id FROM v_jobs WHERE path LIKE '%clip2%'")
check_code 0 "$clipq" list --class crash
check "columns" "$id dead crash 2 0" "$(awk 'NR == 2 {print $1, $2, $3, $4, $5}' out.txt)"
check_code 0 "$clipq" list --state failed,dead --json
check "two did not come out" 2 "$(grep -c '"message_type":"job"' out.txt)"
check_code 0 "$clipq" list --path clip1 --with-model scene --run 1
check_says "clip1.y4m"
check "and nothing else" 2 "$(wc -l < out.txt)"
check_code 0 "$clipq" list --limit 1 --offset 1
check_says "1 of 4 jobs"
check_code 0 "$clipq" list --all
check "every one" 5 "$(wc -l < out.txt)"

check_code 0 "$clipq" show "$id"
check_says "dead, crash"
check_says "builtin:scene"
check_says "signal 6"
check_code 0 "$clipq" log "$id"
check_says "attempt 1: retried, crash"
check_says "attempt 2: dead, crash"
check "two attempts in JSON" 2 "$("$clipq" log --json "$id" | grep -c '"reason":"crash"')"
check_code 0 "$clipq" log "$(sql clipq.db "SELECT job_id FROM v_jobs WHERE path LIKE '%text%'")"
check_says "has not been tried"
check_code 1 "$clipq" show 1 99
check_says "no job 99"
check_code 2 "$clipq" show clip1
check_says "clipq list"
check_code 2 "$clipq" list --state broken
check_says "pending, running"
check_code 2 "$clipq" list --class broken
check_says "States and failures"

if [ -d "$data/clips" ]; then    # a stream whose middle is overwritten: libav says so
    cp "$data/clips/bird_mpeg4.avi" hurt.avi
    chmod u+w hurt.avi
    size=$(stat -c %s hurt.avi)
    head -c 30000 /dev/urandom | dd of=hurt.avi bs=1 seek=$(( size / 2 )) conv=notrunc status=none
    check_code 0 "$clipq" submit -q --every 10 hurt.avi
    check_code 3 "$clipq" work --progress none
    id=$(sql clipq.db "SELECT job_id FROM v_jobs WHERE path LIKE '%hurt%'")
    check_code 0 "$clipq" log "$id"
    check_says "last words"
    check_says "mpeg4: "
    check "they are in SQL" 1 "$(sql clipq.db "SELECT count(*) FROM v_attempts WHERE job_id = $id AND last_words LIKE '%mpeg4: %'")"
fi
finish
