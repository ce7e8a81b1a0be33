/* Chains: the same as their launches one by one, for every kind of argument, in turn after turn, on a stream and on the
 * whole device, whether all threads come or only one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/base/log.h"
#include "kernels/chain.h"
#include "kernels/device.h"
#include "kernels/program.h"

enum { SKIPPED = 77, COUNT = 1000, TURNS = 200 };

static struct device *dev;
static struct cq_log quiet;

static void swallow(void *ctx, enum cq_level level, const char *text)
{
    (void) ctx;
    (void) level;
    (void) text;
}

/* Two programs whose helpers share a name. `stir` reads what other work-items of the step before have written. */
static const unsigned char mix_source[] =
    "struct Mix { int rows, columns; };\n"
    "inline uint twist(uint v) { return v * 1664525u + 1013904223u; }\n"
    "kernel void stir(global uint *x, ulong xo, global uint *y, ulong yo, struct Mix m, int by, long far, float half_one,\n"
    "                global uint *none, ulong no, local uint *room)\n"
    "{\n"
    "    uint at = get_global_id(1) * get_global_size(0) + get_global_id(0), n = m.rows * m.columns;\n"
    "    room[0] = ((global uint *) ((global char *) x + xo))[(at * 7 + by) % n];\n"
    "    if (get_global_id(0) < (ulong) m.columns && get_global_id(1) < (ulong) m.rows && !none)\n"
    "        ((global uint *) ((global char *) y + yo))[at] = twist(room[0]) + (uint) far + (uint) (2 * half_one);\n"
    "}\n";
static const unsigned char add_source[] =
    "inline uint twist(uint v) { return v + STEP; }\n"
    "kernel void add(global uint *x, ulong xo)\n"
    "{\n"
    "    global uint *p = (global uint *) ((global char *) x + xo) + get_global_id(0);\n"
    "    *p = twist(*p);\n"
    "}\n"
    "kernel void wait_for(global volatile uint *x, ulong xo) { while (!*x) {} }\n";

static const struct program_class mix_program = {"mix", {mix_source}};
static const struct program_class add_program = {"add", {add_source}};

struct buffers { struct device_mem *a, *b; };

static enum cq_err mix(struct device_mem *from, struct device_mem *to, int by)
{
    const struct { int32_t rows, columns; } m = {10, COUNT / 10};
    const struct kernel_arg args[] = {
        ARG_REF(((struct mem_ref){from, 16})), ARG_REF(((struct mem_ref){to, 16})), ARG_STRUCT(m), ARG_INT(by),
        ARG_LONG(1ll << 33 | 5), ARG_FLOAT(0.5f), ARG_REF((struct mem_ref){0}), ARG_LOCAL(16),
    };
    return program_run(dev, &(struct launch){
        .program = &mix_program, .kernel = "stir", .global = {COUNT / 10, 10}, .local = {1, 1}, .dims = 2, .args = args,
        .n_args = sizeof args / sizeof *args,
    });
}

static enum cq_err add(struct device_mem *mem, const char *options, size_t count, size_t local)
{
    const struct kernel_arg args[] = {ARG_REF(((struct mem_ref){mem, 16}))};
    return program_run(dev, &(struct launch){
        .program = &add_program, .kernel = "add", .options = options, .global = {count}, .local = {local}, .dims = 1,
        .args = args, .n_args = 1,
    });
}

static enum cq_err launch_all(const struct buffers *m)
{
    enum cq_err err = mix(m->a, m->b, 3);
    err = err ? err : add(m->b, "-DSTEP=1", COUNT, 1);
    err = err ? err : add(m->b, "-DSTEP=20", COUNT / 2, 1);
    err = err ? err : mix(m->b, m->a, 8);
    err = err ? err : add(m->a, "-DSTEP=1", 1, 1);
    return err ? err : add(m->a, "-DSTEP=1", 0, 1);
}

static void open_buffers(struct buffers *m)
{
    uint32_t start[COUNT + 4];
    for (int i = 0; i < COUNT + 4; i++)
        start[i] = (uint32_t) i * 2654435761u;
    assert_int_equal(device_alloc(dev, sizeof start, &m->a), CQ_OK);
    assert_int_equal(device_alloc(dev, sizeof start, &m->b), CQ_OK);
    assert_int_equal(device_write(dev, m->a, 0, start, sizeof start), CQ_OK);
}

static void close_buffers(struct buffers *m)
{
    device_free(&m->a);
    device_free(&m->b);
}

static void run_one_by_one(int turns, uint32_t *out)
{
    struct buffers m;
    open_buffers(&m);
    for (int i = 0; i < turns; i++)
        assert_int_equal(launch_all(&m), CQ_OK);
    assert_int_equal(device_read(dev, m.a, 16, out, COUNT * sizeof *out), CQ_OK);
    close_buffers(&m);
}

static void use_first(void)
{
    device_use_stream(dev, device_streams(dev) > 1 ? 0 : DEVICE_WHOLE);
}

static void check_chain(int stream)
{
    static uint32_t want[COUNT], got[COUNT];
    struct buffers m;
    struct chain *c;
    run_one_by_one(TURNS, want);
    open_buffers(&m);
    device_use_stream(dev, stream);
    assert_int_equal(chain_begin(dev, &c), CQ_OK);
    assert_int_equal(chain_end(&c, launch_all(&m)), CQ_OK);
    if (stream == DEVICE_WHOLE)
        use_first();
    for (int i = 0; i < TURNS; i++)
        assert_int_equal(chain_run(c), CQ_OK);
    assert_int_equal(device_read(dev, m.a, 16, got, sizeof got), CQ_OK);
    assert_memory_equal(got, want, sizeof want);
    assert_int_equal(device_finish_all(dev), CQ_OK);
    chain_destroy(&c);
    assert_null(c);
    close_buffers(&m);
}

static void test_on_the_whole_device(void **state)
{
    (void) state;
    check_chain(DEVICE_WHOLE);
}

static void test_in_a_stream(void **state)
{
    (void) state;
    if (device_streams(dev) < 2)
        skip();
    check_chain(0);
    check_chain(device_streams(dev) - 1);
}

/* A stream that is busy with something else until all is done: the first does its part, too. */
static void test_nobody_is_waited_for(void **state)
{
    static uint32_t want[COUNT], got[COUNT];
    struct buffers m;
    struct device_mem *flag = NULL;
    struct chain *c;
    uint32_t value = 0;
    (void) state;
    if (device_streams(dev) < 2)
        skip();
    run_one_by_one(3, want);
    open_buffers(&m);
    assert_int_equal(device_alloc(dev, sizeof value, &flag), CQ_OK);
    assert_int_equal(device_write(dev, flag, 0, &value, sizeof value), CQ_OK);
    assert_int_equal(chain_begin(dev, &c), CQ_OK);
    assert_int_equal(chain_end(&c, launch_all(&m)), CQ_OK);
    const struct kernel_arg args[] = {ARG_REF(((struct mem_ref){flag, 0}))};
    device_use_stream(dev, 1);
    assert_int_equal(program_run(dev, &(struct launch){
        .program = &add_program, .kernel = "wait_for", .options = "-DSTEP=1", .global = {1}, .local = {1}, .dims = 1,
        .args = args, .n_args = 1}), CQ_OK);
    use_first();
    for (int i = 0; i < 3; i++)
        assert_int_equal(chain_run(c), CQ_OK);
    assert_int_equal(device_read(dev, m.a, 16, got, sizeof got), CQ_OK);
    assert_memory_equal(got, want, sizeof want);

    value = 1;
    assert_int_equal(device_write(dev, flag, 0, &value, sizeof value), CQ_OK);
    assert_int_equal(device_finish_all(dev), CQ_OK);      /* the late one finds nothing left */
    run_one_by_one(4, want);
    use_first();
    assert_int_equal(chain_run(c), CQ_OK);
    assert_int_equal(device_read(dev, m.a, 16, got, sizeof got), CQ_OK);
    assert_memory_equal(got, want, sizeof want);
    assert_int_equal(device_finish_all(dev), CQ_OK);
    chain_destroy(&c);
    device_free(&flag);
    close_buffers(&m);
}

/* What does not come to a launch takes no turn. */
static void test_failed_launch(void **state)
{
    static uint32_t want[COUNT], got[COUNT];
    struct buffers m;
    struct chain *c;
    (void) state;
    run_one_by_one(2, want);
    open_buffers(&m);
    assert_int_equal(chain_begin(dev, &c), CQ_OK);
    assert_int_equal(chain_end(&c, launch_all(&m)), CQ_OK);
    use_first();
    assert_int_equal(chain_run(c), CQ_OK);
    device_fail_at(dev, 0, 1);
    assert_int_equal(chain_run(c), CQ_OOM);
    assert_int_equal(chain_run(c), CQ_OK);
    assert_int_equal(device_read(dev, m.a, 16, got, sizeof got), CQ_OK);
    assert_memory_equal(got, want, sizeof want);
    assert_int_equal(device_finish_all(dev), CQ_OK);
    chain_destroy(&c);
    close_buffers(&m);
}

static enum cq_err note_many(struct buffers *m, int n)
{
    enum cq_err err = CQ_OK;
    for (int i = 0; i < n && !err; i++)
        err = add(m[i].a, "-DSTEP=1", 1, 1);
    return err;
}

static void test_refusals(void **state)
{
    struct buffers m[9];
    struct chain *c;
    (void) state;
    for (int i = 0; i < 9; i++)
        open_buffers(&m[i]);
    assert_int_equal(chain_begin(dev, &c), CQ_OK);
    assert_int_equal(chain_end(&c, CQ_OK), CQ_UNSUPPORTED);                                /* nothing in it */
    assert_null(c);
    assert_int_equal(chain_begin(dev, &c), CQ_OK);
    assert_int_equal(chain_end(&c, add(m[0].a, "-DSTEP=1", 4, 2)), CQ_UNSUPPORTED);        /* a work-group of two */
    assert_int_equal(chain_begin(dev, &c), CQ_OK);
    assert_int_equal(chain_end(&c, note_many(m, 9)), CQ_UNSUPPORTED);                      /* too many buffers */
    assert_int_equal(chain_begin(dev, &c), CQ_OK);
    assert_int_equal(chain_end(&c, note_many(m, 8)), CQ_OK);
    chain_destroy(&c);
    assert_int_equal(chain_begin(dev, &c), CQ_OK);
    assert_int_equal(chain_end(&c, add(m[0].a, "-DSTEP=no_such_name", 4, 1)), CQ_DEVICE);  /* does not compile */
    assert_int_equal(add(m[0].a, "-DSTEP=1", 4, 1), CQ_OK);                                /* nothing is noted now */
    for (int i = 0; i < 9; i++)
        close_buffers(&m[i]);
}

static void test_where(void **state)
{
    (void) state;
    assert_true(chain_suits(dev));
    setenv("CLIPQ_CHAINS", "0", 1);
    assert_false(chain_suits(dev));
    unsetenv("CLIPQ_CHAINS");
}

int main(void)
{
    quiet = (struct cq_log){.level = CQ_ERROR, .sink = swallow};
    unsetenv("CLIPQ_CHAINS");
    device_setup_environment(2);
    struct device_info info;
    if (device_find(&quiet, "cpu", &info) || device_open(&quiet, &info, &dev))
        return SKIPPED;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_on_the_whole_device), cmocka_unit_test(test_in_a_stream),
        cmocka_unit_test(test_nobody_is_waited_for), cmocka_unit_test(test_failed_launch),
        cmocka_unit_test(test_refusals), cmocka_unit_test(test_where),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    device_close(&dev);
    return failed;
}
