/* Memory of a session on the device, and which of it each kernel of a plan reads and writes. */
#include <stdlib.h>

#include "kernels/base/log.h"
#include "stages/infer/session_impl.h"

static void free_arena(struct session_stream *st)
{
    for (int i = 0; i < st->n_arena; i++)
        device_free(&st->arena[i]);
    free(st->arena);
    st->arena = NULL;
    st->n_arena = 0;
    st->arena_bytes = 0;
}

void session_free_streams(struct session *s)
{
    for (int i = 0; s->streams && i < s->n_streams; i++) {
        free_arena(&s->streams[i]);
        device_free(&s->streams[i].staging);
    }
    s->generation++;
}

static enum cq_err grow_arena(struct session *s, struct session_stream *st, size_t bytes)
{
    if (bytes <= st->arena_bytes)
        return CQ_OK;
    free_arena(st);
    s->generation++;
    size_t segments = (bytes + s->segment_bytes - 1) / s->segment_bytes;
    st->arena = calloc(segments, sizeof *st->arena);
    if (!st->arena)
        return CQ_NOMEM;
    for (size_t i = 0; i < segments; i++) {
        size_t left = bytes - i * s->segment_bytes;
        enum cq_err err = device_alloc(s->dev, left < s->segment_bytes ? left : s->segment_bytes, &st->arena[i]);
        if (err) {
            free_arena(st);
            return err;
        }
        st->n_arena++;
    }
    st->arena_bytes = bytes;
    return CQ_OK;
}

static enum cq_err grow_staging(struct session *s, struct session_stream *st, size_t bytes)
{
    if (!bytes || (st->staging && bytes <= device_mem_bytes(st->staging)))
        return CQ_OK;
    device_free(&st->staging);
    s->generation++;
    return device_alloc(s->dev, bytes, &st->staging);
}

static enum cq_err grow_buffers(struct session *s, const struct plan *p, int streams)
{
    struct session_memory each = plan_memory(p), all = session_way_memory(&(struct session_way){streams, 1}, p);
    if (s->memory_limit && all.total > s->memory_limit) {
        cq_log_error(s->log, "this batch needs %zu bytes of device memory, the limit is %zu", all.total,
                     s->memory_limit);
        return CQ_OOM;
    }
    enum cq_err err = weights_ensure(&s->weights, p->needs, p->n_needs);
    for (int i = 0; i < streams && !err; i++) {
        err = grow_arena(s, &s->streams[i], each.activations);
        if (!err)
            err = grow_staging(s, &s->streams[i], each.staging);
    }
    return err;
}

static struct mem_ref arena_ref(const struct session *s, const struct session_stream *st, size_t offset)
{
    if (!st->n_arena)
        return (struct mem_ref){0};
    return (struct mem_ref){st->arena[offset / s->segment_bytes], offset % s->segment_bytes};
}

struct mem_ref session_mem(const struct session *s, const struct plan *p, int stream, int tensor)
{
    if (tensor < 0)
        return (struct mem_ref){0};
    const struct place *place = &p->places.of[tensor];
    switch (place->kind) {
    case PLACE_ARENA:
        return arena_ref(s, &s->streams[stream], place->offset);
    case PLACE_STAGING:
        return (struct mem_ref){s->streams[stream].staging, place->offset};
    case PLACE_CONSTANT:
        if (p->need_of[place->root] >= 0)
            return weights_find(&s->weights, &p->needs[p->need_of[place->root]].key);
        break;
    case PLACE_NOWHERE:
        break;
    }
    return (struct mem_ref){0};
}

static void bind_step(const struct session *s, const struct plan *p, int stream, const struct plan_step *ps,
                      struct kernel_bufs *bufs)
{
    for (int i = 0; i < ps->step->n_in; i++)
        bufs->in[i] = session_mem(s, p, stream, ps->step->in[i]);
    for (int i = 0; i < ps->step->n_out; i++)
        bufs->out[i] = session_mem(s, p, stream, ps->step->out[i]);
    bufs->packed = ps->packed >= 0 ? weights_find(&s->weights, &p->needs[ps->packed].key) : (struct mem_ref){0};
    bufs->scratch = ps->scratch ? arena_ref(s, &s->streams[stream], ps->scratch_at) : (struct mem_ref){0};
}

enum cq_err session_bind(struct session *s, struct session_plan *sp, int streams)
{
    const struct plan *p = sp->plan;
    enum cq_err err = grow_buffers(s, p, streams);
    if (err || (sp->bound == s->generation && sp->streams >= streams))
        return err;
    struct kernel_bufs *bufs = calloc((size_t) streams * (size_t) p->n_steps + 1, sizeof *bufs);
    if (!bufs)
        return CQ_NOMEM;
    for (int k = 0; k < streams; k++)
        for (int i = 0; i < p->n_steps; i++)
            bind_step(s, p, k, &p->steps[i], &bufs[(size_t) k * (size_t) p->n_steps + (size_t) i]);
    session_free_legs(sp);
    free(sp->bufs);
    sp->bufs = bufs;
    sp->streams = streams;
    sp->bound = s->generation;
    return CQ_OK;
}
