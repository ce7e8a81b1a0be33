#!/usr/bin/env bash
# Every OpenCL kernel on small cases in a simulator that sees each access: reads and writes out of bounds, data races,
# uninitialised variables, wrong API calls. Fails on anything the simulator says.
#
#   tests/check_oclgrind.sh BUILD/tests/check_kernels
#
# Built without optimisation, for oclgrind 21 does not know some instructions that LLVM's optimiser makes. Device memory
# counts as initialised, because check_kernels fills all of it: pad lanes of BLOCKED tensors may hold anything
# (kernels/tensor.h), and are NaN there, which shows where one is used.
set -euo pipefail

check=$1
command -v oclgrind > /dev/null || { echo "SKIP: oclgrind is not installed"; exit 77; }
log=$(mktemp)
trap 'rm -f "$log" "$log.part"' EXIT

simulate() {
    oclgrind --check-api --data-races --uninitialized --build-options -cl-opt-disable --local-mem-size 65536 \
        --log "$log.part" "$check" --small "$@" || status=$?
    cat "$log.part" >> "$log"
}

# The simulated device calls itself a GPU, but variants for CPUs shall run as well: all of them, then what is launched
# otherwise on a GPU.
status=0
simulate --as cpu
for kernel in conv_simt conv_direct gemm_simt matmul_simt pool_avg resize_table softmax image candidates; do
    simulate --as gpu --only $kernel
done
CLIPQ_MMA=emulate simulate --as gpu --only conv_mma
if [ -s "$log" ]; then
    echo "oclgrind says:"
    head -60 "$log"
    exit 1
fi
exit "$status"
