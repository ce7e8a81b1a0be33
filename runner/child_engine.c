/* An engine: one OpenCL device, the models that the supervisor names, batches in, answers out, in order.
 *
 * What fails for one model or one batch is answered; what leaves the device in doubt ends the process, and the
 * supervisor starts a new one with a new context.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "kernels/base/log.h"
#include "kernels/device.h"
#include "kernels/pocl_cache.h"
#include "runner/arena_view.h"
#include "runner/batch_pixels.h"
#include "runner/budget.h"
#include "runner/child.h"
#include "runner/engine_model.h"
#include "runner/engine_tune.h"
#include "runner/fault.h"
#include "runner/messages_engine.h"
#include "runner/wire.h"
#include "stages/infer/choice.h"
#include "stages/infer/session.h"

/* A batch that was asked for and is not answered. */
struct flight {
    struct msg_batch batch;
    const uint8_t *pixels[BATCHER_MAX];
    struct batch_pixels own;                 /* where answers are to be kept */
    bool started;                            /* the device has it; else it is run when its turn comes */
};

struct engine_child {
    struct cq_log *log;
    struct wire wire;
    struct arena_reader arena;
    struct cq_buf out;                       /* the message being written */
    struct device *dev;
    uint64_t seed;                           /* of hashes */
    size_t budget;                           /* bytes of device memory for all models */
    char folder[MSG_PATH], folder_label[MSG_TEXT];
    struct choices choices;
    struct engine_model *models[BATCHER_LANES];
    int64_t batches;                         /* so far, for fault_at() */
    double drag;                             /* 1, but for a fault */
    struct flight flights[SESSION_FLIGHTS];  /* large: not on the stack */
    int oldest, n_flights;
    struct msg_result result;
};

static enum cq_err tell(struct engine_child *e, enum msg_type type)
{
    enum cq_err err = wire_send(&e->wire, (uint16_t) type, &e->out);
    cq_buf_clear(&e->out);
    return err;
}

static enum cq_err open_device(struct engine_child *e, const struct msg_setup *m)
{
    struct device_info info;
    enum cq_err err = child_shut_in_engine(e->log, m->sandbox);
    if (err)
        return err;
    device_setup_environment(m->threads);
    pocl_cache_check(e->log, m->afresh);
    err = device_find(e->log, m->device, &info);
    if (!err)
        err = device_open(e->log, &info, &e->dev);
    if (err)
        return err;
    e->budget = budget_here(&info, (size_t) m->memory_limit);
    return CQ_OK;
}

static enum cq_err setup(struct engine_child *e)
{
    struct wire_msg msg;
    struct msg_setup m;
    enum cq_err err = wire_receive(&e->wire, &msg);
    if (err)
        return err;
    if (msg.type != MSG_SETUP || msg_get_setup(&msg.body, &m) || strlen(m.folder) >= sizeof e->folder ||
        strlen(m.folder_label) >= sizeof e->folder_label)
        return CQ_PROTOCOL;
    strcpy(e->folder, m.folder);
    strcpy(e->folder_label, m.folder_label);
    e->seed = m.seed;
    err = open_device(e, &m);

    struct msg_hello hello = {.err = err, .message = "", .spec = "", .name = "", .driver = ""};
    if (err) {
        hello.message = cq_log_reason(e->log, cq_err_text(err));
    } else {
        const struct device_info *info = device_get_info(e->dev);
        e->drag = fault_factor("drag", info->spec);
        hello.message = info->why;
        hello.spec = info->spec;
        hello.name = info->name;
        hello.driver = info->driver;
        hello.is_cpu = info->kind == DEVICE_CPU;
        hello.compute_units = info->compute_units;
        hello.budget = (int64_t) (e->budget < INT64_MAX ? e->budget : INT64_MAX);
    }
    msg_put_hello(&e->out, &hello);
    enum cq_err sent = tell(e, MSG_HELLO);
    return err ? err : sent;
}

/* Models that are loaded stay as they are. */
static enum cq_err take_choices(struct engine_child *e, struct cq_rd *body)
{
    struct msg_choices m;
    enum cq_err err = msg_get_choices(body, &m) ? CQ_PROTOCOL : CQ_OK;
    for (int i = 0; i < m.n && !err; i++)
        err = choices_add(&e->choices, m.list[i].key, m.list[i].variant);
    return err;
}

/* Is one that shares with it counted before? */
static bool is_counted(const struct engine_child *e, int lane)
{
    for (int i = 0; i < lane; i++)
        if (e->models[i] && engine_model_shares(e->models[i], e->models[lane]))
            return true;
    return false;
}

/* What the models that are loaded leave of the budget. */
static size_t budget_left(const struct engine_child *e)
{
    size_t taken = 0;
    for (int i = 0; i < BATCHER_LANES; i++)
        taken += e->models[i] && !is_counted(e, i) ? engine_model_bytes(e->models[i]) : 0;
    return taken < e->budget ? e->budget - taken : 1;        /* 0 would mean no limit */
}

/* Anew where other kernels proved to be faster than those that it was made with. */
static enum cq_err tune_model(struct engine_child *e, const struct msg_model *m,
                              const struct engine_model_params *params, struct engine_model **model)
{
    const struct engine_tune_params tune = {
        .log = e->log, .dev = e->dev, .wire = &e->wire, .choices = &e->choices, .lane = m->lane,
        .limit_ms = m->tune_ms,
    };
    bool changed;
    enum cq_err err = engine_tune(&tune, *model, &changed);
    if (!err && !changed)
        return CQ_OK;
    engine_model_destroy(model);
    return err ? err : engine_model_create(e->log, e->dev, params, model);
}

/* In its lane, in the place of what was there, which goes first unless the new one can share with it. */
static enum cq_err create_model(struct engine_child *e, const struct msg_model *m)
{
    struct engine_model *fresh, **slot = &e->models[m->lane];
    struct engine_model_params params = {
        .path = m->path, .hash = m->hash, .card = m->card, .width = m->width, .height = m->height,
        .max_batch = m->max_batch, .others = e->models, .n_others = BATCHER_LANES, .folder = e->folder,
        .folder_label = e->folder_label, .choices = &e->choices,
    };
    if (*slot && !engine_model_is_like(*slot, &params))
        engine_model_destroy(slot);
    params.memory_left = budget_left(e);
    params.memory_share = budget_share(params.memory_left, m->sharers);
    params.memory_share = params.memory_share ? params.memory_share : 1;
    enum cq_err err = engine_model_create(e->log, e->dev, &params, &fresh);
    bool again = (err == CQ_OOM || err == CQ_NOMEM) && !device_is_lost(e->dev);
    if (again) {
        cq_log_warn(e->log, "%s: out of memory while loading, trying once more", m->path);
        sleep(1);               /* what was let go, here or in another program, may come back a little later */
        err = engine_model_create(e->log, e->dev, &params, &fresh);
    }
    if (!err && m->tune_ms)
        err = tune_model(e, m, &params, &fresh);
    engine_model_destroy(slot);
    *slot = fresh;
    return err;
}

static enum cq_err load(struct engine_child *e, struct cq_rd *body)
{
    struct msg_model m;
    if (msg_get_model(body, &m))
        return CQ_PROTOCOL;
    struct msg_ready ready = {.lane = m.lane, .message = ""};
    ready.err = create_model(e, &m);
    if (ready.err && device_is_lost(e->dev))
        return ready.err;
    if (ready.err) {
        ready.message = cq_log_reason(e->log, cq_err_text(ready.err));
    } else {
        const struct engine_model *model = e->models[m.lane];
        ready.max_batch = engine_model_max_batch(model);
        ready.bytes = (int64_t) engine_model_bytes(model);
        ready.frame_bytes = (int64_t) engine_model_frame_bytes_needed(model);
        ready.batchable = engine_model_batchable(model);
        ready.flops = engine_model_flops(model);
    }
    msg_put_ready(&e->out, &ready);
    enum cq_err err = tell(e, MSG_READY);
    pocl_cache_note(e->log);        /* nobody waits for it */
    return err;
}

/* As if the device were slower. */
static void drag(const struct engine_child *e, struct msg_result *m)
{
    double more = (e->drag - 1) * (double) (m->infer_ns + m->postprocess_ns);
    if (more <= 0)
        return;
    usleep((useconds_t) (more / 1000));
    m->infer_ns += (int64_t) more;
}

/* Answers the oldest batch. */
static enum cq_err answer(struct engine_child *e)
{
    struct flight *f = &e->flights[e->oldest];
    struct engine_model *m = e->models[f->batch.lane];
    e->oldest = (e->oldest + 1) % SESSION_FLIGHTS;
    e->n_flights--;
    enum cq_err err = f->started ? engine_model_finish(m, &f->batch, f->pixels, &e->result)
                                 : engine_model_run(m, &f->batch, f->pixels, &e->result);
    if (err)
        return err;
    drag(e, &e->result);
    e->result.id = f->batch.id;
    e->result.lane = f->batch.lane;
    batch_pixels_tell(&f->own, &e->result);
    msg_put_result(&e->out, &e->result);
    return tell(e, MSG_RESULT);
}

static enum cq_err answer_all(struct engine_child *e)
{
    enum cq_err err = CQ_OK;
    while (e->n_flights && !err)
        err = answer(e);
    return err;
}

static enum cq_err take_batch(struct engine_child *e, struct cq_rd *body, struct flight *f)
{
    if (msg_get_batch(body, &f->batch))
        return CQ_PROTOCOL;
    if (fault_at("kill", ++e->batches) || fault_over("killover", f->batch.n))
        raise(SIGKILL);
    while (fault_at("mute", e->batches))
        pause();
    const struct engine_model *m = e->models[f->batch.lane];
    if (!m)
        return CQ_PROTOCOL;
    for (int i = 0; i < f->batch.n; i++) {
        f->pixels[i] = arena_read(&e->arena, f->batch.items[i].input, engine_model_frame_bytes(m));
        if (!f->pixels[i])
            return CQ_PROTOCOL;
    }
    if (f->batch.hash)
        batch_pixels_take(&f->own, e->seed, f->pixels, f->batch.n, (size_t) engine_model_frame_bytes(m));
    else
        batch_pixels_skip(&f->own);
    return CQ_OK;
}

/* Gives a batch to the device before the one before it is answered, so that it need not wait for that. What cannot be
 * started now, for want of memory say, takes its turn; nothing after it may overtake. */
static enum cq_err infer(struct engine_child *e, struct cq_rd *body)
{
    enum cq_err err = e->n_flights == SESSION_FLIGHTS ? answer(e) : CQ_OK;
    if (err)
        return err;
    struct flight *f = &e->flights[(e->oldest + e->n_flights) % SESSION_FLIGHTS];
    const struct flight *before = e->n_flights ? &e->flights[e->oldest] : NULL;
    err = take_batch(e, body, f);
    if (err)
        return err;
    f->started = e->drag <= 1 && (!before || before->started) && engine_model_start(e->models[f->batch.lane], &f->batch, f->pixels);
    e->n_flights++;
    return CQ_OK;
}

static enum cq_err obey(struct engine_child *e, struct wire_msg *msg)
{
    if (msg->type == MSG_INFER)
        return infer(e, &msg->body);
    enum cq_err err = answer_all(e);
    if (err)
        return err;
    return msg->type == MSG_MODEL ? load(e, &msg->body)
         : msg->type == MSG_CHOICES ? take_choices(e, &msg->body)
         : CQ_PROTOCOL;
}

static enum cq_err run(struct engine_child *e)
{
    struct wire_msg msg;
    enum cq_err err = setup(e);
    while (!err) {
        if (e->n_flights && wire_poll(&e->wire, 0) == CQ_AGAIN)
            err = answer(e);
        else if (!(err = wire_receive(&e->wire, &msg)))
            err = obey(e, &msg);
    }
    return err;
}

static void finish(struct engine_child *e)
{
    for (int i = 0; i < BATCHER_LANES; i++)
        engine_model_destroy(&e->models[i]);
    for (int i = 0; i < SESSION_FLIGHTS; i++)
        batch_pixels_finish(&e->flights[i].own);
    choices_finish(&e->choices);
    device_close(&e->dev);
    wire_finish(&e->wire);
    cq_buf_finish(&e->out);
    arena_reader_finish(&e->arena);
}

int child_engine_main(void)
{
    struct cq_log log = {.level = CQ_WARN, .name = "engine"};
    struct engine_child *e = calloc(1, sizeof *e);
    enum cq_err err = e ? child_begin(&log) : CQ_NOMEM;
    prctl(PR_SET_NAME, "clipq-engine");
    if (!err)
        err = arena_reader_init(&log, CHILD_ARENA_FD, &e->arena);
    if (!err) {
        e->log = &log;
        wire_init(&e->wire, CHILD_FD);
        err = run(e);
        finish(e);
    }
    free(e);
    if (err && err != CQ_EOF)
        cq_log_error(&log, "engine ends: %s", cq_err_text(err));
    return err == CQ_OOM || err == CQ_NOMEM ? CHILD_SHORT_OF_MEMORY : err && err != CQ_EOF;
}
