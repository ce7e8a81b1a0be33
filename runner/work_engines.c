/* The engines of a run: made as --device says, one child process each, and let go of at the end.
 *
 * work_engine_life.c starts them, work_engine_models.c gives them models, work_engine_limits.c bounds their batches,
 * work_engine_account.c tells how they fare.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/child.h"
#include "runner/work_engine.h"

/* DB.files beside the database; made when the first file is written. */
static void name_folder(struct work *w)
{
    const char *slash = strrchr(w->p.db_path, '/');
    snprintf(w->engines->folder, sizeof w->engines->folder, "%s.files", w->p.db_path);
    snprintf(w->engines->folder_label, sizeof w->engines->folder_label, "%s.files", slash ? slash + 1 : w->p.db_path);
}

const char *work_engines_folder(const struct work *w) { return w->engines->folder; }

struct engine *work_engine(const struct work *w, int i)
{
    return w->engines && i < w->engines->n ? &w->engines->list[i] : NULL;
}

static enum cq_err refuse_devices(const struct work *w)
{
    cq_log_error(w->log, "--device %s: give auto, cpu, gpu or devices as P:D,P:D, each whole, a part (P:D/K/N) or cut into N "
                 "engines (P:D*N), up to %d in all", w->p.devices, ENGINES_MAX);
    return CQ_INVALID;
}

static enum cq_err add_engine(struct work *w, const char *spec)
{
    struct work_engines *es = w->engines;
    if (es->n == ENGINES_MAX)
        return refuse_devices(w);
    struct engine *e = &es->list[es->n++];
    e->w = w;
    snprintf(e->spec, sizeof e->spec, "%s", spec);
    snprintf(e->name, sizeof e->name, "%s", spec);
    e->is_cpu = true;
    uv_timer_init(&w->loop, &e->restart);
    e->restart.data = e;
    return CQ_OK;
}

/* One engine for "WHAT", N for "WHAT*N", on a part each. */
static enum cq_err add_engines(struct work *w, const char *text, size_t length)
{
    char what[sizeof w->engines->list[0].spec - 16], spec[sizeof w->engines->list[0].spec];
    if (!length || length >= sizeof what)
        return refuse_devices(w);
    memcpy(what, text, length);
    what[length] = '\0';
    char *star = strchr(what, '*');
    if (!star)
        return add_engine(w, what);
    long parts = strtol(star + 1, NULL, 10);
    enum cq_err err = parts < 1 || parts > ENGINES_MAX ? refuse_devices(w) : CQ_OK;
    for (long part = 1; part <= parts && !err; part++) {
        snprintf(spec, sizeof spec, "%.*s/%d/%d", (int) (star - what), what, (int) part, (int) parts);
        err = add_engine(w, spec);
    }
    return err;
}

enum cq_err work_engines_create(struct work *w)
{
    w->engines = calloc(1, sizeof *w->engines);
    if (!w->engines)
        return CQ_NOMEM;
    name_folder(w);
    for (const char *at = w->p.devices; at; ) {
        size_t length = strcspn(at, ",");
        enum cq_err err = add_engines(w, at, length);
        if (err)
            return err;
        at = at[length] ? at + length + 1 : NULL;
    }
    for (int i = 0; i < w->engines->n; i++)
        engine_start(&w->engines->list[i]);
    return CQ_OK;
}

void work_engines_stop(struct work *w)
{
    for (int i = 0; w->engines && i < w->engines->n; i++) {
        uv_close((uv_handle_t *) &w->engines->list[i].restart, NULL);
        child_destroy(&w->engines->list[i].child);
    }
}

void work_engines_destroy(struct work *w)
{
    for (int i = 0; w->engines && i < w->engines->n; i++)
        engine_drop_batches(&w->engines->list[i]);
    free(w->engines);
    w->engines = NULL;
}
