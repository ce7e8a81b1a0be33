#!/usr/bin/env bash
# Clips that vanish or change while they are decoded. The engine is slow and decoders wait for it, so each clip has begun
# when something happens to its file, and has long to go.
. "$(dirname "$0")/e2e_lib.sh"
need sqlite3

frames=100
mkdir in other
i=0
for name in kept deleted replaced cut overwritten; do
    i=$(( i + 1 ))
    make_clip "in/$name.y4m" "$i" $frames
    make_clip "other/$name.y4m" "$(( i + 10 ))" $frames
done

answers() {   # answers DATABASE NAME
    sql "$1" "SELECT frame, round(sharpness, 3), round(exposure, 3) FROM v_quality WHERE path LIKE '%/$2.y4m' ORDER BY frame"
}
state() { sql f.db "SELECT state, reason, attempts FROM v_jobs WHERE path LIKE '%/$1.y4m' ORDER BY job_id"; }
begun() { sql f.db "SELECT count(DISTINCT attempt_id) FROM frames"; }

"$clipq" submit -q --db before.db in
"$clipq" work -q --db before.db
"$clipq" submit -q --db f.db in
CLIPQ_FAULT=drag@0:0=20 "$clipq" work --db f.db --workers 5 --batch 4 --progress none > work.txt 2>&1 &
pid=$!
while kill -0 $pid 2> /dev/null && [ "$(begun)" -lt 5 ]; do
    sleep 0.1
done
check "all have begun and none has ended" "5 0" "$(begun) $(sql f.db "SELECT count(*) FROM v_jobs WHERE state <> 'running'")"
rm in/deleted.y4m
mv other/replaced.y4m in/replaced.y4m
truncate -s 100000 in/cut.y4m
cat other/overwritten.y4m > in/overwritten.y4m
code=0
wait $pid || code=$?
check "exit code" 3 "$code"

for name in kept deleted replaced; do
    check "$name: done" "done  1" "$(state $name)"
    check "$name: the answers of what was submitted" "$(answers before.db $name)" "$(answers f.db $name)"
done
for name in cut overwritten; do
    check "$name: neither the one nor the other" "failed changed 1" "$(state $name)"
    check "$name: no answers" "" "$(answers f.db $name)"
    check "$name: what to do" 1 "$(sql f.db "SELECT count(*) FROM v_failures WHERE path LIKE '%/$name.y4m' AND message LIKE '%submit it again%'")"
done
check "the database is whole" ok "$(sql f.db "PRAGMA integrity_check")"

# What lies there now is another clip.
check_code 0 "$clipq" submit -q --db f.db in
check_code 3 "$clipq" work -q --db f.db
check "a cut clip is a new one, which ends within a frame" "failed changed 1
partial truncated 1" "$(state cut)"
check "and so is an overwritten one" "failed changed 1
done  1" "$(state overwritten)"
check "with its own answers" "$frames 1" "$(sql f.db "SELECT count(*) FROM v_quality WHERE path LIKE '%/overwritten.y4m'") \
$([ "$(answers f.db overwritten)" != "$(answers before.db overwritten)" ] && echo 1)"
check "so is one in another's place" "done  1
done  1" "$(state replaced)"
finish
