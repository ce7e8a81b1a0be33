# Sourced by the end-to-end tests, whose only argument is the program. Gives:
#
#   $clipq, $work (a folder of its own, removed at the end), check, check_code, check_says, sql, make_clip, finish
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
clipq=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
unset CLIPQ_DB CLIPQ_JSON CLIPQ_MODEL CLIPQ_FAULT
export CLIPQ_CACHE=off   # for tests that count what was inferred; e2e_answers turns it on
failed=0

check() {   # check WHAT EXPECTED ACTUAL
    if [ "$2" = "$3" ]; then
        echo "ok: $1"
    else
        printf 'FAILED: %s\n  expected: %s\n  actual:   %s\n' "$1" "$2" "$3"
        failed=1
    fi
}

check_code() {   # check_code CODE COMMAND...: runs it; its output is left in out.txt and err.txt
    local want=$1 code=0
    shift
    "$@" > "$work/out.txt" 2> "$work/err.txt" || code=$?
    check "exit code $want of: ${*/#$clipq/clipq}" "$want" "$code"
    if [ "$code" != "$want" ]; then
        head -5 "$work/err.txt"
    fi
}

check_says() {   # check_says TEXT: the last command of check_code wrote it somewhere
    if grep -qF -- "$1" "$work/out.txt" "$work/err.txt"; then
        echo "ok: says '$1'"
    else
        echo "FAILED: does not say '$1' but:"
        head -5 "$work/out.txt" "$work/err.txt"
        failed=1
    fi
}

sql() {   # sql DATABASE QUERY
    sqlite3 -readonly -separator ' ' "$1" "$2"
}

need() {   # need PROGRAM...: skips the test where one is not installed
    local name
    for name in "$@"; do
        command -v "$name" > /dev/null || { echo "skipped: needs $name"; exit 77; }
    done
}

make_clip() {   # make_clip FILE SEED [FRAMES]: a small uncompressed clip, its content different for each seed
    awk -v seed="$2" -v frames="${3:-4}" 'BEGIN {
        print "YUV4MPEG2 W64 H48 F10:1 Ip A1:1 C420jpeg"
        srand(seed)
        for (f = 0; f < frames; f++) {
            print "FRAME"
            base = sprintf("%c", 65 + int(rand() * 40))
            line = base; while (length(line) < 64 * 48 * 3 / 2 - 20) line = line line
            printf "%s%020d", substr(line, 1, 64 * 48 * 3 / 2 - 20), seed
        }
    }' > "$1"
}

finish() {
    [ "$failed" = 0 ] && echo "all fine"
    exit "$failed"
}
