/* Option tables: values, ranges, environment, order of precedence, messages, help. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/base/log.h"
#include "kernels/base/opt.h"

struct args {
    bool json;
    int workers, batch, progress;
    double threshold;
    const char *db;
    struct cq_opt_list models;
    struct cq_opt_size size;
    struct cq_opt_seconds from;
    struct cq_opt_bytes memory;
};

static const struct cq_opt table[] = {
    CQ_OPT(struct args, json, .name = "json", .letter = 'j', .help = "JSON lines"),
    CQ_OPT(struct args, workers, .name = "workers", .letter = 'w', .value = "N", .help = "processes", .def = 2,
           .min = 1, .max = 64),
    CQ_OPT(struct args, batch, .name = "batch", .zero = "auto", .min = 1, .max = 8, .help = "frames"),
    CQ_OPT(struct args, progress, .name = "progress", .choices = "auto|bar|none", .help = "how to show\nprogress"),
    CQ_OPT(struct args, threshold, .name = "threshold", .value = "T", .help = "score", .def = NAN, .min = 0, .max = 1),
    CQ_OPT(struct args, db, .name = "db-file", .value = "FILE", .help = "database", .def_text = "clipq.db"),
    CQ_OPT(struct args, models, .name = "model", .letter = 'm', .value = "FILE", .help = "model", .max = 2),
    CQ_OPT(struct args, size, .name = "size", .value = "WxH", .word = "clip", .help = "size", .min = 1, .max = 4096),
    CQ_OPT(struct args, from, .name = "from", .value = "TIME", .help = "start"),
    CQ_OPT(struct args, memory, .name = "memory", .value = "SIZE", .help = "memory", .min = 1, .max = 0x1p60),
    {0},
};

static void drop(void *ctx, enum cq_level level, const char *text)
{
    (void) ctx; (void) level; (void) text;
}

static struct cq_log quiet = {.sink = drop};
static struct args got;
static char *rest[16];
static int n_rest;

/* Parses a NULL-ended list of arguments into `got`, `rest`. */
static enum cq_err parse(const char *first, ...)
{
    static char store[16][64];
    const struct cq_opt_group groups[] = {{"Options", table, &got}, {0}};
    int n = 0;
    va_list list;
    va_start(list, first);
    for (const char *s = first; s && n < 16; s = va_arg(list, const char *)) {
        snprintf(store[n], sizeof store[n], "%s", s);
        rest[n] = store[n];
        n++;
    }
    va_end(list);
    quiet.last_error[0] = '\0';
    return cq_opt_parse(&quiet, groups, n, rest, &n_rest);
}

static void defaults_hold(void **state)
{
    (void) state;
    memset(&got, 0xff, sizeof got);
    assert_int_equal(parse(NULL), CQ_OK);
    assert_false(got.json);
    assert_int_equal(got.workers, 2);
    assert_int_equal(got.progress, 0);
    assert_true(isnan(got.threshold));
    assert_string_equal(got.db, "clipq.db");
    assert_int_equal(got.models.n, 0);
    assert_int_equal(got.size.width, 0);
    assert_true(got.from.s == 0);
    assert_int_equal(got.memory.n, 0);
}

static void every_way_of_writing_an_option(void **state)
{
    (void) state;
    assert_int_equal(parse("a", "--workers", "3", "--db-file=x=y", "b", "-jm", "m1", "-mm2", "--size", "640x360",
                           "--progress=none", "--", "--json", NULL), CQ_OK);
    assert_int_equal(got.workers, 3);
    assert_string_equal(got.db, "x=y");
    assert_true(got.json);
    assert_int_equal(got.models.n, 2);
    assert_string_equal(got.models.item[0], "m1");
    assert_string_equal(got.models.item[1], "m2");
    assert_int_equal(got.size.width, 640);
    assert_int_equal(got.size.height, 360);
    assert_int_equal(got.progress, 2);
    assert_int_equal(n_rest, 3);
    assert_string_equal(rest[0], "a");
    assert_string_equal(rest[1], "b");
    assert_string_equal(rest[2], "--json");

    assert_int_equal(parse("-w7", "-", "--json=no", "--threshold", "0.5", NULL), CQ_OK);
    assert_int_equal(got.workers, 7);
    assert_false(got.json);
    assert_true(got.threshold == 0.5);
    assert_string_equal(rest[0], "-");
}

static void a_word_may_stand_for_zero(void **state)
{
    (void) state;
    assert_int_equal(parse("--batch", "4", NULL), CQ_OK);
    assert_int_equal(got.batch, 4);
    assert_int_equal(parse("--batch", "auto", NULL), CQ_OK);
    assert_int_equal(got.batch, 0);
    assert_int_equal(parse("--batch", "some", NULL), CQ_INVALID);
    assert_non_null(strstr(quiet.last_error, "neither a whole number from 1 to 8 nor auto"));
}

static void times(void **state)
{
    (void) state;
    static const struct { const char *text; double s; } good[] = {
        {"90", 90}, {"90.5", 90.5}, {"1:30", 90}, {"01:02:03.25", 3723.25}, {".5", 0.5}, {"0", 0},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(parse("--from", good[i].text, NULL), CQ_OK);
        assert_true(got.from.s == good[i].s);
    }
    static const char *const bad[] = {"", "x", "-1", "1:60", "1:2:3:4", "1.5:00", "1:", "1:-2", "inf", "1e999"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(parse("--from", bad[i], NULL), CQ_INVALID);
}

static void bytes_have_units(void **state)
{
    (void) state;
    static const struct { const char *text; int64_t n; } good[] = {
        {"1", 1}, {"65536", 65536}, {"12B", 12}, {"2KiB", 2048}, {"3k", 3072}, {"512MiB", 512 << 20}, {"1.5GiB", 1610612736},
        {"1.5gb", 1610612736}, {".5M", 524288}, {"2TiB", INT64_C(2) << 40},
    };
    static const char *const bad[] = {"", "0", "-1", "MiB", "1X", "1MiBs", "1Mi", "1 GiB", "1e300", "nan", "0.5", "9999999TiB"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(parse("--memory", good[i].text, NULL), CQ_OK);
        assert_int_equal(got.memory.n, good[i].n);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(parse("--memory", bad[i], NULL), CQ_INVALID);
    assert_non_null(strstr(quiet.last_error, "--memory: '9999999TiB' is not a size"));
}

static void assert_refused(enum cq_err err, const char *part)
{
    assert_int_equal(err, CQ_INVALID);
    if (!strstr(quiet.last_error, part))
        fail_msg("'%s' does not say '%s'", quiet.last_error, part);
}

static void wrong_values_are_named(void **state)
{
    (void) state;
    assert_refused(parse("--workers", "0", NULL), "whole number from 1 to 64");
    assert_refused(parse("--workers", "99999999999999999999", NULL), "--workers");
    assert_refused(parse("--workers", "3x", NULL), "'3x'");
    assert_refused(parse("--workers", NULL), "needs a value");
    assert_refused(parse("--threshold", "nan", NULL), "a number from 0 to 1");
    assert_refused(parse("--threshold", "1.01", NULL), "--threshold");
    assert_refused(parse("--progress", "ba", NULL), "auto|bar|none");
    assert_refused(parse("--json=perhaps", NULL), "neither yes nor no");
    assert_refused(parse("--size", "640", NULL), "WIDTHxHEIGHT");
    assert_refused(parse("--size", "640x", NULL), "WIDTHxHEIGHT");
    assert_refused(parse("--size", "640x9999", NULL), "WIDTHxHEIGHT");
    assert_refused(parse("-m1", "-m2", "-m3", NULL), "at most 2");
    assert_refused(parse("--worker", "3", NULL), "did you mean --workers");
    assert_refused(parse("--zzzzzzzz", NULL), "see --help");
    assert_refused(parse("-z", NULL), "-z");
}

static void environment_stands_between_default_and_flag(void **state)
{
    (void) state;
    setenv("CLIPQ_WORKERS", "9", 1);
    setenv("CLIPQ_DB_FILE", "env.db", 1);
    setenv("CLIPQ_MODEL", "env.onnx", 1);
    setenv("CLIPQ_JSON", "1", 1);
    assert_int_equal(parse("--db-file", "flag.db", NULL), CQ_OK);
    assert_int_equal(got.workers, 9);
    assert_string_equal(got.db, "flag.db");
    assert_true(got.json);
    assert_string_equal(got.models.item[0], "env.onnx");
    assert_int_equal(parse("-mflag.onnx", NULL), CQ_OK);
    assert_int_equal(got.models.n, 1);
    assert_string_equal(got.models.item[0], "flag.onnx");
    setenv("CLIPQ_WORKERS", "lots", 1);
    assert_refused(parse(NULL), "CLIPQ_WORKERS");
    unsetenv("CLIPQ_WORKERS");
    unsetenv("CLIPQ_DB_FILE");
    unsetenv("CLIPQ_MODEL");
    unsetenv("CLIPQ_JSON");
}

static void help_shows_every_option(void **state)
{
    (void) state;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    const struct cq_opt_group groups[] = {{"Options", table, &got}, {0}};
    cq_opt_help(groups, out);
    fclose(out);
    for (const struct cq_opt *o = table; o->name; o++)
        assert_non_null(strstr(text, o->name));
    assert_non_null(strstr(text, "processes [2]"));
    assert_non_null(strstr(text, "database [clipq.db]"));
    assert_non_null(strstr(text, "auto|bar|none"));
    free(text);
}

static void distances(void **state)
{
    (void) state;
    assert_int_equal(cq_edit_distance("", ""), 0);
    assert_int_equal(cq_edit_distance("work", "work"), 0);
    assert_int_equal(cq_edit_distance("wrok", "work"), 1);
    assert_int_equal(cq_edit_distance("", "abc"), 3);
    assert_int_equal(cq_edit_distance("kitten", "sitting"), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_have_units),
        cmocka_unit_test(defaults_hold),
        cmocka_unit_test(every_way_of_writing_an_option),
        cmocka_unit_test(a_word_may_stand_for_zero),
        cmocka_unit_test(times),
        cmocka_unit_test(wrong_values_are_named),
        cmocka_unit_test(environment_stands_between_default_and_flag),
        cmocka_unit_test(help_shows_every_option),
        cmocka_unit_test(distances),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
