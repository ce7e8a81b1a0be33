/* The kinds of `clipq bench`, each a command of its own behind that word. */
#ifndef CLIPQ_CMD_BENCH_H
#define CLIPQ_CMD_BENCH_H

#include "cmd/common.h"

extern const struct command cmd_bench_balance, cmd_bench_decode, cmd_bench_e2e, cmd_bench_infer, cmd_bench_queue;

#endif
