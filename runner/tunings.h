/* Which kernels were measured to be the fastest, between the database and those who run or measure models.
 *
 * A row counts for one device (by name), one version of its driver and one state of clipq's kernels; all else is in its
 * key (stages/infer/choice.h).
 *
 * Thread-safety: one thread at a time per object.
 */
#ifndef CLIPQ_RUNNER_TUNINGS_H
#define CLIPQ_RUNNER_TUNINGS_H

#include "kernels/base/err.h"
#include "runner/messages_engine.h"
#include "runner/store.h"
#include "stages/infer/choice.h"
#include "stages/infer/session.h"

struct cq_log;
struct device_info;

struct tunings {                     /* zeroed: empty */
    struct store_tuning_row *rows;   /* owned */
    int n, max;
};

/* All that hold for this program, on whatever device. */
enum cq_err tunings_read(struct store *s, struct tunings *out);
void tunings_finish(struct tunings *t);
bool tunings_is_for(const struct store_tuning_row *row, const char *device, const char *driver);

/* Those for one device out of the database at `path`; none where there is no such file. */
enum cq_err tunings_load(struct cq_log *log, const char *path, const struct device_info *info, struct choices *out);

/* One more; it takes the place of one with the same key. CQ_NOMEM. */
enum cq_err tunings_add(struct tunings *t, const struct store_tuning_row *row);

/* What was found about one operator, as it travels and is kept: kernels that gave wrong answers are left out. Borrows
 * from `tuned` and `text`; m->lane is the caller's. False where no two kernels are left. */
bool tunings_describe(const struct session_tuned *tuned, char text[MSG_TEXT], struct msg_tuned *m);

/* Within a transaction of the store. What was measured with other kernels of clipq on that device goes. */
enum cq_err tunings_put(struct store *s, const char *device, const char *driver, const struct msg_tuned *m);

#endif
