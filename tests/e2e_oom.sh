#!/usr/bin/env bash
# A machine, or a container, that runs out of memory: `clipq work` in a control group of less and less. The kernel kills
# what is largest in it, which is an engine, or the decoder of a huge clip. Whatever comes of it is said, and what was not
# done can be done elsewhere.
. "$(dirname "$0")/e2e_lib.sh"
need sqlite3

# Within the group that we are in, so that its limits hold on.
one=$(sed -n 's/^[0-9]*:memory://p' /proc/self/cgroup)
two=$(sed -n 's/^0:://p' /proc/self/cgroup)
if mkdir "/sys/fs/cgroup/memory${one%/}/clipq-$$" 2> /dev/null; then
    group=/sys/fs/cgroup/memory${one%/}/clipq-$$ limit=memory.limit_in_bytes events=memory.oom_control
elif mkdir "/sys/fs/cgroup${two%/}/clipq-$$" 2> /dev/null; then
    group=/sys/fs/cgroup${two%/}/clipq-$$ limit=memory.max events=memory.events
else
    echo "skipped: may not make a control group"
    exit 77
fi
trap 'rmdir "$group"; rm -rf "$work"' EXIT
if ! echo max > "$group/$limit" && ! echo -1 > "$group/$limit"; then
    echo "skipped: its memory may not be limited"
    exit 77
fi 2> /dev/null
killed() { sed -n 's/^oom_kill //p' "$group/$events"; }

clips=3 frames=40
mkdir in
for i in $(seq $clips); do
    make_clip "in/clip$i.y4m" "$i" $frames
done
answers() { sql f.db "SELECT path, frame, round(sharpness, 3), round(exposure, 3) FROM v_quality ORDER BY 1, 2"; }
queue() { rm -f f.db*; "$clipq" submit -q --db f.db in; }
queue
"$clipq" work -q --db f.db --workers 1
want=$(answers)

# A budget that is a lie, and a device that takes it at its word.
export CLIPQ_STREAMS=1
failed_so=0
work_within() {   # work_within MIB [OPTION...]
    echo $(( $1 << 20 )) > "$group/$limit"
    shift
    [ ! -e "$group/memory.swap.max" ] || echo 0 > "$group/memory.swap.max"
    code=0
    bash -c "echo \$\$ > '$group/cgroup.procs'; exec '$clipq' work --db f.db --workers 1 --progress none $*" > out.txt 2> err.txt || code=$?
}
for mib in 300 200 120 80 50; do
    queue
    before=$(killed)
    work_within $mib --batch 64 --memory-limit 1GiB
    kills=$(( $(killed) - before ))
    echo "$mib MiB: exit code $code, $kills killed"
    check "$mib MiB: the books add up" "$clips ok" "$(sql f.db "SELECT count(*) FROM v_jobs WHERE state IN ('done', 'failed', 'pending')") \
$(sql f.db "PRAGMA integrity_check")"
    case $code in
    0)  check "$mib MiB: complete, and the same answers" "$want" "$(answers)" ;;
    3)  failed_so=1
        check "$mib MiB: why, and what to do" "$clips" "$(sql f.db "SELECT count(*) FROM v_failures
            WHERE reason = 'out_of_memory' AND message LIKE '%memory%give it more%'")" ;;
    1)  check "$mib MiB: the clips wait" "$clips" "$(sql f.db "SELECT count(*) FROM v_jobs WHERE state = 'pending'")" ;;
    *)  check "$mib MiB: exit code" "0, 1 or 3" "$code" ;;
    esac
done
check "the kernel killed some" 1 "$(( $(killed) > 0 ))"

# Where there is memory, what is left is done.
[ $failed_so = 0 ] || check_code 0 "$clipq" retry -q --db f.db --class out_of_memory
check_code 0 "$clipq" work -q --db f.db --workers 1
check "the rest is done elsewhere" "$want" "$(answers)"

# One frame of it is larger than all memory there is (a file with a hole: it takes no disk).
printf 'YUV4MPEG2 W17408 H12288 F10:1 Ip A1:1 C420jpeg\nFRAME\n' > in/huge.y4m
truncate -s +$(( 17408 * 12288 * 3 / 2 )) in/huge.y4m
queue
work_within 300
check "the decoder of a huge clip is killed twice, and the others are done" "3 failed out_of_memory 1 $clips" \
    "$code $(sql f.db "SELECT state, reason, attempts, (SELECT count(*) FROM v_jobs WHERE state = 'done') FROM v_jobs WHERE path LIKE '%huge%'")"
check "the first time counts for nothing" "released 1|failed 1" "$(sql f.db "SELECT outcome, message LIKE '%when memory runs out%'
    FROM v_attempts WHERE path LIKE '%huge%' ORDER BY outcome DESC" | paste -sd'|')"
finish
