/* Many at one write lock: all get their turn, nobody who stands in the way for good keeps others out, and the log of their
 * transactions is copied before it grows without end. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/store_fixture.h"

enum { WRITERS = 4, EACH = 500, MOST = 200000 };

struct tally {
    atomic_int ready, all, own[WRITERS], wrong;
};

static bool all_had_theirs(struct tally *t)
{
    bool had = true;
    for (int i = 0; i < WRITERS; i++)
        had = had && t->own[i] >= EACH;
    return had;
}

/* As fast as it can, until each has done so many, or all together far too many. */
static void write_on(const struct fixture *f, struct tally *t, int self)
{
    struct store *s;
    struct cq_log silent = f->log;
    enum cq_err err = store_open(&silent, f->db, STORE_WRITE, &s);
    for (t->ready++; t->ready < WRITERS; )
        usleep(1000);
    while (!err && !all_had_theirs(t) && t->all < MOST) {
        err = store_begin(s);
        if (!err)
            err = store_heartbeat(s, "nobody", 1000);
        if (!err)
            err = store_commit(s);
        t->own[self]++;
        t->all++;
    }
    t->wrong += err != CQ_OK;
    _exit(0);
}

static void all_get_their_turn(void **state)
{
    struct fixture *f = *state;
    fixture_close(f);
    struct tally *t = mmap(NULL, sizeof *t, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(t != MAP_FAILED);
    for (int i = 0; i < WRITERS; i++)
        if (!fork())
            write_on(f, t, i);
    while (wait(NULL) > 0)
        ;
    assert_int_equal(t->wrong, 0);
    for (int i = 0; i < WRITERS; i++)
        assert_in_range(t->own[i], EACH, MOST);
    munmap(t, sizeof *t);
}

/* Somebody was stopped (SIGSTOP) while he was the first to wait, or another program holds the lock of the folder. */
static void a_first_that_does_not_move_is_in_nobodys_way(void **state)
{
    struct fixture *f = *state;
    struct store *other;
    int folder = open(f->folder, O_RDONLY | O_DIRECTORY);
    assert_int_equal(flock(folder, LOCK_EX | LOCK_NB), 0);
    setenv("CLIPQ_BUSY_TIMEOUT", "0.1", 1);
    assert_int_equal(store_open(&f->log, f->db, STORE_WRITE, &other), CQ_OK);
    unsetenv("CLIPQ_BUSY_TIMEOUT");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(store_begin(f->store), CQ_OK);
        assert_int_equal(store_begin(other), CQ_BUSY);
        assert_int_equal(store_commit(f->store), CQ_OK);
        assert_int_equal(store_begin(other), CQ_OK);
        assert_int_equal(store_commit(other), CQ_OK);
    }
    close(folder);
    store_close(&other);
}

static int64_t log_bytes(const struct fixture *f)
{
    char path[160];
    struct stat st;
    snprintf(path, sizeof path, "%s-wal", f->db);
    assert_int_equal(stat(path, &st), 0);
    return st.st_size;
}

static void the_log_begins_anew(void **state)
{
    struct fixture *f = *state;
    int64_t most = 0;
    for (int i = 0; i < 1500; i++) {
        assert_int_equal(store_begin(f->store), CQ_OK);
        fixture_submit(f->store, f->pipeline, i);
        assert_int_equal(store_commit(f->store), CQ_OK);
        most = log_bytes(f) > most ? log_bytes(f) : most;
    }
    assert_in_range(most, 1000 * 4096, 1100 * 4200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_get_their_turn, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(a_first_that_does_not_move_is_in_nobodys_way, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(the_log_begins_anew, fixture_begin, fixture_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
