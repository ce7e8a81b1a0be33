#!/usr/bin/env bash
# What a person may type wrong, and what comes back: exit codes and messages that say what to do.
. "$(dirname "$0")/e2e_lib.sh"
need sqlite3

check_code 2 "$clipq"
check_says "Commands:"
check_code 0 "$clipq" help
check_code 0 "$clipq" --version
check_says "SQLite"
check_code 2 "$clipq" sumbit
check_says "did you mean 'submit'"
check_code 2 "$clipq" help wrok
check_says "did you mean 'work'"
for command in submit work status list show log retry cancel pause resume report devices doctor model bench "bench infer" "bench decode" "bench e2e" "bench balance" "bench queue" "tune kernels" cache; do
    # shellcheck disable=SC2086
    check_code 0 "$clipq" help $command
    check_says "Exit codes"
    # shellcheck disable=SC2086
    check_code 0 "$clipq" $command --help
    # shellcheck disable=SC2086
    check_code 2 "$clipq" $command --no-such-option
    check_says "unknown option --no-such-option"
done
check_code 2 "$clipq" --child=nothing

check_code 2 "$clipq" submit
check_says "nothing to submit"
check_code 2 "$clipq" submit --every 2 --fps 3 .
check_says "exclude each other"
check_code 2 "$clipq" submit --to 3 --from 00:00:05 .
check_says "is not after"
check_code 2 "$clipq" submit -0 .
check_says "--from-file"
check_code 2 "$clipq" submit --threshold 2 .
check_says "a number from 0 to 1"
check_code 2 "$clipq" submit --model a --model b --decoder yolox .
check_says "card file"
check_code 2 "$clipq" submit --decoder nonsense .
check_says "there are"
check_code 2 env CLIPQ_WORKERS=many "$clipq" work
check_says "CLIPQ_WORKERS"
check_code 2 "$clipq" work clip.mp4
check_says "clipq submit"
check_code 2 "$clipq" work --device nonsense
check_says "P:D"
check_code 2 "$clipq" work --device cpu,
check_code 2 "$clipq" model --device 0:0,1:0 builtin:scene
check_code 2 "$clipq" --db x.db work
check_says "after the command"
check_code 2 "$clipq" work --progress=loud
check_says "auto|bar|plain|json|none"

# Models that cannot be used: told before a database is made.
make_clip clip.y4m 1
echo "no model" > text.onnx
: > empty.onnx
check_code 1 "$clipq" submit --model missing.onnx clip.y4m
check_says "missing.onnx"
check_code 1 "$clipq" submit --model text.onnx clip.y4m
check_says "text.onnx"
check_code 1 "$clipq" submit --model empty.onnx clip.y4m
check_code 1 "$clipq" submit --model builtin:nothing clip.y4m
check_says "builtin:scene"
check_code 1 "$clipq" model missing.onnx
check_code 1 "$clipq" submit --from-file nowhere.txt
check_says "nowhere.txt"
check_code 1 "$clipq" submit nowhere.mp4
check_says "nowhere.mp4"
mkdir nothing
check_code 1 "$clipq" submit nothing
check_says "no clip was found"
rm -f clipq.db
check_code 2 "$clipq" submit --model builtin:scene --model builtin:scene clip.y4m
check_says "give it once"
check "no database is left behind" "" "$(ls ./*.db* 2> /dev/null || true)"

# Databases that cannot be used.
for command in work status report; do
    check_code 10 "$clipq" "$command" --db nowhere.db
    check_says "nowhere.db"
done
check "asking makes no database" "" "$(ls ./*.db* 2> /dev/null || true)"
echo "this is text, and long enough to be looked at as a database of some other program" > foreign.db
sqlite3 other.db "CREATE TABLE mine (x)"
cp other.db other.before
for name in foreign.db other.db; do
    for command in work status report "submit clip.y4m"; do
        # shellcheck disable=SC2086
        check_code 10 "$clipq" $command --db "$name"
        check_says "$name"
    done
done
check "another program's database is not touched" "$(cksum < other.before)" "$(cksum < other.db)"
check_code 10 "$clipq" submit --db "$work/no/such/folder/x.db" clip.y4m
check_code 10 "$clipq" submit --db "$work" clip.y4m
check_code 0 "$clipq" submit --db newer.db clip.y4m
sqlite3 newer.db "PRAGMA user_version = 9999" > /dev/null
check_code 10 "$clipq" status --db newer.db
check_says "newer"
check_code 10 "$clipq" submit --db newer.db clip.y4m

finish
