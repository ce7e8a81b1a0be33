/* Every OpenCL kernel against the C reference, on random shapes; with --bench, how fast they are on real ones.
 *
 *     check_kernels [--seed N] [--cases N] [--family NAME] [--only KERNEL] [--index N] [--device SPEC]
 *                   [--width 4|8|16] [--list] [--verbose] [--bench]
 *
 * Each case has a generator state made of (seed, family, index), so that the line printed for a failure is
 * enough to run it alone. A run fails also when a variant of the registry met no case that it serves, unless
 * the run was narrowed. See check_kernels.h for what a case is.
 */
#include "tests/check_kernels.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/clock.h"
#include "kernels/base/log.h"
#include "kernels/device.h"
#include "kernels/kernel.h"

enum { GUARD = 256, ALIGN = 128, MAX_CLASSES = 256, LAYOUTS = 8, SKIPPED = 77 };

static const struct check_family *const families[] = {
    &check_conv,
    &check_binary,
    &check_convert,
    &check_rows,
    &check_gemm,
    &check_unary,
    &check_move,
    &check_pool,
    &check_resize,
};

enum { FAMILIES = sizeof families / sizeof *families };

struct options {
    uint64_t seed;
    int cases;                 /* 0: the family's own number */
    const char *family, *only, *device;
    int index;                 /* -1: all */
    int width;                 /* 0: the device's; else build everything for vectors of so many floats */
    bool bench, verbose, list;
};

/* One device buffer with everything a run touches, and its image on the host. */
struct arena {
    uint8_t *image;            /* what was uploaded */
    uint8_t *after;            /* what came back */
    size_t size;
    struct kernel_bufs at;     /* mem is filled in once the buffer exists */
    size_t out_bytes[OP_MAX_OUTPUTS];
};

struct tally {
    int ran[MAX_CLASSES];
    float worst[MAX_CLASSES];
    int failed;
};

/* ---- generators ------------------------------------------------------------------------------------- */

static uint64_t next_u64(struct check_rng *r)
{
    /* splitmix64 (Steele, Lea, Flood 2014). */
    uint64_t z = (r->state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

int check_int(struct check_rng *r, int lo, int hi)
{
    return lo + (int) (next_u64(r) % (uint64_t) (hi - lo + 1));
}

bool check_chance(struct check_rng *r, int percent)
{
    return check_int(r, 0, 99) < percent;
}

float check_float(struct check_rng *r, float lo, float hi)
{
    return lo + (hi - lo) * (float) (next_u64(r) >> 40) / (float) ((1 << 24) - 1);
}

int check_pick(struct check_rng *r, const int *values, int n)
{
    return values[check_int(r, 0, n - 1)];
}

struct tensor_desc check_tensor(enum dtype type, int rank, ...)
{
    struct tensor_desc d = {.type = type, .rank = rank};
    va_list ap;
    va_start(ap, rank);
    for (int i = 0; i < rank; i++)
        d.dim[i] = va_arg(ap, int);
    va_end(ap);
    return d;
}

/* ---- values ----------------------------------------------------------------------------------------- */

static uint16_t half_of(float f)
{
    _Float16 h = (_Float16) f;
    uint16_t bits;
    memcpy(&bits, &h, sizeof bits);
    return bits;
}

static float float_of(uint16_t bits)
{
    _Float16 h;
    memcpy(&h, &bits, sizeof h);
    return (float) h;
}

static void put_value(void *data, int64_t i, enum dtype type, struct check_rng *r, float lo, float hi)
{
    bool whole = lo == 0 && hi == 0;
    float f = whole ? check_float(r, -1, 1) : check_float(r, lo, hi);
    int64_t n = whole ? check_int(r, 0, 9) : check_int(r, (int) lo, (int) hi);
    switch (type) {
    case DT_F32: ((float *) data)[i] = f; break;
    case DT_F64: ((double *) data)[i] = f; break;
    case DT_F16: ((uint16_t *) data)[i] = half_of(f); break;
    case DT_U8: ((uint8_t *) data)[i] = (uint8_t) (whole ? next_u64(r) : (uint64_t) n); break;
    case DT_I8: ((int8_t *) data)[i] = (int8_t) (whole ? (int64_t) next_u64(r) : n); break;
    case DT_BOOL: ((uint8_t *) data)[i] = (uint8_t) (next_u64(r) & 1); break;
    case DT_U16: ((uint16_t *) data)[i] = (uint16_t) n; break;
    case DT_I16: ((int16_t *) data)[i] = (int16_t) n; break;
    case DT_U32: ((uint32_t *) data)[i] = (uint32_t) n; break;
    case DT_I32: ((int32_t *) data)[i] = (int32_t) n; break;
    case DT_U64: ((uint64_t *) data)[i] = (uint64_t) n; break;
    case DT_I64: ((int64_t *) data)[i] = n; break;
    case DT_NONE: break;
    }
}

static double value_at(const void *data, int64_t i, enum dtype type)
{
    switch (type) {
    case DT_F32: return ((const float *) data)[i];
    case DT_F64: return ((const double *) data)[i];
    case DT_F16: return float_of(((const uint16_t *) data)[i]);
    case DT_U8: case DT_BOOL: return ((const uint8_t *) data)[i];
    case DT_I8: return ((const int8_t *) data)[i];
    case DT_U16: return ((const uint16_t *) data)[i];
    case DT_I16: return ((const int16_t *) data)[i];
    case DT_U32: return ((const uint32_t *) data)[i];
    case DT_I32: return ((const int32_t *) data)[i];
    case DT_U64: return (double) ((const uint64_t *) data)[i];
    case DT_I64: return (double) ((const int64_t *) data)[i];
    case DT_NONE: break;
    }
    return 0;
}

static bool is_float(enum dtype type)
{
    return type == DT_F32 || type == DT_F64 || type == DT_F16;
}

static void *must_alloc(size_t bytes)
{
    void *p = calloc(1, bytes ? bytes : 1);
    if (!p) {
        fprintf(stderr, "check_kernels: out of memory\n");
        exit(1);
    }
    return p;
}

static void case_fill(struct check_case *c, struct check_rng *r)
{
    for (int i = 0; i < c->inst.n_in; i++) {
        const struct tensor_desc *d = &c->inst.in[i];
        if (d->type == DT_NONE || c->data[i])
            continue;
        int64_t n = tensor_elems(d);
        c->data[i] = must_alloc(tensor_bytes(d));
        for (int64_t k = 0; k < n; k++)
            put_value(c->data[i], k, d->type, r, c->lo[i], c->hi[i]);
    }
    c->inst.op = &c->op;
    for (int i = 0; i < c->inst.n_in; i++)
        c->inst.constant[i] = c->constants >> i & 1 ? c->data[i] : NULL;
}

static void case_finish(struct check_case *c)
{
    for (int i = 0; i < OP_MAX_INPUTS; i++)
        free(c->data[i]);
}

/* ---- layouts ---------------------------------------------------------------------------------------- */

static bool can_block(const struct tensor_desc *d)
{
    return d->type == DT_F32 && (d->rank == 3 || d->rank == 4);
}

static void set_layout(struct tensor_desc *d, bool blocked, int block)
{
    d->layout = blocked ? LAYOUT_BLOCKED : LAYOUT_PLAIN;
    d->block = blocked ? block : 0;
}

/* Bit 0: the first input, bit 1: the other inputs, bit 2: the outputs are BLOCKED. False where that says
 * nothing new. */
static bool apply_layouts(struct op_inst *inst, int bits, int block)
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

/* ---- one run ---------------------------------------------------------------------------------------- */

static size_t reserve(struct arena *a, size_t bytes)
{
    size_t at = a->size + GUARD;
    a->size = (at + bytes + GUARD + ALIGN - 1) / ALIGN * ALIGN;
    return at;
}

static void arena_finish(struct arena *a)
{
    free(a->image);
    free(a->after);
}

/* Places everything, fills the image; the buffer itself is made by the caller. */
static enum cq_err arena_init(struct arena *a, const struct device *dev, const struct kernel_class *k,
                              const struct check_case *c)
{
    const struct op_inst *inst = &c->inst;
    size_t packed = k->packed_bytes ? k->packed_bytes(dev, inst) : 0;
    size_t scratch = k->scratch_bytes ? k->scratch_bytes(dev, inst) : 0;
    unsigned packs = packed ? k->packs : 0;
    memset(a, 0, sizeof *a);
    for (int i = 0; i < inst->n_in; i++)
        if (inst->in[i].type != DT_NONE && !(packs >> i & 1))
            a->at.in[i].offset = reserve(a, tensor_bytes(&inst->in[i]));
    for (int i = 0; i < inst->n_out; i++) {
        a->out_bytes[i] = tensor_bytes(&inst->out[i]);
        a->at.out[i].offset = reserve(a, a->out_bytes[i]);
    }
    a->at.packed.offset = packed ? reserve(a, packed) : 0;
    a->at.scratch.offset = scratch ? reserve(a, scratch) : 0;

    a->image = must_alloc(a->size);
    a->after = must_alloc(a->size);
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

/* Largest error of one output relative to the reference's largest magnitude; INFINITY for a mismatch that no
 * tolerance excuses. */
static float output_error(const struct tensor_desc *d, const void *want, const void *got, int64_t *where)
{
    int64_t n = tensor_elems(d);
    double largest = 0, worst = 0;
    for (int64_t i = 0; i < n; i++) {
        double v = fabs(value_at(want, i, d->type));
        if (isfinite(v) && v > largest)
            largest = v;
    }
    *where = -1;
    for (int64_t i = 0; i < n; i++) {
        double w = value_at(want, i, d->type), g = value_at(got, stored_at(d, i), d->type);
        double e = 0;
        if (!(w == g || (isnan(w) && isnan(g))))
            e = is_float(d->type) && isfinite(w) && isfinite(g) ? fabs(w - g) / fmax(largest, 1e-30) : INFINITY;
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
    uint8_t *expect = must_alloc(a->size);
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

/* "blocked>plain": the first input and the first output; "+" what the other inputs are, if that differs. */
static char *layout_text(const struct op_inst *inst, int bits, char out[40])
{
    bool mixed = !(bits & 1) && (bits & 2);
    snprintf(out, 40, "%s%s>%s", layout_name(&inst->in[0]), mixed ? "+blocked" : "", layout_name(&inst->out[0]));
    return out;
}

static float tolerance_of(const char *kernel)
{
    for (int f = 0; f < FAMILIES; f++)
        for (const struct check_tolerance *t = families[f]->tolerances; t->kernel; t++)
            if (!strcmp(t->kernel, kernel))
                return t->max_error;
    return -1;
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

/* Runs one variant on one case; *error is its largest error (0 where there is nothing to compare with: the
 * reference would take minutes for --bench), *seconds its time when not NULL. */
static enum cq_err run_variant(struct device *dev, const struct kernel_class *k, const struct check_case *c,
                               void *const *want, float *error, char *why, size_t why_size, double *seconds)
{
    struct arena a;
    struct device_mem *mem = NULL;
    size_t scratch = k->scratch_bytes ? k->scratch_bytes(dev, &c->inst) : 0;
    *error = INFINITY;
    enum cq_err err = arena_init(&a, dev, k, c);
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
    if (err) {
        snprintf(why, why_size, "%s", cq_err_text(err));
        goto done;
    }
    *error = 0;
    snprintf(why, why_size, "ok");
    for (int i = 0; i < c->inst.n_out && want[i]; i++) {
        int64_t where;
        float e = output_error(&c->inst.out[i], want[i], a.after + a.at.out[i].offset, &where);
        if (e > *error) {
            *error = e;
            snprintf(why, why_size, "output %d, element %lld: %.9g instead of %.9g", i, (long long) where,
                     value_at(a.after + a.at.out[i].offset, stored_at(&c->inst.out[i], where), c->inst.out[i].type),
                     value_at(want[i], where, c->inst.out[i].type));
        }
    }
    if (strayed(&a, scratch)) {
        *error = INFINITY;
        snprintf(why, why_size, "wrote outside its outputs");
    }
    if (seconds)
        err = time_it(dev, k, c, &a.at, seconds);

done:
    device_free(&mem);
    arena_finish(&a);
    return err;
}

/* ---- cases ------------------------------------------------------------------------------------------ */

static enum cq_err reference(const struct check_case *c, void **want)
{
    const void *in[OP_MAX_INPUTS] = {0};
    for (int i = 0; i < c->inst.n_in; i++)
        in[i] = c->data[i];
    for (int i = 0; i < c->inst.n_out; i++)
        want[i] = must_alloc(tensor_bytes(&c->inst.out[i]));
    return op_reference(&c->inst, in, want);
}

static void report(const struct options *o, const struct check_family *f, int index, const struct check_case *c,
                   const char *kernel, const char *layouts, float error, const char *why)
{
    printf("FAIL %s on %s (%s): error %.3g: %s\n     again: check_kernels --seed %llu --family %s --index %d --only %s\n",
           kernel, c->text, layouts, (double) error, why, (unsigned long long) o->seed, f->name, index, kernel);
}

/* Is the variant to be looked at in this run? The host's times are of no interest and take long. */
static bool wanted(const struct options *o, const struct kernel_class *k, const struct check_case *c)
{
    if (o->only)
        return !strcmp(o->only, k->name) && (k->kind == c->op.kind || kernel_is_host(k));
    return kernel_is_host(k) ? !o->bench : k->kind == c->op.kind;
}

static void check_variant(struct device *dev, const struct options *o, const struct check_family *f, int index,
                          const struct check_case *c, const char *layouts, void *const *want, struct tally *tally, int n)
{
    const struct kernel_class *k = kernel_classes[n];
    float error, limit = c->tolerance > 0 ? c->tolerance : tolerance_of(k->name);
    double seconds = 0;
    char why[200];
    run_variant(dev, k, c, want, &error, why, sizeof why, o->bench ? &seconds : NULL);
    tally->ran[n]++;
    tally->worst[n] = error > tally->worst[n] ? error : tally->worst[n];
    if (limit < 0)
        snprintf(why, sizeof why, "has no tolerance in its family's table");
    if (!(error <= limit)) {
        tally->failed++;
        report(o, f, index, c, k->name, layouts, error, why);
    }
    if (o->verbose)
        printf("%s %d: %s (%s) on %s: error %.3g\n", f->name, index, k->name, layouts, c->text, (double) error);
    if (o->bench)
        printf("%-15s %-15s %9.3f ms %8.2f GFLOPS  %s\n", k->name, layouts, seconds * 1e3,
               op_flops(&c->inst) / seconds * 1e-9, c->text);
    fflush(stdout);
}

/* All variants and layouts of a case. */
static void check_case_run(struct device *dev, const struct options *o, const struct check_family *f, int index,
                           struct check_case *c, void *const *want, struct tally *tally)
{
    const struct op_inst plain = c->inst;
    for (int n = 0; kernel_classes[n]; n++) {
        if (!wanted(o, kernel_classes[n], c))
            continue;
        for (int bits = 0; bits < LAYOUTS; bits++) {
            c->inst = plain;
            char layouts[40];
            if (apply_layouts(&c->inst, bits, device_get_info(dev)->float_width) &&
                kernel_classes[n]->serves(dev, &c->inst))
                check_variant(dev, o, f, index, c, layout_text(&c->inst, bits, layouts), want, tally, n);
        }
    }
    c->inst = plain;
}

static bool make_case(const struct options *o, int family, int index, struct check_case *c, struct check_rng *r)
{
    memset(c, 0, sizeof *c);
    r->state = o->seed * 1000003u + (uint64_t) family * 7919u;
    next_u64(r);
    r->state ^= (uint64_t) index << 20;
    if (o->bench)
        return families[family]->bench && families[family]->bench(index, c);
    families[family]->make(r, index, c);
    return true;
}

static void run_family(struct device *dev, const struct options *o, int family, struct tally *tally)
{
    const struct check_family *f = families[family];
    int count = o->bench ? 1 << 20 : o->cases ? o->cases : f->cases;
    for (int i = o->index >= 0 ? o->index : 0; i < count; i++) {
        static struct check_case c;     /* tens of kilobytes */
        struct check_rng rng;
        if (!make_case(o, family, i, &c, &rng))
            break;
        if (o->list)
            printf("%s %d: %s\n", f->name, i, c.text);
        case_fill(&c, &rng);
        void *want[OP_MAX_OUTPUTS] = {0};
        enum cq_err err = o->bench ? CQ_OK : reference(&c, want);
        if (err) {
            tally->failed++;
            report(o, f, i, &c, "op_reference", "plain", INFINITY, cq_err_text(err));
        } else {
            check_case_run(dev, o, f, i, &c, want, tally);
        }
        for (int k = 0; k < OP_MAX_OUTPUTS; k++)
            free(want[k]);
        case_finish(&c);
        if (o->index >= 0)
            break;
    }
}

static void summarise(const struct options *o, struct tally *tally)
{
    bool narrowed = o->family || o->only || o->index >= 0 || o->cases;
    for (int n = 0; kernel_classes[n]; n++) {
        const char *name = kernel_classes[n]->name;
        if (tally->ran[n]) {
            printf("%-20s %5d runs, largest error %.2g\n", name, tally->ran[n], (double) tally->worst[n]);
        } else if (!narrowed) {
            tally->failed++;
            printf("FAIL %s: no case of any family is served by it\n", name);
        }
    }
    if (tally->failed)
        printf("%d failures, seed %llu\n", tally->failed, (unsigned long long) o->seed);
}

static bool parse_number(const char *text, uint64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 0);
    return *text >= '0' && *text <= '9' && *end == '\0' && !errno;
}

/* 0, or the exit code of a usage error. */
static int parse(int argc, char **argv, struct options *o)
{
    *o = (struct options) {.seed = 20261121, .index = -1, .device = "auto"};
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i], *value = i + 1 < argc ? argv[i + 1] : "";
        uint64_t n = 0;
        bool number = parse_number(value, &n);
        if (!strcmp(a, "--bench") || !strcmp(a, "--verbose") || !strcmp(a, "--list")) {
            *(a[2] == 'b' ? &o->bench : a[2] == 'v' ? &o->verbose : &o->list) = true;
            continue;
        }
        if (!strcmp(a, "--seed") && number)
            o->seed = n;
        else if (!strcmp(a, "--cases") && number)
            o->cases = (int) n;
        else if (!strcmp(a, "--index") && number)
            o->index = (int) n;
        else if (!strcmp(a, "--width") && (n == 4 || n == 8 || n == 16))
            o->width = (int) n;
        else if (!strcmp(a, "--family") && *value)
            o->family = value;
        else if (!strcmp(a, "--only") && *value)
            o->only = value;
        else if (!strcmp(a, "--device") && *value)
            o->device = value;
        else {
            fprintf(stderr, "check_kernels: cannot use \"%s\"; see the head of tests/check_kernels.c\n", a);
            return 2;
        }
        i++;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct options o;
    struct cq_log log = {.level = CQ_WARN, .name = "check_kernels"};
    struct device_info info;
    struct device *dev = NULL;
    static struct tally tally;
    if (parse(argc, argv, &o))
        return 2;
    device_setup_environment(0);
    enum cq_err err = device_find(&log, o.device, &info);
    if (err == CQ_NO_DEVICE) {
        printf("SKIP: no OpenCL device\n");
        return SKIPPED;
    }
    if (o.width)
        info.float_width = o.width;
    if (!err)
        err = device_open(&log, &info, &dev);
    if (err)
        return 1;
    printf("%s: %s, %d units, vectors of %d floats, seed %llu\n", info.spec, info.name, info.compute_units,
           info.float_width, (unsigned long long) o.seed);
    for (int f = 0; f < FAMILIES; f++)
        if (!o.family || !strcmp(o.family, families[f]->name))
            run_family(dev, &o, f, &tally);
    device_close(&dev);
    summarise(&o, &tally);
    return tally.failed ? 1 : 0;
}
