/* Files are not in the transaction that drops an attempt's rows, and an engine may still write some after it. So they
 * are swept when a run ends, by their names: what a killed run left goes with the next one.
 */
#include "runner/files.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kernels/base/log.h"
#include "runner/store.h"

void files_stem(char *out, size_t size, int64_t job_id, int attempt, int model, int64_t seq)
{
    snprintf(out, size, "%lld-%d-%d-%lld", (long long) job_id, attempt, model, (long long) seq);
}

static bool ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n > m && !strcmp(name + n - m, end);
}

/* STEM-OUTPUT-NAME.KIND, or one that was being written, ".part" behind it. */
static bool read_name(const char *name, int64_t *job_id, int *attempt)
{
    static const char *const ends[] = {".npy", ".png", ".npy.part", ".png.part"};
    long long job, seq;
    int model, output, length = 0;
    if (sscanf(name, "%18lld-%9d-%9d-%18lld-%9d-%n", &job, attempt, &model, &seq, &output, &length) != 5 || !length)
        return false;
    char stem[96];
    files_stem(stem, sizeof stem, job, *attempt, model, seq);
    *job_id = job;
    bool ours = !strncmp(name, stem, strlen(stem)), known = false;      /* no "+1", no "007" */
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        known = known || ends_with(name, ends[i]);
    return ours && known;
}

static enum cq_err sweep_one(struct cq_log *log, struct store *s, int folder, const char *name, int *kept)
{
    int64_t job_id;
    int attempt;
    bool is_void = false;
    enum cq_err err = read_name(name, &job_id, &attempt) ? store_attempt_is_void(s, job_id, attempt, &is_void) : CQ_OK;
    if (is_void && !unlinkat(folder, name, 0))
        return CQ_OK;
    if (is_void)
        cq_log_warn(log, "%s of an attempt that failed cannot be deleted: %s", name, strerror(errno));
    ++*kept;
    return err;
}

enum cq_err files_sweep(struct cq_log *log, struct store *s, const char *folder)
{
    DIR *dir = opendir(folder);
    if (!dir)
        return CQ_OK;
    enum cq_err err = CQ_OK;
    int kept = 0;
    for (struct dirent *e; !err && (e = readdir(dir)); )
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
            err = sweep_one(log, s, dirfd(dir), e->d_name, &kept);
    closedir(dir);
    if (!err && !kept)
        rmdir(folder);
    return err;
}
