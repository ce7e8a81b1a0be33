#!/usr/bin/env bash
# Tensors kept as files: there is one for each row, none for attempts that came to nothing, and no other is touched.
. "$(dirname "$0")/e2e_lib.sh"
need sqlite3 setsid

clips=8 frames=40
mkdir in
for i in $(seq $clips); do make_clip "in/clip$i.y4m" "$i" $frames; done

files_of() { find "$1.files" -name '*.npy*' -size +100c | wc -l; }
check_files() {   # check_files DB: rows and files are the same
    check "$1: every frame has both outputs" $(( clips * frames * 2 )) "$(sql "$1" "SELECT count(*) FROM v_artifacts")"
    check "$1: rows name files that exist, and no other is ours" \
        "$(sql "$1" "SELECT file FROM v_artifacts ORDER BY file" | sort)" "$(find "$1.files" -name '*.npy*' ! -name '*keep*' | sort)"
}
submit() { "$clipq" submit -q --db "$1" --decoder raw in; }

submit plain.db
check_code 0 "$clipq" work --db plain.db --workers 2 --progress none
check_files plain.db

submit kill.db
mkdir kill.db.files
touch kill.db.files/keep.txt kill.db.files/1-1-0-0-keep.npy kill.db.files/999-1-0-0-0-keep.npy kill.db.files/01-1-0-0-0-keep.npy
setsid "$clipq" work --db kill.db --workers 2 --progress none 2> /dev/null &
pid=$!
while [ "$(files_of kill.db)" -lt 20 ] && kill -0 "$pid" 2> /dev/null; do sleep 0.02; done
kill -KILL -- "-$pid"
wait "$pid" 2> /dev/null || true
check "the kill came while files were written" 1 "$(sql kill.db "SELECT count(*) > 0 FROM v_jobs WHERE state = 'running'")"
check_code 0 "$clipq" work --db kill.db --workers 2 --progress none
check "attempts were lost" 1 "$(sql kill.db "SELECT count(*) > 0 FROM v_attempts WHERE outcome = 'lost'")"
check_files kill.db
check "files of others stay" 4 "$(find kill.db.files -name '*keep*' | wc -l)"

# Where no file can be written the run stops, and no clip is to blame.
submit blocked.db
touch blocked.db.files
check_code 1 "$clipq" work --db blocked.db --workers 2 --progress none
check_says "blocked.db.files"
check "every clip waits, untried" "$clips" "$(sql blocked.db "SELECT count(*) FROM v_jobs WHERE state = 'pending' AND attempts = 0")"
rm blocked.db.files
check_code 0 "$clipq" work --db blocked.db --workers 2 --progress none
check_files blocked.db

finish
