/* The floor: buffers and their bounded reader, log, clock, error codes. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/base/buf.h"
#include "kernels/base/clock.h"
#include "kernels/base/half.h"
#include "kernels/base/log.h"

static void values_come_back_as_they_went_in(void **state)
{
    (void) state;
    struct cq_buf b = {0};
    cq_put_u8(&b, 200);
    cq_put_i32(&b, -7);
    cq_put_i64(&b, INT64_MIN);
    cq_put_f32(&b, 0.25f);
    cq_put_f64(&b, -1e300);
    cq_put_str(&b, "grüße");
    cq_put_str(&b, NULL);
    cq_put_u32(&b, UINT32_MAX);
    assert_int_equal(b.err, CQ_OK);

    struct cq_rd r = cq_rd_of(b.data, b.size);
    assert_int_equal(cq_get_u8(&r), 200);
    assert_int_equal(cq_get_i32(&r), -7);
    assert_true(cq_get_i64(&r) == INT64_MIN);
    assert_true(cq_get_f32(&r) == 0.25f);
    assert_true(cq_get_f64(&r) == -1e300);
    assert_string_equal(cq_get_str(&r), "grüße");
    assert_string_equal(cq_get_str(&r), "");
    assert_true(cq_get_u32(&r) == UINT32_MAX);
    assert_int_equal(r.err, CQ_OK);
    assert_int_equal(r.pos, r.size);
    cq_buf_finish(&b);
}

/* Every prefix of a valid message ends in an error, never outside the bytes (the sanitizer watches). */
static void cut_messages_are_refused(void **state)
{
    (void) state;
    struct cq_buf b = {0};
    cq_put_i64(&b, 1);
    cq_put_str(&b, "a name");
    cq_put_f64(&b, 2);
    for (size_t size = 0; size < b.size; size++) {
        uint8_t *cut = malloc(size ? size : 1);
        assert_non_null(cut);
        memcpy(cut, b.data, size);
        struct cq_rd r = cq_rd_of(cut, size);
        cq_get_i64(&r);
        assert_non_null(cq_get_str(&r));
        assert_true(cq_get_f64(&r) == 0);
        assert_int_equal(r.err, CQ_PROTOCOL);
        free(cut);
    }
    cq_buf_finish(&b);
}

static void lying_lengths_are_refused(void **state)
{
    (void) state;
    struct cq_buf b = {0};
    cq_put_u32(&b, UINT32_MAX);
    cq_put_u32(&b, 0);
    struct cq_rd r = cq_rd_of(b.data, b.size);
    assert_string_equal(cq_get_str(&r), "");
    assert_int_equal(r.err, CQ_PROTOCOL);

    r = cq_rd_of(b.data, b.size);
    assert_int_equal(cq_get_count(&r, 8), 0);
    assert_int_equal(r.err, CQ_PROTOCOL);

    cq_buf_clear(&b);
    cq_put_u32(&b, 2);
    cq_put(&b, "abX", 3);            /* no NUL where the length says it is */
    r = cq_rd_of(b.data, b.size);
    assert_string_equal(cq_get_str(&r), "");
    assert_int_equal(r.err, CQ_PROTOCOL);
    cq_buf_finish(&b);
}

static void a_buffer_grows_past_its_first_block(void **state)
{
    (void) state;
    struct cq_buf b = {0};
    for (uint32_t i = 0; i < 10000; i++)
        cq_put_u32(&b, i);
    assert_int_equal(b.size, 40000);
    struct cq_rd r = cq_rd_of(b.data, b.size);
    for (uint32_t i = 0; i < 10000; i++)
        assert_int_equal(cq_get_u32(&r), i);
    cq_put(&b, "x", SIZE_MAX - 10);  /* cannot be had: the error sticks, what is there stays */
    assert_int_equal(b.err, CQ_NOMEM);
    cq_put_u8(&b, 1);
    assert_int_equal(b.size, 40000);
    cq_buf_finish(&b);
}

struct seen {
    int n;
    enum cq_level level;
    char text[600];
};

static void see(void *ctx, enum cq_level level, const char *text)
{
    struct seen *s = ctx;
    s->n++;
    s->level = level;
    strncpy(s->text, text, sizeof s->text - 1);
}

static void log_keeps_the_last_error_and_drops_what_is_too_fine(void **state)
{
    (void) state;
    struct seen seen = {0};
    struct cq_log log = {.level = CQ_WARN, .sink = see, .ctx = &seen};
    assert_string_equal(cq_log_reason(&log, "nothing"), "nothing");
    cq_log_info(&log, "not shown");
    assert_int_equal(seen.n, 0);
    cq_log_error(&log, "clip %d", 7);
    cq_log_warn(&log, "later");
    assert_int_equal(seen.n, 2);
    assert_int_equal(seen.level, CQ_WARN);
    assert_string_equal(cq_log_reason(&log, "nothing"), "clip 7");

    char wide[2000];
    memset(wide, 'w', sizeof wide);
    wide[sizeof wide - 1] = '\0';
    cq_log_error(&log, "%s", wide);
    assert_int_equal(strlen(seen.text), sizeof log.last_error - 1);

    cq_log_error(&log, "node '%s'", "a\033[2J\nb\x7f");
    assert_string_equal(log.last_error, "node 'a?[2J?b?'");

    cq_log_error(NULL, "to nobody");
    assert_string_equal(cq_log_reason(NULL, "nothing"), "nothing");
}

static void times_are_rfc3339(void **state)
{
    (void) state;
    char text[CQ_RFC3339_SIZE];
    assert_string_equal(cq_rfc3339(0, text), "1970-01-01T00:00:00.000Z");
    assert_string_equal(cq_rfc3339(1763685772123, text), "2025-11-21T00:42:52.123Z");
    assert_string_equal(cq_rfc3339(951782400001, text), "2000-02-29T00:00:00.001Z");
    int64_t a = cq_now_ns(), b = cq_now_ns();
    assert_true(b >= a);
    assert_true(cq_utc_ms() > 1763685772123);
}

static void every_code_has_a_text(void **state)
{
    (void) state;
    for (int e = CQ_OK; e <= CQ_INTERNAL; e++)
        assert_true(strlen(cq_err_text((enum cq_err) e)) > 1);
    assert_string_equal(cq_err_text((enum cq_err) 999), "unknown error");
    assert_int_equal(cq_err_errno(0), CQ_OK);
    assert_int_equal(cq_err_errno(ENOENT), CQ_NOT_FOUND);
    assert_int_equal(cq_err_errno(EACCES), CQ_DENIED);
    assert_int_equal(cq_err_errno(ENOSPC), CQ_FULL);
    assert_int_equal(cq_err_errno(EIO), CQ_IO);
}

static void halves_round_once_to_even(void **state)
{
    (void) state;
    for (unsigned h = 0; h < 0x10000; h++)
        if ((h & 0x7fff) <= 0x7c00)
            assert_int_equal(cq_half_from_double((double) cq_half_to_float((uint16_t) h)), h);
    assert_true(isnan(cq_half_to_float(cq_half_from_double(NAN))));
    assert_true(cq_half_to_float(0x3c00) == 1.0f && cq_half_to_float(0xc000) == -2.0f);
    assert_int_equal(cq_half_from_double(1 + 0x1p-11), 0x3c00);             /* halfway: to the even one */
    assert_int_equal(cq_half_from_double(1 + 3 * 0x1p-11), 0x3c02);
    assert_int_equal(cq_half_from_double(1 + 0x1p-11 + 0x1p-40), 0x3c01);   /* a float between would say 0x3c00 */
    assert_int_equal(cq_half_from_double(0x1p-25), 0);
    assert_int_equal(cq_half_from_double(0x1.8p-25), 1);
    assert_int_equal(cq_half_from_double(65519), 0x7bff);
    assert_int_equal(cq_half_from_double(-65520), 0xfc00);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_come_back_as_they_went_in),
        cmocka_unit_test(cut_messages_are_refused),
        cmocka_unit_test(lying_lengths_are_refused),
        cmocka_unit_test(a_buffer_grows_past_its_first_block),
        cmocka_unit_test(log_keeps_the_last_error_and_drops_what_is_too_fine),
        cmocka_unit_test(times_are_rfc3339),
        cmocka_unit_test(every_code_has_a_text),
        cmocka_unit_test(halves_round_once_to_even),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
