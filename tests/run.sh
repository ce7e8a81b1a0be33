#!/usr/bin/env bash
# Every test: packages, three builds (as users get it with warnings as errors; with the address and undefined-behaviour
# sanitizers; with the thread sanitizer), ctest in each, one line with the sums at the end. Exit code 0 only when
# nothing failed. May be run again and from any folder; builds go to build-test/, build-asan/, build-tsan/.
#
#   tests/run.sh            all of it
#   tests/run.sh --quick    without the sanitizer builds
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
. examples/packages.sh
quick=${1:-}

# shellcheck disable=SC2086
install_packages $packages_build libcmocka-dev libonnx-testdata oclgrind sqlite3 ffmpeg universal-ctags

jobs=$(nproc)
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT

# Tests that sanitizers would make too slow: whole runs on real footage, and those that time things; and those that set
# resource limits, which a sanitizer's own memory breaks.
slow='crash_[12]|test_precision|e2e_cache|e2e_memory|e2e_oom|e2e_bench|e2e_real|e2e_scene|e2e_submit_many|e2e_kill|test_work|test_store_crash|golden|check_kernels|headers|layers|longest|_simt|e2e_tune'
# What runs on more than one thread.
threaded='test_(writer|child|submit|arena|batcher|work)$'

# What is known not to be ours: the OpenCL runtime's own allocations, which live until the process ends.
export LSAN_OPTIONS="suppressions=$root/tests/lsan.supp:print_suppressions=0"

# The leak checker itself crashes now and then when it looks through the threads of the OpenCL runtime at the end of a
# program. Such a test, and no other, is run once more.
forgiven=0
again_where_leak_checker_crashed() {   # again_where_leak_checker_crashed BUILD
    local name log="$1/Testing/Temporary/LastTest.log"
    [ -f "$log" ] || return 0
    for name in $(awk '/^[0-9]+\/[0-9]+ Testing: / { name = $3 } /LeakSanitizer has encountered a fatal error/ { print name }' \
                      "$log" | sort -u); do
        echo "== $name once more: the leak checker crashed"
        if ctest --test-dir "$1" --output-on-failure -R "^$name\$"; then
            forgiven=$((forgiven + 1))
        fi
    done
}

broken=0
build_and_test() {   # build_and_test NAME CTEST_ARGUMENTS -- CMAKE_ARGUMENTS
    local name=$1 select=()
    shift
    while [ "$1" != -- ]; do select+=("$1"); shift; done
    shift
    echo
    echo "== $name: build"
    if ! { cmake -S . -B "build-$name" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo "$@" > "$results/configure" &&
           cmake --build "build-$name" -j"$jobs"; }; then
        echo "== $name: DOES NOT BUILD"
        broken=$((broken + 1))
        return
    fi
    echo "== $name: test"
    ctest --test-dir "build-$name" --output-on-failure --output-junit "$results/$name.xml" "${select[@]}" || true
    if [ ! -s "$results/$name.xml" ]; then
        echo "== $name: NO TEST RAN"
        broken=$((broken + 1))
    fi
    again_where_leak_checker_crashed "build-$name"
}

# Warnings are errors only where no sanitizer makes the compiler see ghosts.
build_and_test test -j"$jobs" -- -DCLIPQ_WERROR=ON
if [ "$quick" != --quick ]; then
    build_and_test asan -j"$jobs" -E "$slow" -- "-DCLIPQ_SANITIZE=address;undefined"
    build_and_test tsan -j"$jobs" -R "$threaded" -- -DCLIPQ_SANITIZE=thread
fi

echo
echo "== the ten longest functions (lines, place, name)"
tests/longest_functions.sh || true

count() {   # count ATTRIBUTE: its sum over the <testsuite> elements of all results
    cat "$results"/*.xml 2> /dev/null | tr '\n\t' '  ' | grep -o '<testsuite [^>]*>' | grep -o " $1=\"[0-9]*\"" |
        tr -dc '0-9\n' | awk '{ n += $1 } END { print n + 0 }'
}
total=$(count tests) failures=$(($(count failures) - forgiven)) skipped=$(( $(count skipped) + $(count disabled) ))
echo
echo "$((total - failures - skipped)) passed, $((failures + broken)) failed, $skipped skipped"
[ $((failures + broken)) -eq 0 ] && [ "$total" -gt 0 ]
