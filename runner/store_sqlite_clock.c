/* The queue's clock: leases and pauses are measured by it, and nobody can set it.
 *
 * The wall clock may jump by hours while clips are under way. Forward, every live lease would seem to have run out;
 * back, a dead one would hold its clip for hours. The monotonic clock does neither, and all processes that can share
 * a database in WAL mode run on one machine and read the same one, but it begins anew at every boot. So each boot
 * has a row with the distance from its monotonic clock to the queue's time, put there by the first process of that
 * boot that asks, and never changed.
 *
 * A new boot's time begins at the wall clock's, so that it reads like UTC, but later than any lease and any run's next sign
 * of life: who held one before the boot is dead. A machine that sleeps does not use up leases, for nobody could renew them either.
 */
#include <sqlite3.h>

#include "kernels/base/clock.h"
#include "runner/owner.h"
#include "runner/store_sqlite.h"

static int64_t monotonic_ms(void) { return cq_now_ns() / 1000000; }

/* Pauses lie at most minutes ahead of the last boot's time, but its clock may have been set far ahead of the wall's. */
static enum cq_err begin_boot(struct store *s, const char *boot)
{
    int64_t start = 0;
    enum cq_err err = sql_int(s, &start, "SELECT max(?, 1 + coalesce((SELECT max(lease_until_ms) FROM jobs WHERE "
                                         "state = 'running'), 0), 1 + coalesce((SELECT max(alive_until_ms) FROM runs WHERE "
                                         "ended_ms IS NULL), 0))", "I", cq_utc_ms());
    if (!err)
        err = sql_exec(s, "UPDATE jobs SET not_before_ms = 1 WHERE state = 'pending' AND segments = 0 AND not_before_ms > ?", "I",
                       start);
    return err ? err : sql_exec(s, "INSERT INTO boots (boot, ahead_ms) VALUES (?, ?)", "tI", boot, start - monotonic_ms());
}

static enum cq_err learn(struct store *s)
{
    char boot[OWNER_BOOT];
    if (!owner_boot(boot)) {                     /* no /proc: the wall clock is all there is */
        s->clock_ahead_ms = cq_utc_ms() - monotonic_ms();
        return CQ_OK;
    }
    static const char ask[] = "SELECT ahead_ms FROM boots WHERE boot = ?";
    enum cq_err err = sql_int(s, &s->clock_ahead_ms, ask, "t", boot);
    if (err != CQ_EOF)
        return err;
    err = begin_boot(s, boot);
    return err ? err : sql_int(s, &s->clock_ahead_ms, ask, "t", boot);
}

enum cq_err store_queue_ms(struct store *s, int64_t *now)
{
    enum cq_err err = s->clock_known ? CQ_OK : learn(s);
    if (err)
        return err;
    s->clock_known = true;
    *now = monotonic_ms() + s->clock_ahead_ms;
    return CQ_OK;
}

enum cq_err store_queue_ms_seen(struct store *s, int64_t *now)
{
    char boot[OWNER_BOOT];
    bool kept;
    enum cq_err err = sql_has_table(s, "boots", &kept);
    if (err)
        return err;
    if (!kept || !owner_boot(boot)) {            /* written by the wall clock */
        *now = cq_utc_ms();
        return CQ_OK;
    }
    int64_t ahead;
    err = sql_int(s, &ahead, "SELECT ahead_ms FROM boots WHERE boot = ?", "t", boot);
    if (err && err != CQ_EOF)
        return err;
    *now = err ? INT64_MAX : monotonic_ms() + ahead;
    return CQ_OK;
}
