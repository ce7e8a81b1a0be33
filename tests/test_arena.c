/* Slots: aligned, disjoint, merged again; a random walk against a plain map; memory that is idle; what children see. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "runner/arena_view.h"

enum { PAGE = ARENA_ALIGN, PAGES = 64, PARTS = 3, FIRST = 100 /* descriptor */ };

static void gives_lowest_first_and_merges(void **state)
{
    (void) state;
    struct arena *a;
    int64_t s[4], all;
    assert_int_equal(arena_create(NULL, 4 * PAGE, 1, &a), CQ_OK);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(arena_take(a, 0, 1, &s[i]), CQ_OK);
        assert_int_equal(s[i], i * PAGE);
    }
    assert_int_equal(arena_take(a, 0, 1, &all), CQ_AGAIN);
    assert_int_equal(arena_used(a), 4 * PAGE);
    arena_give(a, s[2]);
    arena_give(a, s[0]);
    assert_int_equal(arena_take(a, 0, 2 * PAGE, &all), CQ_AGAIN);
    arena_give(a, s[1]);
    assert_int_equal(arena_take(a, 0, 3 * PAGE, &all), CQ_OK);
    assert_int_equal(all, 0);
    arena_give(a, all);
    arena_give(a, s[3]);
    assert_int_equal(arena_take(a, 0, 4 * PAGE, &all), CQ_OK);
    assert_int_equal(arena_take(a, 0, 4 * PAGE + 1, &all), CQ_INVALID);
    assert_int_equal(arena_take(a, 0, 0, &all), CQ_INVALID);
    arena_destroy(&a);
    assert_null(a);
}

struct slot {
    int64_t number;
    int part, pages;
};

static int64_t page_of(const struct arena *a, const struct slot *s)
{
    return arena_offset(a, s->number) / PAGE;
}

/* What may fit: in one piece in its part, and within what all may have. */
static bool fits(bool taken[PAGES], int pages, int free_pages)
{
    int run = 0, longest = 0;
    for (int p = 0; p < PAGES; p++) {
        run = taken[p] ? 0 : run + 1;
        longest = run > longest ? run : longest;
    }
    return longest >= pages && pages <= free_pages;
}

static void random_walk_never_overlaps(void **state)
{
    (void) state;
    struct arena *a;
    bool taken[PARTS][PAGES] = {{false}};
    struct slot slots[PAGES];
    int n = 0, refused = 0, used = 0;
    unsigned seed = 7;
    assert_int_equal(arena_create(NULL, (int64_t) PAGES * PAGE, PARTS, &a), CQ_OK);
    for (int step = 0; step < 20000; step++) {
        seed = seed * 1103515245 + 12345;
        unsigned r = seed >> 16;
        if (n && r % 2) {
            int i = (int) (r / 2) % n;
            for (int p = 0; p < slots[i].pages; p++)
                taken[slots[i].part][page_of(a, &slots[i]) + p] = false;
            used -= slots[i].pages;
            arena_give(a, slots[i].number);
            slots[i] = slots[--n];
            continue;
        }
        struct slot s = {.part = (int) (r / 32) % PARTS, .pages = 1 + (int) (r / 2) % 9};
        enum cq_err err = arena_take(a, s.part, (int64_t) s.pages * PAGE - 100, &s.number);
        assert_int_equal(err, fits(taken[s.part], s.pages, PAGES - used) ? CQ_OK : CQ_AGAIN);
        refused += err != CQ_OK;
        for (int p = 0; !err && p < s.pages; p++) {
            assert_false(taken[s.part][page_of(a, &s) + p]);
            taken[s.part][page_of(a, &s) + p] = true;
        }
        if (!err) {
            slots[n++] = s;
            used += s.pages;
        }
        assert_int_equal(arena_used(a), (int64_t) used * PAGE);
        assert_in_range(arena_touched(a), arena_used(a), PAGES * PAGE);
    }
    assert_true(refused > 100);
    arena_destroy(&a);
}

/* Bytes of memory that a part really has. */
static int64_t memory_of(const struct arena *a, int part)
{
    struct stat st;
    assert_int_equal(fstat(arena_fd(a, part), &st), 0);
    return (int64_t) st.st_blocks * 512;
}

static void fill(const struct arena *a, int part, int64_t slot, int pages)
{
    struct arena_view v;
    assert_int_equal(arena_map(NULL, dup(arena_fd(a, part)), &v), CQ_OK);
    memset(arena_at(&v, arena_offset(a, slot), (int64_t) pages * PAGE), 0x5a, (size_t) pages * PAGE);
    arena_unmap(&v);
}

/* A slot that is in use keeps what is in it while what lies around it goes back to the system. */
static void all_parts_take_no_more_memory_than_one_may(void **state)
{
    (void) state;
    struct arena *a;
    struct arena_view v;
    int64_t first[4], big, more;
    assert_int_equal(arena_create(NULL, (int64_t) PAGES * PAGE, 3, &a), CQ_OK);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(arena_take(a, 0, PAGES / 4 * PAGE, &first[i]), CQ_OK);
        fill(a, 0, first[i], PAGES / 4);
    }
    assert_int_equal(memory_of(a, 0), PAGES * PAGE);
    assert_int_equal(arena_take(a, 1, 1, &more), CQ_AGAIN);     /* all that there is, in one part */
    arena_give(a, first[0]);
    arena_give(a, first[1]);
    arena_give(a, first[3]);
    assert_int_equal(arena_take(a, 1, PAGES / 2 * PAGE, &big), CQ_OK);
    fill(a, 1, big, PAGES / 2);
    assert_int_equal(memory_of(a, 0), PAGES / 4 * PAGE);
    assert_int_equal(memory_of(a, 0) + memory_of(a, 1), arena_touched(a));
    assert_int_equal(arena_map(NULL, dup(arena_fd(a, 0)), &v), CQ_OK);
    assert_int_equal(arena_at(&v, arena_offset(a, first[2]), 1)[0], 0x5a);
    assert_int_equal(arena_at(&v, arena_offset(a, first[1]), 1)[0], 0);
    arena_unmap(&v);

    /* What is written over and over costs nothing more. */
    for (int i = 0; i < 10; i++) {
        arena_give(a, big);
        assert_int_equal(arena_take(a, 1, PAGES / 2 * PAGE, &big), CQ_OK);
    }
    assert_int_equal(arena_touched(a), PAGES / 4 * 3 * PAGE);
    assert_int_equal(memory_of(a, 1), PAGES / 2 * PAGE);
    arena_destroy(&a);
}

/* ---- what children see ---- */

static void a_worker_sees_its_part(void **state)
{
    (void) state;
    struct arena *a;
    struct arena_view v;
    assert_int_equal(arena_create(NULL, 3 * PAGE, 2, &a), CQ_OK);
    int fd = dup(arena_fd(a, 1));
    assert_int_equal(arena_map(NULL, fd, &v), CQ_OK);
    assert_int_equal(close(fd), -1);                             /* closed already */
    assert_int_equal(v.bytes, 3 * PAGE);
    assert_non_null(arena_at(&v, 0, 3 * PAGE));
    assert_null(arena_at(&v, 1, 3 * PAGE));
    assert_null(arena_at(&v, -1, 1));
    assert_null(arena_at(&v, INT64_MAX, 1));
    assert_null(arena_at(&v, 1, INT64_MAX));
    assert_int_not_equal(ftruncate(arena_fd(a, 1), PAGE), 0);    /* sealed */
    assert_int_not_equal(ftruncate(arena_fd(a, 1), 5 * PAGE), 0);
    arena_unmap(&v);
    arena_destroy(&a);
}

/* Descriptors as a child inherits them: in a row, from FIRST on. */
static void inherit(const struct arena *a)
{
    int fds[ARENA_PARTS];
    assert_int_equal(arena_open_readers(NULL, a, fds), CQ_OK);
    for (int i = 0; i < arena_parts(a); i++)
        assert_int_equal(dup2(fds[i], FIRST + i), FIRST + i);
    arena_close_readers(a, fds);
}

static void an_engine_reads_all_and_writes_none(void **state)
{
    (void) state;
    struct arena *a;
    struct arena_reader r;
    int64_t slot;
    assert_int_equal(arena_create(NULL, 4 * PAGE, 3, &a), CQ_OK);
    inherit(a);
    assert_int_equal(arena_count(FIRST), 3);
    assert_true(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, FIRST, 0) == MAP_FAILED);
    assert_int_equal(arena_reader_init(NULL, FIRST, &r), CQ_OK);
    assert_int_equal(arena_take(a, 2, 2 * PAGE, &slot), CQ_OK);
    fill(a, 2, slot, 2);
    const uint8_t *p = arena_read(&r, slot + PAGE, PAGE);
    assert_non_null(p);
    assert_int_equal(p[PAGE - 1], 0x5a);
    assert_int_not_equal(mprotect((void *) p, PAGE, PROT_READ | PROT_WRITE), 0);
    assert_int_equal(arena_read(&r, slot - 4 * PAGE, PAGE)[0], 0);   /* the part before it */

    assert_non_null(arena_read(&r, 2 * 4 * PAGE, 4 * PAGE));
    assert_null(arena_read(&r, 2 * 4 * PAGE + 1, 4 * PAGE));         /* over the end */
    assert_null(arena_read(&r, 4 * PAGE - 1, 2));                    /* from one part into the next */
    assert_null(arena_read(&r, 3 * 4 * PAGE, 1));                    /* no such part */
    assert_null(arena_read(&r, -1, 1));
    assert_null(arena_read(&r, INT64_MAX, 1));
    assert_null(arena_read(&r, 0, INT64_MAX));
    arena_reader_finish(&r);
    assert_int_equal(arena_count(FIRST), 0);
    assert_int_equal(arena_reader_init(NULL, FIRST, &r), CQ_INVALID);
    arena_destroy(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_lowest_first_and_merges),
        cmocka_unit_test(random_walk_never_overlaps),
        cmocka_unit_test(all_parts_take_no_more_memory_than_one_may),
        cmocka_unit_test(a_worker_sees_its_part),
        cmocka_unit_test(an_engine_reads_all_and_writes_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
