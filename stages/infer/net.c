/* Growing a net and keeping it tidy. */
#include "stages/infer/net.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/base/log.h"

/* Constants larger than this in sum, or dearer, are left to the device: a shape in a hostile file must not fill
 * memory or take minutes. The reference makes about 1e8 operations a second. */
static const size_t FOLD_LIMIT = (size_t) 256 << 20;
static const double FOLD_FLOPS = 1e9;

/* What net.heavy is for: the reference would need a tenth of a second. */
static const double HEAVY_FLOPS = 1e7;

void net_finish(struct net *p)
{
    free(p->tensors);
    free(p->steps);
    pool_finish(&p->pool);
    *p = (struct net){0};
}

static bool grow(void **array, int *max, int used, size_t size)
{
    if (used < *max)
        return true;
    int more = *max ? *max * 2 : 256;
    void *bigger = realloc(*array, (size_t) more * size);
    if (!bigger)
        return false;
    *array = bigger;
    *max = more;
    return true;
}

int net_tensor(struct net *p, const char *name, const struct tensor_desc *desc)
{
    if (!grow((void **) &p->tensors, &p->max_tensors, p->n_tensors, sizeof *p->tensors))
        return -1;
    p->tensors[p->n_tensors] = (struct tensor){.name = name, .desc = *desc};
    return p->n_tensors++;
}

void *net_constant_room(struct net *p, size_t bytes)
{
    if (bytes > FOLD_LIMIT - p->folded_bytes)
        return NULL;
    p->folded_bytes += bytes;
    return pool_alloc(&p->pool, bytes, 1);
}

bool desc_valid(const struct tensor_desc *d)
{
    return d->rank <= TENSOR_MAX_RANK && tensor_elems(d) >= 0 && tensor_bytes(d) < SIZE_MAX / 4;
}

void net_inst(const struct net *p, const struct step *s, struct op_inst *inst)
{
    memset(inst, 0, sizeof *inst);
    inst->op = &s->op;
    inst->n_in = s->n_in;
    inst->n_out = s->n_out;
    inst->half = p->half;
    for (int i = 0; i < s->n_in; i++)
        if (s->in[i] >= 0) {
            inst->in[i] = p->tensors[s->in[i]].desc;
            inst->constant[i] = p->tensors[s->in[i]].data;
        }
    for (int i = 0; i < s->n_out; i++)
        inst->out[i] = p->tensors[s->out[i]].desc;
}

static bool is_known(const struct net *p, const struct step *s)
{
    for (int i = 0; i < s->n_in; i++)
        if (s->in[i] >= 0 && !p->tensors[s->in[i]].data)
            return false;
    return true;
}

static bool is_heavy(const struct net *p, const struct op_inst *inst)
{
    return p->heavy && op_flops(inst) > HEAVY_FLOPS;
}

static bool is_affordable(const struct net *p, const struct op_inst *inst)
{
    size_t bytes = 0;
    for (int i = 0; i < inst->n_out; i++)
        bytes += tensor_bytes(&inst->out[i]);
    return bytes <= FOLD_LIMIT - p->folded_bytes &&
           (is_heavy(p, inst) || op_flops(inst) <= FOLD_FLOPS - p->folded_flops);
}

static enum cq_err fold(struct net *p, const struct step *s, const struct op_inst *inst)
{
    const void *in[OP_MAX_INPUTS] = {0};
    void *out[OP_MAX_OUTPUTS] = {0};
    for (int i = 0; i < s->n_in; i++)
        if (s->in[i] >= 0)
            in[i] = p->tensors[s->in[i]].data;
    enum cq_err err = CQ_OK;
    for (int i = 0; i < s->n_out && !err; i++) {
        out[i] = net_constant_room(p, tensor_bytes(&inst->out[i]));
        err = out[i] ? CQ_OK : CQ_NOMEM;
    }
    bool heavy = is_heavy(p, inst);
    if (!err)
        err = heavy ? p->heavy(p->heavy_ctx, inst, in, out) : op_reference(inst, in, out);
    for (int i = 0; i < s->n_out && !err; i++)
        p->tensors[s->out[i]].data = out[i];
    p->folded_flops += heavy ? 0 : op_flops(inst);
    return err;
}

/* *done stays false where the step must run on the device. */
static enum cq_err try_fold(struct cq_log *log, struct net *p, const struct step *s, bool *done)
{
    *done = false;
    if (!is_known(p, s))
        return CQ_OK;
    struct op_inst *inst = malloc(sizeof *inst);
    if (!inst)
        return CQ_NOMEM;
    net_inst(p, s, inst);
    *done = is_affordable(p, inst);
    enum cq_err err = *done ? fold(p, s, inst) : CQ_OK;
    if (err && err != CQ_NOMEM)
        cq_log_error(log, "node '%s' (%s): %s", s->name, s->type,
                     err == CQ_INVALID       ? "an index or size in its inputs is out of range"
                     : err == CQ_UNSUPPORTED ? "cannot be computed on these types"
                                             : cq_err_text(err));
    free(inst);
    return err;
}

enum cq_err net_emit(struct cq_log *log, struct net *p, const struct step *step)
{
    bool done;
    enum cq_err err = try_fold(log, p, step, &done);
    if (err || done)
        return err;
    return net_insert(p, p->n_steps, step);
}

enum cq_err net_insert(struct net *p, int at, const struct step *step)
{
    struct step s = *step;
    s.in = pool_alloc(&p->pool, (size_t) step->n_in, sizeof(int));
    s.out = pool_alloc(&p->pool, (size_t) step->n_out, sizeof(int));
    if (!s.in || !s.out || !grow((void **) &p->steps, &p->max_steps, p->n_steps, sizeof *p->steps))
        return CQ_NOMEM;
    memcpy(s.in, step->in, (size_t) step->n_in * sizeof(int));
    memcpy(s.out, step->out, (size_t) step->n_out * sizeof(int));
    memmove(p->steps + at + 1, p->steps + at, (size_t) (p->n_steps - at) * sizeof *p->steps);
    p->steps[at] = s;
    p->n_steps++;
    return CQ_OK;
}

void net_replace(struct net *p, int from, int to)
{
    for (int s = 0; s < p->n_steps; s++)
        for (int i = 0; i < p->steps[s].n_in; i++)
            if (p->steps[s].in[i] == from)
                p->steps[s].in[i] = to;
    for (int i = 0; i < p->n_outputs; i++)
        if (p->outputs[i] == from)
            p->outputs[i] = to;
}

void net_count_uses(const struct net *p, int *uses)
{
    memset(uses, 0, (size_t) p->n_tensors * sizeof *uses);
    for (int s = 0; s < p->n_steps; s++)
        for (int i = 0; i < p->steps[s].n_in && !p->steps[s].dead; i++)
            if (p->steps[s].in[i] >= 0)
                uses[p->steps[s].in[i]]++;
    for (int i = 0; i < p->n_outputs; i++)
        uses[p->outputs[i]]++;
}

void net_find_makers(const struct net *p, int *makers)
{
    for (int t = 0; t < p->n_tensors; t++)
        makers[t] = -1;
    for (int s = 0; s < p->n_steps; s++)
        for (int i = 0; i < p->steps[s].n_out && !p->steps[s].dead; i++)
            makers[p->steps[s].out[i]] = s;
}

static bool is_read(const struct step *s, const int *uses)
{
    for (int i = 0; i < s->n_out; i++)
        if (uses[s->out[i]])
            return true;
    return false;
}

enum cq_err net_sweep(struct net *p)
{
    int *uses = calloc((size_t) p->n_tensors + 1, sizeof *uses);
    if (!uses)
        return CQ_NOMEM;
    net_count_uses(p, uses);
    /* Backwards, so that what only a dead step reads is dead by the time it is looked at. */
    for (int n = p->n_steps - 1; n >= 0; n--) {
        struct step *s = &p->steps[n];
        if (s->dead || is_read(s, uses))
            continue;
        s->dead = true;
        for (int i = 0; i < s->n_in; i++)
            if (s->in[i] >= 0)
                uses[s->in[i]]--;
    }
    int kept = 0;
    for (int n = 0; n < p->n_steps; n++)
        if (!p->steps[n].dead)
            p->steps[kept++] = p->steps[n];
    p->n_steps = kept;
    free(uses);
    return CQ_OK;
}
