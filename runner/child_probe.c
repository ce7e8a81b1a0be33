/* The role "probe": reads paths, answers what each file is. Untrusted headers are parsed here and nowhere else.
 *
 * Faults for tests (runner/fault.h): probe-crash@TEXT, probe-hang@TEXT.
 */
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "kernels/base/clock.h"
#include "kernels/base/log.h"
#include "runner/child.h"
#include "runner/fault.h"
#include "runner/opener.h"
#include "runner/probe_pool.h"
#include "runner/wire.h"
#include "stages/media/clip_file.h"
#include "stages/media/probe.h"

static void inject_fault(const char *path)
{
    if (fault_in("probe-crash", path))
        raise(SIGSEGV);
    while (fault_in("probe-hang", path))
        pause();
}

static enum cq_err answer(struct wire *w, struct cq_log *log, int files, uint32_t serial, const char *path)
{
    struct probe probe;
    struct clip_file file;
    struct cq_buf body = {0};
    int64_t began = cq_now_ns();
    inject_fault(path);
    enum cq_err err = opener_receive(files, serial, &file);
    if (err)
        return err;
    err = probe_open_file(log, path, &file, &probe);
    clip_file_close(&file);
    if (!err) {
        cq_put_i64(&body, cq_now_ns() - began);
        probe_put(&body, &probe);
        err = body.err ? body.err : wire_send(w, PROBE_MSG_RESULT, &body);
    }
    cq_buf_finish(&body);
    return err;
}

static enum cq_err serve(struct cq_log *log, int files)
{
    struct wire w;
    enum cq_err err = CQ_OK;
    wire_init(&w, CHILD_FD);
    while (!err) {
        struct wire_msg msg;
        err = wire_receive(&w, &msg);
        if (!err && msg.type == PROBE_MSG_PATH) {
            uint32_t serial = cq_get_u32(&msg.body);
            const char *path = cq_get_str(&msg.body);
            err = msg.body.err ? msg.body.err : answer(&w, log, files, serial, path);
        }
    }
    wire_finish(&w);
    return err;
}

int child_probe_main(void)
{
    struct cq_log log = {.level = CQ_WARN, .name = "clipq probe"};
    enum sandbox_mode mode;
    int files;
    enum cq_err err = child_begin_media(&log, &files, &mode);
    prctl(PR_SET_NAME, "clipq-probe");
    if (!err)
        err = child_shut_in(&log, mode);
    if (!err)
        err = serve(&log, files);
    return err == CQ_EOF ? 0 : 1;
}
