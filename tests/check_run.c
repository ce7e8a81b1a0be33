/* One variant on one case: lay everything out in one guarded buffer, run, compare, time. */
#include "tests/check_run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/clock.h"
#include "kernels/device.h"

enum { GUARD = 256, ALIGN = 128, TENSOR_ALIGN = 16 };   /* the last two as kernels/kernel.h has them */

/* One device buffer with everything a run touches, and its image on the host. */
struct arena {
    uint8_t *image;            /* what was uploaded */
    uint8_t *after;            /* what came back */
    size_t size;
    struct kernel_bufs at;     /* mem is filled in once the buffer exists */
    size_t out_bytes[OP_MAX_OUTPUTS];
};

static bool can_block(const struct tensor_desc *d)
{
    return d->type == DT_F32 && (d->rank == 3 || d->rank == 4);
}

static void set_layout(struct tensor_desc *d, bool blocked, int block)
{
    d->layout = blocked ? LAYOUT_BLOCKED : LAYOUT_PLAIN;
    d->block = blocked ? block : 0;
}

bool check_apply_layouts(struct op_inst *inst, int bits, int block)
{
    int changed = 0;
    for (int i = 0; i < inst->n_in; i++) {
        int bit = i ? 2 : 1;
        if (inst->constant[i] || !can_block(&inst->in[i]))
            continue;
        set_layout(&inst->in[i], bits & bit, block);
        changed |= bits & bit;
    }
    for (int i = 0; i < inst->n_out; i++) {
        if (!can_block(&inst->out[i]))
            continue;
        set_layout(&inst->out[i], bits & 4, block);
        changed |= bits & 4;
    }
    return changed == bits;
}

/* Where element `i` of the PLAIN order is stored. */
static int64_t stored_at(const struct tensor_desc *d, int64_t i)
{
    if (d->layout == LAYOUT_PLAIN)
        return i;
    int64_t area = d->rank == 4 ? d->dim[2] * d->dim[3] : d->dim[2];
    int64_t pixel = i % area, c = i / area % d->dim[1], n = i / area / d->dim[1];
    int64_t blocks = (d->dim[1] + d->block - 1) / d->block;
    return ((n * blocks + c / d->block) * area + pixel) * d->block + c % d->block;
}

static void store_tensor(const struct tensor_desc *d, const void *plain, void *stored)
{
    size_t size = dtype_size(d->type);
    int64_t n = tensor_elems(d);
    for (int64_t i = 0; i < n; i++)
        memcpy((char *) stored + (size_t) stored_at(d, i) * size, (const char *) plain + (size_t) i * size, size);
}

static size_t reserve(struct arena *a, size_t bytes, size_t align)
{
    size_t at = a->size + GUARD + align % ALIGN;     /* no better aligned than was asked for */
    a->size = (at + bytes + GUARD + ALIGN - 1) / ALIGN * ALIGN;
    return at;
}

static void arena_finish(struct arena *a)
{
    free(a->image);
    free(a->after);
}

/* May the first output be written over input i? As stages/infer/place.c asks. */
static bool can_overwrite(const struct kernel_class *k, const struct op_inst *inst, int i)
{
    const struct tensor_desc *x = &inst->in[i], *y = &inst->out[0];
    return k->in_place >> i & 1 && inst->n_out == 1 && !inst->constant[i] && x->type != DT_NONE &&
           x->layout == y->layout && x->block == y->block && tensor_same_shape(x, y) &&
           dtype_size(x->type) == dtype_size(y->type);
}

/* Places everything, the output over input `over` (-1: apart), and fills the image; the buffer itself is made by the
 * caller. */
static enum cq_err arena_init(struct arena *a, const struct device *dev, const struct kernel_class *k,
                              const struct check_case *c, int over)
{
    const struct op_inst *inst = &c->inst;
    size_t packed = k->packed_bytes ? k->packed_bytes(dev, inst) : 0;
    size_t scratch = k->scratch_bytes ? k->scratch_bytes(dev, inst) : 0;
    unsigned packs = packed ? k->packs : 0;
    memset(a, 0, sizeof *a);
    for (int i = 0; i < inst->n_in; i++)
        if (inst->in[i].type != DT_NONE && !(packs >> i & 1))
            a->at.in[i].offset = reserve(a, tensor_bytes(&inst->in[i]), TENSOR_ALIGN);
    for (int i = 0; i < inst->n_out; i++) {
        a->out_bytes[i] = tensor_bytes(&inst->out[i]);
        a->at.out[i].offset = over < 0 ? reserve(a, a->out_bytes[i], TENSOR_ALIGN) : a->at.in[over].offset;
    }
    a->at.packed.offset = packed ? reserve(a, packed, ALIGN) : 0;
    a->at.scratch.offset = scratch ? reserve(a, scratch, ALIGN) : 0;

    a->image = check_alloc(a->size);
    a->after = check_alloc(a->size);
    memset(a->image, 0xff, a->size);
    for (int i = 0; i < inst->n_in; i++)
        if (a->at.in[i].offset)
            store_tensor(&inst->in[i], c->data[i], a->image + a->at.in[i].offset);
    return packed ? k->pack(dev, inst, a->image + a->at.packed.offset) : CQ_OK;
}

static void arena_set_mem(struct arena *a, struct device_mem *mem)
{
    for (int i = 0; i < OP_MAX_INPUTS; i++)
        a->at.in[i].mem = a->at.in[i].offset ? mem : NULL;
    for (int i = 0; i < OP_MAX_OUTPUTS; i++)
        a->at.out[i].mem = a->at.out[i].offset ? mem : NULL;
    a->at.packed.mem = a->at.packed.offset ? mem : NULL;
    a->at.scratch.mem = a->at.scratch.offset ? mem : NULL;
}

/* Integers may be too large for a double, so their bytes are compared. */
static double element_error(enum dtype type, const void *want, int64_t i, const void *got, int64_t k, double largest)
{
    size_t size = dtype_size(type);
    double w = check_value_at(want, i, type), g = check_value_at(got, k, type);
    if (!check_is_float(type))
        return memcmp((const char *) want + (size_t) i * size, (const char *) got + (size_t) k * size, size)
                   ? INFINITY : 0;
    if (w == g || (isnan(w) && isnan(g)))
        return 0;
    return isfinite(w) && isfinite(g) ? fabs(w - g) / fmax(largest, 1e-30) : INFINITY;
}

/* Largest error of one output relative to the reference's largest magnitude, or to `scale` where that is larger;
 * INFINITY for a mismatch that no tolerance excuses. */
static float output_error(const struct tensor_desc *d, const void *want, const void *got, float scale, int64_t *where)
{
    int64_t n = tensor_elems(d);
    double largest = (double) scale, worst = 0;
    for (int64_t i = 0; i < n; i++) {
        double v = fabs(check_value_at(want, i, d->type));
        if (isfinite(v) && v > largest)
            largest = v;
    }
    *where = -1;
    for (int64_t i = 0; i < n; i++) {
        double e = element_error(d->type, want, i, got, stored_at(d, i), largest);
        if (e > worst) {
            worst = e;
            *where = i;
        }
    }
    return (float) worst;
}

/* Did anything change that is neither output nor scratch? */
static bool strayed(const struct arena *a, size_t scratch)
{
    uint8_t *expect = check_alloc(a->size);
    memcpy(expect, a->image, a->size);
    for (int i = 0; i < OP_MAX_OUTPUTS; i++)
        if (a->at.out[i].offset)
            memcpy(expect + a->at.out[i].offset, a->after + a->at.out[i].offset, a->out_bytes[i]);
    if (a->at.scratch.offset)
        memcpy(expect + a->at.scratch.offset, a->after + a->at.scratch.offset, scratch);
    bool bad = memcmp(expect, a->after, a->size) != 0;
    free(expect);
    return bad;
}

static const char *layout_name(const struct tensor_desc *d)
{
    return d->layout == LAYOUT_BLOCKED ? "blocked" : "plain";
}

char *check_layout_text(const struct op_inst *inst, int bits, char out[40])
{
    bool mixed = !(bits & 1) && (bits & 2);
    snprintf(out, 40, "%s%s>%s", layout_name(&inst->in[0]), mixed ? "+blocked" : "", layout_name(&inst->out[0]));
    return out;
}

static enum cq_err time_it(struct device *dev, const struct kernel_class *k, const struct check_case *c,
                           const struct kernel_bufs *bufs, double *seconds)
{
    int64_t start = cq_now_ns(), best = INT64_MAX;
    for (int runs = 0; runs < 5 || cq_now_ns() - start < 150000000; runs++) {
        int64_t t = cq_now_ns();
        enum cq_err err = k->enqueue(dev, &c->inst, bufs);
        err = err ? err : device_finish(dev);
        if (err)
            return err;
        t = cq_now_ns() - t;
        best = t < best ? t : best;
    }
    *seconds = (double) best * 1e-9;
    return CQ_OK;
}

/* Largest error of all outputs; `why` says where. */
static float compare(const struct arena *a, const struct check_case *c, void *const *want, char *why, size_t why_size)
{
    float worst = 0;
    snprintf(why, why_size, "ok");
    for (int i = 0; i < c->inst.n_out && want[i]; i++) {
        const struct tensor_desc *d = &c->inst.out[i];
        const void *got = a->after + a->at.out[i].offset;
        int64_t where;
        float e = output_error(d, want[i], got, c->scale, &where);
        if (e <= worst)
            continue;
        worst = e;
        snprintf(why, why_size, "output %d, element %lld: %.9g instead of %.9g", i, (long long) where,
                 check_value_at(got, stored_at(d, where), d->type), check_value_at(want[i], where, d->type));
    }
    return worst;
}

static enum cq_err run_placed(struct device *dev, const struct kernel_class *k, const struct check_case *c, int over,
                              void *const *want, float *error, char *why, size_t why_size, double *seconds)
{
    struct arena a;
    struct device_mem *mem = NULL;
    size_t scratch = k->scratch_bytes ? k->scratch_bytes(dev, &c->inst) : 0;
    *error = INFINITY;
    enum cq_err err = arena_init(&a, dev, k, c, over);
    if (!err)
        err = device_alloc(dev, a.size ? a.size : ALIGN, &mem);
    if (!err) {
        arena_set_mem(&a, mem);
        err = device_write(dev, mem, 0, a.image, a.size);
    }
    if (!err)
        err = k->enqueue(dev, &c->inst, &a.at);
    if (!err)
        err = device_read(dev, mem, 0, a.after, a.size);
    if (!err && seconds)
        err = time_it(dev, k, c, &a.at, seconds);
    if (err) {
        snprintf(why, why_size, "%s", cq_err_text(err));
        goto done;
    }
    *error = compare(&a, c, want, why, why_size);
    if (strayed(&a, scratch)) {
        *error = INFINITY;
        snprintf(why, why_size, "wrote outside its outputs");
    }

done:
    device_free(&mem);
    arena_finish(&a);
    return err;
}

/* Apart first, then over each input that the variant says may be overwritten. */
enum cq_err check_run(struct device *dev, const struct kernel_class *k, const struct check_case *c, void *const *want,
                      float *error, char *why, size_t why_size, double *seconds)
{
    enum cq_err err = run_placed(dev, k, c, -1, want, error, why, why_size, seconds);
    for (int i = 0; i < c->inst.n_in && !err; i++) {
        float e;
        char text[160];
        if (!can_overwrite(k, &c->inst, i))
            continue;
        err = run_placed(dev, k, c, i, want, &e, text, sizeof text, NULL);
        if (err || e > *error) {
            *error = e;
            snprintf(why, why_size, "over input %d: %s", i, text);
        }
    }
    return err;
}
