/* Measuring the peak rate of multiply-adds. */
#include "kernels/peak.h"

#include "kernels/base/clock.h"
#include "kernels/cl_sources.h"
#include "kernels/device.h"
#include "kernels/program.h"

/* CHAINS as in kernels/cl/peak.cl: the latency of an FMA times the FMAs started in a cycle is 8 to 10 on CPUs. */
enum { CHAINS = 12, RUNS = 100, FIRST_ROUNDS = 256, MAX_ROUNDS = 1 << 28 };
/* Beside this, starting a kernel is nothing; and many short runs find a moment without other programs. */
static const int64_t long_enough_ns = 5000000;

static const struct program_class program = {
    .name = "peak",
    .source = {cl_common, cl_peak},
};

/* Work-items: on a CPU enough that PoCL, which hands out dozens of groups at once, keeps all threads busy; a GPU hides
 * its latency with thousands for each unit. */
static size_t items_on(const struct device_info *d)
{
    return (size_t) d->compute_units * (d->simt ? 2048 : 256);
}

static enum cq_err run_once(struct device *dev, struct device_mem *out, int rounds, int64_t *ns)
{
    const struct device_info *info = device_get_info(dev);
    const struct kernel_arg args[] = {
        ARG_REF(((struct mem_ref) {out, 0})), ARG_FLOAT(0.5f), ARG_FLOAT(0.25f), ARG_INT(rounds),
    };
    const struct launch l = {
        .program = &program, .kernel = "peak", .dims = 1, .global = {items_on(info)},
        .local = {info->simt ? 128 : 1}, .args = args, .n_args = sizeof args / sizeof *args,
    };
    int64_t start = cq_now_ns();
    enum cq_err err = program_run(dev, &l);
    if (!err)
        err = device_finish(dev);
    *ns = cq_now_ns() - start;
    return err;
}

/* The first run, which compiles, and then as many rounds as take long enough. */
static enum cq_err find_rounds(struct device *dev, struct device_mem *out, int *rounds)
{
    int64_t ns;
    enum cq_err err = run_once(dev, out, FIRST_ROUNDS, &ns);
    for (*rounds = FIRST_ROUNDS; !err; *rounds *= 2) {
        err = run_once(dev, out, *rounds, &ns);
        if (ns >= long_enough_ns || *rounds >= MAX_ROUNDS)
            break;
    }
    return err;
}

enum cq_err peak_flops(struct device *dev, double *result)
{
    const struct device_info *info = device_get_info(dev);
    struct device_mem *out = NULL;
    int rounds = 0;
    int64_t best = INT64_MAX;
    enum cq_err err = device_alloc(dev, items_on(info) * (size_t) info->float_width * sizeof(float), &out);
    if (!err)
        err = find_rounds(dev, out, &rounds);
    for (int i = 0; i < RUNS && !err; i++) {
        int64_t ns;
        err = run_once(dev, out, rounds, &ns);
        best = ns < best ? ns : best;
    }
    device_free(&out);
    if (!err)
        *result = 2.0 * CHAINS * info->float_width * rounds * (double) items_on(info) / ((double) best / 1e9);
    return err;
}
