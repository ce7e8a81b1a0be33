/* How the children and the supervisor fare, told to the database every few seconds and at the end: for `clipq status
 * --watch`, v_workers, and the report's account of the processors. One report is out at a time; what a slow disk holds up
 * is simply told later. */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "kernels/base/clock.h"
#include "runner/work_engines.h"
#include "runner/work_jobs.h"
#include "runner/work_progress.h"
#include "runner/work_score.h"
#include "runner/work_workers.h"

static const int64_t every_ns = 2000000000;

struct work_health {
    struct health_post *post;   /* owned while it is not out */
    int64_t told_ns;
    int64_t *frames;            /* [ROWS], as told last */
    double children_cpu_s;      /* that too */
};

enum { ROWS = WORK_CHILDREN + 1 };

struct health_post {
    struct work *w;
    int64_t run_id;
    int n;
    struct store_worker rows[ROWS];
    int n_engines;
    struct store_engine engines[ENGINES_MAX];
};

enum cq_err work_health_create(struct work *w)
{
    struct work_health *h = w->health = calloc(1, sizeof *h);
    if (!h)
        return CQ_NOMEM;
    h->post = calloc(1, sizeof *h->post);
    h->frames = calloc(ROWS, sizeof *h->frames);
    h->told_ns = cq_now_ns() - every_ns;    /* at once */
    return h->post && h->frames ? CQ_OK : CQ_NOMEM;
}

void work_health_destroy(struct work *w)
{
    if (!w->health)
        return;
    free(w->health->post);
    free(w->health->frames);
    free(w->health);
    w->health = NULL;
}

static enum cq_err put(struct store *s, void *arg)
{
    const struct health_post *p = arg;
    enum cq_err err = CQ_OK;
    for (int i = 0; i < p->n && !err; i++)
        err = store_put_worker(s, p->run_id, &p->rows[i]);
    for (int i = 0; i < p->n_engines && !err; i++)
        err = store_put_engine(s, p->run_id, &p->engines[i]);
    return err;
}

static void told(void *arg, enum cq_err err)
{
    struct health_post *p = arg;
    p->w->health->post = p;
    work_post_failed(p->w, err, "telling how workers fare");
}

static struct store_worker of_myself(const struct work *w)
{
    size_t rss = 0;
    uv_resident_set_memory(&rss);
    return (struct store_worker) {
        .role = "supervisor", .state = work_jobs_active(w) ? "busy" : "idle", .pid = getpid(), .rss = (int64_t) rss,
        .cpu_s = cq_cpu_s(RUSAGE_SELF),
    };
}

static void add_rates(struct work_health *h, struct health_post *p, int64_t now)
{
    double seconds = (double) (now - h->told_ns) / 1e9;
    h->children_cpu_s = 0;
    for (int i = 0; i < p->n; i++) {
        p->rows[i].frames_per_s = seconds > 0 ? (double) (p->rows[i].frames - h->frames[i]) / seconds : 0;
        h->frames[i] = p->rows[i].frames;
        h->children_cpu_s += i ? p->rows[i].cpu_s : 0;      /* the first is the supervisor's */
    }
    h->told_ns = now;
}

void work_health_tell(struct work *w, bool last)
{
    struct work_health *h = w->health;
    int64_t now = cq_now_ns();
    struct health_post *p = h->post;
    if (!p || (!last && now - h->told_ns < every_ns))
        return;
    p->w = w;
    p->run_id = w->run_id;
    p->rows[0] = of_myself(w);
    p->n = 1 + work_workers_health(w, p->rows + 1, WORK_CHILDREN);
    p->n += work_engines_health(w, p->rows + p->n, ROWS - p->n);
    p->n_engines = work_engines_shares(w, p->engines);
    add_rates(h, p, now);
    work_score_look(w);
    h->post = NULL;
    if (writer_post(w->writer, &(struct writer_post) {put, told, p}))
        h->post = p;
}

double work_health_children_cpu_s(const struct work *w) { return w->health->children_cpu_s; }
