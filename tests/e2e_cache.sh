#!/usr/bin/env bash
# Compiled kernels: made once, found again, and made anew where the files on disk are damaged.
. "$(dirname "$0")/e2e_lib.sh"
need sqlite3

frames=12
make_clip clip.y4m 1 $frames
export POCL_CACHE_DIR=$work/pocl XDG_CACHE_HOME=$work/cache
mkdir pocl good
submit() { rm -f f.db*; "$clipq" submit -q --db f.db clip.y4m; }
answers() { sql f.db "SELECT frame, round(sharpness, 3) FROM v_quality ORDER BY 1"; }
of_run() { sql f.db "SELECT $1 FROM v_runs"; }

submit
check_code 0 "$clipq" work --db f.db --progress none
want=$(answers)
cold=$(of_run prepare_s)
if [ -z "$(find pocl -name '*.so')" ]; then
    echo "skipped: the device is not PoCL"
    exit 77
fi
check "the manifest knows what was compiled" "$(find pocl -name '*.so' | wc -l)" "$(grep -c '\.so$' pocl/clipq-manifest)"
submit
check_code 0 "$clipq" work --db f.db --progress none
check "the second start finds them: at least three times as fast" 1 "$(awk "BEGIN {print $(of_run prepare_s) * 3 < $cold}")"
cp -r pocl/. good

damage_cut() { truncate -s 1000 "$1"; }
damage_flip() { for at in 4096 5000 6000 7000 8000; do printf '\125' | dd of="$1" bs=1 seek=$at conv=notrunc status=none; done; }

# run_damaged WHAT FILES HOW [unknown]: the files are damaged; with `unknown`, no manifest tells.
run_damaged() {
    local file
    rm -rf pocl/*
    cp -r good/. pocl
    while read -r file; do "damage_$3" "$file"; done < <(find pocl -name "$2")
    if [ -n "${4:-}" ]; then rm pocl/clipq-manifest; fi
    submit
    check_code 0 "$clipq" work --db f.db --progress none
    check "$1: all is there, as before" "$want" "$(answers)"
    if [ -z "${4:-}" ]; then check "$1: no engine was lost over it" 0 "$(of_run engine_restarts)"; fi
}
run_damaged "code cut off" "*.so" cut
run_damaged "code with flipped bits" "*.so" flip
run_damaged "code cut off, unknown to the manifest" "*.so" cut unknown
run_damaged "programs cut off, unknown to the manifest" "program.bc" cut unknown

# Nothing but PoCL's own folders is ever touched.
rm -rf pocl/*
cp -r good/. pocl
mkdir -p pocl/AB/short pocl/mine/ABCDEFGHIJKLMNOPQRSTUVWXYZ
echo keep | tee pocl/AB/short/x.so pocl/mine/ABCDEFGHIJKLMNOPQRSTUVWXYZ/x.so pocl/x.so > /dev/null
echo '0000000000000000 9 mine/ABCDEFGHIJKLMNOPQRSTUVWXYZ/x.so' >> pocl/clipq-manifest
echo '0000000000000000 9 AB/../../elsewhere/x.so' >> pocl/clipq-manifest
echo 'nonsense' >> pocl/clipq-manifest
find pocl -name program.bc -exec truncate -s 1000 {} +
submit
check_code 0 "$clipq" work --db f.db --progress none
check "other files stay" 3 "$(cat pocl/x.so pocl/*/*/x.so | grep -c keep)"

finish
