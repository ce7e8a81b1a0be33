/* File systems that cannot be read: a share went away, a disk fails, a cable came loose.
 *
 * Without this a night's queue would run through such a share in minutes and give up on every clip of it. After
 * FAILURES_MAX clips in a row that could not be read from one file system it is left alone: its clips go back untried,
 * to be claimed again after a pause, and one of them is then tried. When that can be read all go on; else the pause
 * doubles. Where nothing else is left to do, TRIALS_MAX such trials end the run, with work left.
 *
 * File systems are told apart as they were mounted when the run began: a share that is gone has no mount point to be
 * found by.
 */
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/clock.h"
#include "runner/work_jobs.h"
#include "runner/work_mounts.h"

enum { FAILURES_MAX = 8, TRIALS_MAX = 2 };
static const double pause_max_s = 600;

struct mount {
    struct mount *next;
    char *point;                /* owned; where it is mounted */
    int failures;               /* in a row */
    bool closed;
    double pause_s;
    int64_t until_ns;           /* when the next clip is tried, while closed */
    uint32_t trial;             /* serial of the job that tries it */
    int trials;                 /* that failed, since any other file system was read from */
};

struct work_mounts {
    struct mount *first;
};

static enum cq_err add_mount(struct work_mounts *ms, const char *point)
{
    struct mount *m = calloc(1, sizeof *m);
    if (!m)
        return CQ_NOMEM;
    m->point = strdup(point);
    m->next = ms->first;
    ms->first = m;
    return m->point ? CQ_OK : CQ_NOMEM;
}

enum cq_err work_mounts_create(struct work *w)
{
    w->mounts = calloc(1, sizeof *w->mounts);
    enum cq_err err = w->mounts ? add_mount(w->mounts, "/") : CQ_NOMEM;
    FILE *list = err ? NULL : setmntent("/proc/self/mounts", "re");
    for (struct mntent *e; list && !err && (e = getmntent(list)); )
        err = add_mount(w->mounts, e->mnt_dir);
    if (list)
        endmntent(list);
    return err;
}

void work_mounts_destroy(struct work *w)
{
    for (struct mount *m = w->mounts ? w->mounts->first : NULL, *next; m; m = next) {
        next = m->next;
        free(m->point);
        free(m);
    }
    free(w->mounts);
    w->mounts = NULL;
}

/* How many bytes of `path` the mount point covers; 0: it is not there. */
static size_t covers(const struct mount *m, const char *path)
{
    size_t n = strlen(m->point);
    if (n == 1)
        return 1;
    return !strncmp(path, m->point, n) && (path[n] == '/' || !path[n]) ? n : 0;
}

static struct mount *mount_of(const struct work *w, const char *path)
{
    struct mount *best = w->mounts->first;
    for (struct mount *m = best; m; m = m->next)
        if (covers(m, path) > covers(best, path))
            best = m;
    return best;
}

static void close_mount(struct work *w, struct mount *m, const char *why)
{
    char note[160];
    m->pause_s = m->closed ? m->pause_s * 2 : w->p.io_pause_s;
    if (m->pause_s > pause_max_s && m->pause_s > w->p.io_pause_s)
        m->pause_s = pause_max_s;
    m->closed = true;
    m->trial = 0;
    m->until_ns = cq_now_ns() + (int64_t) (m->pause_s * 1e9);
    cq_log_error(w->log, "%s: %d clips in a row could not be read (%s); clips there wait %.3g s. Is it mounted, and well?",
                 m->point, m->failures, why, m->pause_s);
    snprintf(note, sizeof note, "waiting for %.100s to be readable", m->point);
    work_note(w, note);
}

static void open_mount(struct work *w, struct mount *m)
{
    m->failures = 0;
    if (!m->closed)
        return;
    m->closed = false;
    cq_log_warn(w->log, "%s can be read again", m->point);
    work_note(w, "");
}

/* Jobs that were under way when it was closed tell nothing new. */
static bool blame(struct work *w, struct mount *m, uint32_t serial, const char *message)
{
    m->failures++;
    if (m->closed && m->trial == serial)
        m->trials++;
    if (m->closed ? m->trial == serial : m->failures >= FAILURES_MAX)
        close_mount(w, m, message);
    return m->closed;
}

bool work_mounts_blame(struct work *w, const struct job *j, enum failure f, const char *message)
{
    struct mount *m = mount_of(w, j->claim.path);
    if (f == FAIL_IO)
        return blame(w, m, j->serial, message);
    open_mount(w, m);
    for (m = w->mounts->first; m; m = m->next)
        m->trials = 0;
    return false;
}

bool work_mounts_allow(struct work *w, const struct job *j)
{
    struct mount *m = mount_of(w, j->claim.path);
    int64_t now = cq_now_ns();
    if (m->closed && now < m->until_ns)
        return false;
    m->trial = j->serial;
    if (m->closed)      /* the next one after this one's end, or, should it have none, after a while */
        m->until_ns = now + (int64_t) (m->pause_s * 1e9);
    return true;
}

int64_t work_mounts_pause_ms(const struct work *w, const struct job *j)
{
    int64_t left_ns = mount_of(w, j->claim.path)->until_ns - cq_now_ns();
    return left_ns > 0 ? left_ns / 1000000 + 1 : 1;
}

const char *work_mounts_hopeless(const struct work *w)
{
    for (const struct mount *m = w->mounts->first; m; m = m->next)
        if (m->closed && m->trials >= TRIALS_MAX)
            return m->point;
    return NULL;
}
