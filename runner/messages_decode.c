/* Writing and checked reading of the talk with decode workers, pair by pair in the order of the header. */
#include "runner/messages_decode.h"

#include <stdio.h>

#include "runner/messages_parts.h"

enum { SECONDS_MAX = 1000000000 };     /* into a clip */

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
    t.width = msg_get_range(r, 1, MSG_SIDE_MAX);
    t.height = msg_get_range(r, 1, MSG_SIDE_MAX);
    t.channels = (enum channel_order) msg_get_range(r, CHANNELS_RGB, CHANNELS_GRAY);
    t.fit = (enum fit) msg_get_range(r, FIT_STRETCH, FIT_LETTERBOX_TOP_LEFT);
    t.resample = (enum resample) msg_get_range(r, RESAMPLE_AREA, RESAMPLE_LINEAR);
    t.pad = msg_get_range(r, 0, 255);
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
    g.first_seq = msg_get_natural(r);
    g.sampler.seen = msg_get_natural(r);
    g.sampler.next_tick = cq_get_i64(r);
    g.frames = msg_get_natural(r);
    g.digest = (uint64_t) cq_get_i64(r);
    g.sampled = msg_get_natural(r);
    g.from_s = msg_get_finite(r);
    g.to_s = msg_get_finite(r);
    g.sampler.first_s = msg_get_finite(r);
    g.sampler.started = msg_get_bool(r);
    if (g.from_pts >= g.to_pts || g.first_ordinal < -1 || g.from_s < 0 || g.from_s > g.to_s || g.to_s > SECONDS_MAX)
        msg_refuse(r);
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
    m->sample.mode = (enum sample_mode) msg_get_range(r, SAMPLE_EVERY, SAMPLE_KEYFRAMES);
    m->sample.every = cq_get_i32(r);
    m->sample.fps = msg_get_finite(r);
    m->sample.from_s = msg_get_finite(r);
    m->sample.to_s = msg_get_finite(r);
    m->decode_all = msg_get_bool(r);
    m->threads = msg_get_range(r, 0, MSG_DECODER_THREADS);
    m->is_segment = msg_get_bool(r);
    m->segment = m->is_segment ? get_segment(r) : (struct segment) {0};
    m->wish.longest_s = msg_get_finite(r);
    m->wish.at_once = cq_get_i32(r);
    m->rotation = msg_get_range(r, 0, 359);
    m->mirrored = msg_get_bool(r);
    m->n_targets = msg_get_range(r, 1, PIPELINE_MAX_MODELS);
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
    m->n = msg_get_range(r, 0, MSG_SLOTS);
    for (int i = 0; i < m->n; i++)
        m->offsets[i] = msg_get_natural(r);
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
        msg_put_geometry(b, &m->geometry[i]);
}

enum cq_err msg_get_frame(struct cq_rd *r, struct msg_frame *m)
{
    m->serial = cq_get_u32(r);
    m->slot = msg_get_natural(r);
    m->seq = msg_get_natural(r);
    m->ordinal = cq_get_i64(r);
    m->pts = cq_get_i64(r);
    m->time_s = msg_get_finite(r);
    m->decode_ns = msg_get_natural(r);
    m->scale_ns = msg_get_natural(r);
    m->n_targets = msg_get_range(r, 1, PIPELINE_MAX_MODELS);
    for (int i = 0; i < m->n_targets; i++)
        m->geometry[i] = msg_get_geometry(r);
    return m->ordinal < -1 ? msg_refuse(r) : r->err;
}

void msg_put_alive(struct cq_buf *b, const struct msg_alive *m)
{
    cq_put_u32(b, m->serial);
    cq_put_i64(b, m->decoded);
}

enum cq_err msg_get_alive(struct cq_rd *r, struct msg_alive *m)
{
    m->serial = cq_get_u32(r);
    m->decoded = msg_get_natural(r);
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
    m->n = msg_get_range(r, 0, SEGMENTS_MAX);
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
    cq_put_i64(b, m->cpu_ns);
}

enum cq_err msg_get_end(struct cq_rd *r, struct msg_end *m)
{
    m->serial = cq_get_u32(r);
    m->end.failure = (enum failure) msg_get_range(r, FAIL_NONE, FAIL_COUNT - 1);
    snprintf(m->end.message, sizeof m->end.message, "%s", cq_get_str(r));
    m->end.decoded = msg_get_natural(r);
    m->end.sampled = msg_get_natural(r);
    m->end.errors = msg_get_natural(r);
    m->end.doubtful = msg_get_bool(r);
    m->end.last_s = msg_get_finite(r);
    m->end.counted = msg_get_natural(r);
    m->end.digest = (uint64_t) cq_get_i64(r);
    m->decode_ns = msg_get_natural(r);
    m->cpu_ns = msg_get_natural(r);
    return r->err;
}
