/* See tunings.h. */
#include "runner/tunings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "kernels/device.h"
#include "stages/infer/tune.h"

static enum cq_err add_row(void *ctx, const struct store_tuning_row *row)
{
    struct tunings *t = ctx;
    if (t->n == t->max) {
        int more = t->max ? 2 * t->max : 64;
        struct store_tuning_row *rows = realloc(t->rows, (size_t) more * sizeof *rows);
        if (!rows)
            return CQ_NOMEM;
        t->rows = rows;
        t->max = more;
    }
    t->rows[t->n++] = *row;
    return CQ_OK;
}

enum cq_err tunings_read(struct store *s, struct tunings *out)
{
    *out = (struct tunings){0};
    enum cq_err err = store_each_tuning(s, kernel_sources_hash, add_row, out);
    if (err)
        tunings_finish(out);
    return err;
}

void tunings_finish(struct tunings *t)
{
    free(t->rows);
    *t = (struct tunings){0};
}

bool tunings_is_for(const struct store_tuning_row *row, const char *device, const char *driver)
{
    return !strcmp(row->device, device) && !strcmp(row->driver, driver);
}

enum cq_err tunings_load(struct cq_log *log, const char *path, const struct device_info *info, struct choices *out)
{
    struct store *s;
    struct tunings t;
    *out = (struct choices){0};
    if (access(path, F_OK))
        return CQ_OK;
    enum cq_err err = store_open(log, path, STORE_READ, &s);
    if (err)
        return err;
    err = tunings_read(s, &t);
    for (int i = 0; i < t.n && !err; i++)
        if (tunings_is_for(&t.rows[i], info->name, info->driver))
            err = choices_add(out, t.rows[i].key, t.rows[i].variant);
    tunings_finish(&t);
    store_close(&s);
    if (err)
        choices_finish(out);
    return err;
}

static char *measured_text(const struct tune_result *r)
{
    json_t *json = json_object();
    for (int i = 0; i < r->n; i++)
        if (!r->candidates[i].wrong)
            json_object_set_new(json, r->candidates[i].kernel->name, json_real(r->candidates[i].ms));
    char *text = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(6));
    json_decref(json);
    return text;
}

enum cq_err tunings_put(struct store *s, const struct device_info *info, const struct session_tuned *tuned)
{
    const struct tune_result *r = tuned->result;
    char in[TENSOR_TEXT_SIZE] = "", out[TENSOR_TEXT_SIZE], text[2 * TENSOR_TEXT_SIZE + 40];
    if (tuned->in.type != DT_NONE)
        tensor_text(&tuned->in, in);
    snprintf(text, sizeof text, "%s %s -> %s", tuned->op, in, tensor_text(&tuned->out, out));
    char *measured = measured_text(r);
    if (!measured)
        return CQ_NOMEM;
    enum cq_err err = store_drop_old_tunings(s, info->name, info->driver, kernel_sources_hash);
    if (!err)
        err = store_put_tuning(s, &(struct store_tuning) {
            .device = info->name, .driver = info->driver, .kernels = kernel_sources_hash, .key = r->key,
            .description = text, .variant = r->candidates[r->best].kernel->name,
            .heuristic = r->candidates[r->first].kernel->name, .measured = measured,
        });
    free(measured);
    return err;
}
