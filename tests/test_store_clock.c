/* Leases and pauses under clocks that jump and machines that start again. All clocks here are the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "kernels/base/clock.h"
#include "runner/owner.h"
#include "tests/store_fixture.h"

enum { LEASE_MS = 60000, HOUR_MS = 3600000, STARTS_MS = 1700000000 };

static struct {
    int64_t wall_ms, since_boot_ms;
    int boot;                 /* 0: its name cannot be read */
} machine;

int64_t __wrap_cq_utc_ms(void);
int64_t __wrap_cq_now_ns(void);
bool __wrap_owner_boot(char out[OWNER_BOOT]);

int64_t __wrap_cq_utc_ms(void) { return machine.wall_ms; }
int64_t __wrap_cq_now_ns(void) { return machine.since_boot_ms * 1000000; }

bool __wrap_owner_boot(char out[OWNER_BOOT])
{
    snprintf(out, OWNER_BOOT, machine.boot ? "boot-%d" : "", machine.boot);
    return machine.boot;
}

static void pass(int64_t ms)
{
    machine.wall_ms += ms;
    machine.since_boot_ms += ms;
}

static int setup(void **state)
{
    machine.wall_ms = 1000 * (int64_t) STARTS_MS;
    machine.since_boot_ms = 5 * HOUR_MS;
    machine.boot = 1;
    fixture_begin(state);
    fixture_submit_all(*state, 1);
    return 0;
}

static void beat(struct fixture *f)
{
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(store_heartbeat(f->store, "holder", LEASE_MS), CQ_OK);
    assert_int_equal(store_commit(f->store), CQ_OK);
}

/* As another process that has just started sees it. */
static bool is_stolen(struct fixture *f)
{
    struct store *s;
    struct store_job j;
    assert_int_equal(store_open(&f->log, f->db, STORE_WRITE, &s), CQ_OK);
    bool got = fixture_claim(s, "thief", &j);
    store_close(&s);
    return got;
}

static const int64_t jumps[] = {0, 3 * HOUR_MS, -3 * HOUR_MS, 40000 * (int64_t) HOUR_MS, -40000 * (int64_t) HOUR_MS};
enum { JUMPS = sizeof jumps / sizeof *jumps };

static void jumps_steal_no_lease_and_keep_none(void **state)
{
    struct fixture *f = *state;
    struct store_job j;
    assert_true(fixture_claim(f->store, "holder", &j));
    for (int i = 0; i < JUMPS; i++) {
        machine.wall_ms += jumps[i];
        assert_false(is_stolen(f));
        pass(LEASE_MS - 1000);
        assert_false(is_stolen(f));
        beat(f);
        pass(LEASE_MS - 1000);
        machine.wall_ms -= jumps[i];
        assert_false(is_stolen(f));
        beat(f);
    }
    for (int i = 0; i < JUMPS; i++) {
        machine.wall_ms += jumps[i];
        pass(LEASE_MS / JUMPS + 1);
    }
    assert_true(is_stolen(f));
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(fixture_complete(f->store, &j, "holder", FAIL_NONE), CQ_STALE);
    store_rollback(f->store);
}

static void jumps_prolong_no_pause(void **state)
{
    struct fixture *f = *state;
    struct store_job j;
    for (int i = 0; i < JUMPS; i++) {
        assert_true(fixture_claim(f->store, "holder", &j));
        assert_int_equal(store_begin(f->store), CQ_OK);
        assert_int_equal(store_postpone(f->store, "holder", j.id, 5000, FAIL_IO, "share away"), CQ_OK);
        assert_int_equal(store_commit(f->store), CQ_OK);
        machine.wall_ms += jumps[i];
        assert_false(fixture_claim(f->store, "holder", &j));
        pass(5000);
    }
    assert_true(fixture_claim(f->store, "holder", &j));
}

/* The battery of the clock is empty, or somebody had set it to next year before: what was held is free at once. */
static void a_lease_does_not_outlive_its_boot(void **state)
{
    struct fixture *f = *state;
    struct store_job j;
    for (int i = 0; i < JUMPS; i++) {
        assert_true(fixture_claim(f->store, "holder", &j));
        machine.boot++;
        machine.since_boot_ms = 3000;
        machine.wall_ms += jumps[i];
        fixture_close(f);
        assert_int_equal(store_open(&f->log, f->db, STORE_WRITE, &f->store), CQ_OK);
    }
    assert_true(fixture_claim(f->store, "holder", &j));
    assert_false(is_stolen(f));
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM v_attempts WHERE outcome = 'lost'"), JUMPS);
}

static void a_pause_does_not_outlive_its_boot(void **state)
{
    struct fixture *f = *state;
    struct store_job j;
    assert_true(fixture_claim(f->store, "holder", &j));
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(store_postpone(f->store, "holder", j.id, 5000, FAIL_IO, "share away"), CQ_OK);
    assert_int_equal(store_commit(f->store), CQ_OK);
    machine.boot++;
    machine.since_boot_ms = 3000;
    machine.wall_ms -= HOUR_MS;
    assert_true(is_stolen(f));
}

/* The row of a new boot goes with the transaction that was to bring it. */
static void a_clock_that_was_rolled_back_is_asked_again(void **state)
{
    struct fixture *f = *state;
    struct store_job j;
    int n;
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(store_claim(f->store, "holder", 0, LEASE_MS, 1, &j, &n), CQ_OK);
    store_rollback(f->store);
    machine.wall_ms += HOUR_MS;
    assert_true(is_stolen(f));                          /* this one's clock is an hour ahead of the one undone */
    pass(LEASE_MS + 1);
    assert_true(fixture_claim(f->store, "holder", &j));
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM boots"), 1);
    assert_false(is_stolen(f));
}

static void without_a_boot_the_wall_clock_serves(void **state)
{
    struct fixture *f = *state;
    struct store_job j;
    machine.boot = 0;
    assert_true(fixture_claim(f->store, "holder", &j));
    assert_false(is_stolen(f));
    machine.since_boot_ms = 3000;
    machine.wall_ms += LEASE_MS + 1;
    assert_true(is_stolen(f));
}

static enum cq_err keep_active(void *ctx, const struct store_run_row *r)
{
    *(bool *) ctx = r->active;
    return CQ_OK;
}

static enum cq_err count_worker(void *ctx, const struct store_worker_row *r)
{
    (void) r;
    ++*(int *) ctx;
    return CQ_OK;
}

/* As somebody who only reads sees it; the workers are seen while their run is. */
static bool is_active(struct fixture *f)
{
    struct store *s;
    bool active = false;
    int workers = 0;
    assert_int_equal(store_open(&f->log, f->db, STORE_READ, &s), CQ_OK);
    assert_int_equal(store_each_run(s, 1, keep_active, &active), CQ_OK);
    assert_int_equal(store_each_worker(s, count_worker, &workers), CQ_OK);
    store_close(&s);
    assert_int_equal(workers, active);
    return active;
}

static void start_run(struct fixture *f)
{
    int64_t id;
    assert_int_equal(store_begin(f->store), CQ_OK);
    assert_int_equal(store_start_run(f->store, &(struct store_run) {.workers = 1}, &id), CQ_OK);
    assert_int_equal(store_put_worker(f->store, id, &(struct store_worker) {.role = "decode", .state = "idle"}), CQ_OK);
    assert_int_equal(store_commit(f->store), CQ_OK);
}

static void a_run_is_killed_by_no_jump_and_kept_by_none(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < JUMPS; i++) {
        start_run(f);
        machine.wall_ms += jumps[i];
        assert_true(is_active(f));
        pass(LEASE_MS - 1000);
        assert_true(is_active(f));
        beat(f);
        pass(LEASE_MS - 1000);
        assert_true(is_active(f));
        pass(1001);
        assert_false(is_active(f));
    }
}

/* Whether or not anybody has worked on the queue since. */
static void a_run_does_not_outlive_its_boot(void **state)
{
    struct fixture *f = *state;
    struct store_job j;
    for (int i = 0; i < JUMPS; i++) {
        start_run(f);
        machine.boot++;
        machine.since_boot_ms = 3000;
        machine.wall_ms += jumps[i];
        assert_false(is_active(f));
        fixture_close(f);
        assert_int_equal(store_open(&f->log, f->db, STORE_WRITE, &f->store), CQ_OK);
        fixture_claim(f->store, "holder", &j);
        assert_false(is_active(f));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(jumps_steal_no_lease_and_keep_none, setup, fixture_end_checked),
        cmocka_unit_test_setup_teardown(jumps_prolong_no_pause, setup, fixture_end_checked),
        cmocka_unit_test_setup_teardown(a_lease_does_not_outlive_its_boot, setup, fixture_end_checked),
        cmocka_unit_test_setup_teardown(a_pause_does_not_outlive_its_boot, setup, fixture_end_checked),
        cmocka_unit_test_setup_teardown(a_run_is_killed_by_no_jump_and_kept_by_none, setup, fixture_end_checked),
        cmocka_unit_test_setup_teardown(a_run_does_not_outlive_its_boot, setup, fixture_end_checked),
        cmocka_unit_test_setup_teardown(a_clock_that_was_rolled_back_is_asked_again, setup, fixture_end_checked),
        cmocka_unit_test_setup_teardown(without_a_boot_the_wall_clock_serves, setup, fixture_end_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
