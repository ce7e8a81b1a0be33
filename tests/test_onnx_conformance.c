/* ONNX's own backend tests (Debian's libonnx-testdata) through the engine and its device: every answer that
 * clipq gives must be right, and no fewer than the recorded number may pass; what it declines is listed by
 * reason. CLIPQ_ONNX_TESTS names another folder of cases, a newer suite for instance; CLIPQ_VERBOSE=1 prints
 * each case.
 *
 * A case is run as it stands and with what real models hold as constants made constant, and all that runs must
 * be right. Where neither is possible it may still be folded while the model is loaded; such a pass is counted
 * apart, for it shows only that the C reference is right.
 *
 * What is declined, and why:
 *   - sequences, optionals, maps, strings and complex numbers: the engine computes on tensors of numbers;
 *   - training (gradients, optimisers, dropout that drops) and random numbers: there is no right answer;
 *   - loops (Loop, Scan): exported for fixed sizes, models of images hold none;
 *   - bfloat16 cases, which this version of the suite writes as uint16 (left out below).
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/base/log.h"
#include "kernels/device.h"
#include "tests/conformance_case.h"

enum { MAX_REASONS = 256, REASON_SIZE = 120 };

/* Fewer right ones than these mean that something that worked is broken. */
static const struct suite { const char *folder; int least; } suites[] = {
    {"node", 858}, {"simple", 7}, {"pytorch-converted", 82}, {"pytorch-operator", 35},
};

/* How the best way of a case that passed was computed. */
enum passed { ON_DEVICE, PARTLY_ON_HOST, FOLDED, PASSED_COUNT };

struct reason {
    char text[REASON_SIZE];
    int count;
};

struct tally {
    int cases, wrong, declined, left_out, passed[PASSED_COUNT];
    struct reason reasons[MAX_REASONS];
    int n_reasons;
};

static struct device *dev;
static struct tally total;

static bool verbose(void)
{
    return getenv("CLIPQ_VERBOSE") != NULL;
}

static void ignore(void *ctx, enum cq_level level, const char *text)
{
    (void) ctx, (void) level, (void) text;
}

/* With scales and align_corners, the suite's own reference counts pixels of a size that is not rounded, while the
 * operator's text and ONNX Runtime count those of the result. With output_shape, its MaxUnpool takes indices into
 * another shape than the result's, which are not those that MaxPool gives. ONNX Runtime leaves these three out too. */
static bool is_disputed(const char *name)
{
    static const char *const names[] = {
        "test_resize_downsample_scales_cubic_align_corners", "test_resize_downsample_scales_linear_align_corners",
        "test_maxunpool_export_with_output_shape",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(name, names[i]))
            return true;
    return strstr(name, "BFLOAT16") != NULL;
}

/* ---- reasons ---- */

/* Removes the text from `from` up to and including `to`. */
static void cut(char *text, const char *from, const char *to)
{
    char *start = strstr(text, from);
    char *end = start ? strstr(start + strlen(from), to) : NULL;
    if (end)
        memmove(start, end + strlen(to), strlen(end + strlen(to)) + 1);
}

/* "case: node 'x' (Trilu): ..." and its like, freed of what differs from case to case and of advice. */
static void count_reason(struct tally *t, char *text)
{
    cut(text, "case", ": ");
    cut(text, "node '", "' ");
    cut(text, " (node '", "')");
    cut(text, "tensor '", "' ");
    cut(text, "input '", "' ");
    char *advice = strstr(text, " is not supported:");
    if (advice)
        advice[strlen(" is not supported")] = '\0';
    text[REASON_SIZE - 1] = '\0';
    int i = 0;
    while (i < t->n_reasons && strcmp(t->reasons[i].text, text))
        i++;
    if (i == MAX_REASONS)
        return;
    if (i == t->n_reasons)
        strcpy(t->reasons[t->n_reasons++].text, text);
    t->reasons[i].count++;
}

static int by_count(const void *a, const void *b)
{
    const struct reason *x = a, *y = b;
    return y->count != x->count ? y->count - x->count : strcmp(x->text, y->text);
}

/* ---- cases ---- */

static enum passed how_passed(enum case_way way, const struct case_run *run)
{
    if (way == WAY_FOLDED || !run->steps)
        return FOLDED;
    return run->host_steps ? PARTLY_ON_HOST : ON_DEVICE;
}

static void run_case(const char *dir, const char *name, struct tally *t)
{
    struct conformance_case *c = case_read(dir);
    struct cq_log quiet = {.level = CQ_ERROR, .sink = ignore};
    char why[sizeof quiet.last_error] = "not a model";
    enum passed best = PASSED_COUNT;
    bool wrong = false;
    for (enum case_way way = 0; c && way < WAY_COUNT && (way < WAY_FOLDED || best == PASSED_COUNT); way++) {
        struct case_run run;
        enum cq_err err = case_run(c, &quiet, dev, way, &run);
        if (err && way == WAY_AS_IT_STANDS)
            strcpy(why, quiet.last_error);
        assert_int_not_equal(err, CQ_INTERNAL);
        wrong |= !err && !run.right;
        if (!err && run.right && how_passed(way, &run) < best)
            best = how_passed(way, &run);
    }
    case_destroy(&c);
    t->cases++;
    if (wrong) {
        t->wrong++;
    } else if (best < PASSED_COUNT) {
        t->passed[best]++;
    } else {
        t->declined++;
        count_reason(t, why);
    }
    static const char *const said[] = {"on the device", "partly on the host", "folded", "declined: "};
    if (wrong || verbose())
        printf("  %s %s%s\n", name, wrong ? "WRONG" : said[best], !wrong && best == PASSED_COUNT ? why : "");
}

static int passed(const struct tally *t)
{
    return t->passed[ON_DEVICE] + t->passed[PARTLY_ON_HOST] + t->passed[FOLDED];
}

static void print_tally(const char *name, const struct tally *t)
{
    printf("%-18s %4d cases: %4d passed (%d on the device, %d partly on the host, %d folded), %d unsupported, "
           "%d failed, %d left out\n", name, t->cases, passed(t), t->passed[ON_DEVICE], t->passed[PARTLY_ON_HOST],
           t->passed[FOLDED], t->declined, t->wrong, t->left_out);
}

static void print_reasons(struct tally *t)
{
    qsort(t->reasons, (size_t) t->n_reasons, sizeof *t->reasons, by_count);
    printf("unsupported:\n");
    for (int i = 0; i < t->n_reasons; i++)
        printf("  %4d  %s\n", t->reasons[i].count, t->reasons[i].text);
}

/* ---- suites ---- */

static void run_folder(const char *root, const char *folder, struct tally *t)
{
    char dir[700];
    struct dirent **names;
    snprintf(dir, sizeof dir, "%.400s/%s", root, folder);
    int n = scandir(dir, &names, NULL, alphasort);
    if (n < 0)
        return;
    for (int i = 0; i < n; i++) {
        snprintf(dir, sizeof dir, "%.400s/%.40s/%.200s", root, folder, names[i]->d_name);
        if (is_disputed(names[i]->d_name))
            t->left_out++;
        else if (names[i]->d_name[0] != '.')
            run_case(dir, names[i]->d_name, t);
        free(names[i]);
    }
    free(names);
}

static void add(struct tally *sum, const struct tally *t)
{
    sum->cases += t->cases;
    sum->wrong += t->wrong;
    sum->declined += t->declined;
    sum->left_out += t->left_out;
    for (int i = 0; i < PASSED_COUNT; i++)
        sum->passed[i] += t->passed[i];
}

static void test_suite(void **state)
{
    const struct suite *suite = *state;
    const char *other = getenv("CLIPQ_ONNX_TESTS");
    struct tally *t = calloc(1, sizeof *t);
    assert_non_null(t);
    run_folder(other ? other : ONNX_TESTDATA, suite->folder, t);
    print_tally(suite->folder, t);
    print_reasons(t);
    add(&total, t);
    int wrong = t->wrong, right = passed(t);
    free(t);
    assert_int_equal(wrong, 0);
    assert_true(other || right >= suite->least);
}

int main(void)
{
    struct cq_log logger = {.level = CQ_ERROR, .name = "conformance"};
    struct device_info info;
    DIR *d = opendir(ONNX_TESTDATA);
    if (!d) {
        printf("SKIP: no ONNX backend tests (package libonnx-testdata)\n");
        return 77;
    }
    closedir(d);
    device_setup_environment(0);
    if (device_find(&logger, "auto", &info) || device_open(&logger, &info, &dev))
        return 1;
    struct CMUnitTest tests[sizeof suites / sizeof *suites] = {0};
    for (size_t i = 0; i < sizeof suites / sizeof *suites; i++)
        tests[i] = (struct CMUnitTest){suites[i].folder, test_suite, NULL, NULL, (void *) &suites[i]};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    print_tally("all", &total);
    device_close(&dev);
    return failed;
}
