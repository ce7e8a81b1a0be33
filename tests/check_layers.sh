#!/usr/bin/env bash
# Reads every #include and fails on one that points up or sideways, or that brings a third-party header into a file
# that it does not belong to.
#
#   cmd -> runner -> stages/media -> stages/answer -> stages/infer -> kernels -> kernels/base
#
# A file may include its own layer and those after it. stages/failure.h is a floor of the stages.
set -euo pipefail
cd "${1:-$(dirname "$0")/..}"
export LC_ALL=C

find cmd runner stages kernels -name '*.[ch]' -exec grep -nHE '^[[:space:]]*#[[:space:]]*include' {} + | awk '
function layer(path) {
    if (path ~ /^cmd\//) return 7
    if (path ~ /^runner\//) return 6
    if (path ~ /^stages\/media\//) return 5
    if (path ~ /^stages\/answer\//) return 4
    if (path ~ /^stages\/infer\//) return 3
    if (path ~ /^stages\//) return 2.5
    if (path ~ /^kernels\/base\//) return 1
    if (path ~ /^kernels\//) return 2
    return 0
}
function bad(why) { printf "%s:%s: %s: %s\n", file, line, header, why; failures++ }
function only(pattern, places, name) {
    if (header ~ pattern && file !~ places) bad(name " is not included here")
}
{
    split($0, part, ":")
    file = part[1]; line = part[2]
    match($0, /[<"][^>"]*[>"]/)
    quoted = substr($0, RSTART, 1) == "\""
    header = substr($0, RSTART + 1, RLENGTH - 2)
    seen++
    if (header ~ /^\.\.?\//) bad("write it from the root")
    if (quoted) {
        to = layer(header)
        # generated headers (onnx.pb-c.h) are found by name alone
        if (to > layer(file)) bad("points up")
        if (!to && header !~ /pb-c\.h$/) bad("write it from the root")
    }
    only("^sqlite3\\.h$", "^runner/store", "SQLite")
    only("^uv\\.h$", "^runner/", "libuv")
    only("^lib(av|sw)[a-z]*/", "^stages/media/|^stages/answer/png\\.c$", "libav")
    only("^CL/", "^kernels/", "OpenCL")
    only("protobuf-c|pb-c\\.h$", "^stages/infer/onnx|^stages/answer/onnx_writer|^stages/answer/scene_gen", "protobuf")
}
END {
    if (!seen) { print "no #include was found: run from the source tree"; exit 1 }
    printf "%d includes, %d wrong\n", seen, failures
    exit failures > 0
}'
