/* Compiled programs on disk: found again, and made again where the file is cut, changed or another's. On PoCL this is
 * switched on for the test, but for programs of chains, which are kept there anyway; the results of a kernel show that
 * what was loaded is the program. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernels/base/log.h"
#include "kernels/chain.h"
#include "kernels/device.h"
#include "kernels/pocl_cache.h"
#include "kernels/program.h"

static const unsigned char source[] =
    "kernel void add(global int *base, ulong offset, int value)\n"
    "{\n"
    "    global int *p = (global int *) ((global char *) base + offset);\n"
    "    p[get_global_id(0)] += value + EXTRA;\n"
    "}\n";
static const struct program_class class = {"adding", {source}};

static char root[] = "/tmp/test_programs_XXXXXX", file[512];
static int found, damaged;

static void listen(void *ctx, enum cq_level level, const char *text)
{
    (void) ctx, (void) level;
    found += strstr(text, "compiled by an earlier run") != NULL;
    damaged += strstr(text, "is damaged") != NULL;
}

static struct cq_log quiet = {.level = CQ_DEBUG, .sink = listen};

static enum cq_err launch(struct device *dev, struct device_mem *mem, const char *options)
{
    const struct kernel_arg args[] = {ARG_REF(((struct mem_ref) {mem, 0})), ARG_INT(1)};
    return program_run(dev, &(struct launch) {
        .program = &class, .kernel = "add", .options = options, .global = {1}, .local = {1}, .dims = 1, .args = args,
        .n_args = 2,
    });
}

static void launch_in_chain(struct device *dev, struct device_mem *mem, const char *options)
{
    struct chain *c;
    assert_int_equal(chain_begin(dev, &c), CQ_OK);
    assert_int_equal(chain_end(&c, launch(dev, mem, options)), CQ_OK);
    assert_int_equal(chain_run(c), CQ_OK);
    assert_int_equal(device_finish_all(dev), CQ_OK);
    chain_destroy(&c);
}

/* A process's life with a device: 40 + 2 (or what `options` add) in a buffer. -1: it has no chains. */
static int run(const char *options, bool in_chain)
{
    struct device_info info;
    struct device *dev;
    struct device_mem *mem;
    int32_t value = 40;
    assert_int_equal(device_find(&quiet, "auto", &info), CQ_OK);
    assert_int_equal(device_open(&quiet, &info, &dev), CQ_OK);
    assert_int_equal(device_alloc(dev, 128, &mem), CQ_OK);
    assert_int_equal(device_write(dev, mem, 0, &value, sizeof value), CQ_OK);
    if (!in_chain)
        assert_int_equal(launch(dev, mem, options), CQ_OK);
    else if (chain_suits(dev))
        launch_in_chain(dev, mem, options);
    assert_int_equal(device_read(dev, mem, 0, &value, sizeof value), CQ_OK);
    value = in_chain && !chain_suits(dev) ? -1 : value;
    device_free(&mem);
    device_close(&dev);
    return value;
}

static int run_kernel(const char *options) { return run(options, false); }
static int run_chain(const char *options) { return run(options, true); }

/* How many files there are; `file` becomes the path of one. */
static int count_files(void)
{
    char folder[256];
    int n = 0;
    snprintf(folder, sizeof folder, "%s/clipq/programs", root);
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.') {
            snprintf(file, sizeof file, "%s/%.64s", folder, e->d_name);
            n++;
        }
    if (d)
        closedir(d);
    return n;
}

static int set_up(void **state)
{
    (void) state;
    strcpy(root + strlen(root) - 6, "XXXXXX");
    setenv("CLIPQ_PROGRAM_CACHE", "all", 1);
    if (!mkdtemp(root) || setenv("XDG_CACHE_HOME", root, 1))
        return 1;
    found = damaged = 0;
    return 0;
}

static int tear_down(void **state)
{
    char command[128];
    (void) state;
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

static void test_found_again(void **state)
{
    (void) state;
    assert_int_equal(run_kernel("-DEXTRA=1"), 42);
    assert_int_equal(count_files(), 1);
    assert_int_equal(found, 0);
    assert_int_equal(run_kernel("-DEXTRA=1"), 42);
    assert_int_equal(found, 1);
    assert_int_equal(run_kernel("-DEXTRA=2"), 43);      /* other options: another program */
    assert_int_equal(found, 1);
    assert_int_equal(count_files(), 2);
    setenv("CLIPQ_PROGRAM_CACHE", "none", 1);
    assert_int_equal(run_kernel("-DEXTRA=1"), 42);
    assert_int_equal(found, 1);
    assert_int_equal(damaged, 0);
}

/* Damages the one file at byte `at`, or cuts it there. */
static void damage(long at, bool cut)
{
    assert_int_equal(count_files(), 1);
    FILE *f = fopen(file, "r+e");
    assert_non_null(f);
    if (cut) {
        assert_int_equal(ftruncate(fileno(f), at), 0);
    } else {
        fseek(f, at, SEEK_SET);
        int c = fgetc(f);
        fseek(f, at, SEEK_SET);
        fputc(c ^ 0x10, f);
    }
    fclose(f);
}

static void test_damage_is_mended(void **state)
{
    (void) state;
    static const struct { long at; bool cut; } damages[] = {
        {0, true}, {5, true}, {24, true}, {500, true}, {0, false}, {9, false}, {17, false}, {24, false}, {700, false},
    };
    assert_int_equal(run_kernel("-DEXTRA=1"), 42);
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        found = damaged = 0;
        damage(damages[i].at, damages[i].cut);
        assert_int_equal(run_kernel("-DEXTRA=1"), 42);
        assert_int_equal(damaged, 1);
        assert_int_equal(found, 0);
        assert_int_equal(run_kernel("-DEXTRA=1"), 42);  /* it has been made again */
        assert_int_equal(found, 1);
    }
    /* One byte too many. */
    assert_int_equal(count_files(), 1);
    FILE *f = fopen(file, "ae");
    assert_non_null(f);
    fputc(0, f);
    fclose(f);
    assert_int_equal(run_kernel("-DEXTRA=1"), 42);
    assert_int_equal(damaged, 2);
}

/* Of chains also where PoCL is left alone otherwise, and none of their parts is built where the whole is found. */
static void test_chains_are_kept(void **state)
{
    (void) state;
    unsetenv("CLIPQ_PROGRAM_CACHE");
    if (run_chain("-DEXTRA=1") < 0)
        skip();
    int files = count_files();
    assert_in_range(files, 1, 2);                       /* beside the chain, its one part where programs are kept */
    assert_int_equal(run_chain("-DEXTRA=1"), 42);
    assert_int_equal(found, 1);
    assert_int_equal(run_chain("-DEXTRA=2"), 43);
    assert_int_equal(found, 1);
    assert_int_equal(count_files(), 2 * files);
    setenv("CLIPQ_PROGRAM_CACHE", "none", 1);
    assert_int_equal(run_chain("-DEXTRA=1"), 42);
    assert_int_equal(found, 1);
}

/* They go with what PoCL keeps when that is suspect. */
static void test_suspects_are_removed(void **state)
{
    char *before = getenv("POCL_CACHE_DIR");
    (void) state;
    assert_int_equal(run_kernel("-DEXTRA=1"), 42);
    assert_int_equal(count_files(), 1);
    before = before ? strdup(before) : NULL;
    setenv("POCL_CACHE_DIR", root, 1);                  /* PoCL has read it long ago */
    pocl_cache_check(&quiet, false);
    assert_int_equal(count_files(), 1);
    pocl_cache_check(&quiet, true);
    assert_int_equal(count_files(), 0);
    assert_int_equal(before ? setenv("POCL_CACHE_DIR", before, 1) : unsetenv("POCL_CACHE_DIR"), 0);
    free(before);
    assert_int_equal(run_kernel("-DEXTRA=1"), 42);
}

/* A folder that cannot be made, or written, costs only time. */
static void test_without_a_folder(void **state)
{
    (void) state;
    setenv("XDG_CACHE_HOME", "/proc/nowhere", 1);
    assert_int_equal(run_kernel("-DEXTRA=1"), 42);
    assert_int_equal(run_kernel("-DEXTRA=1"), 42);
    assert_int_equal(found, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_found_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_damage_is_mended, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_chains_are_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_suspects_are_removed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_without_a_folder, set_up, tear_down),
    };
    device_setup_environment(0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
