/* Writing and checked reading of every message, pair by pair in the order of the header. */
#include "runner/messages.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SIZE_MAX_PIXELS = 1 << 15 };   /* of a model's input or a picture's side */
enum { SECONDS_MAX = 1000000000 };     /* into a clip */
enum { TUNE_MAX_MS = 3600000 };

/* ---- shared parts ---- */

static enum cq_err fail(struct cq_rd *r)
{
    r->err = CQ_PROTOCOL;
    return r->err;
}

static int get_range(struct cq_rd *r, int least, int most)
{
    int v = cq_get_i32(r);
    if (v < least || v > most) {
        r->err = CQ_PROTOCOL;
        return least;
    }
    return v;
}

static double get_finite(struct cq_rd *r)
{
    double v = cq_get_f64(r);
    if (!isfinite(v)) {
        r->err = CQ_PROTOCOL;
        return 0;
    }
    return v;
}

static int64_t get_natural(struct cq_rd *r)
{
    int64_t v = cq_get_i64(r);
    if (v < 0) {
        r->err = CQ_PROTOCOL;
        return 0;
    }
    return v;
}

static bool get_bool(struct cq_rd *r)
{
    return cq_get_u8(r) != 0;
}

static enum cq_err get_err(struct cq_rd *r)
{
    return (enum cq_err) get_range(r, CQ_OK, CQ_INTERNAL);
}

static void put_geometry(struct cq_buf *b, const struct geometry *g)
{
    const int v[] = {g->display_w, g->display_h, g->input_w, g->input_h, g->x, g->y, g->w, g->h};
    for (int i = 0; i < 8; i++)
        cq_put_i32(b, v[i]);
}

static struct geometry get_geometry(struct cq_rd *r)
{
    struct geometry g;
    g.display_w = get_range(r, 1, SIZE_MAX_PIXELS * 4);
    g.display_h = get_range(r, 1, SIZE_MAX_PIXELS * 4);
    g.input_w = get_range(r, 1, SIZE_MAX_PIXELS);
    g.input_h = get_range(r, 1, SIZE_MAX_PIXELS);
    g.x = get_range(r, 0, g.input_w - 1);
    g.y = get_range(r, 0, g.input_h - 1);
    g.w = get_range(r, 1, g.input_w - g.x);
    g.h = get_range(r, 1, g.input_h - g.y);
    return g;
}

static void put_target(struct cq_buf *b, const struct scale_target *t)
{
    cq_put_i32(b, t->width);
    cq_put_i32(b, t->height);
    cq_put_i32(b, (int) t->channels);
    cq_put_i32(b, (int) t->fit);
    cq_put_i32(b, (int) t->resample);
    cq_put_i32(b, t->pad);
}

static struct scale_target get_target(struct cq_rd *r)
{
    struct scale_target t;
    t.width = get_range(r, 1, SIZE_MAX_PIXELS);
    t.height = get_range(r, 1, SIZE_MAX_PIXELS);
    t.channels = (enum channel_order) get_range(r, CHANNELS_RGB, CHANNELS_GRAY);
    t.fit = (enum fit) get_range(r, FIT_STRETCH, FIT_LETTERBOX_TOP_LEFT);
    t.resample = (enum resample) get_range(r, RESAMPLE_AREA, RESAMPLE_LINEAR);
    t.pad = get_range(r, 0, 255);
    return t;
}

static void put_segment(struct cq_buf *b, const struct segment *g)
{
    const int64_t v[] = {g->from_pts, g->to_pts, g->first_ordinal, g->first_seq, g->sampler.seen, g->sampler.next_tick, g->frames,
                         (int64_t) g->digest, g->sampled};
    for (size_t i = 0; i < sizeof v / sizeof *v; i++)
        cq_put_i64(b, v[i]);
    cq_put_f64(b, g->from_s);
    cq_put_f64(b, g->to_s);
    cq_put_f64(b, g->sampler.first_s);
    cq_put_u8(b, g->sampler.started);
}

static struct segment get_segment(struct cq_rd *r)
{
    struct segment g;
    g.from_pts = cq_get_i64(r);
    g.to_pts = cq_get_i64(r);
    g.first_ordinal = cq_get_i64(r);
    g.first_seq = get_natural(r);
    g.sampler.seen = get_natural(r);
    g.sampler.next_tick = cq_get_i64(r);
    g.frames = get_natural(r);
    g.digest = (uint64_t) cq_get_i64(r);
    g.sampled = get_natural(r);
    g.from_s = get_finite(r);
    g.to_s = get_finite(r);
    g.sampler.first_s = get_finite(r);
    g.sampler.started = get_bool(r);
    if (g.from_pts >= g.to_pts || g.first_ordinal < -1 || g.from_s < 0 || g.from_s > g.to_s || g.to_s > SECONDS_MAX)
        r->err = CQ_PROTOCOL;
    return g;
}

int64_t slot_layout(const struct scale_target *targets, int n, int64_t offsets[PIPELINE_MAX_MODELS])
{
    int64_t at = 0;
    for (int i = 0; i < n; i++) {
        offsets[i] = at;
        at += (scale_bytes(&targets[i]) + SLOT_ALIGN - 1) / SLOT_ALIGN * SLOT_ALIGN;
    }
    return at;
}

/* ---- decode workers ---- */

void msg_put_job(struct cq_buf *b, const struct msg_job *m)
{
    cq_put_u32(b, m->serial);
    cq_put_str(b, m->path);
    cq_put_i32(b, m->stream_index);
    cq_put_i64(b, m->expect_size);
    cq_put_i64(b, m->expect_mtime_ns);
    cq_put_i32(b, (int) m->sample.mode);
    cq_put_i32(b, m->sample.every);
    cq_put_f64(b, m->sample.fps);
    cq_put_f64(b, m->sample.from_s);
    cq_put_f64(b, m->sample.to_s);
    cq_put_u8(b, m->decode_all);
    cq_put_i32(b, m->threads);
    cq_put_u8(b, m->is_segment);
    if (m->is_segment)
        put_segment(b, &m->segment);
    cq_put_f64(b, m->wish.longest_s);
    cq_put_i32(b, m->wish.at_once);
    cq_put_i32(b, m->rotation);
    cq_put_u8(b, m->mirrored);
    cq_put_i32(b, m->n_targets);
    for (int i = 0; i < m->n_targets; i++)
        put_target(b, &m->targets[i]);
}

enum cq_err msg_get_job(struct cq_rd *r, struct msg_job *m)
{
    m->serial = cq_get_u32(r);
    m->path = cq_get_str(r);
    m->stream_index = cq_get_i32(r);
    m->expect_size = cq_get_i64(r);
    m->expect_mtime_ns = cq_get_i64(r);
    m->sample.mode = (enum sample_mode) get_range(r, SAMPLE_EVERY, SAMPLE_KEYFRAMES);
    m->sample.every = cq_get_i32(r);
    m->sample.fps = get_finite(r);
    m->sample.from_s = get_finite(r);
    m->sample.to_s = get_finite(r);
    m->decode_all = get_bool(r);
    m->threads = get_range(r, 0, MSG_DECODER_THREADS);
    m->is_segment = get_bool(r);
    m->segment = m->is_segment ? get_segment(r) : (struct segment) {0};
    m->wish.longest_s = get_finite(r);
    m->wish.at_once = cq_get_i32(r);
    m->rotation = get_range(r, 0, 359);
    m->mirrored = get_bool(r);
    m->n_targets = get_range(r, 1, PIPELINE_MAX_MODELS);
    for (int i = 0; i < m->n_targets; i++)
        m->targets[i] = get_target(r);
    return r->err;
}

void msg_put_grant(struct cq_buf *b, const struct msg_grant *m)
{
    cq_put_u32(b, m->serial);
    cq_put_i32(b, m->n);
    for (int i = 0; i < m->n; i++)
        cq_put_i64(b, m->offsets[i]);
}

enum cq_err msg_get_grant(struct cq_rd *r, struct msg_grant *m)
{
    m->serial = cq_get_u32(r);
    m->n = get_range(r, 0, MSG_SLOTS);
    for (int i = 0; i < m->n; i++)
        m->offsets[i] = get_natural(r);
    return r->err;
}

void msg_put_frame(struct cq_buf *b, const struct msg_frame *m)
{
    cq_put_u32(b, m->serial);
    cq_put_i64(b, m->slot);
    cq_put_i64(b, m->seq);
    cq_put_i64(b, m->ordinal);
    cq_put_i64(b, m->pts);
    cq_put_f64(b, m->time_s);
    cq_put_i64(b, m->decode_ns);
    cq_put_i64(b, m->scale_ns);
    cq_put_i32(b, m->n_targets);
    for (int i = 0; i < m->n_targets; i++)
        put_geometry(b, &m->geometry[i]);
}

enum cq_err msg_get_frame(struct cq_rd *r, struct msg_frame *m)
{
    m->serial = cq_get_u32(r);
    m->slot = get_natural(r);
    m->seq = get_natural(r);
    m->ordinal = cq_get_i64(r);
    m->pts = cq_get_i64(r);
    m->time_s = get_finite(r);
    m->decode_ns = get_natural(r);
    m->scale_ns = get_natural(r);
    m->n_targets = get_range(r, 1, PIPELINE_MAX_MODELS);
    for (int i = 0; i < m->n_targets; i++)
        m->geometry[i] = get_geometry(r);
    return m->ordinal < -1 ? fail(r) : r->err;
}

void msg_put_alive(struct cq_buf *b, const struct msg_alive *m)
{
    cq_put_u32(b, m->serial);
    cq_put_i64(b, m->decoded);
}

enum cq_err msg_get_alive(struct cq_rd *r, struct msg_alive *m)
{
    m->serial = cq_get_u32(r);
    m->decoded = get_natural(r);
    return r->err;
}

void msg_put_segments(struct cq_buf *b, const struct msg_segments *m)
{
    cq_put_u32(b, m->serial);
    cq_put_str(b, m->why);
    cq_put_i32(b, m->n);
    for (int i = 0; i < m->n; i++)
        put_segment(b, &m->list[i]);
}

enum cq_err msg_get_segments(struct cq_rd *r, struct msg_segments *m)
{
    m->serial = cq_get_u32(r);
    m->why = cq_get_str(r);
    m->n = get_range(r, 0, SEGMENTS_MAX);
    for (int i = 0; i < m->n; i++)
        m->list[i] = get_segment(r);
    return r->err;
}

void msg_put_end(struct cq_buf *b, const struct msg_end *m)
{
    cq_put_u32(b, m->serial);
    cq_put_i32(b, (int) m->end.failure);
    cq_put_str(b, m->end.message);
    cq_put_i64(b, m->end.decoded);
    cq_put_i64(b, m->end.sampled);
    cq_put_i64(b, m->end.errors);
    cq_put_u8(b, m->end.doubtful);
    cq_put_f64(b, m->end.last_s);
    cq_put_i64(b, m->end.counted);
    cq_put_i64(b, (int64_t) m->end.digest);
    cq_put_i64(b, m->decode_ns);
}

enum cq_err msg_get_end(struct cq_rd *r, struct msg_end *m)
{
    m->serial = cq_get_u32(r);
    m->end.failure = (enum failure) get_range(r, FAIL_NONE, FAIL_COUNT - 1);
    snprintf(m->end.message, sizeof m->end.message, "%s", cq_get_str(r));
    m->end.decoded = get_natural(r);
    m->end.sampled = get_natural(r);
    m->end.errors = get_natural(r);
    m->end.doubtful = get_bool(r);
    m->end.last_s = get_finite(r);
    m->end.counted = get_natural(r);
    m->end.digest = (uint64_t) cq_get_i64(r);
    m->decode_ns = get_natural(r);
    return r->err;
}

/* ---- engines ---- */

void msg_put_setup(struct cq_buf *b, const struct msg_setup *m)
{
    cq_put_str(b, m->device);
    cq_put_i32(b, m->threads);
    cq_put_i64(b, m->memory_limit);
    cq_put_u8(b, m->afresh);
    cq_put_str(b, m->folder);
    cq_put_str(b, m->folder_label);
    cq_put_i32(b, (int) m->sandbox);
}

enum cq_err msg_get_setup(struct cq_rd *r, struct msg_setup *m)
{
    m->device = cq_get_str(r);
    m->threads = get_range(r, 0, 1 << 16);
    m->memory_limit = get_natural(r);
    m->afresh = get_bool(r);
    m->folder = cq_get_str(r);
    m->folder_label = cq_get_str(r);
    m->sandbox = (enum sandbox_mode) get_range(r, SANDBOX_AUTO, SANDBOX_OFF);
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
    m->err = get_err(r);
    m->message = cq_get_str(r);
    m->spec = cq_get_str(r);
    m->name = cq_get_str(r);
    m->driver = cq_get_str(r);
    m->is_cpu = get_bool(r);
    m->compute_units = get_range(r, 0, 1 << 20);
    m->budget = get_natural(r);
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
    m->n = get_range(r, 0, MSG_CHOICES_MAX);
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
    m->width = get_range(r, 1, SIZE_MAX_PIXELS);
    m->height = get_range(r, 1, SIZE_MAX_PIXELS);
    m->max_batch = get_range(r, 1, BATCHER_MAX);
    m->sharers = get_range(r, 1, BATCHER_LANES);
    m->tune_ms = get_range(r, 0, TUNE_MAX_MS);
    return m->lane >= BATCHER_LANES ? fail(r) : r->err;
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
        fail(r);
    return text;
}

/* It goes into the database, where people read it. */
enum cq_err msg_get_tuned(struct cq_rd *r, struct msg_tuned *m)
{
    m->lane = cq_get_u32(r);
    m->key = get_word(r, "0123456789abcdef", MSG_TUNED_KEY, MSG_TUNED_KEY);
    m->text = cq_get_str(r);
    m->n = get_range(r, 2, MSG_TUNED_MAX);
    m->first = get_range(r, 0, m->n - 1);
    m->best = get_range(r, 0, m->n - 1);
    for (int i = 0; i < m->n && !r->err; i++) {
        m->list[i].kernel = get_word(r, "abcdefghijklmnopqrstuvwxyz0123456789_", 1, 63);
        m->list[i].ms = get_finite(r);
        if (m->list[i].ms < 0)
            fail(r);
    }
    return m->lane >= BATCHER_LANES || strlen(m->text) >= MSG_TEXT ? fail(r) : r->err;
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
    m->err = get_err(r);
    m->message = cq_get_str(r);
    m->max_batch = get_range(r, 0, BATCHER_MAX);
    m->bytes = get_natural(r);
    m->frame_bytes = get_natural(r);
    m->batchable = get_bool(r);
    m->flops = get_finite(r);
    return m->lane >= BATCHER_LANES ? fail(r) : r->err;
}

void msg_put_batch(struct cq_buf *b, const struct msg_batch *m)
{
    cq_put_i64(b, m->id);
    cq_put_u32(b, m->lane);
    cq_put_i32(b, m->n);
    for (int i = 0; i < m->n; i++) {
        const struct msg_batch_item *it = &m->items[i];
        cq_put_i64(b, it->input);
        put_geometry(b, &it->geometry);
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
    m->n = get_range(r, 1, BATCHER_MAX);
    for (int i = 0; i < m->n; i++) {
        struct msg_batch_item *it = &m->items[i];
        it->input = get_natural(r);
        it->geometry = get_geometry(r);
        it->job_id = cq_get_i64(r);
        it->seq = get_natural(r);
        it->attempt = cq_get_i32(r);
        it->model = get_range(r, 0, PIPELINE_MAX_MODELS - 1);
    }
    return m->lane >= BATCHER_LANES ? fail(r) : r->err;
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
    }
}

enum cq_err msg_get_result(struct cq_rd *r, struct msg_result *m)
{
    m->id = cq_get_i64(r);
    m->lane = cq_get_u32(r);
    m->err = get_err(r);
    m->message = cq_get_str(r);
    m->safe_batch = get_range(r, 0, BATCHER_MAX);
    m->halvings = get_range(r, 0, BATCHER_MAX);
    m->runs = get_range(r, 0, BATCHER_MAX);
    m->infer_ns = get_natural(r);
    m->postprocess_ns = get_natural(r);
    m->n = get_range(r, 0, BATCHER_MAX);
    for (int i = 0; i < m->n; i++) {
        m->answers[i].err = get_err(r);
        m->answers[i].message = cq_get_str(r);
        m->answers[i].size = cq_get_u32(r);
        m->answers[i].blob = cq_get(r, m->answers[i].size);
    }
    return m->lane >= BATCHER_LANES ? fail(r) : r->err;
}
