/* The role "probe": reads paths, answers what each file is. Untrusted headers are parsed here and nowhere else.
 *
 * Faults for tests (runner/fault.h): probe-crash@TEXT, probe-hang@TEXT.
 */
#include <signal.h>
#include <unistd.h>

#include "kernels/base/clock.h"
#include "kernels/base/log.h"
#include "runner/child.h"
#include "runner/fault.h"
#include "runner/probe_pool.h"
#include "runner/wire.h"
#include "stages/media/probe.h"

static void inject_fault(const char *path)
{
    if (fault_in("probe-crash", path))
        raise(SIGSEGV);
    while (fault_in("probe-hang", path))
        pause();
}

static enum cq_err answer(struct wire *w, struct cq_log *log, const char *path)
{
    struct probe probe;
    struct cq_buf body = {0};
    int64_t began = cq_now_ns();
    inject_fault(path);
    enum cq_err err = probe_file(log, path, &probe);
    if (!err) {
        cq_put_i64(&body, cq_now_ns() - began);
        probe_put(&body, &probe);
        err = body.err ? body.err : wire_send(w, PROBE_MSG_RESULT, &body);
    }
    cq_buf_finish(&body);
    return err;
}

int child_probe_main(void)
{
    struct cq_log log = {.level = CQ_WARN, .name = "clipq probe"};
    struct wire w;
    enum cq_err err = child_begin(&log);
    if (err)
        return 1;
    wire_init(&w, CHILD_FD);
    while (!err) {
        struct wire_msg msg;
        err = wire_receive(&w, &msg);
        if (!err && msg.type == PROBE_MSG_PATH) {
            const char *path = cq_get_str(&msg.body);
            err = msg.body.err ? msg.body.err : answer(&w, &log, path);
        }
    }
    wire_finish(&w);
    return err == CQ_EOF ? 0 : 1;
}
