/* The cache of answers on disk: found again, prolonged, evicted, over; damaged, killed, and shared. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "runner/store_cache.h"

static const int64_t start = 1700000000000, day = 86400000, week = 7 * 86400000;

static char folder[] = "/tmp/clipq-test-cache-XXXXXX";
static struct store_cache *cache;
static const struct store_cache_maker maker = {.key = {1, 2}, .model = "m.onnx", .shape = "8x8x3"};

static int set_up(void **state)
{
    (void) state;
    assert_int_equal(store_cache_remove(NULL), CQ_OK);
    return store_cache_open(NULL, true, &cache);
}

static int tear_down(void **state)
{
    (void) state;
    store_cache_close(&cache);
    store_cache_close(&cache);
    return 0;
}

static struct cache_key key_of(uint64_t i)
{
    return (struct cache_key) {i * 0x9e3779b97f4a7c15u, i * 0xbf58476d1ce4e5b9u};
}

/* Answers `first` to `last`, of `size` bytes (0: uses of them). */
static enum cq_err put(struct store_cache *c, uint64_t first, uint64_t last, size_t size, double cost_ms, int64_t now, int64_t budget,
                       int64_t *evicted)
{
    enum { MAX = 300 };
    static struct store_cache_change list[MAX];
    static uint8_t blobs[MAX][4096];
    int n = 0;
    for (uint64_t i = first; i <= last; i++, n++) {
        memset(blobs[n], (int) (i & 0xff), size);
        list[n] = (struct store_cache_change) {.key = key_of(i), .blob = size ? blobs[n] : NULL, .size = size, .cost_ms = cost_ms};
    }
    return store_cache_write(c, &(struct store_cache_write) {
        .makers = &maker, .n_makers = 1, .changes = list, .n = n, .now_ms = now, .ttl_ms = week, .budget = budget,
    }, evicted);
}

static void keep(uint64_t first, uint64_t last, double cost_ms, int64_t now)
{
    int64_t evicted;
    assert_int_equal(put(cache, first, last, 100, cost_ms, now, INT64_MAX, &evicted), CQ_OK);
    assert_int_equal(evicted, 0);
}

static void use(uint64_t i, int64_t now)
{
    int64_t evicted;
    assert_int_equal(put(cache, i, i, 0, 0, now, INT64_MAX, &evicted), CQ_OK);
}

static enum cq_err find(uint64_t i, int64_t now)
{
    struct cq_buf b = {0};
    double cost;
    struct cache_key key = key_of(i);
    enum cq_err err = store_cache_find(cache, &key, now, &b, &cost);
    if (!err) {
        assert_int_equal(b.size, 100);
        assert_int_equal(b.data[99], i & 0xff);
    }
    cq_buf_finish(&b);
    return err;
}

static int64_t sql(const char *text)
{
    char path[STORE_CACHE_PATH];
    sqlite3 *db;
    sqlite3_stmt *stmt;
    assert_true(store_cache_path(path));
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    assert_int_equal(sqlite3_prepare_v2(db, text, -1, &stmt, NULL), SQLITE_OK);
    int64_t n = sqlite3_step(stmt) == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : -1;
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return n;
}

#define BOOKS "SELECT bytes = coalesce((SELECT sum(bytes) FROM answers), 0) FROM meta"

static void answers_are_found_again(void **state)
{
    (void) state;
    keep(1, 200, 3, start);
    keep(100, 250, 3, start);                           /* some of them again */
    uint64_t seed = store_cache_seed(cache);
    store_cache_close(&cache);
    assert_int_equal(store_cache_open(NULL, false, &cache), CQ_OK);
    assert_true(store_cache_seed(cache) == seed);
    assert_int_equal(store_cache_begin(cache), CQ_OK);
    for (uint64_t i = 1; i <= 250; i++)
        assert_int_equal(find(i, start), CQ_OK);
    assert_int_equal(find(251, start), CQ_EOF);
    store_cache_end(cache);
    assert_int_equal(sql("SELECT count(*) FROM answers"), 250);
    assert_int_equal(sql(BOOKS), 1);
    assert_int_equal(store_cache_check(cache), CQ_OK);
}

static void lives_end_and_grow(void **state)
{
    (void) state;
    keep(1, 2, 3, start);
    assert_int_equal(find(1, start + week - 1), CQ_OK);
    assert_int_equal(find(1, start + week), CQ_EOF);
    use(1, start + day);
    keep(3, 3, 3, start + week + 1);                    /* whoever writes sweeps */
    assert_int_equal(sql("SELECT count(*) FROM answers"), 2);
    assert_int_equal(find(1, start + day + 2 * week - 1), CQ_OK);
    assert_int_equal(find(1, start + day + 2 * week), CQ_EOF);
    assert_int_equal(sql(BOOKS), 1);
}

static void a_clock_that_was_wrong_does_no_harm(void **state)
{
    (void) state;
    keep(1, 1, 3, start + 1000 * day);                  /* it was ahead */
    keep(2, 2, 3, start);
    assert_int_equal(find(1, start), CQ_OK);
    assert_true(sql("SELECT max(expires_ms) FROM answers") <= start + 8 * week);
    keep(3, 3, 3, start + 8 * week + 1);
    assert_int_equal(find(1, start + 8 * week + 1), CQ_EOF);
}

static void what_saves_least_goes(void **state)
{
    (void) state;
    int64_t evicted, budget = 100 * 300;
    keep(1, 1, 50, start);
    use(2, start);                                      /* of what is not there: nothing */
    keep(2, 100, 1, start);
    use(3, start);
    assert_int_equal(put(cache, 101, 110, 100, 1, start, budget, &evicted), CQ_OK);
    assert_in_range(evicted, 10, 30);
    assert_int_equal(sql("SELECT count(*) FROM answers"), 110 - evicted);
    assert_true(sql("SELECT bytes FROM meta") <= budget);
    assert_int_equal(find(1, start), CQ_OK);
    assert_int_equal(find(3, start), CQ_OK);
    assert_int_equal(sql(BOOKS), 1);
    assert_int_equal(put(cache, 1, 1, 100, 1, start, 0, &evicted), CQ_OK);
    assert_int_equal(sql("SELECT count(*) FROM answers"), 0);
    assert_int_equal(sql(BOOKS), 1);
}

static void a_changed_answer_is_no_answer(void **state)
{
    (void) state;
    keep(1, 2, 3, start);
    sql("UPDATE answers SET blob = zeroblob(100) WHERE id = 1");
    assert_int_equal(find(1, start), CQ_CORRUPT);
    assert_int_equal(find(2, start), CQ_OK);
}

static void damaged_files_are_refused(void **state)
{
    (void) state;
    char path[STORE_CACHE_PATH];
    store_cache_close(&cache);
    assert_true(store_cache_path(path));
    FILE *f = fopen(path, "wb");
    for (int i = 0; i < 1000; i++)
        fputs("no database\n", f);
    fclose(f);
    assert_int_equal(store_cache_open(NULL, true, &cache), CQ_FOREIGN);
    assert_null(cache);
    assert_int_equal(store_cache_remove(NULL), CQ_OK);
    assert_int_equal(store_cache_remove(NULL), CQ_OK);
    assert_int_equal(store_cache_open(NULL, false, &cache), CQ_NOT_FOUND);
    assert_int_equal(store_cache_open(NULL, true, &cache), CQ_OK);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 077, 0);
}

/* Writes until it is killed, or `rounds` times. */
static void write_on(uint64_t from, int rounds)
{
    struct store_cache *mine;
    int64_t evicted;
    enum cq_err err = store_cache_open(NULL, true, &mine);
    for (int i = 0; !err && i < rounds; i++, from += 50)
        err = put(mine, from, from + 49, 100, 1, start, 100000, &evicted);
    store_cache_close(&mine);
    _exit(err != CQ_OK);
}

static void kills_and_neighbours_leave_it_sound(void **state)
{
    (void) state;
    enum { KILLS = 10, WRITERS = 3 };
    pid_t pids[WRITERS];
    store_cache_close(&cache);
    store_cache_remove(NULL);
    for (int round = 0; round < KILLS; round++) {
        pid_t pid = fork();
        if (!pid)
            write_on((uint64_t) round * 100000, 1000000);
        usleep(3000 * (useconds_t) round);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    for (int i = 0; i < WRITERS; i++)
        if (!(pids[i] = fork()))
            write_on((uint64_t) (i + 1) * 10000000, 30);
    for (int i = 0; i < WRITERS; i++) {
        int status;
        waitpid(pids[i], &status, 0);
        assert_int_equal(status, 0);
    }
    assert_int_equal(store_cache_open(NULL, false, &cache), CQ_OK);
    assert_int_equal(store_cache_check(cache), CQ_OK);
    assert_int_equal(sql(BOOKS), 1);
    assert_int_equal(sql("SELECT bytes BETWEEN 80000 AND 100000 FROM meta"), 1);
}

int main(void)
{
    if (!mkdtemp(folder) || setenv("XDG_CACHE_HOME", folder, 1))
        return 1;
#define IN_FRESH_FILE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        IN_FRESH_FILE(answers_are_found_again),
        IN_FRESH_FILE(lives_end_and_grow),
        IN_FRESH_FILE(a_clock_that_was_wrong_does_no_harm),
        IN_FRESH_FILE(what_saves_least_goes),
        IN_FRESH_FILE(a_changed_answer_is_no_answer),
        IN_FRESH_FILE(damaged_files_are_refused),
        IN_FRESH_FILE(kills_and_neighbours_leave_it_sound),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command) || failed;
}
