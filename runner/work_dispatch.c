/* Clips to decode workers: the balancer chooses which goes to whom, by what is ready and how fast each has been. */
#include <inttypes.h>
#include <string.h>

#include "kernels/base/clock.h"
#include "runner/child.h"
#include "runner/work_models.h"
#include "runner/work_worker.h"
#include "runner/work_workers.h"

enum { OFFER_MAX = 64 };        /* clips that the balancer chooses from */

static void send_job(struct worker *wk, struct job *j)
{
    const struct probe *p = &j->claim.probe;
    struct msg_job m = {
        .serial = j->serial, .path = j->claim.path, .stream_index = p->stream_index, .expect_size = p->size,
        .expect_mtime_ns = p->mtime_ns, .sample = j->pipeline->sample, .rotation = p->rotation,
        .mirrored = p->mirrored, .n_targets = j->pipeline->n_models,
    };
    memcpy(m.targets, j->targets, sizeof m.targets);
    m.is_segment = j->claim.parent_id != 0;
    m.segment = j->claim.segment;
    j->scanning = segments_wanted(j);
    if (j->scanning)
        m.wish = (struct segment_wish) {.longest_s = wk->w->p.split_s, .at_once = wk->w->p.workers};
    m.threads = j->threads = work_threads_for(wk->w, j);
    if (j->threads > 1)
        cq_log_info(wk->w->log, "job %" PRId64 " (%s) is decoded on %d threads", j->claim.id, j->claim.path, j->threads);
    struct cq_buf body = {0};
    msg_put_job(&body, &m);
    child_take_words(wk->child, j->words);      /* of the clip before: no words of this one */
    j->words[0] = '\0';
    j->worker = wk;
    j->worker_pid = child_pid(wk->child);
    wk->job = j;
    wk->came_up = true;
    wk->stalled_ns = wk->scanned = 0;
    /* An error means that it is gone, and on_exit follows. */
    if (child_open(wk->child, m.serial, m.path) == CQ_NOMEM || child_send(wk->child, MSG_JOB, &body) == CQ_NOMEM)
        work_fail(wk->w, CQ_NOMEM);
    cq_buf_finish(&body);
}

/* Of those that have done a clip; workers of one machine differ little. */
static double usual_speed(const struct work_workers *ws)
{
    double sum = 0;
    int n = 0;
    for (int i = 0; i < ws->n; i++) {
        double speed = speed_of(&ws->list[i].speed, 0);
        sum += speed;
        n += speed > 0;
    }
    return n ? sum / n : 1;
}

static double load_of(const struct worker *wk, double speed)
{
    const struct job *j = wk->job;
    return j ? speed_load(j->cost, speed, job_busy_s(j), (double) (cq_now_ns() - j->begun_ns) / 1e9) : 0;
}

/* For the balancer; false: nobody is ready. */
static bool describe_workers(struct work_workers *ws)
{
    bool any = false;
    double guess = usual_speed(ws);
    for (int i = 0; i < ws->n; i++) {
        const struct worker *wk = &ws->list[i];
        bool alive = wk->state == WORKER_READY && wk->child && !wk->dismissed;
        double speed = speed_of(&wk->speed, guess);
        ws->targets[i] = (struct balancer_target) {
            .ready = alive && !wk->job && child_is_ready(wk->child), .speed = alive ? speed : 0,
            .load = load_of(wk, speed),
        };
        any = any || ws->targets[i].ready;
    }
    return any;
}

void workers_begin_jobs(struct work *w)
{
    struct work_workers *ws = w->workers;
    struct job *jobs[OFFER_MAX];
    double costs[OFFER_MAX];
    struct balancer_pair p;
    while (describe_workers(ws)) {
        const struct balancer_work offer = {.costs = costs, .n = work_jobs_ready(w, jobs, OFFER_MAX), .later = work_ahead_cost(w)};
        for (int i = 0; i < offer.n; i++)
            costs[i] = jobs[i]->cost;
        if (!offer.n || !balancer_pick(&ws->balancer, ws->targets, ws->n, &offer, &p))
            return;
        job_begin(jobs[p.work]);
        send_job(&ws->list[p.target], jobs[p.work]);
    }
}
