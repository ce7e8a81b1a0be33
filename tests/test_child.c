/* Children: talking, dying in several ways, being destroyed early. The test is its own child. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "runner/child.h"

/* ---- the children ---- */

static int echo_main(void)
{
    struct wire w;
    struct wire_msg msg;
    wire_init(&w, CHILD_FD);
    while (!wire_receive(&w, &msg)) {
        struct cq_buf body = {0};
        cq_put(&body, msg.body.data, msg.body.size);
        wire_send(&w, (uint16_t) (msg.type + 1), &body);
        cq_buf_finish(&body);
    }
    wire_finish(&w);
    return 5;
}

static int crash_main(void)
{
    struct wire w;
    wire_init(&w, CHILD_FD);
    for (int i = 0; i < 100; i++)
        wire_send(&w, (uint16_t) i, NULL);
    fprintf(stderr, "about to fall\nbad NAL unit 17\n");
    signal(SIGABRT, SIG_DFL);
    abort();
}

static int noise_main(void)
{
    if (write(CHILD_FD, "this is no message at all", 25) != 25)
        return 1;
    pause();
    return 0;
}

/* What it inherited, and nothing behind that. */
static int arena_main(void)
{
    for (int fd = CHILD_ARENA_FD; fd < CHILD_ARENA_FD + 2; fd++) {
        uint8_t *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (p == MAP_FAILED || p[0] != 17)
            return 1;
        p[1] = 18;
    }
    return fcntl(CHILD_ARENA_FD + 2, F_GETFD) >= 0 ? 2 : 0;
}

/* Never stops talking, once it has been heard. */
static int chatter_main(void)
{
    struct wire w;
    wire_init(&w, CHILD_FD);
    fprintf(stderr, "line before\n");
    wire_send(&w, 1, NULL);
    for (int i = 0; fprintf(stderr, "line %d\n", i) > 0; i++)
        ;
    return 0;
}

static int child_main(const char *role)
{
    if (child_begin(NULL))
        return 99;
    if (!strcmp(role, "echo"))
        return echo_main();
    if (!strcmp(role, "crash"))
        return crash_main();
    if (!strcmp(role, "noise"))
        return noise_main();
    if (!strcmp(role, "arena"))
        return arena_main();
    if (!strcmp(role, "chatter"))
        return chatter_main();
    return 98;
}

/* ---- the tests ---- */

struct seen {
    int messages, exits;
    uint16_t last_type;
    char text[64], words[2048];
    int64_t status;
    int signal;
    bool destroy_on_message, shut_on_message, take_words_on_message;
    char taken[2][CHILD_WORDS];
    struct child *child;
};

static void on_message(void *ctx, struct child *c, struct wire_msg *msg)
{
    struct seen *s = ctx;
    assert_int_equal(s->exits, 0);
    s->messages++;
    s->last_type = msg->type;
    if (msg->body.size)
        snprintf(s->text, sizeof s->text, "%s", cq_get_str(&msg->body));
    if (s->take_words_on_message) {
        child_take_words(c, s->taken[0]);
        usleep(20000);
        child_take_words(c, s->taken[1]);
        child_kill(c, SIGKILL);
    }
    if (s->shut_on_message)
        child_shutdown(c);
    if (s->destroy_on_message)
        child_destroy(&s->child);
}

static void on_exit_seen(void *ctx, struct child *c, const struct child_exit *e)
{
    struct seen *s = ctx;
    (void) c;
    s->exits++;
    s->status = e->status;
    s->signal = e->signal;
    snprintf(s->words, sizeof s->words, "%s", e->last_words);
    child_destroy(&s->child);
}

static void start(uv_loop_t *loop, struct seen *s, const char *role, const int *arena_fds, int n)
{
    struct child_params p = {
        .role = role, .arena_fds = arena_fds, .n_arena_fds = n, .on_message = on_message, .on_exit = on_exit_seen, .ctx = s,
    };
    assert_int_equal(uv_loop_init(loop), 0);
    assert_int_equal(child_spawn(loop, &p, &s->child), CQ_OK);
}

static void finish(uv_loop_t *loop)
{
    uv_run(loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(loop), 0);   /* nothing is left open */
}

static void talks_and_ends(void **state)
{
    (void) state;
    uv_loop_t loop;
    struct seen s = {.shut_on_message = true};
    start(&loop, &s, "echo", NULL, 0);
    assert_true(child_pid(s.child) > 0);
    struct cq_buf body = {0};
    cq_put_str(&body, "round trip");
    assert_int_equal(child_send(s.child, 41, &body), CQ_OK);
    cq_buf_finish(&body);
    finish(&loop);
    assert_int_equal(s.messages, 1);
    assert_int_equal(s.last_type, 42);
    assert_string_equal(s.text, "round trip");
    assert_int_equal(s.exits, 1);
    assert_int_equal(s.status, 5);
    assert_int_equal(s.signal, 0);
}

static void crash_is_told_after_all_messages(void **state)
{
    (void) state;
    uv_loop_t loop;
    struct seen s = {0};
    start(&loop, &s, "crash", NULL, 0);
    finish(&loop);
    assert_int_equal(s.messages, 100);
    assert_int_equal(s.exits, 1);
    assert_int_equal(s.signal, SIGABRT);
    assert_non_null(strstr(s.words, "bad NAL unit 17"));
}

static void words_are_taken_from_one_that_goes_on_talking(void **state)
{
    (void) state;
    uv_loop_t loop;
    struct seen s = {.take_words_on_message = true};
    start(&loop, &s, "chatter", NULL, 0);
    finish(&loop);
    assert_int_equal(s.exits, 1);
    assert_int_equal(s.signal, SIGKILL);
    assert_int_equal(strncmp(s.taken[0], "line ", 5), 0);    /* said before its message, and whole lines */
    assert_int_equal(strncmp(s.taken[1], "line ", 5), 0);
    assert_null(strstr(s.taken[1], "before"));               /* begun anew */
}

static void malformed_bytes_kill(void **state)
{
    (void) state;
    uv_loop_t loop;
    struct seen s = {0};
    start(&loop, &s, "noise", NULL, 0);
    finish(&loop);
    assert_int_equal(s.messages, 0);
    assert_int_equal(s.exits, 1);
    assert_int_equal(s.signal, SIGKILL);
    assert_non_null(strstr(s.words, "malformed"));
}

static void destroying_early_is_silent(void **state)
{
    (void) state;
    uv_loop_t loop;
    struct seen s = {.destroy_on_message = true};
    start(&loop, &s, "crash", NULL, 0);
    finish(&loop);
    assert_int_equal(s.messages, 1);
    assert_int_equal(s.exits, 0);
    assert_null(s.child);
}

static void shares_an_arena(void **state)
{
    (void) state;
    int fds[2];
    uint8_t *p[2];
    for (int i = 0; i < 2; i++) {
        fds[i] = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        assert_true(fds[i] >= 0);
        assert_int_equal(ftruncate(fds[i], 4096), 0);
        assert_int_equal(fcntl(fds[i], F_ADD_SEALS, F_SEAL_SHRINK), 0);
        p[i] = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fds[i], 0);
        p[i][0] = 17;
    }
    uv_loop_t loop;
    struct seen s = {0};
    start(&loop, &s, "arena", fds, 2);
    finish(&loop);
    assert_int_equal(s.exits, 1);
    assert_int_equal(s.status, 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(p[i][1], 18);
        munmap(p[i], 4096);
        close(fds[i]);
    }
}

int main(int argc, char **argv)
{
    if (argc == 2 && !strncmp(argv[1], "--child=", 8))
        return child_main(argv[1] + 8);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(talks_and_ends),
        cmocka_unit_test(crash_is_told_after_all_messages),
        cmocka_unit_test(words_are_taken_from_one_that_goes_on_talking),
        cmocka_unit_test(malformed_bytes_kill),
        cmocka_unit_test(destroying_early_is_silent),
        cmocka_unit_test(shares_an_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
