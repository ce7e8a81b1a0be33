#!/usr/bin/env bash
# Every header compiles alone.
#
#   tests/check_headers.sh [COMPILER [FLAGS...]]
set -euo pipefail
cd "$(dirname "$0")/.."
compiler=${1:-cc}
shift $(( $# > 0 ))
wrong=0 n=0
while read -r header; do
    n=$((n + 1))
    if ! "$compiler" -std=c11 -D_GNU_SOURCE -DCL_TARGET_OPENCL_VERSION=120 -I. "$@" -Wall -Wextra -fsyntax-only -x c "$header" 2> /tmp/clipq-header.$$; then
        echo "FAILED: $header"
        head -5 /tmp/clipq-header.$$
        wrong=$((wrong + 1))
    fi
done < <(find cmd runner stages kernels -name '*.h' | sort)
rm -f /tmp/clipq-header.$$
echo "$n headers, $wrong do not compile alone"
[ "$n" -gt 0 ] && [ "$wrong" -eq 0 ]
