/* Clips are what decode workers divide among themselves; where there are fewer than processors, each clip's decoder gets
 * threads of its own. They give the frames that one thread gives, as long as nothing is wrong: what comes out doubtful is
 * decoded again by one, and so is whatever was tried before.
 */
#include "runner/work_jobs.h"
#include "runner/work_queue.h"
#include "runner/work_workers.h"

enum { THREADS_MAX = 8 };                 /* each holds frames back */
static const double threads_pay_s = 2;    /* of cost_of_clip() */

/* Left or under way, those included that other runs hold back. */
static int64_t clips_to_decode(const struct work *w)
{
    int64_t n = work_counts(w)->pending;
    for (const struct job *j = work_jobs_first(w); j; j = j->next)
        n += !j->settled && !j->ended;
    return n;
}

int work_threads_for(const struct work *w, const struct job *j)
{
    if (j->scanning || j->claim.whole || j->claim.attempt > 1 || j->cost < threads_pay_s)
        return 1;
    int64_t share = uv_available_parallelism() / clips_to_decode(w);
    return share < 1 ? 1 : share > THREADS_MAX ? THREADS_MAX : (int) share;
}
