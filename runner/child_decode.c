/* A decode worker: takes a clip, fills slots on loan with its sampled frames, says how it ended, takes the next. It is
 * shut in (runner/sandbox.h) before it sees the first.
 *
 * It never waits for anything but a slot: a worker without slots stands still, which is how the engines' speed
 * reaches the decoders. What it says about a clip's damage is its END message; its standard error is only heard
 * when it dies.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "kernels/base/clock.h"
#include "kernels/base/log.h"
#include "runner/arena_view.h"
#include "runner/child.h"
#include "runner/fault.h"
#include "runner/messages_decode.h"
#include "runner/opener.h"
#include "runner/wire.h"
#include "stages/media/clip.h"
#include "stages/media/clip_file.h"
#include "stages/media/scale.h"
#include "stages/media/scan.h"
#include "stages/media/segment.h"
#include "stages/media/source.h"

enum { POLITE = 10 };   /* an engine on the same CPUs goes first: it sets the pace, and slots hold what it needs next */

static const int64_t alive_every_ns = 500000000;

struct decode_child {
    struct cq_log *log;
    struct wire wire;
    int files;                                  /* where the opener's files come from */
    struct arena_view arena;
    struct cq_buf out;                          /* the message being written */
    enum cq_err err;                            /* of a send inside a callback */

    struct msg_job job;                         /* the present one; its path is `path` */
    char path[MSG_PATH];
    int64_t inputs[PIPELINE_MAX_MODELS];        /* offset of each model's input within a slot */
    int64_t slot_bytes;
    int64_t slots[MSG_SLOTS];                   /* on loan, empty */
    int n_slots;
    int64_t seq;
    int64_t alive_ns;                           /* when the supervisor last heard of us */
    struct scaler *scalers[PIPELINE_MAX_MODELS];
};

static enum cq_err tell(struct decode_child *d, enum msg_type type)
{
    enum cq_err err = wire_send(&d->wire, (uint16_t) type, &d->out);
    cq_buf_clear(&d->out);
    d->alive_ns = cq_now_ns();
    return err;
}

/* Slots for an earlier job come late when that job ended meanwhile: they were taken back with its end. */
static enum cq_err take_grant(struct decode_child *d, struct cq_rd *body)
{
    struct msg_grant g;
    enum cq_err err = msg_get_grant(body, &g);
    if (err || g.serial != d->job.serial)
        return err;
    for (int i = 0; i < g.n; i++) {
        if (d->n_slots == MSG_SLOTS || !arena_at(&d->arena, g.offsets[i], d->slot_bytes))
            return CQ_PROTOCOL;
        d->slots[d->n_slots++] = g.offsets[i];
    }
    return CQ_OK;
}

static enum cq_err wait_for_slot(struct decode_child *d)
{
    struct wire_msg msg;
    while (!d->n_slots) {
        enum cq_err err = wire_receive(&d->wire, &msg);
        if (!err)
            err = msg.type == MSG_GRANT ? take_grant(d, &msg.body) : CQ_PROTOCOL;
        if (err)
            return err;
    }
    return CQ_OK;
}

static void tell_alive(void *ctx, int64_t decoded)
{
    struct decode_child *d = ctx;
    if (d->err || cq_now_ns() - d->alive_ns < alive_every_ns)
        return;
    msg_put_alive(&d->out, &(struct msg_alive) {d->job.serial, decoded});
    d->err = tell(d, MSG_ALIVE);
}

static enum cq_err send_frame(struct decode_child *d, struct clip *clip, const struct clip_frame *f)
{
    int64_t slot = d->slots[d->n_slots - 1];
    struct msg_frame m = {
        .serial = d->job.serial, .slot = slot, .seq = d->seq++, .ordinal = f->ordinal, .pts = f->pts,
        .time_s = f->time_s, .n_targets = d->job.n_targets, .decode_ns = clip_take_decode_ns(clip),
    };
    int64_t start = cq_now_ns();
    for (int i = 0; i < d->job.n_targets; i++) {
        enum cq_err err = scaler_run(d->scalers[i], f, d->arena.base + slot + d->inputs[i], &m.geometry[i]);
        if (err)
            return err;
    }
    m.scale_ns = cq_now_ns() - start;
    d->n_slots--;
    msg_put_frame(&d->out, &m);
    return tell(d, MSG_FRAME);
}

/* All frames of an open clip. An error of scaling is the clip's; `*lost` is ours: the supervisor is gone. */
static enum cq_err send_frames(struct decode_child *d, struct clip *clip, enum cq_err *lost)
{
    struct clip_frame f;
    while (!clip_next(clip, &f)) {
        *lost = d->err ? d->err : wait_for_slot(d);
        if (*lost)
            return CQ_OK;
        enum cq_err err = send_frame(d, clip, &f);
        if (err)
            return err;
    }
    return CQ_OK;
}

static enum cq_err make_scalers(struct decode_child *d)
{
    for (int i = 0; i < d->job.n_targets; i++) {
        enum cq_err err = scaler_create(d->log, &d->job.targets[i], d->job.rotation, d->job.mirrored, &d->scalers[i]);
        if (err)
            return err;
    }
    return CQ_OK;
}

static void destroy_scalers(struct decode_child *d)
{
    for (int i = 0; i < PIPELINE_MAX_MODELS; i++)
        scaler_destroy(&d->scalers[i]);
}

/* What the clip itself could not know: its frames decode but cannot be scaled. */
static void blame_scaling(struct decode_child *d, enum cq_err err, struct clip_end *end)
{
    end->failure = err == CQ_UNSUPPORTED ? FAIL_UNSUPPORTED_CODEC : FAIL_INTERNAL;
    snprintf(end->message, sizeof end->message, "scaling failed: %s", cq_log_reason(d->log, cq_err_text(err)));
}

static void maybe_fault(const char *path)
{
    if (fault_in("crash", path))
        abort();
    if (fault_in("starve", path))
        raise(SIGKILL);
    while (fault_in("hang", path))
        pause();
}

static enum cq_err work_clip(struct decode_child *d, const struct clip_file *file)
{
    const struct clip_params params = {
        .path = d->path, .file = file, .stream_index = d->job.stream_index, .expect_size = d->job.expect_size,
        .expect_mtime_ns = d->job.expect_mtime_ns, .sample = d->job.sample,
        .decode_all = d->job.decode_all, .threads = d->job.threads, .segment = d->job.is_segment ? &d->job.segment : NULL, .skipped = tell_alive, .ctx = d,
    };
    struct msg_end m = {.serial = d->job.serial};
    struct clip *clip = NULL;
    enum cq_err lost = CQ_OK;
    double cpu_s = cq_cpu_s(RUSAGE_SELF);

    d->log->last_error[0] = '\0';
    enum cq_err err = clip_open(d->log, &params, &clip, &m.end);
    if (!err) {
        err = make_scalers(d);
        if (!err)
            err = send_frames(d, clip, &lost);
        clip_get_end(clip, &m.end);
        m.decode_ns = clip_take_decode_ns(clip);
        if (err)
            blame_scaling(d, err, &m.end);
    }
    destroy_scalers(d);
    clip_close(&clip);
    if (lost || d->err)
        return lost ? lost : d->err;
    m.end.sampled = d->seq;
    m.cpu_ns = (int64_t) ((cq_cpu_s(RUSAGE_SELF) - cpu_s) * 1e9);
    msg_put_end(&d->out, &m);
    return tell(d, MSG_END);
}

/* Lists the packets only. What is wrong with the file is found when it is decoded. */
static enum cq_err find_segments(struct decode_child *d, const struct clip_file *file)
{
    const struct source_want want = {
        .path = d->path, .stream_index = d->job.stream_index, .size = d->job.expect_size, .mtime_ns = d->job.expect_mtime_ns,
        .file = file,
    };
    struct scan scan;
    struct msg_segments *m = calloc(1, sizeof *m);
    enum cq_err err = m ? scan_clip(&want, tell_alive, d, &scan) : CQ_NOMEM;
    if (m)
        m->n = err ? -1 : segments_plan(&scan, &d->job.sample, &d->job.wish, m->list);
    if (!err && m->n >= 0 && !d->err) {
        m->serial = d->job.serial;
        m->why = scan.why;
        msg_put_segments(&d->out, m);
        err = tell(d, MSG_SEGMENTS);
    } else if (!err) {
        err = d->err ? d->err : CQ_NOMEM;
    }
    if (m)
        scan_finish(&scan);
    free(m);
    return err;
}

static enum cq_err take_job(struct decode_child *d, struct cq_rd *body)
{
    enum cq_err err = msg_get_job(body, &d->job);
    if (err || strlen(d->job.path) >= sizeof d->path)
        return CQ_PROTOCOL;
    strcpy(d->path, d->job.path);      /* fits: asked above; the message goes with the next one */
    d->job.path = d->path;
    d->slot_bytes = slot_layout(d->job.targets, d->job.n_targets, d->inputs);
    d->n_slots = 0;
    d->seq = 0;
    d->alive_ns = cq_now_ns();
    maybe_fault(d->path);

    struct clip_file file;
    err = opener_receive(d->files, d->job.serial, &file);
    if (!err) {
        err = d->job.wish.longest_s > 0 ? find_segments(d, &file) : work_clip(d, &file);
        clip_file_close(&file);
    }
    return err;
}

static enum cq_err run(struct decode_child *d)
{
    struct wire_msg msg;
    for (;;) {
        enum cq_err err = wire_receive(&d->wire, &msg);
        if (!err)
            err = msg.type == MSG_JOB ? take_job(d, &msg.body)
                : msg.type == MSG_GRANT ? CQ_OK      /* for a job that has ended */
                : CQ_PROTOCOL;
        if (err)
            return err;
    }
}

int child_decode_main(void)
{
    struct cq_log log = {.level = CQ_WARN, .name = "decode"};
    struct decode_child *d = calloc(1, sizeof *d);
    enum sandbox_mode mode;
    enum cq_err err = d ? child_begin_media(&log, &d->files, &mode) : CQ_NOMEM;
    prctl(PR_SET_NAME, "clipq-decode");
    (void) !nice(POLITE);
    if (!err)
        err = arena_map(&log, CHILD_ARENA_FD, &d->arena);
    if (!err)
        err = child_shut_in(&log, mode);
    if (!err) {
        d->log = &log;
        wire_init(&d->wire, CHILD_FD);
        err = run(d);
        wire_finish(&d->wire);
        cq_buf_finish(&d->out);
        arena_unmap(&d->arena);
    }
    free(d);
    if (err && err != CQ_EOF)
        cq_log_error(&log, "worker ends: %s", cq_err_text(err));
    return err && err != CQ_EOF;
}
