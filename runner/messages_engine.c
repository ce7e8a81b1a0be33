/* Writing and checked reading of the talk with engines, pair by pair in the order of the header. */
#include "runner/messages_engine.h"

#include <string.h>

#include "runner/messages_parts.h"
#include "runner/pipeline.h"

enum { TUNE_MAX_MS = 3600000 };

void msg_put_setup(struct cq_buf *b, const struct msg_setup *m)
{
    cq_put_str(b, m->device);
    cq_put_i32(b, m->threads);
    cq_put_i64(b, m->memory_limit);
    cq_put_u8(b, m->afresh);
    cq_put_str(b, m->folder);
    cq_put_str(b, m->folder_label);
    cq_put_i32(b, (int) m->sandbox);
    cq_put_i64(b, (int64_t) m->seed);
}

enum cq_err msg_get_setup(struct cq_rd *r, struct msg_setup *m)
{
    m->device = cq_get_str(r);
    m->threads = msg_get_range(r, 0, 1 << 16);
    m->memory_limit = msg_get_natural(r);
    m->afresh = msg_get_bool(r);
    m->folder = cq_get_str(r);
    m->folder_label = cq_get_str(r);
    m->sandbox = (enum sandbox_mode) msg_get_range(r, SANDBOX_AUTO, SANDBOX_OFF);
    m->seed = (uint64_t) cq_get_i64(r);
    return r->err;
}

void msg_put_hello(struct cq_buf *b, const struct msg_hello *m)
{
    cq_put_i32(b, (int) m->err);
    cq_put_str(b, m->message);
    cq_put_str(b, m->spec);
    cq_put_str(b, m->name);
    cq_put_str(b, m->driver);
    cq_put_u8(b, m->is_cpu);
    cq_put_i32(b, m->compute_units);
    cq_put_i64(b, m->budget);
}

enum cq_err msg_get_hello(struct cq_rd *r, struct msg_hello *m)
{
    m->err = msg_get_err(r);
    m->message = cq_get_str(r);
    m->spec = cq_get_str(r);
    m->name = cq_get_str(r);
    m->driver = cq_get_str(r);
    m->is_cpu = msg_get_bool(r);
    m->compute_units = msg_get_range(r, 0, 1 << 20);
    m->budget = msg_get_natural(r);
    return r->err;
}

void msg_put_choices(struct cq_buf *b, const struct msg_choices *m)
{
    cq_put_i32(b, m->n);
    for (int i = 0; i < m->n; i++) {
        cq_put_str(b, m->list[i].key);
        cq_put_str(b, m->list[i].variant);
    }
}

enum cq_err msg_get_choices(struct cq_rd *r, struct msg_choices *m)
{
    m->n = msg_get_range(r, 0, MSG_CHOICES_MAX);
    for (int i = 0; i < m->n && !r->err; i++) {
        m->list[i].key = cq_get_str(r);
        m->list[i].variant = cq_get_str(r);
    }
    return r->err;
}

void msg_put_model(struct cq_buf *b, const struct msg_model *m)
{
    cq_put_u32(b, m->lane);
    cq_put_str(b, m->path);
    cq_put_str(b, m->hash);
    cq_put_str(b, m->card);
    cq_put_i32(b, m->width);
    cq_put_i32(b, m->height);
    cq_put_i32(b, m->max_batch);
    cq_put_i32(b, m->sharers);
    cq_put_i32(b, m->tune_ms);
}

enum cq_err msg_get_model(struct cq_rd *r, struct msg_model *m)
{
    m->lane = cq_get_u32(r);
    m->path = cq_get_str(r);
    m->hash = cq_get_str(r);
    m->card = cq_get_str(r);
    m->width = msg_get_range(r, 1, MSG_SIDE_MAX);
    m->height = msg_get_range(r, 1, MSG_SIDE_MAX);
    m->max_batch = msg_get_range(r, 1, BATCHER_MAX);
    m->sharers = msg_get_range(r, 1, BATCHER_LANES);
    m->tune_ms = msg_get_range(r, 0, TUNE_MAX_MS);
    return m->lane >= BATCHER_LANES ? msg_refuse(r) : r->err;
}

void msg_put_tuned(struct cq_buf *b, const struct msg_tuned *m)
{
    cq_put_u32(b, m->lane);
    cq_put_str(b, m->key);
    cq_put_str(b, m->text);
    cq_put_i32(b, m->n);
    cq_put_i32(b, m->first);
    cq_put_i32(b, m->best);
    for (int i = 0; i < m->n; i++) {
        cq_put_str(b, m->list[i].kernel);
        cq_put_f64(b, m->list[i].ms);
    }
}

/* A text of `least` to `most` characters, all of them among `allowed`. */
static const char *get_word(struct cq_rd *r, const char *allowed, size_t least, size_t most)
{
    const char *text = cq_get_str(r);
    size_t length = strlen(text);
    if (length < least || length > most || strspn(text, allowed) != length)
        msg_refuse(r);
    return text;
}

/* It goes into the database, where people read it. */
enum cq_err msg_get_tuned(struct cq_rd *r, struct msg_tuned *m)
{
    m->lane = cq_get_u32(r);
    m->key = get_word(r, "0123456789abcdef", MSG_TUNED_KEY, MSG_TUNED_KEY);
    m->text = cq_get_str(r);
    m->n = msg_get_range(r, 2, MSG_TUNED_MAX);
    m->first = msg_get_range(r, 0, m->n - 1);
    m->best = msg_get_range(r, 0, m->n - 1);
    for (int i = 0; i < m->n && !r->err; i++) {
        m->list[i].kernel = get_word(r, "abcdefghijklmnopqrstuvwxyz0123456789_", 1, 63);
        m->list[i].ms = msg_get_finite(r);
        if (m->list[i].ms < 0)
            msg_refuse(r);
    }
    return m->lane >= BATCHER_LANES || strlen(m->text) >= MSG_TEXT ? msg_refuse(r) : r->err;
}

void msg_put_ready(struct cq_buf *b, const struct msg_ready *m)
{
    cq_put_u32(b, m->lane);
    cq_put_i32(b, (int) m->err);
    cq_put_str(b, m->message);
    cq_put_i32(b, m->max_batch);
    cq_put_i64(b, m->bytes);
    cq_put_i64(b, m->frame_bytes);
    cq_put_u8(b, m->batchable);
    cq_put_f64(b, m->flops);
}

enum cq_err msg_get_ready(struct cq_rd *r, struct msg_ready *m)
{
    m->lane = cq_get_u32(r);
    m->err = msg_get_err(r);
    m->message = cq_get_str(r);
    m->max_batch = msg_get_range(r, 0, BATCHER_MAX);
    m->bytes = msg_get_natural(r);
    m->frame_bytes = msg_get_natural(r);
    m->batchable = msg_get_bool(r);
    m->flops = msg_get_finite(r);
    return m->lane >= BATCHER_LANES ? msg_refuse(r) : r->err;
}

void msg_put_batch(struct cq_buf *b, const struct msg_batch *m)
{
    cq_put_i64(b, m->id);
    cq_put_u32(b, m->lane);
    cq_put_u8(b, m->hash);
    cq_put_i32(b, m->n);
    for (int i = 0; i < m->n; i++) {
        const struct msg_batch_item *it = &m->items[i];
        cq_put_i64(b, it->input);
        msg_put_geometry(b, &it->geometry);
        cq_put_i64(b, it->job_id);
        cq_put_i64(b, it->seq);
        cq_put_i32(b, it->attempt);
        cq_put_i32(b, it->model);
    }
}

enum cq_err msg_get_batch(struct cq_rd *r, struct msg_batch *m)
{
    m->id = cq_get_i64(r);
    m->lane = cq_get_u32(r);
    m->hash = msg_get_bool(r);
    m->n = msg_get_range(r, 1, BATCHER_MAX);
    for (int i = 0; i < m->n; i++) {
        struct msg_batch_item *it = &m->items[i];
        it->input = msg_get_natural(r);
        it->geometry = msg_get_geometry(r);
        it->job_id = cq_get_i64(r);
        it->seq = msg_get_natural(r);
        it->attempt = cq_get_i32(r);
        it->model = msg_get_range(r, 0, PIPELINE_MAX_MODELS - 1);
    }
    return m->lane >= BATCHER_LANES ? msg_refuse(r) : r->err;
}

void msg_put_result(struct cq_buf *b, const struct msg_result *m)
{
    cq_put_i64(b, m->id);
    cq_put_u32(b, m->lane);
    cq_put_i32(b, (int) m->err);
    cq_put_str(b, m->message);
    cq_put_i32(b, m->safe_batch);
    cq_put_i32(b, m->halvings);
    cq_put_i32(b, m->runs);
    cq_put_i64(b, m->infer_ns);
    cq_put_i64(b, m->postprocess_ns);
    cq_put_i32(b, m->n);
    for (int i = 0; i < m->n; i++) {
        cq_put_i32(b, (int) m->answers[i].err);
        cq_put_str(b, m->answers[i].message);
        cq_put_u32(b, (uint32_t) m->answers[i].size);
        cq_put(b, m->answers[i].blob, m->answers[i].size);
        cq_put_u8(b, m->answers[i].hashed);
        cq_put_i64(b, (int64_t) m->answers[i].pixels.high);
        cq_put_i64(b, (int64_t) m->answers[i].pixels.low);
    }
}

enum cq_err msg_get_result(struct cq_rd *r, struct msg_result *m)
{
    m->id = cq_get_i64(r);
    m->lane = cq_get_u32(r);
    m->err = msg_get_err(r);
    m->message = cq_get_str(r);
    m->safe_batch = msg_get_range(r, 0, BATCHER_MAX);
    m->halvings = msg_get_range(r, 0, BATCHER_MAX);
    m->runs = msg_get_range(r, 0, BATCHER_MAX);
    m->infer_ns = msg_get_natural(r);
    m->postprocess_ns = msg_get_natural(r);
    m->n = msg_get_range(r, 0, BATCHER_MAX);
    for (int i = 0; i < m->n; i++) {
        m->answers[i].err = msg_get_err(r);
        m->answers[i].message = cq_get_str(r);
        m->answers[i].size = cq_get_u32(r);
        m->answers[i].blob = cq_get(r, m->answers[i].size);
        m->answers[i].hashed = msg_get_bool(r);
        m->answers[i].pixels.high = (uint64_t) cq_get_i64(r);
        m->answers[i].pixels.low = (uint64_t) cq_get_i64(r);
    }
    return m->lane >= BATCHER_LANES ? msg_refuse(r) : r->err;
}
