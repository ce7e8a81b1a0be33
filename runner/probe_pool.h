/* Probing in children: paths in, one struct probe out for each, in whatever order they finish.
 *
 * Each of N children (runner/child.h, role "probe") is given a few paths at a time, so that it never waits for
 * us. A child that dies costs the path it was at, class crash; one that says nothing for `timeout_ms` is killed
 * and costs its path, class hang. What it had not begun goes to its successor.
 *
 * Every path added is settled exactly once, unless the pool is destroyed first.
 *
 * Thread-safety: the loop's thread only.
 */
#ifndef CLIPQ_RUNNER_PROBE_POOL_H
#define CLIPQ_RUNNER_PROBE_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "kernels/base/err.h"
#include "runner/sandbox.h"

struct cq_log;
struct probe;
struct probe_pool;

/* Messages of the role "probe". */
enum {
    PROBE_MSG_PATH = 1,       /* to the child: u32 serial of its opener's file, str path */
    PROBE_MSG_RESULT = 2      /* back, in the same order: i64 nanoseconds, probe_put() */
};

struct probe_pool_params {
    int children;             /* >= 1 */
    int timeout_ms;           /* 0: 30000 */
    enum sandbox_mode sandbox;
    struct cq_log *log;       /* borrowed */
    void (*settled)(void *ctx, const char *path, const struct probe *p, int64_t probe_ns);   /* may add paths */
    void *ctx;
};

enum cq_err probe_pool_create(uv_loop_t *loop, const struct probe_pool_params *params, struct probe_pool **out);
void probe_pool_destroy(struct probe_pool **pool);   /* the loop must run once more to close its handles */

bool probe_pool_has_room(const struct probe_pool *pool);

/* Only while there is room. The path is copied. */
enum cq_err probe_pool_add(struct probe_pool *pool, const char *path);

/* Paths added and not settled. */
int probe_pool_pending(const struct probe_pool *pool);

/* CQ_OK, or why no child can be started any more. */
enum cq_err probe_pool_error(const struct probe_pool *pool);

#endif
