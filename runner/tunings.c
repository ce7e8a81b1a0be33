/* See tunings.h. */
#include "runner/tunings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "kernels/device.h"
#include "stages/infer/tune.h"

_Static_assert((int) MSG_TUNED_MAX >= (int) TUNE_MAX && (int) MSG_TUNED_KEY == CHOICE_KEY - 1, "as measured, so told");

enum cq_err tunings_add(struct tunings *t, const struct store_tuning_row *row)
{
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

static enum cq_err add_row(void *ctx, const struct store_tuning_row *row)
{
    return tunings_add(ctx, row);
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

bool tunings_describe(const struct session_tuned *tuned, char text[MSG_TEXT], struct msg_tuned *m)
{
    const struct tune_result *r = tuned->result;
    char in[TENSOR_TEXT_SIZE] = "", out[TENSOR_TEXT_SIZE];
    if (tuned->in.type != DT_NONE)
        tensor_text(&tuned->in, in);
    snprintf(text, MSG_TEXT, "%s %s -> %s", tuned->op, in, tensor_text(&tuned->out, out));
    *m = (struct msg_tuned) {.key = r->key, .text = text};
    for (int i = 0; i < r->n; i++) {
        if (r->candidates[i].wrong)
            continue;
        m->first = i == r->first ? m->n : m->first;
        m->best = i == r->best ? m->n : m->best;
        m->list[m->n++] = (struct msg_timing) {r->candidates[i].kernel->name, r->candidates[i].ms};
    }
    return m->n >= 2;
}

static char *measured_text(const struct msg_tuned *m)
{
    json_t *json = json_object();
    for (int i = 0; i < m->n; i++)
        json_object_set_new(json, m->list[i].kernel, json_real(m->list[i].ms));
    char *text = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(6));
    json_decref(json);
    return text;
}

enum cq_err tunings_put(struct store *s, const char *device, const char *driver, const struct msg_tuned *m)
{
    char *measured = measured_text(m);
    if (!measured)
        return CQ_NOMEM;
    enum cq_err err = store_drop_old_tunings(s, device, driver, kernel_sources_hash);
    if (!err)
        err = store_put_tuning(s, &(struct store_tuning) {
            .device = device, .driver = driver, .kernels = kernel_sources_hash, .key = m->key, .description = m->text,
            .variant = m->list[m->best].kernel, .heuristic = m->list[m->first].kernel, .measured = measured,
        });
    free(measured);
    return err;
}
