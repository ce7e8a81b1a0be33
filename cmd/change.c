/* One transaction for everything: a signal in the middle changes nothing. */
#include "cmd/change.h"

#include <stdlib.h>

#include "cmd/common.h"
#include "cmd/filter.h"
#include "cmd/job_rows.h"
#include "runner/store.h"

struct changing {
    struct common *common;
    struct change *c;
    struct store *store;
    struct job_rows rows;
};

static enum cq_err tell_state(void *ctx, const struct store_job_row *r)
{
    struct changing *g = ctx;
    cq_log_warn(&g->common->log, "job %lld is %s: there is nothing to %s", (long long) r->id, r->state, g->c->verb);
    return CQ_OK;
}

static enum cq_err apply(struct changing *g, const struct store_filter *f, int64_t matching)
{
    struct store_filter probed = *f;
    probed.probed = g->c->probed;
    int64_t n = matching;
    enum cq_err err = g->c->probed ? store_count_jobs(g->store, &probed, &n) : CQ_OK;
    g->c->unprobed += matching - n;
    if (err || !n)
        return err;
    if (!g->c->dry_run)
        return g->c->apply(g->store, f, g->c->changed);
    g->c->changed[0] += n;
    return store_each_job(g->store, &probed, 0, INT64_MAX, job_rows_print, &g->rows);
}

/* CQ_NOT_FOUND when there is no such job; told. */
static enum cq_err change_one(struct changing *g, struct store_filter f, const char *text)
{
    int64_t exists, n;
    const struct store_filter any = {.id = f.id};
    enum cq_err err = store_count_jobs(g->store, &any, &exists);
    if (!err && !exists) {
        cq_log_error(&g->common->log, "there is no job %s; `clipq list` shows what there is", text);
        return CQ_NOT_FOUND;
    }
    if (!err)
        err = store_count_jobs(g->store, &f, &n);
    if (err)
        return err;
    return n ? apply(g, &f, n) : store_each_job(g->store, &any, 0, 1, tell_state, g);
}

static enum cq_err change_all(struct changing *g, const struct store_filter *f)
{
    int64_t n;
    enum cq_err err = store_count_jobs(g->store, f, &n);
    return err || !n ? err : apply(g, f, n);
}

static enum cq_err change_them(struct changing *g, struct store_filter f, char **ids, int n_ids, int *rc)
{
    enum cq_err err = CQ_OK;
    if (!n_ids)
        return change_all(g, &f);
    for (int i = 0; i < n_ids && !err; i++) {
        f.id = strtoll(ids[i], NULL, 10);    /* looked at before */
        err = change_one(g, f, ids[i]);
        if (err == CQ_NOT_FOUND) {
            *rc = EXIT_FATAL;
            err = CQ_OK;
        }
    }
    return err;
}

int change_run(const struct command *self, struct common *common, struct change *c, const struct store_filter *filter, char **ids,
               int n_ids)
{
    struct changing g = {.common = common, .c = c, .rows = {.json = common->json, .type = "job"}};
    struct store_filter f = *filter;
    int rc = EXIT_FINE;
    f.states = f.states ? f.states & c->states : c->states;
    for (int i = 0; i < n_ids; i++)
        if (filter_id(self, ids[i], &f.id))
            return EXIT_USAGE;
    f.id = 0;
    enum cq_err err = store_open(&common->log, common->db, c->dry_run ? STORE_READ : STORE_WRITE, &g.store);
    if (err)
        return common_exit(err, true);
    if (!c->dry_run)
        err = store_begin(g.store);
    if (!err)
        err = change_them(&g, f, ids, n_ids, &rc);
    if (!err && !c->dry_run)
        err = store_commit(g.store);
    if (err && !c->dry_run)
        store_rollback(g.store);
    store_close(&g.store);
    return err ? common_exit(err, true) : rc;
}
