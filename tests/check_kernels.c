/* Every OpenCL kernel against the C reference, on random shapes; with --bench, how fast they are on real ones.
 *
 *     check_kernels [--seed N] [--cases N] [--family NAME] [--only KERNEL] [--index N] [--device SPEC]
 *                   [--as cpu|gpu] [--width 4|8|16] [--small] [--list] [--verbose] [--bench]
 *
 * Each case has a generator state made of (seed, family, index), so that the line printed for a failure is
 * enough to run it alone. --as makes the variants take the device for what it is not. --small runs every variant on a
 * few small cases, for a simulator. A run fails also when a variant of the registry met no case that it serves,
 * unless the run was narrowed. See check_kernels.h for what a case is.
 */
#include "tests/check_run.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/log.h"
#include "kernels/device.h"
#include "kernels/kernel.h"
#include "kernels/mma.h"

enum { MAX_CLASSES = 256, SKIPPED = 77, SMALL_RUNS = 4, SMALL_FLOPS = 60000, SMALL_NUMBERS = 3000 };

static const struct check_family *const families[] = {
    &check_conv,
    &check_binary,
    &check_numbers,
    &check_rows,
    &check_gemm,
    &check_unary,
    &check_move,
    &check_pool,
    &check_resize,
    &check_integer,
    &check_sample,
};

enum { FAMILIES = sizeof families / sizeof *families };

struct options {
    uint64_t seed;
    int cases;                 /* 0: the family's own number */
    const char *family, *only, *device, *as;
    int index;                 /* -1: all */
    int width;                 /* 0: the device's; else build everything for vectors of so many floats */
    bool bench, verbose, list, small;
};

struct tally {
    int ran[MAX_CLASSES];
    float worst[MAX_CLASSES];
    int failed;
};

static float tolerance_of(const char *kernel)
{
    for (int f = 0; f < FAMILIES; f++)
        for (const struct check_tolerance *t = families[f]->tolerances; t->kernel; t++)
            if (!strcmp(t->kernel, kernel))
                return t->max_error;
    return -1;
}

static enum cq_err reference(const struct check_case *c, void **want)
{
    const void *in[OP_MAX_INPUTS] = {0};
    for (int i = 0; i < c->inst.n_in; i++)
        in[i] = c->data[i];
    for (int i = 0; i < c->inst.n_out; i++)
        want[i] = check_alloc(tensor_bytes(&c->inst.out[i]));
    return op_reference(&c->inst, in, want);
}

static void report(const struct options *o, const struct check_family *f, int index, const struct check_case *c,
                   const char *kernel, const char *layouts, float error, const char *why)
{
    printf("FAIL %s on %s (%s): error %.3g: %s\n", kernel, c->text, layouts, (double) error, why);
    printf("     again: check_kernels --seed %llu --family %s --index %d --only %s\n", (unsigned long long) o->seed,
           f->name, index, kernel);
}

/* Is the variant to be looked at in this run? The host's times are of no interest and take long. */
static bool wanted(const struct device *dev, const struct options *o, int n, const struct check_case *c,
                   const struct tally *tally)
{
    const struct kernel_class *k = kernel_classes[n];
    if (!kernel_suits(k, dev) || (o->small && (kernel_is_host(k) || tally->ran[n] >= SMALL_RUNS)))
        return false;
    if (o->only)
        return !strcmp(o->only, k->name) && (k->kind == c->op.kind || kernel_is_host(k));
    return kernel_is_host(k) ? !o->bench : k->kind == c->op.kind;
}

static void check_variant(struct device *dev, const struct options *o, const struct check_family *f, int index,
                          const struct check_case *c, const char *layouts, void *const *want, struct tally *tally,
                          int n)
{
    const struct kernel_class *k = kernel_classes[n];
    float error, limit = c->tolerance > 0 ? c->tolerance : tolerance_of(k->name);
    double seconds = 0;
    char why[200];
    check_run(dev, k, c, want, &error, why, sizeof why, o->bench ? &seconds : NULL);
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
        if (!wanted(dev, o, n, c, tally))
            continue;
        for (int bits = 0; bits < CHECK_LAYOUTS; bits++) {
            c->inst = plain;
            char layouts[40];
            if (check_apply_layouts(&c->inst, bits, device_get_info(dev)->float_width) &&
                kernel_classes[n]->serves(dev, &c->inst))
                check_variant(dev, o, f, index, c, check_layout_text(&c->inst, bits, layouts), want, tally, n);
        }
    }
    c->inst = plain;
}

static bool is_small(const struct check_case *c)
{
    int64_t numbers = 0;
    if (c->small)
        return true;
    for (int i = 0; i < c->inst.n_in; i++)
        numbers += tensor_elems(&c->inst.in[i]);
    for (int i = 0; i < c->inst.n_out; i++)
        numbers += tensor_elems(&c->inst.out[i]);
    return numbers <= SMALL_NUMBERS && op_flops(&c->inst) <= SMALL_FLOPS;
}

static bool make_case(const struct options *o, int family, int index, struct check_case *c, struct check_rng *r)
{
    memset(c, 0, sizeof *c);
    r->state = o->seed * 1000003u + (uint64_t) family * 7919u;
    check_int(r, 0, 1);
    r->state ^= (uint64_t) index << 20;
    if (o->bench)
        return families[family]->bench && families[family]->bench(index, c);
    families[family]->make(r, index, c);
    c->inst.op = &c->op;
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
        if (o->small && !is_small(&c)) {
            check_finish(&c);
            continue;
        }
        if (o->list)
            printf("%s %d: %s\n", f->name, i, c.text);
        check_fill(&c, &rng);
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
        check_finish(&c);
        if (o->index >= 0)
            break;
    }
}

static void summarise(const struct device *dev, const struct options *o, struct tally *tally)
{
    bool narrowed = o->family || o->only || o->index >= 0 || o->cases;
    for (int n = 0; kernel_classes[n]; n++) {
        const char *name = kernel_classes[n]->name;
        bool expected = kernel_suits(kernel_classes[n], dev) && !(o->small && kernel_is_host(kernel_classes[n]));
        if (tally->ran[n]) {
            printf("%-20s %5d runs, largest error %.2g\n", name, tally->ran[n], (double) tally->worst[n]);
        } else if (!narrowed && expected) {
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
        if (!strcmp(a, "--bench") || !strcmp(a, "--verbose") || !strcmp(a, "--list") || !strcmp(a, "--small")) {
            *(a[2] == 'b' ? &o->bench : a[2] == 'v' ? &o->verbose : a[2] == 'l' ? &o->list : &o->small) = true;
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
        else if (!strcmp(a, "--as") && (!strcmp(value, "cpu") || !strcmp(value, "gpu")))
            o->as = value;
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
    if (o.as)
        info.simt = *o.as == 'g';
    if (!err)
        err = device_open(&log, &info, &dev);
    if (err)
        return 1;
    mma_find(dev);
    printf("%s: %s, %d units%s, vectors of %d floats, seed %llu\n", info.spec, info.name, info.compute_units,
           info.simt ? " (SIMT)" : "", info.float_width, (unsigned long long) o.seed);
    for (int f = 0; f < FAMILIES; f++)
        if (!o.family || !strcmp(o.family, families[f]->name))
            run_family(dev, &o, f, &tally);
    summarise(dev, &o, &tally);
    device_close(&dev);
    return tally.failed ? 1 : 0;
}
