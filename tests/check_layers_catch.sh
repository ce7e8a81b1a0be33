#!/usr/bin/env bash
# check_layers.sh finds what it is for: each of these includes, alone, makes it fail.
set -euo pipefail
checker=$(cd "$(dirname "$0")" && pwd)/check_layers.sh
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree"/{cmd,runner,stages/infer,stages/answer,stages/media,kernels/base}
missed=0

try() {   # try EXPECTED FILE INCLUDE
    local code=0
    find "$tree" -type f -delete
    printf '#include <stdio.h>\n#include %s\n' "$3" > "$tree/$2"
    "$checker" "$tree" > /dev/null || code=1
    if [ "$code" != "$1" ]; then
        echo "FAILED: $2 with #include $3 gives $code"
        missed=1
    fi
}
try 0 cmd/a.c '"runner/store.h"'
try 0 stages/media/a.c '"stages/answer/card.h"'
try 0 runner/store_x.c '<sqlite3.h>'
try 1 runner/a.c '"cmd/common.h"'
try 1 stages/media/a.c '"runner/work.h"'
try 1 stages/answer/a.c '"stages/media/clip.h"'
try 1 stages/infer/a.c '"stages/answer/card.h"'
try 1 kernels/a.c '"stages/infer/model.h"'
try 1 kernels/base/a.c '"kernels/device.h"'
try 1 kernels/a.c '"op.h"'
try 1 cmd/a.c '"../runner/work.h"'
try 1 runner/work.c '<sqlite3.h>'
try 1 cmd/a.c '<uv.h>'
try 1 runner/a.c '<libavformat/avformat.h>'
try 1 stages/infer/a.c '<CL/cl.h>'
try 1 runner/a.c '<protobuf-c/protobuf-c.h>'
exit $missed
