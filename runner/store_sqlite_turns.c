/* Taking turns at the write lock, which SQLite gives to whoever asks at the right moment.
 *
 * Its own way of waiting is to sleep, at last for 100 ms, and to ask again; meanwhile a process that commits and begins anew
 * finds the lock free each time, so that one works while fifteen sleep. Here the one who waits first asks every fifth of a
 * millisecond; the others leave the lock alone and ask, the longer they wait the more often, whether they are first now. So
 * fifteen that wait cost little. Who has had the write lock for a while, in one transaction after another, looks whether
 * anybody waits, and then rests for longer than the first one's question takes to come. A turn is many transactions: each
 * handing over costs as much as a few, and whoever takes over reads the pages anew that others have changed.
 *
 * To be first is to hold a lock (flock) on the database's folder. Nobody sleeps on it, and the first gives up after the
 * busy timeout: when it is stopped where it stands, others go on as they are and only cannot become first, and give up
 * in their time as they do when somebody is stopped inside a transaction. Where the folder cannot be opened, all are first.
 */
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "kernels/base/clock.h"
#include "runner/store_sqlite.h"

static const int64_t first_asks_ns = 200000, new_ask_ns = 10000000, old_ask_ns = 1000000;
static const int64_t turn_ns = 8000000, rest_ns = 500000;

static void sleep_ns(int64_t ns)
{
    nanosleep(&(struct timespec) {.tv_nsec = ns}, NULL);
}

static bool is_first(struct store_turns *t)
{
    if (!t->beginning || t->folder < 0)
        return true;
    t->first = t->first || !flock(t->folder, LOCK_EX | LOCK_NB);
    return t->first;
}

static int64_t pause_of_others(int64_t waited_ns)
{
    int64_t pause = new_ask_ns - waited_ns / 10;
    return pause > old_ask_ns ? pause : old_ask_ns;
}

/* Also called for the locks of readers and of checkpoints, which are no turns. */
static int on_busy(void *ctx, int times)
{
    struct store *s = ctx;
    struct store_turns *t = &s->turns;
    if (!times)
        t->waits_since_ns = cq_now_ns();
    t->waited = true;
    for (;;) {
        int64_t waited = cq_now_ns() - t->waits_since_ns;
        if (waited >= (int64_t) s->busy_timeout_ms * 1000000)
            return 0;
        bool first = is_first(t);
        sleep_ns(first ? first_asks_ns : pause_of_others(waited));
        if (first)
            return 1;
    }
}

void store_turns_init(struct store *s)
{
    char folder[STORE_PATH];
    snprintf(folder, sizeof folder, "%s", s->path);
    s->turns = (struct store_turns) {.folder = -1};
    if (s->mode != STORE_READ)
        s->turns.folder = open(dirname(folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    sqlite3_busy_handler(s->db, on_busy, s);
}

void store_turns_finish(struct store *s)
{
    if (s->turns.folder >= 0)
        close(s->turns.folder);
    s->turns.folder = -1;
}

static bool anybody_waits(const struct store_turns *t)
{
    if (t->folder < 0)
        return false;
    if (flock(t->folder, LOCK_EX | LOCK_NB))
        return true;
    flock(t->folder, LOCK_UN);
    return false;
}

void store_turn_begins(struct store *s)
{
    struct store_turns *t = &s->turns;
    int64_t now = cq_now_ns();
    bool rested = now - t->ended_ns > rest_ns;
    if (rested || now - t->since_ns > turn_ns) {
        if (!rested && anybody_waits(t))
            sleep_ns(rest_ns);
        t->since_ns = now;
    }
    t->beginning = true;
    t->waited = false;
}

void store_turn_begun(struct store *s)
{
    struct store_turns *t = &s->turns;
    t->beginning = false;
    if (t->first)
        flock(t->folder, LOCK_UN);
    t->first = false;
    if (t->waited)
        t->since_ns = cq_now_ns();
}

void store_turn_ends(struct store *s)
{
    s->turns.ended_ns = cq_now_ns();
}
