/* Every wall is tried from inside, one by one and with the others; and children that parse media are inside. The test is
 * its own child. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernels/base/log.h"
#include "runner/child.h"
#include "runner/opener.h"
#include "runner/sandbox_try.h"
#include "runner/trial.h"
#include "stages/media/clip_file.h"

/* ---- the children ---- */

/* Answers with the first bytes of each file that it is given, or why there are none. */
static int reader_main(int files)
{
    struct wire w;
    struct wire_msg msg;
    wire_init(&w, CHILD_FD);
    while (!wire_receive(&w, &msg)) {
        struct clip_file f;
        char text[32] = "";
        if (opener_receive(files, cq_get_u32(&msg.body), &f))
            return 3;
        if (f.fd >= 0 && f.regular && pread(f.fd, text, sizeof text - 1, 0) < 0)
            strcpy(text, "unreadable");
        if (f.fd < 0)
            snprintf(text, sizeof text, "errno %d", f.why);
        else if (!f.regular)
            strcpy(text, "not regular");
        clip_file_close(&f);
        struct cq_buf body = {0};
        cq_put_str(&body, text);
        wire_send(&w, 1, &body);
        cq_buf_finish(&body);
    }
    wire_finish(&w);
    return 0;
}

/* Says who it is to each message, and leaves half a message behind; or one too many. */
static int leaver_main(bool talks)
{
    struct wire w;
    struct wire_msg msg;
    wire_init(&w, CHILD_FD);
    while (!wire_receive(&w, &msg)) {
        struct cq_buf body = {0}, out = {0};
        cq_put_str(&body, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? "inside" : "outside");
        wire_pack(&out, 1, &body);
        if (talks)
            wire_pack(&out, 1, &body);
        else
            cq_put(&out, "\x10\0\0", 3);
        if (write(CHILD_FD, out.data, out.size) != (ssize_t) out.size)
            return 1;               /* in one piece, for it may be killed at once */
        cq_buf_finish(&body);
        cq_buf_finish(&out);
    }
    wire_finish(&w);
    return 0;
}

/* Reads nothing. */
_Noreturn static void deaf_main(void)
{
    wire_send(&(struct wire) {.fd = CHILD_FD}, 1, NULL);
    for (;;)
        pause();
}

/* Shuts its ears, as one that was taken over may, to all that can be asked to go away. */
_Noreturn static void spinner_main(void)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    for (volatile unsigned n = 0;; n++)
        ;
}

/* Computes for three times as long as it may between two messages. */
static int toiler_main(void)
{
    struct wire w;
    struct wire_msg msg;
    wire_init(&w, CHILD_FD);
    if (wire_receive(&w, &msg))
        return 3;
    for (int i = 1; i <= 12; i++) {
        while (clock() < i * CLOCKS_PER_SEC / 4)
            ;
        wire_send(&w, 1, NULL);
    }
    wire_finish(&w);
    return 0;
}

static int child_main(const char *role)
{
    enum sandbox_mode mode;
    int files;
    if (child_begin_media(NULL, &files, &mode))
        return 99;
    if (child_shut_in(NULL, mode))
        return 98;
    if (!strcmp(role, "spinner"))
        spinner_main();
    if (!strcmp(role, "deaf"))
        deaf_main();
    if (!strcmp(role, "leaver") || !strcmp(role, "talker"))
        return leaver_main(!strcmp(role, "talker"));
    return !strcmp(role, "reader") ? reader_main(files) : !strcmp(role, "toiler") ? toiler_main() : 97;
}

/* ---- the walls ---- */

static bool is(int attempt, const char *name)
{
    return !strcmp(sandbox_attempts[attempt].name, name);
}

static void attempt_one(void *ctx, void *result)
{
    int *err = result;
    *err = 0;                       /* stays so when it becomes another program */
    *err = sandbox_attempts[*(int *) ctx].attempt();
}

/* Without walls none of it may fail, or to be kept from it proves nothing. */
static void all_is_possible_outside(void **state)
{
    (void) state;
    for (int i = 0; i < SANDBOX_ATTEMPTS && sandbox_attempts[i].name; i++) {
        int err = -1;
        struct trial_end end;
        if (is(i, "trace its parent") || is(i, "read its parent's memory"))
            continue;               /* the system itself may forbid these (Yama) */
        assert_int_equal(trial_run(attempt_one, &i, &err, sizeof err, 20, &end), CQ_OK);
        if (err != (is(i, "connect over TCP") ? ECONNREFUSED : 0))
            fail_msg("outside, a process cannot %s: %s", sandbox_attempts[i].name, strerror(err));
    }
}

/* Only the walls of `mask` are built; each must hold alone what it is said to hold. */
static void check_walls(unsigned mask)
{
    char faults[128] = "";
    const char *const names[] = {"no_new_privs", "limits", "landlock", "seccomp"};
    for (int i = 0; i < 4; i++)
        if (!(mask & 1u << i))
            snprintf(faults + strlen(faults), sizeof faults - strlen(faults), "no-%s@1,", names[i]);
    setenv("CLIPQ_FAULT", faults, 1);
    struct sandbox_report r;
    assert_int_equal(sandbox_try(&r), CQ_OK);
    unsetenv("CLIPQ_FAULT");

    assert_int_equal(r.walls & ~mask, 0);
    assert_int_equal(r.walls & mask & (SANDBOX_PRIVILEGES | SANDBOX_LIMITS), mask & (SANDBOX_PRIVILEGES | SANDBOX_LIMITS));
    for (int i = 0; i < SANDBOX_ATTEMPTS && sandbox_attempts[i].name; i++) {
        if (!(r.walls & sandbox_attempts[i].walls))
            continue;
        if (!sandbox_held(&r, i))
            fail_msg("inside walls %u, a process can %s: %s", r.walls, sandbox_attempts[i].name, strerror(r.errors[i]));
        if (is(i, "take memory without end"))
            assert_int_equal(r.errors[i], ENOMEM);
    }
}

static void each_wall_holds_alone(void **state)
{
    (void) state;
    check_walls(SANDBOX_LIMITS);
    check_walls(SANDBOX_PRIVILEGES | SANDBOX_LANDLOCK);
    check_walls(SANDBOX_PRIVILEGES | SANDBOX_SECCOMP);
    check_walls(SANDBOX_ALL);
}

static void enter_and_look(void *ctx, void *result)
{
    char missing[256];
    struct rlimit core;
    bool *fine = result;
    (void) ctx;
    sandbox_enter(missing, sizeof missing);
    *fine = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 && !getrlimit(RLIMIT_CORE, &core) && !core.rlim_max;
}

static void nothing_is_gained_or_dumped(void **state)
{
    (void) state;
    bool fine = false;
    struct trial_end end;
    assert_int_equal(trial_run(enter_and_look, NULL, &fine, sizeof fine, 20, &end), CQ_OK);
    assert_int_equal(end.signal, 0);
    assert_true(fine);
}

static void missing_walls_are_told_once_or_refused(void **state)
{
    (void) state;
    struct cq_log log = {.level = CQ_ERROR};
    setenv("CLIPQ_FAULT", "no-seccomp@1", 1);
    assert_int_equal(sandbox_announce(&log, SANDBOX_AUTO), CQ_OK);
    assert_int_equal(sandbox_announce(&log, SANDBOX_OFF), CQ_OK);
    assert_string_equal(log.last_error, "");
    assert_int_equal(sandbox_announce(&log, SANDBOX_REQUIRE), CQ_UNSUPPORTED);
    assert_non_null(strstr(log.last_error, "seccomp (Function not implemented)"));
    unsetenv("CLIPQ_FAULT");
}

static void *touch_memory(void *ctx)
{
    char *p = malloc(1 << 20);
    if (p)
        memset(p, 1, 1 << 20);
    *(bool *) ctx = p != NULL;
    free(p);
    return NULL;
}

static void enter_and_thread(void *ctx, void *result)
{
    char missing[256];
    pthread_t thread;
    (void) ctx;
    sandbox_enter(missing, sizeof missing);
    if (!pthread_create(&thread, NULL, touch_memory, result))
        pthread_join(thread, NULL);
}

/* Decoders may use several; the C library asks for them in a way that no filter can read first. */
static void threads_work_inside(void **state)
{
    (void) state;
    bool fine = false;
    struct trial_end end;
    assert_int_equal(trial_run(enter_and_thread, NULL, &fine, sizeof fine, 20, &end), CQ_OK);
    assert_int_equal(end.signal, 0);
    assert_true(fine);
}

static void suicide(void *ctx, void *result)
{
    (void) ctx;
    *(int *) result = 17;
    raise(SIGKILL);
}

static void a_trial_tells_how_it_ended(void **state)
{
    (void) state;
    int result = 0;
    struct trial_end end;
    assert_int_equal(trial_run(suicide, NULL, &result, sizeof result, 20, &end), CQ_OK);
    assert_int_equal(end.signal, SIGKILL);
    assert_false(end.timed_out);
    assert_int_equal(result, 17);
}

/* ---- an engine's walls ---- */

enum { TRIES = 9 };

static int of_call(long result)
{
    if (result >= 0)
        close((int) result);
    return result < 0 ? errno : 0;
}

static int run_true(void)
{
    pid_t pid = fork();
    if (!pid) {
        execl("/bin/true", "true", NULL);
        _exit(1);
    }
    int status = 1;
    waitpid(pid, &status, 0);
    return status;
}

static void enter_engine_and_try(void *ctx, void *result)
{
    char missing[256];
    int *r = result;
    (void) ctx;
    r[0] = sandbox_enter_engine(missing, sizeof missing) != SANDBOX_OF_ENGINE;
    r[1] = of_call(socket(AF_INET, SOCK_STREAM, 0));
    r[2] = of_call(socket(AF_INET6, SOCK_DGRAM, 0));
    r[3] = of_call(socket(AF_VSOCK, SOCK_STREAM, 0));
    r[4] = of_call(syscall(SYS_io_uring_setup, 1, NULL));
    r[5] = of_call(ptrace(PTRACE_SEIZE, getppid(), NULL, NULL));
    r[6] = of_call(socket(AF_UNIX, SOCK_STREAM, 0));
    r[7] = of_call(open("/etc/passwd", O_RDONLY));
    r[8] = run_true();
}

static void an_engine_has_files_and_programs_and_no_network(void **state)
{
    (void) state;
    const int expected[TRIES] = {0, EPERM, EPERM, EPERM, EPERM, EPERM, 0, 0, 0};
    int got[TRIES];
    struct trial_end end;
    memset(got, 0xff, sizeof got);
    assert_int_equal(trial_run(enter_engine_and_try, NULL, got, sizeof got, 20, &end), CQ_OK);
    for (int i = 0; i < TRIES; i++)
        assert_int_equal(got[i], expected[i]);
}

/* ---- children ---- */

struct seen {
    int messages;
    char texts[8][32];
    int64_t status;
    int signal;
    char words[CHILD_WORDS];
    int until;                      /* messages, after which its socket is closed; 0: never */
    struct child *child;
};

static void on_message(void *ctx, struct child *c, struct wire_msg *msg)
{
    struct seen *s = ctx;
    if (s->messages < 8 && msg->body.size)
        snprintf(s->texts[s->messages], sizeof s->texts[0], "%s", cq_get_str(&msg->body));
    if (++s->messages == s->until)
        child_shutdown(c);
}

static void on_exit_seen(void *ctx, struct child *c, const struct child_exit *e)
{
    struct seen *s = ctx;
    (void) c;
    s->status = e->status;
    s->signal = e->signal;
    snprintf(s->words, sizeof s->words, "%s", e->last_words);
    child_destroy(&s->child);
}

static void start(uv_loop_t *loop, struct seen *s, const char *role, enum sandbox_mode mode)
{
    const struct child_params p = {
        .role = role, .parses_media = true, .sandbox = mode, .cpu_s = 1, .on_message = on_message,
        .on_exit = on_exit_seen, .ctx = s,
    };
    assert_int_equal(uv_loop_init(loop), 0);
    assert_int_equal(child_spawn(loop, &p, &s->child), CQ_OK);
}

static void finish(uv_loop_t *loop)
{
    uv_run(loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(loop), 0);
}

static void ask(struct seen *s, uint32_t serial, const char *path)
{
    struct cq_buf body = {0};
    assert_int_equal(child_open(s->child, serial, path), CQ_OK);
    cq_put_u32(&body, serial);
    assert_int_equal(child_send(s->child, 1, &body), CQ_OK);
    cq_buf_finish(&body);
}

/* One path is never asked for: what comes of it is passed over. */
static void files_come_through_the_opener(void **state)
{
    (void) state;
    char dir[] = "/tmp/clipq-test-XXXXXX", file[64], pipe[64], none[64];
    assert_non_null(mkdtemp(dir));
    snprintf(file, sizeof file, "%s/file", dir);
    snprintf(pipe, sizeof pipe, "%s/pipe", dir);
    snprintf(none, sizeof none, "%s/none", dir);
    FILE *f = fopen(file, "w");
    fputs("what is in it", f);
    fclose(f);
    assert_int_equal(mkfifo(pipe, 0600), 0);

    uv_loop_t loop;
    struct seen s = {.until = 5};
    start(&loop, &s, "reader", SANDBOX_AUTO);
    ask(&s, 1, file);
    assert_int_equal(child_open(s.child, 2, none), CQ_OK);
    ask(&s, 3, none);
    ask(&s, 4, pipe);
    ask(&s, 5, dir);
    ask(&s, 6, file);
    finish(&loop);
    assert_int_equal(s.messages, 5);
    assert_string_equal(s.texts[0], "what is in it");
    assert_string_equal(s.texts[1], "errno 2");
    assert_string_equal(s.texts[2], "not regular");
    assert_string_equal(s.texts[3], "not regular");
    assert_string_equal(s.texts[4], "what is in it");
    assert_int_equal(s.status, 0);
    unlink(file);
    unlink(pipe);
    rmdir(dir);
}

static void who_requires_walls_gets_them_or_nobody(void **state)
{
    (void) state;
    uv_loop_t loop;
    struct seen s = {0};
    setenv("CLIPQ_FAULT", "no-limits@1", 1);
    start(&loop, &s, "reader", SANDBOX_REQUIRE);
    unsetenv("CLIPQ_FAULT");
    finish(&loop);
    assert_int_equal(s.status, 98);
}

static void one_that_only_computes_is_ended(void **state)
{
    (void) state;
    uv_loop_t loop;
    struct seen s = {0};
    start(&loop, &s, "spinner", SANDBOX_AUTO);
    assert_int_equal(child_send(s.child, 1, NULL), CQ_OK);
    finish(&loop);
    assert_int_equal(s.signal, SIGKILL);
    assert_non_null(strstr(s.words, "computed for 1 s without a word"));
}

static void one_that_also_speaks_is_not(void **state)
{
    (void) state;
    uv_loop_t loop;
    struct seen s = {0};
    start(&loop, &s, "toiler", SANDBOX_AUTO);
    assert_int_equal(child_send(s.child, 1, NULL), CQ_OK);
    finish(&loop);
    assert_int_equal(s.signal, 0);
    assert_int_equal(s.status, 0);
    assert_int_equal(s.messages, 12);
}

/* ---- one process after the other ---- */

enum { SUCCESSORS = 3, TOO_MUCH = 8 << 20 };

struct line {
    struct seen seen;
    uv_prepare_t turn;
    int pids[SUCCESSORS];
    int n;                          /* of them */
};

static void ask_when_ready(uv_prepare_t *turn)
{
    struct line *l = turn->data;
    struct child *c = l->seen.child;
    if (!c) {
        uv_close((uv_handle_t *) turn, NULL);
    } else if (child_is_ready(c) && l->seen.messages == l->n && l->n < SUCCESSORS) {
        l->pids[l->n++] = child_pid(c);
        assert_int_equal(child_send(c, 1, NULL), CQ_OK);
    }
}

static void on_message_renew(void *ctx, struct child *c, struct wire_msg *msg)
{
    struct line *l = ctx;
    on_message(&l->seen, c, msg);
    if (l->seen.messages == SUCCESSORS)
        child_kill(c, SIGKILL);
    else
        assert_int_equal(child_renew(c), CQ_OK);
}

static void run_line(struct line *l, const char *role)
{
    uv_loop_t loop;
    const struct child_params p = {
        .role = role, .parses_media = true, .sandbox = SANDBOX_AUTO, .on_message = on_message_renew, .on_exit = on_exit_seen, .ctx = l,
    };
    assert_int_equal(uv_loop_init(&loop), 0);
    uv_prepare_init(&loop, &l->turn);
    l->turn.data = l;
    uv_prepare_start(&l->turn, ask_when_ready);
    assert_int_equal(child_spawn(&loop, &p, &l->seen.child), CQ_OK);
    finish(&loop);
}

/* Each is shut in, alive until the next is there and not longer, and nothing of it reaches the next. */
static void a_successor_begins_anew(void **state)
{
    (void) state;
    struct line l = {0};
    run_line(&l, "leaver");
    assert_int_equal(l.seen.messages, SUCCESSORS);
    for (int i = 0; i < SUCCESSORS; i++) {
        assert_string_equal(l.seen.texts[i], "inside");
        assert_true(kill(l.pids[i], 0) && errno == ESRCH);
        for (int k = 0; k < i; k++)
            assert_int_not_equal(l.pids[i], l.pids[k]);
    }
}

/* What it says when nobody asks would be taken for its successor's words. */
static void one_that_talks_after_its_end_is_killed(void **state)
{
    (void) state;
    struct line l = {0};
    run_line(&l, "talker");
    assert_int_equal(l.seen.messages, 1);
    assert_int_equal(l.seen.signal, SIGKILL);
    assert_non_null(strstr(l.seen.words, "malformed"));
}

static void on_message_flood(void *ctx, struct child *c, struct wire_msg *msg)
{
    struct cq_buf body = {0};
    on_message(ctx, c, msg);
    for (int i = 0; i < TOO_MUCH / 8; i++)
        cq_put_i64(&body, i);
    assert_int_equal(child_send(c, 1, &body), CQ_OK);
    cq_buf_finish(&body);
    assert_int_equal(child_renew(c), CQ_OK);
}

/* The rest would reach its successor. */
static void one_that_does_not_read_is_killed(void **state)
{
    (void) state;
    uv_loop_t loop;
    struct seen s = {0};
    const struct child_params p = {
        .role = "deaf", .parses_media = true, .sandbox = SANDBOX_AUTO, .on_message = on_message_flood, .on_exit = on_exit_seen, .ctx = &s,
    };
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(child_spawn(&loop, &p, &s.child), CQ_OK);
    finish(&loop);
    assert_int_equal(s.signal, SIGKILL);
    assert_non_null(strstr(s.words, "did not read"));
}

/* The reader has been heard, so that it is known, and its opener is killed. */
static void on_message_kill(void *ctx, struct child *c, struct wire_msg *msg)
{
    (void) ctx, (void) msg;
    child_kill(c, SIGKILL);
}

static void kill_a_reader(void)
{
    uv_loop_t loop;
    struct seen s = {0};
    const struct child_params p = {
        .role = "reader", .parses_media = true, .sandbox = SANDBOX_AUTO, .on_message = on_message_kill,
        .on_exit = on_exit_seen, .ctx = &s,
    };
    if (uv_loop_init(&loop) || child_spawn(&loop, &p, &s.child))
        _exit(1);
    ask(&s, 1, "/dev/null");
    uv_run(&loop, UV_RUN_DEFAULT);
    _exit(s.signal == SIGKILL && waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD ? 0 : 2);
}

/* In a container whose first process buries nobody: here the one that plays it takes on orphans, and finds none. */
static void play_first_process(void *ctx, void *result)
{
    int status = -1;
    (void) ctx;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    pid_t pid = fork();
    if (!pid)
        kill_a_reader();
    waitpid(pid, &status, 0);
    ((int *) result)[0] = status;
    ((int *) result)[1] = waitpid(-1, NULL, 0) < 0 && errno == ECHILD;
}

static void openers_are_buried(void **state)
{
    (void) state;
    int result[2] = {0};
    struct trial_end end;
    assert_int_equal(trial_run(play_first_process, NULL, result, sizeof result, 20, &end), CQ_OK);
    assert_int_equal(end.signal, 0);
    assert_int_equal(result[0], 0);
    assert_true(result[1]);
}

int main(int argc, char **argv)
{
    /* Not through exit(): a leak checker there starts a process and traces this one, which the walls forbid. */
    if (argc == 2 && !strncmp(argv[1], "--child=", 8))
        _exit(child_main(argv[1] + 8));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_is_possible_outside),
        cmocka_unit_test(each_wall_holds_alone),
        cmocka_unit_test(nothing_is_gained_or_dumped),
        cmocka_unit_test(threads_work_inside),
        cmocka_unit_test(missing_walls_are_told_once_or_refused),
        cmocka_unit_test(a_trial_tells_how_it_ended),
        cmocka_unit_test(an_engine_has_files_and_programs_and_no_network),
        cmocka_unit_test(files_come_through_the_opener),
        cmocka_unit_test(who_requires_walls_gets_them_or_nobody),
        cmocka_unit_test(one_that_only_computes_is_ended),
        cmocka_unit_test(one_that_also_speaks_is_not),
        cmocka_unit_test(a_successor_begins_anew),
        cmocka_unit_test(one_that_talks_after_its_end_is_killed),
        cmocka_unit_test(one_that_does_not_read_is_killed),
        cmocka_unit_test(openers_are_buried),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
