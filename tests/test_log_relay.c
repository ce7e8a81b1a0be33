/* The relay: messages of one thread come out on the other, whole and in order, while both are busy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <uv.h>

#include "kernels/base/log.h"
#include "runner/log_relay.h"

enum { MESSAGES = 2000 };

struct heard {
    int n;
    enum cq_level level;
};

static void hear(void *ctx, enum cq_level level, const char *text)
{
    struct heard *h = ctx;
    assert_int_equal(atoi(text), h->n);
    h->n++;
    h->level = level;
}

static void talk(void *arg)
{
    struct log_relay *r = arg;
    for (int i = 0; i < MESSAGES; i++)
        cq_log_warn(log_relay_log(r), "%d", i);
}

static void messages_arrive_in_order(void **state)
{
    (void) state;
    struct heard heard = {0};
    struct cq_log log = {.level = CQ_WARN, .sink = hear, .ctx = &heard};
    struct log_relay *r;
    uv_thread_t thread;
    assert_int_equal(log_relay_create(&log, &r), CQ_OK);
    assert_int_equal(uv_thread_create(&thread, talk, r), 0);
    for (int i = 0; i < 1000; i++)
        log_relay_deliver(r);
    uv_thread_join(&thread);
    log_relay_destroy(&r);
    assert_int_equal(heard.n, MESSAGES);
    assert_int_equal(heard.level, CQ_WARN);
    assert_null(r);
}

static void levels_are_kept(void **state)
{
    (void) state;
    struct heard heard = {0};
    struct cq_log log = {.level = CQ_WARN, .sink = hear, .ctx = &heard};
    struct log_relay *r;
    assert_int_equal(log_relay_create(&log, &r), CQ_OK);
    cq_log_info(log_relay_log(r), "not wanted");
    cq_log_error(log_relay_log(r), "0");
    assert_int_equal(heard.n, 0);
    log_relay_deliver(r);
    assert_int_equal(heard.n, 1);
    assert_int_equal(heard.level, CQ_ERROR);
    assert_string_equal(log.last_error, "0");
    log_relay_destroy(&r);
}

static void nobody_listens(void **state)
{
    (void) state;
    struct log_relay *r;
    assert_int_equal(log_relay_create(NULL, &r), CQ_OK);
    cq_log_error(log_relay_log(r), "into the wind");
    assert_string_equal(cq_log_reason(log_relay_log(r), ""), "into the wind");
    log_relay_destroy(&r);
    log_relay_deliver(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_arrive_in_order),
        cmocka_unit_test(levels_are_kept),
        cmocka_unit_test(nobody_listens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
