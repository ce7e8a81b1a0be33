/* Limits in memory: found by their keys, and what a run sees of them.
 *
 * One batch says little: an engine that is late to notice the end of one makes the next look short. So several of the
 * largest are taken together, and the best such group is the figure. Of decoding it is a whole run's mean.
 */
#include "runner/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/store.h"
#include "stages/media/probe.h"
#include "stages/media/sample.h"
#include "stages/media/scale.h"

enum { BATCHES_TOGETHER = 8, FRAMES_MIN = 25 };

static enum cq_err add_row(void *ctx, const struct store_limit *row)
{
    struct limit *l = limits_get(ctx, row);
    if (!l)
        return CQ_NOMEM;
    *(row->measured ? &l->bench_s : &l->observed_s) = row->unit_s;
    *(row->measured ? &l->bench_batch : &l->observed_batch) = row->batch;
    return CQ_OK;
}

enum cq_err limits_read(struct store *s, struct limits *out)
{
    return store_each_limit(s, add_row, out);
}

void limits_finish(struct limits *l)
{
    for (int i = 0; i < l->n; i++)
        free(l->list[i]);
    free(l->list);
    *l = (struct limits) {0};
}

static bool is_same(const struct store_limit *a, const struct store_limit *b)
{
    return a->kind == b->kind && a->units == b->units && !strcmp(a->subject, b->subject) && !strcmp(a->shape, b->shape) &&
           !strcmp(a->device, b->device) && !strcmp(a->driver, b->driver);
}

struct limit *limits_get(struct limits *l, const struct store_limit *key)
{
    for (int i = 0; i < l->n; i++)
        if (is_same(&l->list[i]->key, key))
            return l->list[i];
    struct limit **more = realloc(l->list, (size_t) (l->n + 1) * sizeof *more);
    if (!more)
        return NULL;
    l->list = more;
    struct limit *one = calloc(1, sizeof *one);
    if (one) {
        one->key = *key;
        l->list[l->n++] = one;
    }
    return one;
}

/* ---- figures ---- */

static double trial_mean(const struct limit *l)
{
    return l->trial_units > 0 ? l->trial_s / (double) l->trial_units : 0;
}

/* The least of two, of which 0 is none. */
static double least(double a, double b)
{
    return a <= 0 || (b > 0 && b < a) ? b : a;
}

double limit_s(const struct limit *l, bool *measured)
{
    *measured = l->bench_s > 0;
    if (l->key.kind == LIMIT_DECODE)
        return *measured ? l->bench_s : least(l->observed_s, trial_mean(l));
    double known = least(l->bench_s, l->observed_s);
    return known > 0 ? known : trial_mean(l);
}

int limit_batch(const struct limit *l)
{
    return l->bench_s > 0 && l->bench_batch > 0 ? l->bench_batch : l->observed_s > 0 ? l->observed_batch : l->trial_batch;
}

static void observe(struct limit *l)
{
    double mean = trial_mean(l);
    if (l->observed_s > 0 && mean >= l->observed_s)
        return;
    l->observed_s = mean;
    l->observed_batch = l->trial_batch;
    l->fresh = true;
}

void limit_see_batch(struct limit *l, int n, double s)
{
    if (n < l->trial_batch)
        return;
    if (n > l->trial_batch || l->trial_n == BATCHES_TOGETHER) {
        l->trial_batch = n;
        l->trial_s = 0;
        l->trial_units = l->trial_n = 0;
    }
    l->trial_s += s;
    l->trial_units += n;
    if (++l->trial_n == BATCHES_TOGETHER)
        observe(l);
}

void limit_see_clip(struct limit *l, int64_t frames, double cpu_s)
{
    if (frames <= 0 || cpu_s <= 0)
        return;
    l->trial_s += cpu_s;
    l->trial_units += frames;
}

void limit_settle(struct limit *l)
{
    if (l->key.kind == LIMIT_DECODE ? l->trial_units >= FRAMES_MIN : l->trial_units && l->observed_s <= 0)
        observe(l);
}

/* ---- keys ---- */

static int put_sampling(char *out, size_t size, const struct sample_spec *s)
{
    switch (s->mode) {
    case SAMPLE_KEYFRAMES: return snprintf(out, size, "key frames");
    case SAMPLE_FPS:       return snprintf(out, size, "%g fps", s->fps);
    default:               return snprintf(out, size, s->every > 1 ? "every %d" : "all", s->every);
    }
}

void limit_key_of_clip(const struct probe *p, const struct sample_spec *sample, const struct scale_target *targets, int n,
                       struct store_limit *out)
{
    *out = (struct store_limit) {.kind = LIMIT_DECODE, .units = 1};
    snprintf(out->subject, sizeof out->subject, "%.31s %.31s %dx%d", p->codec, p->pixel_format, p->coded_w, p->coded_h);
    size_t at = (size_t) put_sampling(out->shape, sizeof out->shape, sample);
    for (int i = 0; i < n && at < sizeof out->shape; i++)
        at += (size_t) snprintf(out->shape + at, sizeof out->shape - at, " to %dx%d", targets[i].width, targets[i].height);
}

void limit_key_of_model(const char *device, const char *driver, int units, const char *hash, const char *shape, struct store_limit *out)
{
    *out = (struct store_limit) {.kind = LIMIT_INFER, .units = units};
    snprintf(out->device, sizeof out->device, "%s", device);
    snprintf(out->driver, sizeof out->driver, "%s", driver);
    snprintf(out->subject, sizeof out->subject, "%s", hash);
    snprintf(out->shape, sizeof out->shape, "%s", shape);
}

/* ---- measured by themselves ---- */

enum cq_err limits_record(struct cq_log *log, const char *path, const struct store_limit *list, int n)
{
    struct store *s;
    enum cq_err err = store_open(log, path, STORE_CREATE, &s);
    if (err)
        return err;
    err = store_begin(s);
    for (int i = 0; i < n && !err; i++)
        err = store_put_limit(s, &list[i]);
    if (!err)
        err = store_commit(s);
    store_close(&s);
    return err;
}
