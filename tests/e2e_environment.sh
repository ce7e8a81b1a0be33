#!/usr/bin/env bash
# A machine that does not play along: a full disk, a database that is read-only or locked, few descriptors, clips that
# change under the decoder. Each ends in a message that says what to do, with the queue whole, and the next run finishes it.
. "$(dirname "$0")/e2e_lib.sh"
need sqlite3 python3
clips=4 frames=40

mkdir in
for i in $(seq $clips); do make_clip "in/clip$i.y4m" "$i" $frames; done
"$clipq" submit -q --db fresh.db in

# whole DB: nothing lost, nothing twice, whatever happened before
whole() {
    check "$1: sound" ok "$(sqlite3 "$1" "PRAGMA integrity_check")"
    check "$1: every clip is there in one state" "$clips 1" \
        "$(sqlite3 -separator ' ' "$1" "SELECT count(*), (SELECT sum(jobs) FROM totals) = count(*) FROM v_jobs")"
}
resumes() {   # resumes DB: the next run does all that is left, at once
    whole "$1"
    check_code 0 "$clipq" work --db "$1" --workers 2 --progress none
    check "$1: every clip is done, with all frames" "$clips $(( clips * frames ))" \
        "$(sqlite3 -separator ' ' "$1" "SELECT (SELECT count(*) FROM v_jobs WHERE state = 'done'), count(*) FROM v_frames")"
    check "$1: no lease is left" 0 "$(sqlite3 "$1" "SELECT count(*) FROM jobs WHERE owner IS NOT NULL")"
    whole "$1"
}

# ---- locked: somebody holds the write lock for longer than we wait ----
hold() {   # hold DB [ATTEMPTS]: from when it has so many, until $holder is killed
    python3 -c "
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
while db.execute('SELECT count(*) FROM attempts').fetchone()[0] < int(sys.argv[2]): time.sleep(0.001)
db.execute('BEGIN EXCLUSIVE')
print('held', flush=True)
time.sleep(600)" "$1" "${2:-0}" > held.txt &
    holder=$!
}
let_go() { kill -KILL "$holder"; wait "$holder" 2> /dev/null || true; }

cp fresh.db locked.db
hold locked.db
while [ ! -s held.txt ]; do sleep 0.02; done
check_code 10 env CLIPQ_BUSY_TIMEOUT=0.2 "$clipq" work --db locked.db --progress none
check_says "another process holds the write lock"
check_code 10 env CLIPQ_BUSY_TIMEOUT=0.2 "$clipq" submit --db locked.db in
check_says "locked.db"
check_code 0 "$clipq" status --db locked.db
let_go
check_code 10 env CLIPQ_BUSY_TIMEOUT=soon "$clipq" status --db locked.db
check_says "CLIPQ_BUSY_TIMEOUT"
resumes locked.db

# While clips are under way: the run ends, and the next one has what it held without waiting for leases.
cp fresh.db during.db
hold during.db 1
check_code 10 env CLIPQ_BUSY_TIMEOUT=0.2 "$clipq" work --db during.db --workers 2 --progress none
check_says "another process holds the write lock"
let_go
resumes during.db

# ---- read-only: the file, then its folder, for a user who is not root ----
as_user() {   # as_user COMMAND...: somebody whom permissions hold back
    if [ "$(id -u)" = 0 ]; then setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; else "$@"; fi
}
if [ "$(id -u)" != 0 ] || { command -v setpriv > /dev/null && chmod 755 "$work" && as_user test -x "$clipq"; }; then
    mkdir ro
    cp fresh.db ro/q.db
    chmod 444 ro/q.db
    chmod 555 ro
    for what in work "submit in"; do
        # shellcheck disable=SC2086
        check_code 10 as_user "$clipq" ${what%% *} --db ro/q.db ${what#"${what%% *}"}
        check_says "must be writable"
    done
    check_code 0 as_user "$clipq" status --db ro/q.db
    chmod 755 ro
    chmod 644 ro/q.db
    mv ro/q.db readonly.db
    resumes readonly.db
fi

# ---- few descriptors ----
cp fresh.db few.db
check_code 0 bash -c "ulimit -n 256; exec '$clipq' work --db few.db --workers 16 --progress none"
resumes few.db

# ---- a clip that changes, and one that goes, between submission and decoding ----
mkdir moving
for i in 1 2 3; do make_clip "moving/$i.y4m" "1$i" 10; done
"$clipq" submit -q --db moving.db moving
make_clip moving/1.y4m 99 10
rm moving/2.y4m
check_code 3 "$clipq" work --db moving.db --workers 1 --max-attempts 1 --progress none
check "each has its own reason" "done changed vanished" \
    "$(sql moving.db "SELECT CASE WHEN reason = '' THEN state ELSE reason END FROM v_jobs ORDER BY 1 = 'x', reason = 'vanished', reason = 'changed'" | tr '\n' ' ' | sed 's/ $//')"

# ---- a full disk, where we may mount one ----
if unshare -rm true 2> /dev/null; then
    cat > full.sh <<'END'
set -e
mkdir -p small
mount -t tmpfs -o size=3m none small
cp fresh.db small/q.db
"$1" work --db small/q.db --workers 2 --progress none 2> err.txt > out.txt &
pid=$!
while kill -0 $pid 2> /dev/null && [ "$(sqlite3 -readonly small/q.db "SELECT count(*) FROM attempts")" = 0 ]; do sleep 0.02; done
head -c 4000000 /dev/zero > small/ballast 2> /dev/null || true
code=0
wait $pid || code=$?
echo $code > code.txt
rm small/ballast
sqlite3 small/q.db ".backup full.db"
"$1" work --db small/q.db --workers 2 --progress none 2> err2.txt > /dev/null || true
sqlite3 small/q.db ".backup full.db"
END
    unshare -rm bash full.sh "$clipq"
    check "exit code of a run whose disk is full" 10 "$(cat code.txt)"
    check_says "free some space there"
    check "what it held needs no waiting for" "$clips" "$(sql full.db "SELECT count(*) FROM v_jobs WHERE state = 'done'")"
    resumes full.db
fi
finish
