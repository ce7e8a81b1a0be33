/* See tune.h. */
#include "stages/infer/tune.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/clock.h"
#include "kernels/base/log.h"
#include "kernels/device.h"
#include "stages/infer/noise.h"

enum { ROUNDS = 8 };

/* The first choice was made with the whole network in mind (layouts, memory), so a tie is its. */
static const double clearly = 0.97;

/* A candidate ready to run. */
struct racer {
    struct kernel_bufs bufs;
    struct device_mem *packed, *scratch;     /* owned */
};

struct race {
    struct device *dev;
    const struct op_inst *inst;
    struct tune_result *result;
    struct device_mem *in[OP_MAX_INPUTS], *out[OP_MAX_OUTPUTS];   /* owned */
    struct racer racers[TUNE_MAX];
    void *want[OP_MAX_OUTPUTS], *got;        /* owned; the first choice's answer, and room for another */
};

/* ---- who takes part ---- */

/* Can inputs be random numbers? Indices and the like could not. */
static bool takes_any_numbers(const struct op_inst *inst)
{
    for (int i = 0; i < inst->n_in; i++)
        if (!inst->constant[i] && inst->in[i].type != DT_NONE && inst->in[i].type != DT_F32)
            return false;
    return true;
}

static void find_candidates(const struct device *dev, const struct op_inst *inst, struct tune_result *r)
{
    const struct kernel_class *first = kernel_find(dev, inst);
    for (int i = 0; kernel_classes[i] && r->n < TUNE_MAX; i++) {
        const struct kernel_class *k = kernel_classes[i];
        if (k->kind != inst->op->kind || kernel_is_host(k) || !kernel_suits(k, dev) || !k->serves(dev, inst))
            continue;
        if (k == first)
            r->first = r->best = r->n;
        r->candidates[r->n++] = (struct tune_candidate){.kernel = k};
    }
    if (!first || kernel_is_host(first) || r->candidates[r->first].kernel != first || !takes_any_numbers(inst))
        r->n = 0;
}

/* ---- buffers ---- */

static enum cq_err put(struct device *dev, const void *data, size_t bytes, struct device_mem **out)
{
    enum cq_err err = device_alloc(dev, bytes ? bytes : 1, out);
    return !err && bytes ? device_write(dev, *out, 0, data, bytes) : err;
}

/* Numbers in -0.5..1, since sums whose terms cancel would hide how they round. */
static enum cq_err put_random(struct device *dev, size_t bytes, struct device_mem **out)
{
    float *data = malloc(bytes + sizeof *data);
    uint32_t state = 20261121;
    if (!data)
        return CQ_NOMEM;
    for (size_t i = 0; i < bytes / sizeof *data; i++)
        data[i] = (float) noise_next(&state) * 1.5f * 0x1p-32f - 0.5f;
    enum cq_err err = put(dev, data, bytes, out);
    free(data);
    return err;
}

static enum cq_err make_tensors(struct race *r)
{
    const struct op_inst *inst = r->inst;
    enum cq_err err = CQ_OK;
    size_t most = 1;
    for (int i = 0; i < inst->n_in && !err; i++) {
        size_t bytes = tensor_bytes(&inst->in[i]);
        if (inst->in[i].type != DT_NONE)
            err = inst->constant[i] ? put(r->dev, inst->constant[i], bytes, &r->in[i])
                                    : put_random(r->dev, bytes, &r->in[i]);
    }
    for (int i = 0; i < inst->n_out && !err; i++) {
        size_t bytes = tensor_bytes(&inst->out[i]);
        if (inst->out[i].type == DT_NONE)
            continue;
        r->want[i] = malloc(bytes + 1);
        err = r->want[i] ? put_random(r->dev, bytes, &r->out[i]) : CQ_NOMEM;
        most = bytes > most ? bytes : most;
    }
    r->got = malloc(most);
    return err || r->got ? err : CQ_NOMEM;
}

static enum cq_err make_packed(struct race *r, const struct kernel_class *k, struct racer *racer)
{
    size_t bytes = k->packed_bytes ? k->packed_bytes(r->dev, r->inst) : 0;
    if (!bytes)
        return CQ_OK;
    void *packed = malloc(bytes);
    enum cq_err err = packed ? k->pack(r->dev, r->inst, packed) : CQ_NOMEM;
    if (!err)
        err = put(r->dev, packed, bytes, &racer->packed);
    free(packed);
    racer->bufs.packed.mem = racer->packed;
    return err;
}

static enum cq_err make_racer(struct race *r, const struct kernel_class *k, struct racer *racer)
{
    size_t scratch = k->scratch_bytes ? k->scratch_bytes(r->dev, r->inst) : 0;
    for (int i = 0; i < r->inst->n_in; i++)
        racer->bufs.in[i].mem = r->in[i];
    for (int i = 0; i < r->inst->n_out; i++)
        racer->bufs.out[i].mem = r->out[i];
    enum cq_err err = make_packed(r, k, racer);
    if (!err && scratch)
        err = device_alloc(r->dev, scratch, &racer->scratch);
    racer->bufs.scratch.mem = racer->scratch;
    return err;
}

static void finish(struct race *r)
{
    for (int i = 0; i < OP_MAX_INPUTS; i++)
        device_free(&r->in[i]);
    for (int i = 0; i < OP_MAX_OUTPUTS; i++) {
        device_free(&r->out[i]);
        free(r->want[i]);
    }
    for (int i = 0; i < TUNE_MAX; i++) {
        device_free(&r->racers[i].packed);
        device_free(&r->racers[i].scratch);
    }
    free(r->got);
}

/* ---- the answer ---- */

/* Is the i-th stored element one of the tensor's, and not padding of its last block? */
static bool is_element(const struct tensor_desc *d, size_t i)
{
    if (d->layout != LAYOUT_BLOCKED)
        return true;
    size_t block = (size_t) d->block, area = 1, channels = (size_t) d->dim[1];
    for (int k = 2; k < d->rank; k++)
        area *= (size_t) d->dim[k];
    return i / (area * block) % ((channels + block - 1) / block) * block + i % block < channels;
}

static double largest_error(const struct tensor_desc *d, const float *want, const float *got)
{
    double largest = 0, error = 0;
    for (size_t i = 0; i < tensor_bytes(d) / sizeof *want; i++) {
        if (!is_element(d, i) || (isnan(want[i]) && isnan(got[i])))
            continue;
        double difference = fabs((double) want[i] - (double) got[i]);
        largest = fmax(largest, fabs((double) want[i]));
        error = isnan(difference) ? INFINITY : fmax(error, difference);
    }
    return error / fmax(largest, 1e-6);
}

/* Over outputs that hold nothing of the one before. */
static enum cq_err run_once(struct race *r, int i)
{
    enum cq_err err = CQ_OK;
    for (int o = 0; o < r->inst->n_out && !err; o++) {
        size_t bytes = r->out[o] ? tensor_bytes(&r->inst->out[o]) : 0;
        memset(r->got, 0xff, bytes);                /* NaN, as float32 */
        err = bytes ? device_write(r->dev, r->out[o], 0, r->got, bytes) : CQ_OK;
    }
    if (!err)
        err = r->result->candidates[i].kernel->enqueue(r->dev, r->inst, &r->racers[i].bufs);
    return err ? err : device_finish(r->dev);
}

/* Its first run, whose answer is kept for the first choice, and compared for another. */
static enum cq_err check(struct race *r, int i)
{
    struct tune_candidate *c = &r->result->candidates[i];
    enum cq_err err = run_once(r, i);
    for (int o = 0; o < r->inst->n_out && !err; o++) {
        const struct tensor_desc *d = &r->inst->out[o];
        size_t bytes = r->out[o] ? tensor_bytes(d) : 0;
        bool first = i == r->result->first;
        if (!bytes)
            continue;
        err = device_read(r->dev, r->out[o], 0, first ? r->want[o] : r->got, bytes);
        if (err || first)
            continue;
        double error = d->type == DT_F32                     ? largest_error(d, r->want[o], r->got)
                       : memcmp(r->want[o], r->got, bytes)   ? INFINITY
                                                             : 0;
        c->error = fmax(c->error, error);
        c->wrong = !(c->error <= (r->inst->half ? TUNE_TOLERANCE_HALF : TUNE_TOLERANCE));
    }
    return err;
}

/* ---- the race ---- */

/* Milliseconds of one of `times` runs. */
static enum cq_err sample(struct race *r, int i, int times, double *ms)
{
    const struct kernel_class *k = r->result->candidates[i].kernel;
    int64_t start = cq_now_ns();
    enum cq_err err = CQ_OK;
    for (int n = 0; n < times && !err; n++)
        err = k->enqueue(r->dev, r->inst, &r->racers[i].bufs);
    if (!err)
        err = device_finish(r->dev);
    *ms = (double) (cq_now_ns() - start) / 1e6 / times;
    return err;
}

/* One round of those in `who`, a bit each. */
static enum cq_err run_round(struct race *r, unsigned who, double budget_ms)
{
    struct tune_result *t = r->result;
    enum cq_err err = CQ_OK;
    for (int i = 0; i < t->n && !err; i++) {
        struct tune_candidate *c = &t->candidates[i];
        double ms, times = budget_ms / fmax(c->ms, 1e-4);
        if (!(who >> i & 1) || c->wrong)
            continue;
        err = sample(r, i, times < 1 ? 1 : times > 1000 ? 1000 : (int) times, &ms);
        c->ms = fmin(c->ms, ms);
    }
    return err;
}

static void choose(struct tune_result *t)
{
    t->best = t->first;
    for (int i = 0; i < t->n; i++) {
        double limit = t->candidates[t->best].ms * (t->best == t->first ? clearly : 1);
        if (!t->candidates[i].wrong && t->candidates[i].ms < limit)
            t->best = i;
    }
}

/* One that seems faster than the first choice must show it again, in a race between those two. */
static enum cq_err run_rounds(struct race *r, double budget_ms)
{
    struct tune_result *t = r->result;
    enum cq_err err = CQ_OK;
    for (int i = 0; i < t->n && !err; i++)
        if (!t->candidates[i].wrong)
            err = sample(r, i, 1, &t->candidates[i].ms);
    for (int round = 0; round < ROUNDS && !err; round++)
        err = run_round(r, ~0u, budget_ms / ROUNDS);
    choose(t);
    unsigned both = 1u << t->best | 1u << t->first;
    for (int round = 0; round < ROUNDS && !err && t->best != t->first; round++)
        err = run_round(r, both, budget_ms / ROUNDS);
    choose(t);
    return err;
}

static enum cq_err run_race(struct race *r, double budget_ms)
{
    struct tune_result *t = r->result;
    enum cq_err err = make_tensors(r);
    for (int i = 0; i < t->n && !err; i++)
        err = make_racer(r, t->candidates[i].kernel, &r->racers[i]);
    if (!err)
        err = check(r, t->first);
    for (int i = 0; i < t->n && !err; i++)
        if (i != t->first)
            err = check(r, i);
    return err ? err : run_rounds(r, budget_ms);
}

static void tell_wrong(struct cq_log *log, const struct tune_result *t)
{
    for (int i = 0; i < t->n; i++)
        if (t->candidates[i].wrong)
            cq_log_warn(log, "%s differs from %s by %.3g on the same operator: it is not used there",
                        t->candidates[i].kernel->name, t->candidates[t->first].kernel->name, t->candidates[i].error);
}

enum cq_err tune_operator(struct cq_log *log, struct device *dev, const struct op_inst *inst, double budget_ms,
                          struct tune_result *out)
{
    memset(out, 0, sizeof *out);
    choice_key(dev, inst, out->key);
    find_candidates(dev, inst, out);
    if (out->n < 2)
        return CQ_OK;
    struct race *r = calloc(1, sizeof *r);
    if (!r)
        return CQ_NOMEM;
    *r = (struct race){.dev = dev, .inst = inst, .result = out};
    enum cq_err err = run_race(r, budget_ms);
    if (!err)
        tell_wrong(log, out);
    finish(r);
    free(r);
    return err;
}
