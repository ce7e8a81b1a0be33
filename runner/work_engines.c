/* Engines: started, given models, started again when they die, taken out of service when that is of no use.
 *
 * A limit stands for each (device, model, shape): the largest batch that may be sent. It begins with what the
 * engine's plan says fits and what the database remembers of earlier runs, and is halved by trouble.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/clock.h"
#include "runner/arena.h"
#include "runner/child.h"
#include "runner/work_private.h"

enum { DEATHS_MAX = 5, LOADING_DEATHS_MAX = 2 };
enum { BATCH_CPU = 8, BATCH_OTHER = 32 };      /* what --batch auto begins with */
static const int64_t backoff_first_ms = 100, backoff_max_ms = 10000;

struct work_engines {
    struct engine list[ENGINES_MAX];
    int n;
    char folder[STORE_PATH], folder_label[MSG_TEXT];
    char text[512], account[1024];
};

struct engine *work_engine(const struct work *w, int i)
{
    return w->engines && i < w->engines->n ? &w->engines->list[i] : NULL;
}

int work_engines_alive(const struct work *w)
{
    int n = 0;
    for (int i = 0; w->engines && i < w->engines->n; i++)
        n += w->engines->list[i].state != ENGINE_OUT;
    return n;
}

/* ---- limits ---- */

static int batch_wanted(const struct engine *e)
{
    int batch = e->w->p.batch ? e->w->p.batch : e->is_cpu ? BATCH_CPU : BATCH_OTHER;
    return batch < BATCHER_MAX ? batch : BATCHER_MAX;
}

struct limit_post {
    struct engine *e;
    int lane, generation;
    int limit;                  /* out of the database, or into it */
    char device[128], hash[33], shape[48];
};

static struct limit_post *new_limit_post(struct engine *e, int lane, int limit)
{
    struct limit_post *p = calloc(1, sizeof *p);
    const struct work_lane *l = work_lane(e->w, lane);
    if (!p)
        return NULL;
    p->e = e;
    p->lane = lane;
    p->generation = l->generation;
    p->limit = limit;
    snprintf(p->device, sizeof p->device, "%s", e->name);
    snprintf(p->hash, sizeof p->hash, "%s", l->hash);
    snprintf(p->shape, sizeof p->shape, "%s", l->shape);
    return p;
}

static enum cq_err put_limit(struct store *s, void *arg)
{
    struct limit_post *p = arg;
    return store_put_device_limit(s, p->device, p->hash, p->shape, p->limit);
}

static void limit_put(void *arg, enum cq_err err)
{
    struct limit_post *p = arg;
    work_post_failed(p->e->w, err, "remembering a safe batch");
    free(p);
}

void engine_set_limit(struct engine *e, int lane, int limit, bool remember)
{
    if (limit >= e->lanes[lane].limit || limit < 1)
        return;
    e->lanes[lane].limit = limit;
    cq_log_warn(e->w->log, "%s: batches of %s are now at most %d", e->name, work_lane(e->w, lane)->name, limit);
    struct limit_post *p = remember ? new_limit_post(e, lane, limit) : NULL;
    if (p && writer_post(e->w->writer, &(struct writer_post) {put_limit, limit_put, p}))
        free(p);
}

static enum cq_err get_limit(struct store *s, void *arg)
{
    struct limit_post *p = arg;
    return store_get_device_limit(s, p->device, p->hash, p->shape, &p->limit);
}

/* Only now is the lane ready: a first batch that is known to be too large would cost an engine. */
static void limit_got(void *arg, enum cq_err err)
{
    struct limit_post *p = arg;
    struct engine_lane *l = &p->e->lanes[p->lane];
    if (!work_post_failed(p->e->w, err, "looking up a safe batch") && p->e->state == ENGINE_UP && l->sent &&
        p->generation == work_lane(p->e->w, p->lane)->generation) {
        if (p->limit > 0 && p->limit < l->limit)
            l->limit = p->limit;
        l->state = MODEL_READY;
    }
    work_models_settle(p->e->w);
    free(p);
}

/* ---- models ---- */

static bool is_loading(const struct engine *e)
{
    for (int lane = 0; lane < work_lanes(e->w); lane++)
        if (e->lanes[lane].sent && e->lanes[lane].state == MODEL_LOADING)
            return true;
    return false;
}

/* A step of its preparation is over: it started, or has loaded a model. */
static void count_preparation(struct engine *e)
{
    int64_t now = cq_now_ns();
    e->prepare_ns += now - e->preparing_ns;
    e->preparing_ns = now;
}

/* Is one of these loaded already, or counted before it? */
static bool has_share(const struct engine *e, int lane)
{
    for (int i = 0; i < work_lanes(e->w); i++)
        if (i != lane && (e->lanes[i].sent || i < lane) && work_lanes_share(e->w, i, lane))
            return true;
    return false;
}

/* Models that are still to be loaded; one at several sizes counts once. */
static int sharers(const struct engine *e)
{
    int n = 0;
    for (int lane = 0; lane < work_lanes(e->w); lane++)
        n += !e->lanes[lane].sent && e->lanes[lane].state != MODEL_FAILED && work_lane_is_used(e->w, lane) &&
             !has_share(e, lane);
    return n ? n : 1;
}

static void send_model(struct engine *e, int lane)
{
    const struct work_lane *l = work_lane(e->w, lane);
    struct msg_model m = {
        .lane = (uint32_t) lane, .path = l->path, .hash = l->hash, .card = l->card, .width = l->target.width,
        .height = l->target.height, .max_batch = batch_wanted(e), .sharers = sharers(e),
    };
    struct cq_buf body = {0};
    work_tunings_allow(e, lane, m.sharers);
    m.tune_ms = e->lanes[lane].tune_ms;
    msg_put_model(&body, &m);
    if (!is_loading(e))
        e->preparing_ns = cq_now_ns();
    e->lanes[lane].sent = ++e->loads;
    e->lanes[lane].state = MODEL_LOADING;
    child_send(e->child, MSG_MODEL, &body);      /* an error is followed by on_exit */
    cq_buf_finish(&body);
}

void work_engines_load(struct work *w)
{
    for (int i = 0; w->engines && i < w->engines->n; i++) {
        struct engine *e = &w->engines->list[i];
        for (int lane = 0; e->state == ENGINE_UP && lane < work_lanes(w); lane++)
            if (!e->lanes[lane].sent && e->lanes[lane].state != MODEL_FAILED && work_lane_is_used(w, lane))
                send_model(e, lane);
    }
}

bool work_engines_load_lane(const struct work *w, int lane)
{
    for (int i = 0; w->engines && i < w->engines->n; i++)
        if (w->engines->list[i].lanes[lane].sent && w->engines->list[i].lanes[lane].state == MODEL_LOADING)
            return true;
    return false;
}

void work_engines_forget_lane(struct work *w, int lane)
{
    for (int i = 0; w->engines && i < w->engines->n; i++)
        w->engines->list[i].lanes[lane] = (struct engine_lane) {.state = MODEL_LOADING};
}

enum model_state work_engines_lane_state(const struct work *w, int lane, const struct engine_lane **why)
{
    bool all_failed = w->engines && w->engines->n > 0;
    for (int i = 0; w->engines && i < w->engines->n; i++) {
        const struct engine *e = &w->engines->list[i];
        if (e->state == ENGINE_OUT)
            continue;
        if (e->lanes[lane].state == MODEL_READY)
            return MODEL_READY;
        if (e->lanes[lane].state == MODEL_FAILED)
            *why = &e->lanes[lane];
        else
            all_failed = false;
    }
    return all_failed && *why ? MODEL_FAILED : MODEL_LOADING;
}

static void fail_lane(struct engine *e, int lane, enum cq_err err, const char *message)
{
    struct engine_lane *l = &e->lanes[lane];
    l->state = MODEL_FAILED;
    l->err = err;
    snprintf(l->message, sizeof l->message, "%s", message);
    work_models_settle(e->w);
}

/* Enough for each engine to have one batch at work, one waiting and one forming. */
int work_engines_appetite(const struct work *w)
{
    int frames = 0;
    for (int i = 0; i < w->engines->n; i++) {
        const struct engine *e = &w->engines->list[i];
        int most = 1;
        for (int lane = 0; lane < work_lanes(w); lane++)
            if (e->lanes[lane].state == MODEL_READY && e->lanes[lane].limit > most)
                most = e->lanes[lane].limit;
        frames += e->state == ENGINE_OUT ? 0 : (ENGINE_FLIGHT + 1) * most;
    }
    return frames;
}

/* ---- messages ---- */

static enum cq_err on_hello(struct engine *e, struct cq_rd *body)
{
    struct msg_hello m;
    if (msg_get_hello(body, &m) || e->state != ENGINE_STARTING)
        return CQ_PROTOCOL;
    count_preparation(e);
    e->err = m.err;
    if (m.err) {
        e->state = ENGINE_OUT;
        cq_log_error(e->w->log, "%s", m.message);
        if (!work_engines_alive(e->w))
            work_fail(e->w, m.err);
        return CQ_OK;
    }
    e->state = ENGINE_UP;
    e->is_cpu = m.is_cpu;
    e->budget = m.budget;
    snprintf(e->spec, sizeof e->spec, "%s", m.spec);
    snprintf(e->name, sizeof e->name, "%s", m.name);
    snprintf(e->chosen, sizeof e->chosen, "%s", m.message);
    snprintf(e->driver, sizeof e->driver, "%s", m.driver);
    cq_log_info(e->w->log, "engine %d: %s (%s), %d compute units, %" PRId64 " MiB for models", child_pid(e->child), m.name,
                m.spec, m.compute_units, m.budget >> 20);
    work_tunings_send(e);
    work_engines_load(e->w);
    return CQ_OK;
}

static enum cq_err on_ready(struct engine *e, struct cq_rd *body)
{
    struct msg_ready m;
    if (msg_get_ready(body, &m) || (int) m.lane >= work_lanes(e->w) || !e->lanes[m.lane].sent ||
        (!m.err && !m.max_batch))
        return CQ_PROTOCOL;
    count_preparation(e);
    work_tunings_loaded(e, (int) m.lane);
    struct engine_lane *l = &e->lanes[m.lane];
    if (m.err) {
        fail_lane(e, (int) m.lane, m.err, m.message);
        return CQ_OK;
    }
    const struct work_lane *lane = work_lane(e->w, (int) m.lane);
    cq_log_info(e->w->log, "%s (%s) on %s: up to %d frames a batch in %" PRId64 " of %" PRId64 " MiB, %.3g GFLOP a frame%s",
                lane->name, lane->shape, e->name, m.max_batch, m.bytes >> 20, e->budget >> 20, m.flops / 1e9,
                m.batchable ? "" : "; run one by one, for its answers depend on the batch");
    l->limit = m.max_batch;
    l->bytes = m.bytes;
    l->frame_bytes = m.frame_bytes;
    e->was_ready = true;
    struct limit_post *p = new_limit_post(e, (int) m.lane, 0);
    if (!p || writer_post(e->w->writer, &(struct writer_post) {get_limit, limit_got, p})) {
        free(p);
        return CQ_NOMEM;
    }
    return CQ_OK;
}

static void on_message(void *ctx, struct child *c, struct wire_msg *msg)
{
    struct engine *e = ctx;
    enum cq_err err = msg->type == MSG_HELLO ? on_hello(e, &msg->body)
                    : msg->type == MSG_READY ? on_ready(e, &msg->body)
                    : msg->type == MSG_TUNED ? engine_take_tuning(e, &msg->body)
                    : msg->type == MSG_RESULT ? engine_take_result(e, &msg->body)
                    : CQ_PROTOCOL;
    if (err == CQ_NOMEM) {
        work_fail(e->w, err);
    } else if (err) {
        cq_log_error(e->w->log, "engine %d sent a message that makes no sense; it is killed", child_pid(c));
        child_kill(c, SIGKILL);
    }
}

/* ---- life ---- */

static void start(struct engine *e);

static void restart_now(uv_timer_t *t)
{
    struct engine *e = t->data;
    if (e->w->phase != WORK_STOPPED)
        start(e);
}

static void start_later(struct engine *e)
{
    if (++e->deaths > DEATHS_MAX) {
        e->state = ENGINE_OUT;
        e->err = CQ_DEVICE;
        cq_log_error(e->w->log, "the engine of %s died %d times in a row and is taken out of service", e->name, e->deaths);
        if (!work_engines_alive(e->w))
            work_fail(e->w, CQ_DEVICE);
        work_models_settle(e->w);
        return;
    }
    int64_t delay = backoff_first_ms << (e->deaths - 1);
    e->state = ENGINE_WAITING;
    uv_timer_start(&e->restart, restart_now, (uint64_t) (delay < backoff_max_ms ? delay : backoff_max_ms), 0);
}

/* The lane that it was loading: of those it was asked for, the first. NULL: it was not loading. */
static struct engine_lane *loading_lane(struct engine *e)
{
    struct engine_lane *first = NULL;
    for (int i = 0; i < BATCHER_LANES; i++) {
        struct engine_lane *l = &e->lanes[i];
        if (l->sent && l->state == MODEL_LOADING && (!first || l->sent < first->sent))
            first = l;
    }
    return first;
}

/* Models must be loaded anew; one that killed the engine while it was loaded is tried once more. */
static void forget_models(struct engine *e, const struct child_exit *why)
{
    struct engine_lane *suspect = loading_lane(e);
    for (int i = 0; i < BATCHER_LANES; i++) {
        struct engine_lane *l = &e->lanes[i];
        l->sent = 0;
        if (l->state == MODEL_READY)
            l->state = MODEL_LOADING;
    }
    if (!suspect || ++suspect->deaths < LOADING_DEATHS_MAX)
        return;
    int lane = (int) (suspect - e->lanes);
    char text[MSG_TEXT];
    bool short_of_memory = child_exit_short_of_memory(why);
    snprintf(text, sizeof text, "%s: the engine died while loading it: %s", work_lane(e->w, lane)->name,
             !short_of_memory ? why->last_words
             : why->signal ? "it was killed, as the system does when memory runs out; give it more, or take a smaller --memory-limit"
             : "memory ran out; give it more, or take a smaller --memory-limit");
    fail_lane(e, lane, short_of_memory ? CQ_OOM : CQ_DEVICE, text);
}

/* While it prepares, its kernels are loaded; later, damaged code shows in these ways. Not to be confused with a lack of
 * memory: compiling takes seconds. */
static bool kernels_are_suspect(const struct engine *e, const struct child_exit *why)
{
    if (why->executed || child_exit_short_of_memory(why))
        return false;
    return e->state == ENGINE_STARTING || is_loading(e) || why->signal == SIGSEGV || why->signal == SIGBUS ||
           why->signal == SIGILL || why->status == 127;
}

static void on_exit_seen(void *ctx, struct child *c, const struct child_exit *e_)
{
    struct engine *e = ctx;
    (void) c;
    child_destroy(&e->child);
    if (e->w->phase == WORK_STOPPED || e->state == ENGINE_OUT)
        return;
    cq_log_warn(e->w->log, "the engine of %s ended (%s %d), %d batches go to the next one: %s", e->name,
                e_->signal ? "signal" : "code", e_->signal ? e_->signal : (int) e_->status, e->n_flight, e_->last_words);
    e->w->tally.engine_restarts++;
    e->restarts++;
    e->cpu_before_s += e->cpu_s;
    e->cpu_s = 0;
    e->afresh = kernels_are_suspect(e, e_);
    engine_return_batches(e, e_);
    forget_models(e, e_);
    start_later(e);
    work_models_settle(e->w);
}

static void send_setup(struct engine *e)
{
    struct msg_setup m = {
        .device = e->spec, .memory_limit = e->w->p.memory_limit, .afresh = e->afresh, .folder = e->w->engines->folder,
        .folder_label = e->w->engines->folder_label, .sandbox = e->w->p.sandbox,
    };
    struct cq_buf body = {0};
    msg_put_setup(&body, &m);
    child_send(e->child, MSG_SETUP, &body);
    cq_buf_finish(&body);
}

static void start(struct engine *e)
{
    int fds[ARENA_PARTS];
    const struct child_params params = {
        .role = "engine", .arena_fds = fds, .n_arena_fds = arena_parts(e->w->arena), .log = e->w->log,
        .on_message = on_message, .on_exit = on_exit_seen, .ctx = e,
    };
    e->state = ENGINE_STARTING;
    e->hung = false;
    e->silent_ns = 0;
    e->preparing_ns = cq_now_ns();
    enum cq_err err = arena_open_readers(e->w->log, e->w->arena, fds);
    if (!err) {
        err = child_spawn(&e->w->loop, &params, &e->child);
        arena_close_readers(e->w->arena, fds);
    }
    if (err)
        start_later(e);
    else
        send_setup(e);
}

/* DB.files beside the database; made when the first file is written. */
static void name_folder(struct work *w)
{
    const char *slash = strrchr(w->p.db_path, '/');
    snprintf(w->engines->folder, sizeof w->engines->folder, "%s.files", w->p.db_path);
    snprintf(w->engines->folder_label, sizeof w->engines->folder_label, "%s.files", slash ? slash + 1 : w->p.db_path);
}

const char *work_engines_folder(const struct work *w) { return w->engines->folder; }

static enum cq_err refuse_devices(const struct work *w)
{
    cq_log_error(w->log, "--device %s: give auto, cpu, gpu or devices as P:D,P:D, each whole, a part (P:D/K/N) or cut into N "
                 "engines (P:D*N), up to %d in all", w->p.devices, ENGINES_MAX);
    return CQ_INVALID;
}

static enum cq_err add_engine(struct work *w, const char *spec)
{
    struct work_engines *es = w->engines;
    if (es->n == ENGINES_MAX)
        return refuse_devices(w);
    struct engine *e = &es->list[es->n++];
    e->w = w;
    snprintf(e->spec, sizeof e->spec, "%s", spec);
    snprintf(e->name, sizeof e->name, "%s", spec);
    e->is_cpu = true;
    uv_timer_init(&w->loop, &e->restart);
    e->restart.data = e;
    return CQ_OK;
}

/* One engine for "WHAT", N for "WHAT*N", on a part each. */
static enum cq_err add_engines(struct work *w, const char *text, size_t length)
{
    char what[sizeof w->engines->list[0].spec - 16], spec[sizeof w->engines->list[0].spec];
    if (!length || length >= sizeof what)
        return refuse_devices(w);
    memcpy(what, text, length);
    what[length] = '\0';
    char *star = strchr(what, '*');
    if (!star)
        return add_engine(w, what);
    long parts = strtol(star + 1, NULL, 10);
    enum cq_err err = parts < 1 || parts > ENGINES_MAX ? refuse_devices(w) : CQ_OK;
    for (long part = 1; part <= parts && !err; part++) {
        snprintf(spec, sizeof spec, "%.*s/%d/%d", (int) (star - what), what, (int) part, (int) parts);
        err = add_engine(w, spec);
    }
    return err;
}

enum cq_err work_engines_create(struct work *w)
{
    w->engines = calloc(1, sizeof *w->engines);
    if (!w->engines)
        return CQ_NOMEM;
    name_folder(w);
    for (const char *at = w->p.devices; at; ) {
        size_t length = strcspn(at, ",");
        enum cq_err err = add_engines(w, at, length);
        if (err)
            return err;
        at = at[length] ? at + length + 1 : NULL;
    }
    for (int i = 0; i < w->engines->n; i++)
        start(&w->engines->list[i]);
    return CQ_OK;
}

void work_engines_stop(struct work *w)
{
    for (int i = 0; w->engines && i < w->engines->n; i++) {
        uv_close((uv_handle_t *) &w->engines->list[i].restart, NULL);
        child_destroy(&w->engines->list[i].child);
    }
}

static void drop_batch(struct batch *b)
{
    for (int i = 0; i < b->n; i++)
        frame_input_done(b->inputs[i]);
    free(b);
}

void work_engines_destroy(struct work *w)
{
    for (int i = 0; w->engines && i < w->engines->n; i++)
        for (int k = 0; k < w->engines->list[i].n_flight; k++)
            drop_batch(w->engines->list[i].flight[k]);
    free(w->engines);
    w->engines = NULL;
}

/* A driver that hangs says nothing at all. The batch is run again as it is: its size is hardly to blame. */
void work_engines_tick(struct work *w, int64_t elapsed_ns)
{
    for (int i = 0; w->engines && i < w->engines->n; i++) {
        struct engine *e = &w->engines->list[i];
        if (!e->n_flight || !e->child || e->hung)
            continue;
        e->silent_ns += elapsed_ns;
        if ((double) e->silent_ns < w->p.batch_timeout_s * 1e9)
            continue;
        e->hung = true;
        cq_log_error(w->log, "the engine of %s gave no answer for %.0f s and is killed (--batch-timeout)", e->name,
                     w->p.batch_timeout_s);
        child_kill(e->child, SIGKILL);
    }
}

static const char *state_name(const struct engine *e)
{
    switch (e->state) {
    case ENGINE_STARTING: return "starting";
    case ENGINE_UP:       return e->n_flight ? "busy" : "idle";
    case ENGINE_WAITING:  return "waiting";
    default:              return "out";
    }
}

int work_engines_health(struct work *w, struct store_worker *rows, int max)
{
    int n = w->engines->n < max ? w->engines->n : max;
    for (int i = 0; i < n; i++) {
        struct engine *e = &w->engines->list[i];
        e->cpu_s = e->child ? child_cpu_s(e->child) : 0;
        rows[i] = (struct store_worker) {
            .role = "engine", .state = state_name(e), .slot = i, .pid = e->child ? child_pid(e->child) : 0,
            .restarts = e->restarts, .clips = e->batches, .frames = e->frames, .cpu_s = e->cpu_before_s + e->cpu_s,
            .rss = e->child ? child_rss_bytes(e->child) : 0, .last_frame_ms = e->last_frame_ms,
        };
    }
    return n;
}

int work_engines_shares(const struct work *w, struct store_engine rows[ENGINES_MAX])
{
    for (int i = 0; i < w->engines->n; i++) {
        const struct engine *e = &w->engines->list[i];
        rows[i] = (struct store_engine) {.slot = i, .batches = e->batches, .frames = e->frames, .busy_s = e->busy_s};
        snprintf(rows[i].spec, sizeof rows[i].spec, "%s", e->spec);
        snprintf(rows[i].device, sizeof rows[i].device, "%s", e->name);
        snprintf(rows[i].chosen, sizeof rows[i].chosen, "%s", e->chosen);
    }
    return w->engines->n;
}

double work_engines_prepare_s(const struct work *w)
{
    int64_t least = 0;
    for (int i = 0; w->engines && i < w->engines->n; i++) {
        const struct engine *e = &w->engines->list[i];
        if (e->was_ready && (!least || e->prepare_ns < least))
            least = e->prepare_ns;
    }
    return (double) least / 1e9;
}

/* "NAME (5804 MiB for models; yolox_nano.onnx: batches of 8)" */
static void describe(const struct engine *e, char *out, size_t size)
{
    int n = snprintf(out, size, "%s (%" PRId64 " MiB for models", e->name, e->budget >> 20);
    for (int lane = 0; lane < work_lanes(e->w) && n > 0 && (size_t) n < size; lane++)
        if (e->lanes[lane].limit > 0)
            n += snprintf(out + n, size - (size_t) n, "; %s: batches of %d", work_lane(e->w, lane)->name,
                          e->lanes[lane].limit);
    if (n > 0 && (size_t) n + 1 < size)
        snprintf(out + n, size - (size_t) n, ")");
}

const char *work_engines_account(const struct work *w)
{
    struct work_engines *es = w->engines;
    size_t at = 0;
    es->account[0] = '\0';
    for (int i = 0; i < es->n; i++) {
        char one[400];
        if (es->list[i].state == ENGINE_OUT || at >= sizeof es->account)
            continue;
        describe(&es->list[i], one, sizeof one);
        at += (size_t) snprintf(es->account + at, sizeof es->account - at, "%s%s", at ? ", " : "", one);
    }
    return es->account;
}

const char *work_engines_text(const struct work *w)
{
    struct work_engines *es = w->engines;
    char text[sizeof es->text];
    size_t at = 0;
    text[0] = '\0';
    for (int i = 0; i < es->n && at < sizeof text; i++)
        if (es->list[i].state != ENGINE_OUT)
            at += (size_t) snprintf(text + at, sizeof text - at, "%s%s", at ? ", " : "", es->list[i].name);
    memcpy(es->text, text, sizeof text);
    return es->text;
}
