/* Loading by content, running in halves when memory is short, cutting outputs into frames. */
#include "runner/engine_model.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "kernels/base/clock.h"
#include "kernels/base/log.h"
#include "kernels/device.h"
#include "runner/files.h"
#include "stages/answer/answer.h"
#include "stages/answer/card.h"
#include "stages/answer/decoder.h"
#include "stages/answer/known_inputs.h"
#include "stages/answer/scene.h"
#include "stages/infer/model.h"
#include "stages/infer/session.h"

/* What equal models of different input sizes have in common. */
struct shared {
    int users;
    char *path, *text;          /* owned; text: the card */
    struct model *model;        /* owned */
    struct session *session;    /* owned */
    struct card card;
    const struct decoder_class *decoder;
    size_t bytes;               /* of device memory: what the largest size needs at its largest batch */
    int64_t free_ns;            /* when the newest batch was finished */
};

struct engine_model {
    struct cq_log *log;
    struct shared *shared;      /* one user of it is this */
    int width, height;          /* of the input */
    const char *folder, *folder_label;
    struct device *dev;         /* borrowed */
    int max_batch;              /* that fits the memory, by plan or by experience */
    size_t bytes, one_bytes;    /* at the planned batch, and for one frame */
    size_t limit;               /* bytes */
    double flops;
    struct cq_buf blobs;        /* answers of the newest run */
    char message[MSG_TEXT];     /* of the newest error */
    struct { int64_t ticket, ns; } started[SESSION_FLIGHTS];    /* the oldest first */
    int n_started;
    bool start_was_short;       /* memory was short when a batch should have been started that is still to be run */
};

/* ---- what is shared ---- */

static enum cq_err load_model(struct cq_log *log, struct shared *s, const char *path)
{
    if (strcmp(path, BUILTIN_SCENE))
        return model_load(log, path, &s->model);
    size_t size;
    const void *data = builtin_scene(&size);
    return model_load_memory(log, BUILTIN_SCENE, data, size, &s->model);
}

static enum cq_err check_hash(struct cq_log *log, const struct shared *s, const struct engine_model_params *p)
{
    if (!strcmp(model_hash(s->model), p->hash))
        return CQ_OK;
    cq_log_error(log, "%s is not the model that was submitted (content %s, now %s): put the old file back, "
                 "or submit the clips again with the new one", p->path, p->hash, model_hash(s->model));
    return CQ_STALE;
}

static enum cq_err read_card(struct cq_log *log, struct shared *s, const char *text)
{
    json_error_t e;
    json_t *json = json_loads(text, 0, &e);
    if (!json) {
        cq_log_error(log, "model card: %s", e.text);
        return CQ_CORRUPT;
    }
    enum cq_err err = card_from_json(log, json, &s->card);
    json_decref(json);
    if (err)
        return err;
    s->decoder = decoder_find(s->card.decoder);
    if (s->decoder)
        return CQ_OK;
    cq_log_error(log, "no decoder is called '%s' in this version", s->card.decoder);
    return CQ_UNSUPPORTED;
}

static void leave(struct shared **ps)
{
    struct shared *s = *ps;
    *ps = NULL;
    if (!s || --s->users)
        return;
    session_destroy(&s->session);
    model_destroy(&s->model);
    card_finish(&s->card);
    free(s->path);
    free(s->text);
    free(s);
}

static enum cq_err make_shared(struct cq_log *log, struct device *dev, const struct engine_model_params *p,
                               struct shared **out)
{
    struct shared *s = calloc(1, sizeof *s);
    if (!s)
        return CQ_NOMEM;
    s->users = 1;
    s->path = strdup(p->path);
    s->text = strdup(p->card);
    enum cq_err err = s->path && s->text ? load_model(log, s, p->path) : CQ_NOMEM;
    if (!err)
        err = check_hash(log, s, p);
    if (!err)
        err = known_inputs_fix(log, s->model);
    if (!err)
        err = read_card(log, s, p->card);
    if (!err) {
        struct session_image image = s->card.image;
        image.width = p->width;
        image.height = p->height;
        struct session_candidates boxes;
        const struct session_params sp = {.image = &image, .memory_limit = p->memory_share,
                                          .candidates = decoder_candidates(s->decoder, &s->card, &boxes) ? &boxes : NULL,
                                          .choices = p->choices, .precision = s->card.precision};
        err = session_create(log, dev, s->model, &sp, &s->session);
    }
    if (err)
        leave(&s);
    *out = s;
    return err;
}

bool engine_model_is_like(const struct engine_model *m, const struct engine_model_params *p)
{
    const struct shared *s = m->shared;
    return !strcmp(model_hash(s->model), p->hash) && !strcmp(s->path, p->path) && !strcmp(s->text, p->card);
}

bool engine_model_shares(const struct engine_model *a, const struct engine_model *b)
{
    return a->shared == b->shared;
}

static struct shared *find_shared(const struct engine_model_params *p)
{
    for (int i = 0; i < p->n_others; i++) {
        if (p->others[i] && engine_model_is_like(p->others[i], p)) {
            p->others[i]->shared->users++;
            return p->others[i]->shared;
        }
    }
    return NULL;
}

/* ---- one size ---- */

static enum cq_err plan_bytes(struct engine_model *m, int batch, size_t *bytes)
{
    struct session_memory mem;
    enum cq_err err = session_plan_memory(m->shared->session, batch, &mem);
    if (!err)
        *bytes = mem.total;
    return err;
}

/* The largest batch within its share, beside what other sizes have taken already; one frame may take more than that,
 * if it must. */
static enum cq_err choose_batch(struct engine_model *m, const struct engine_model_params *p)
{
    size_t had = m->shared->bytes, share = p->memory_share + had;
    enum cq_err err = plan_bytes(m, 1, &m->one_bytes);
    if (err)
        return err;
    m->limit = m->one_bytes > share ? p->memory_left + had : share;
    session_set_memory_limit(m->shared->session, m->limit);
    m->max_batch = session_max_batch(m->shared->session, m->limit > share ? 1 : p->max_batch);
    if (!m->max_batch) {
        cq_log_error(m->log, "%s: one frame needs %zu bytes of memory, the limit is %zu bytes", p->path, m->one_bytes,
                     m->limit);
        return CQ_OOM;
    }
    err = plan_bytes(m, m->max_batch, &m->bytes);
    if (!err && m->bytes > had)
        m->shared->bytes = m->bytes;
    return err;
}

static enum cq_err fit(struct engine_model *m, const struct engine_model_params *p)
{
    enum cq_err err = session_resize(m->shared->session, m->width, m->height);
    if (!err)
        err = choose_batch(m, p);
    if (!err)
        m->flops = session_flops(m->shared->session, 1);
    return err;
}

enum cq_err engine_model_create(struct cq_log *log, struct device *dev, const struct engine_model_params *params,
                                struct engine_model **out)
{
    *out = NULL;
    struct engine_model *m = calloc(1, sizeof *m);
    if (!m)
        return CQ_NOMEM;
    m->log = log;
    m->dev = dev;
    m->width = params->width;
    m->height = params->height;
    m->folder = params->folder[0] ? params->folder : NULL;
    m->folder_label = params->folder_label;
    m->shared = find_shared(params);
    enum cq_err err = m->shared ? CQ_OK : make_shared(log, dev, params, &m->shared);
    if (!err)
        err = fit(m, params);
    if (err)
        engine_model_destroy(&m);
    *out = m;
    return err;
}

void engine_model_destroy(struct engine_model **pm)
{
    struct engine_model *m = *pm;
    if (!m)
        return;
    leave(&m->shared);
    cq_buf_finish(&m->blobs);
    free(m);
    *pm = NULL;
}

int engine_model_max_batch(const struct engine_model *m) { return m->max_batch; }
bool engine_model_batchable(const struct engine_model *m) { return session_batchable(m->shared->session); }
double engine_model_flops(const struct engine_model *m) { return m->flops; }
size_t engine_model_bytes(const struct engine_model *m) { return m->shared->bytes; }
size_t engine_model_frame_bytes_needed(const struct engine_model *m) { return m->one_bytes; }

int64_t engine_model_frame_bytes(const struct engine_model *m)
{
    return (int64_t) m->width * m->height * m->shared->card.image.channels;
}

enum cq_err engine_model_tune(struct engine_model *m, struct session_tuning how)
{
    how.batch = m->max_batch;
    enum cq_err err = session_tune(m->shared->session, &how);
    session_trim(m->shared->session);
    return err;
}

/* ---- running ---- */

static enum cq_err decode_frame(struct engine_model *m, const struct msg_batch_item *item, struct decode_frame *f)
{
    struct answer answer = {0};
    char stem[96];
    files_stem(stem, sizeof stem, item->job_id, item->attempt, item->model, item->seq);
    f->geometry = &item->geometry;
    f->card = &m->shared->card;
    f->folder = m->folder;
    f->folder_label = m->folder_label;
    f->stem = stem;
    f->log = m->log;
    enum cq_err err = m->shared->decoder->decode(f, &answer);
    if (!err)
        answer_put(&m->blobs, &answer);
    answer_finish(&answer);
    return err ? err : m->blobs.err;
}

/* False when what the model found in the frame did not go through the rest of the model. */
static bool take_outputs(const struct engine_model *m, const struct session_output *outputs, int i, int n,
                         struct decode_frame *f)
{
    bool whole = true;
    for (int o = 0; o < f->n_outputs; o++) {
        f->outputs[o] = session_output_image(&outputs[o], i, n);
        f->names[o] = model_output(m->shared->model, o)->name;
        whole &= f->outputs[o].desc.type != DT_NONE;
    }
    return whole;
}

/* Blobs move while their buffer grows, so their offsets stand in `blob` until the end of the run.
 * CQ_NOMEM: the part is to be run again. Other failures are those of single answers. */
static enum cq_err decode_part(struct engine_model *m, const struct msg_batch *batch, int first, int n,
                               const struct session_output *outputs, int n_outputs, struct msg_result *out)
{
    for (int i = 0; i < n; i++) {
        struct decode_frame f = {.n_outputs = n_outputs < DECODE_MAX_OUTPUTS ? n_outputs : DECODE_MAX_OUTPUTS};
        bool whole = take_outputs(m, outputs, i, n, &f);
        struct msg_answer *a = &out->answers[first + i];
        size_t start = m->blobs.size;
        a->err = whole ? decode_frame(m, &batch->items[first + i], &f) : CQ_INVALID;
        if (a->err == CQ_NOMEM)
            return CQ_NOMEM;
        if (a->err) {
            snprintf(m->message, sizeof m->message, "%s", cq_log_reason(m->log, cq_err_text(a->err)));
            m->blobs.size = start;
        }
        a->message = a->err ? m->message : "";
        a->blob = (const void *) (uintptr_t) start;
        a->size = m->blobs.size - start;
    }
    return CQ_OK;
}

static void settle_blobs(struct engine_model *m, struct msg_result *out)
{
    for (int i = 0; i < out->n; i++)
        out->answers[i].blob = m->blobs.data + (uintptr_t) out->answers[i].blob;
}

/* What to run the same frames with after memory was short at batch `ran`; 0: nothing is left to try. One frame alone
 * gets a second try: the trimming, or another program, may have made room. */
static int smaller_batch(struct engine_model *m, int ran, bool *tried_alone, struct msg_result *out)
{
    session_trim(m->shared->session);
    if (ran == 1) {
        bool again = !*tried_alone;
        *tried_alone = true;
        return again;
    }
    cq_log_warn(m->log, "out of memory at batch %d, trying %d", ran, ran / 2);
    out->halvings++;
    m->max_batch = ran / 2;
    return ran / 2;
}

/* Decodes what came back for items first..first+n-1, and counts the time since `start`. */
static enum cq_err take_part(struct engine_model *m, const struct msg_batch *batch, int first, int n, int64_t ticket,
                             int64_t start, struct msg_result *out)
{
    const struct session_output *outputs;
    int n_outputs;
    size_t blobs = m->blobs.size;
    enum cq_err err = session_finish(m->shared->session, ticket, &outputs, &n_outputs);
    int64_t ran = cq_now_ns();
    if (!err)
        err = decode_part(m, batch, first, n, outputs, n_outputs, out);
    if (err) {
        m->blobs.size = blobs;
        m->blobs.err = CQ_OK;
        return err;
    }
    out->infer_ns += ran - start;
    out->postprocess_ns += cq_now_ns() - ran;
    out->runs++;
    m->shared->free_ns = ran;
    return CQ_OK;
}

static enum cq_err run_part(struct engine_model *m, const struct msg_batch *batch, const uint8_t *const *pixels,
                            int first, int n, struct msg_result *out)
{
    int64_t start = cq_now_ns(), ticket;
    enum cq_err err = session_start_images(m->shared->session, pixels + first, n, &ticket);
    return err ? err : take_part(m, batch, first, n, ticket, start, out);
}

/* Not even one frame: what it takes, and what there is. */
static void give_up(struct engine_model *m, struct msg_result *out)
{
    snprintf(m->message, sizeof m->message, "one frame needs %zu bytes of memory, the limit is %zu bytes: %.200s",
             m->one_bytes, m->limit, cq_log_reason(m->log, "they could not be had"));
    out->err = CQ_OOM;
    out->message = m->message;
    out->n = 0;
}

static void clear(struct engine_model *m, const struct msg_batch *batch, struct msg_result *out)
{
    out->message = "";
    out->err = CQ_OK;
    out->halvings = out->runs = 0;
    out->infer_ns = out->postprocess_ns = 0;
    out->n = batch->n;
    cq_buf_clear(&m->blobs);
}

static void settle(struct engine_model *m, struct msg_result *out)
{
    out->safe_batch = m->max_batch;
    settle_blobs(m, out);
}

/* A lost device may have been lost by a batch that could not be started; nothing runs on it any more. */
static enum cq_err get_ready(struct engine_model *m)
{
    enum cq_err err = device_is_lost(m->dev) ? CQ_OOM : session_resize(m->shared->session, m->width, m->height);
    if (!err)
        session_set_memory_limit(m->shared->session, m->limit);
    return err;
}

static bool is_shortage(enum cq_err err)
{
    return err == CQ_OOM || err == CQ_NOMEM;
}

/* `was_short`: the whole batch was tried already, and memory was short. */
static enum cq_err run_in_parts(struct engine_model *m, const struct msg_batch *batch, const uint8_t *const *pixels,
                                bool was_short, struct msg_result *out)
{
    enum cq_err unready = get_ready(m);
    if (unready)
        return unready;
    clear(m, batch, out);
    bool tried_alone = false;
    int size = was_short ? smaller_batch(m, batch->n, &tried_alone, out) : batch->n;
    for (int at = 0; at < batch->n;) {
        int n = size < batch->n - at ? size : batch->n - at;
        enum cq_err err = run_part(m, batch, pixels, at, n, out);
        bool is_short = is_shortage(err);
        if (err && (!is_short || device_is_lost(m->dev)))
            return err;
        if (is_short && !(size = smaller_batch(m, n, &tried_alone, out))) {
            give_up(m, out);
            return CQ_OK;
        }
        if (!err)
            at += n;
    }
    settle(m, out);
    return CQ_OK;
}

enum cq_err engine_model_run(struct engine_model *m, const struct msg_batch *batch, const uint8_t *const *pixels,
                             struct msg_result *out)
{
    bool was_short = m->start_was_short;
    m->start_was_short = false;
    return run_in_parts(m, batch, pixels, was_short, out);
}

bool engine_model_start(struct engine_model *m, const struct msg_batch *batch, const uint8_t *const *pixels)
{
    int64_t now = cq_now_ns(), ticket;
    if (batch->n > m->max_batch || m->n_started == SESSION_FLIGHTS || get_ready(m))
        return false;
    enum cq_err err = session_start_images(m->shared->session, pixels, batch->n, &ticket);
    m->start_was_short = is_shortage(err);
    if (err)
        return false;
    m->started[m->n_started].ticket = ticket;
    m->started[m->n_started++].ns = now;
    return true;
}

enum cq_err engine_model_finish(struct engine_model *m, const struct msg_batch *batch, const uint8_t *const *pixels,
                                struct msg_result *out)
{
    int64_t ticket = m->started[0].ticket, start = m->started[0].ns, before = m->shared->free_ns;
    m->started[0] = m->started[1];
    m->n_started--;
    clear(m, batch, out);
    enum cq_err err = take_part(m, batch, 0, batch->n, ticket, start > before ? start : before, out);
    if (!err) {
        settle(m, out);
        return CQ_OK;
    }
    if (device_is_lost(m->dev))
        return err;
    session_trim(m->shared->session);
    return run_in_parts(m, batch, pixels, is_shortage(err), out);
}
