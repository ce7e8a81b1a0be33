#!/usr/bin/env bash
# Every OpenCL kernel on small cases in a simulator that sees each access: reads and writes out of bounds, data races,
# uninitialised variables, wrong API calls. Fails on anything the simulator says.
#
#   tests/check_oclgrind.sh BUILD/tests/check_kernels
#
# Built without optimisation, for oclgrind 21 does not know some instructions that LLVM's optimiser makes. Device memory
# counts as initialised, because check_kernels fills all of it: pad lanes of BLOCKED tensors may hold anything
# (kernels/tensor.h), and are NaN there, which shows where one is used. The simulated device calls itself a GPU, but
# variants for CPUs shall run as well.
set -euo pipefail

check=$1
command -v oclgrind > /dev/null || { echo "SKIP: oclgrind is not installed"; exit 77; }
log=$(mktemp)
trap 'rm -f "$log"' EXIT

status=0
oclgrind --check-api --data-races --uninitialized --build-options -cl-opt-disable --local-mem-size 65536 --log "$log" \
    "$check" --small --as cpu || status=$?
if [ -s "$log" ]; then
    echo "oclgrind says:"
    head -60 "$log"
    exit 1
fi
exit "$status"
