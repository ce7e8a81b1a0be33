#!/usr/bin/env bash
# The ten longest functions of the tree: places to look at. Fails when one has more than 100 lines.
set -euo pipefail
cd "$(dirname "$0")/.."
find cmd runner stages kernels tests -name '*.[ch]' |
    ctags --languages=C --kinds-C=f --fields=+ne -f - -L - |
    awk -F '\t' '{
        first = last = 0
        for (i = 4; i <= NF; i++) {
            if ($i ~ /^line:/) first = substr($i, 6)
            if ($i ~ /^end:/) last = substr($i, 5)
        }
        if (last) printf "%5d  %s:%d  %s\n", last - first + 1, $2, first, $1
    }' | sort -rn | awk 'NR <= 10 { print } $1 > 100 { long = 1 } END { exit long }'
