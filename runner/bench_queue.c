/* Filling a queue, and forked claimants that empty it. They report through a shared page, and begin together when the
 * parent closes its end of a pipe.
 */
#include "runner/bench_queue.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernels/base/clock.h"
#include "kernels/base/log.h"
#include "runner/owner.h"
#include "runner/store.h"

enum { SUBMIT_GROUP = 1000, LEASE_MS = 60000 };

struct bench_queue {
    struct cq_log *log;           /* borrowed */
    char folder[STORE_PATH], path[STORE_PATH + 16];
    int64_t pipeline, submitted;
};

struct claimant {
    enum cq_err err;
    struct bench_queue_result result;
};

static double seconds_since(int64_t start_ns) { return (double) (cq_now_ns() - start_ns) / 1e9; }

/* ---- the queue ---- */

static enum cq_err put_pipeline(struct store *s, int64_t *id)
{
    const struct store_model model = {.name = "bench", .hash = "bench", .path = "bench", .decoder = "embedding"};
    int64_t model_id;
    enum cq_err err = store_begin(s);
    if (!err)
        err = store_put_model(s, &model, &model_id);
    if (!err)
        err = store_put_pipeline(s, "bench", "{}", &model_id, 1, id);
    return err ? err : store_commit(s);
}

enum cq_err bench_queue_create(struct cq_log *log, struct bench_queue **out)
{
    *out = NULL;
    struct bench_queue *b = calloc(1, sizeof *b);
    if (!b)
        return CQ_NOMEM;
    b->log = log;
    const char *base = getenv("TMPDIR");
    snprintf(b->folder, sizeof b->folder, "%s/clipq-bench-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(b->folder)) {
        cq_log_error(log, "no folder for the database can be made as %s; set TMPDIR", b->folder);
        free(b);
        return CQ_IO;
    }
    snprintf(b->path, sizeof b->path, "%s/queue.db", b->folder);
    struct store *s = NULL;
    enum cq_err err = store_open(log, b->path, STORE_CREATE, &s);
    if (!err)
        err = put_pipeline(s, &b->pipeline);
    store_close(&s);
    if (err)
        bench_queue_destroy(&b);
    *out = b;
    return err;
}

void bench_queue_destroy(struct bench_queue **b)
{
    if (!*b)
        return;
    DIR *folder = opendir((*b)->folder);
    for (struct dirent *e; folder && (e = readdir(folder)); )
        if (e->d_name[0] != '.')
            unlinkat(dirfd(folder), e->d_name, 0);
    if (folder)
        closedir(folder);
    rmdir((*b)->folder);
    free(*b);
    *b = NULL;
}

const char *bench_queue_path(const struct bench_queue *b) { return b->path; }

/* ---- submitting ---- */

static enum cq_err put_job(struct bench_queue *b, struct store *s)
{
    struct probe p = {
        .size = 1000000, .mtime_ns = 1, .container = "mov", .codec = "h264", .pixel_format = "yuv420p", .coded_w = 1920,
        .coded_h = 1080, .display_w = 1920, .display_h = 1080, .sar_num = 1, .sar_den = 1, .tb_num = 1, .tb_den = 12800,
        .duration_s = 10, .fps = 25, .video_streams = 1, .stream_reason = "the only one",
    };
    char path[64];
    int64_t job, n = b->submitted++;
    enum store_put what;
    /* Scattered as hashes are, so that the index over contents is filled as it is by real ones. */
    snprintf(p.fingerprint, sizeof p.fingerprint, "%016llx%016llx", (long long) n,
             (long long) ((uint64_t) n * 0x9e3779b97f4a7c15u));
    snprintf(path, sizeof path, "/footage/%03lld/clip%08lld.mp4", (long long) (n / 1000), (long long) n);
    return store_put_clip_job(s, path, &p, 1000000, b->pipeline, 0, &job, &what);
}

static enum cq_err put_jobs(struct bench_queue *b, struct store *s, int64_t jobs)
{
    enum cq_err err = CQ_OK;
    while (jobs > 0 && !err) {
        err = store_begin(s);
        for (int i = 0; i < SUBMIT_GROUP && jobs > 0 && !err; i++, jobs--)
            err = put_job(b, s);
        if (!err)
            err = store_commit(s);
    }
    return err;
}

enum cq_err bench_queue_submit(struct bench_queue *b, int64_t jobs, double *seconds)
{
    struct store *s = NULL;
    enum cq_err err = store_open(b->log, b->path, STORE_WRITE, &s);
    int64_t start = cq_now_ns();
    if (!err)
        err = put_jobs(b, s, jobs);
    *seconds = seconds_since(start);
    store_close(&s);
    return err;
}

/* ---- claiming ---- */

struct claiming {
    struct store *store;
    char owner[256];
    int group, n;
    struct store_job jobs[BENCH_QUEUE_GROUP];
    struct store_completion end;
    struct bench_queue_result *result;
};

/* One transaction, as the writer of `clipq work` makes one of what is posted together: what was claimed before ends, and
 * the next is claimed. */
static enum cq_err cycle(struct claiming *c)
{
    struct bench_queue_result *r = c->result;
    int done = c->n;
    int64_t start = cq_now_ns();
    enum cq_err err = store_begin(c->store);
    int64_t begun = cq_now_ns();
    for (int i = 0; i < done && !err; i++) {
        c->end.job_id = c->jobs[i].id;
        c->end.attempt = c->jobs[i].attempt;
        err = store_complete(c->store, &c->end);
    }
    int64_t completed = cq_now_ns();
    if (!err)
        err = store_claim(c->store, c->owner, 0, LEASE_MS, c->group, c->jobs, &c->n);
    int64_t claimed = cq_now_ns();
    if (!err)
        err = store_commit(c->store);
    if (err)
        return err;
    int64_t end = cq_now_ns();
    if (c->n)
        histogram_add(&r->claim, end - start);
    r->complete_s += (double) (completed - begun) / 1e9;
    r->claim_s += (double) (claimed - completed) / 1e9;
    r->commit_s += (double) (begun - start + end - claimed) / 1e9;
    r->jobs += done;
    return CQ_OK;
}

/* What a clip of ten seconds, of which a frame a second is looked at, has to tell. */
static void describe_end(struct claiming *c)
{
    c->end = (struct store_completion) {
        .owner = c->owner, .frames_decoded = 250, .frames_sampled = 10, .frames_inferred = 10, .batches = 4,
        .mean_batch = 8, .wall_ns = 500000000, .device = "bench", .host_pid = (int) getpid(),
    };
    for (int stage = METRIC_DECODE; stage < METRIC_COUNT; stage++)
        for (int i = 1; i <= 10; i++)
            histogram_add(&c->end.stages[stage], 200000 * i * stage);
}

static enum cq_err work_off(struct bench_queue *b, const struct bench_queue_load *load, int start, struct bench_queue_result *out)
{
    struct claiming *c = calloc(1, sizeof *c);
    if (!c)
        return CQ_NOMEM;
    c->group = load->group;
    c->result = out;
    owner_name(c->owner, sizeof c->owner);
    describe_end(c);
    enum cq_err err = store_open(b->log, b->path, STORE_WRITE, &c->store);
    char none;
    if (!err && read(start, &none, 1))
        err = CQ_IO;
    do
        err = err ? err : cycle(c);
    while (!err && c->n);
    store_close(&c->store);
    free(c);
    return err;
}

/* ---- claimants ---- */

static pid_t start_claimant(struct bench_queue *b, const struct bench_queue_load *load, const int start[2], struct claimant *c)
{
    pid_t pid = fork();
    if (pid)
        return pid;
    close(start[1]);
    c->err = work_off(b, load, start[0], &c->result);
    _exit(0);
}

static void add_claimant(struct bench_queue_result *sum, const struct bench_queue_result *r)
{
    sum->jobs += r->jobs;
    sum->claim_s += r->claim_s;
    sum->complete_s += r->complete_s;
    sum->commit_s += r->commit_s;
    histogram_merge(&sum->claim, &r->claim);
}

/* Claimants open the database and stand still before they are let go, so that none of that is measured. */
static enum cq_err run_claimants(struct bench_queue *b, const struct bench_queue_load *load, const int start[2],
                                 struct claimant *shared, struct bench_queue_result *out)
{
    enum { SETTLE_US = 200000 };
    pid_t pids[BENCH_QUEUE_CLAIMANTS];
    int n = 0;
    enum cq_err err = CQ_OK;
    for (; n < load->claimants && !err; n++) {
        shared[n].err = CQ_INTERNAL;             /* until it says otherwise */
        pids[n] = start_claimant(b, load, start, &shared[n]);
        if (pids[n] < 0) {
            cq_log_error(b->log, "no process for claimant %d can be started", n + 1);
            err = CQ_NOMEM;
            break;
        }
    }
    usleep(SETTLE_US);
    int64_t began = cq_now_ns();
    close(start[1]);
    for (int i = 0; i < n; i++)
        waitpid(pids[i], NULL, 0);
    out->seconds = seconds_since(began);
    for (int i = 0; i < n; i++) {
        err = err ? err : shared[i].err;
        add_claimant(out, &shared[i].result);
    }
    return err;
}

enum cq_err bench_queue_drain(struct bench_queue *b, const struct bench_queue_load *load, struct bench_queue_result *out)
{
    memset(out, 0, sizeof *out);
    size_t size = (size_t) load->claimants * sizeof(struct claimant);
    struct claimant *shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int start[2];
    if (shared == MAP_FAILED)
        return CQ_NOMEM;
    if (pipe2(start, O_CLOEXEC)) {
        munmap(shared, size);
        return CQ_IO;
    }
    enum cq_err err = run_claimants(b, load, start, shared, out);
    close(start[0]);
    munmap(shared, size);
    return err;
}
