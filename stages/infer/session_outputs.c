/* From what was read back to the model's outputs: as they are, or through the tail, image by image. */
#include <stdlib.h>
#include <string.h>

#include "kernels/base/log.h"
#include "stages/infer/model_graph.h"
#include "stages/infer/session_impl.h"

struct session_output session_output_image(const struct session_output *o, int i, int batch)
{
    struct session_output part = *o;
    const uint8_t *data = o->data;
    part.each = NULL;
    part.cells = o->cells ? o->cells + i * o->cells_step : NULL;
    if (o->each) {
        part.desc = o->each[i];
        for (int before = 0; before < i; before++)
            data += tensor_bytes(&o->each[before]);
    } else if (o->desc.rank > 0 && o->desc.dim[0] == batch) {
        part.desc.dim[0] = 1;
        data += (size_t) i * tensor_bytes(&part.desc);
    }
    part.data = data;
    return part;
}

/* The batch is a factor of one dimension (batch.h), so an image's part is one piece of each of the rows in front of
 * the batch. A result without such a dimension was made from all images together. */
bool session_copy_part(const struct session_result *r, const struct tensor_desc *one, int i, int count, void *to)
{
    size_t piece = tensor_bytes(one), rows = 1;
    struct tensor_desc all = *one;
    if (!r->alone && count > 1) {
        int d = 0;
        while (d < one->rank && r->desc.dim[d] == one->dim[d])
            rows *= (size_t) one->dim[d++];
        if (d == one->rank || __builtin_mul_overflow(all.dim[d], count, &all.dim[d]) ||
            !tensor_same_shape(&all, &r->desc))
            return false;
        if (r->inner > 0 && one->dim[d] % r->inner == 0)
            rows *= (size_t) (one->dim[d] / r->inner);
        piece = rows ? piece / rows : 0;
    }
    size_t step = piece * (size_t) count;
    for (size_t row = 0; piece && row < rows; row++)
        memcpy((uint8_t *) to + row * piece, r->data + row * step + (size_t) i * piece, piece);
    return true;
}

/* ---- the tail ---- */

enum cq_err session_add_part(struct session_parts *p, const struct constant *c)
{
    size_t bytes = tensor_bytes(&c->desc);
    if (p->n_each == p->max_each) {
        int more = p->max_each ? 2 * p->max_each : 16;
        struct tensor_desc *each = realloc(p->each, (size_t) more * sizeof *each);
        if (!each)
            return CQ_NOMEM;
        p->each = each;
        p->max_each = more;
    }
    if (!p->data || bytes > p->capacity - p->size) {
        size_t more = 2 * p->capacity + bytes + 1;
        uint8_t *data = realloc(p->data, more);
        if (!data)
            return CQ_NOMEM;
        p->data = data;
        p->capacity = more;
    }
    if (bytes)
        memcpy(p->data + p->size, c->data, bytes);
    p->size += bytes;
    p->each[p->n_each++] = c->desc;
    return CQ_OK;
}

struct tensor_desc session_join(const struct session_parts *p)
{
    struct tensor_desc all = p->each[0];
    bool fits = p->n_each == 1 || all.rank > 0;
    for (int i = 1; i < p->n_each; i++) {
        struct tensor_desc next = p->each[i];
        all.type = all.type ? all.type : next.type;
        fits = fits && next.rank == all.rank;
        if (!fits)
            break;
        int64_t rows = all.dim[0] + next.dim[0];
        next.dim[0] = all.dim[0];
        fits = tensor_same_shape(&all, &next);
        all.dim[0] = rows;
    }
    if (fits)
        return all;
    return (struct tensor_desc){.type = all.type, .rank = 1, .dim = {(int64_t) (p->size / dtype_size(all.type))}};
}

/* The self-check finds this before, unless the caller asked to skip it. */
static enum cq_err mixes_images(const struct session *s, int value)
{
    cq_log_error(s->log, "'%s' cannot be taken apart into images: run them one by one",
                 model_graph(s->model)->values[value].name);
    return CQ_UNSUPPORTED;
}

static enum cq_err run_image(struct session *s, const struct plan *p, int i, int count, struct constant *made)
{
    const struct tail *t = p->tail;
    struct net net = {0};
    int first = p->net.n_outputs - t->n_cut;
    const void **cut = pool_alloc(&net.pool, (size_t) t->n_cut, sizeof *cut);
    enum cq_err err = cut ? CQ_OK : CQ_NOMEM;
    for (int k = 0; k < t->n_cut && !err; k++) {
        const struct tensor_desc *one = &t->cut[k].constant.desc;
        void *part = pool_alloc(&net.pool, tensor_bytes(one), 1);
        cut[k] = part;
        if (!part)
            err = CQ_NOMEM;
        else if (!session_copy_part(&s->now->results[first + k], one, i, count, part))
            err = mixes_images(s, t->cut[k].value);
    }
    if (!err)
        err = tail_run(s->log, s->dev, t, cut, &net, made);
    for (int o = 0; o < t->graph->n_outputs && !err; o++)
        if (t->output[o] < 0)
            err = session_add_part(&s->now->parts[o], &made[o]);
    net_finish(&net);
    return err;
}

/* One bad image of several costs its own answer, not the others'. */
static enum cq_err add_failure(struct session *s, const struct tail *t)
{
    enum cq_err err = CQ_OK;
    for (int o = 0; o < t->graph->n_outputs && !err; o++)
        if (t->output[o] < 0)
            err = session_add_part(&s->now->parts[o], &(struct constant){.data = NULL});
    return err;
}

static enum cq_err run_tail(struct session *s, const struct plan *p, int count)
{
    int n = p->tail->graph->n_outputs;
    struct constant *made = calloc((size_t) n + 1, sizeof *made);
    enum cq_err err = made ? CQ_OK : CQ_NOMEM;
    for (int o = 0; o < n; o++)
        s->now->parts[o].n_each = 0, s->now->parts[o].size = 0;
    for (int i = 0, failed = 0; i < count && !err; i++) {
        err = run_image(s, p, i, count, made);
        bool bad = err == CQ_UNSUPPORTED || err == CQ_INVALID;
        if (bad && ++failed < count)
            err = add_failure(s, p->tail);
    }
    free(made);
    return err;
}

enum cq_err session_make_outputs(struct session *s)
{
    const struct plan *p = s->now->plan;
    if (p->cells)
        return session_make_candidates(s);
    enum cq_err err = p->tail ? run_tail(s, p, s->now->count) : CQ_OK;
    for (int o = 0; o < model_output_count(s->model) && !err; o++) {
        int from = p->tail ? p->tail->output[o] : o;
        const struct session_parts *parts = &s->now->parts[o];
        s->now->outputs[o] = from < 0 ? (struct session_output){.desc = session_join(parts), .data = parts->data, .each = parts->each}
                                 : (struct session_output){.desc = s->now->results[from].desc, .data = s->now->results[from].data};
    }
    return err;
}
