/* Cut detection over a sliding window, and the clip's signature.
 *
 * A cut is decided REACH frames late, when the distances on both sides of it are known. The signature needs
 * the mean over each third of a clip whose length is not known before its end: means are kept in time bins,
 * and when the clip outgrows them, neighbours merge and the bins' span doubles.
 */
#include "stages/answer/shots.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/buf.h"

enum {
    REACH = 8,                    /* frames looked at on each side of a candidate */
    WINDOW = 2 * REACH + 1,
    HISTORY = REACH + 3,          /* embeddings from two before the candidate on */
    BINS = 48
};

enum { LANES = 8, STRIDE = 32 };

static const float SHOT_CUT_DISTANCE = 0.55f;
static const float CUT_OVER_MEDIAN = 3.0f;
static const double FIRST_SPAN_S = 0.125;

const double SIGNATURE_DUPLICATE = 0.75;

struct step {
    float distance;               /* to the frame before */
    double time_s;
};

struct shots {
    int dims;
    long frames;                  /* pushed */
    long judged;                  /* frames whose being a cut is decided */
    struct step steps[WINDOW];    /* ring, by frame number */
    float *history;               /* owned; ring of HISTORY embeddings, by frame number */

    struct cq_buf found;          /* struct shot, all but the open one closed */
    double start_s, last_s;

    double span_s;                /* of a bin */
    int count[BINS];
    double *sums;                 /* owned; [BINS][dims] */
};

enum cq_err shots_create(int dims, struct shots **out)
{
    *out = NULL;
    if (dims <= 0 || dims * SIGNATURE_PARTS > SIGNATURE_MAX)
        return CQ_INVALID;
    struct shots *s = calloc(1, sizeof *s);
    if (!s)
        return CQ_NOMEM;
    s->dims = dims;
    s->span_s = FIRST_SPAN_S;
    s->history = calloc((size_t) (HISTORY * dims), sizeof *s->history);
    s->sums = calloc((size_t) (BINS * dims), sizeof *s->sums);
    if (!s->history || !s->sums) {
        shots_destroy(&s);
        return CQ_NOMEM;
    }
    *out = s;
    return CQ_OK;
}

void shots_destroy(struct shots **s)
{
    if (!*s)
        return;
    cq_buf_finish(&(*s)->found);
    free((*s)->history);
    free((*s)->sums);
    free(*s);
    *s = NULL;
}

static float *history_at(const struct shots *s, long frame)
{
    return s->history + frame % HISTORY * s->dims;
}

static float distance(const float *a, const float *b, int dims)
{
    float sum = 0;
    for (int i = 0; i < dims; i++)
        sum += (a[i] - b[i]) * (a[i] - b[i]);
    return sqrtf(sum);
}

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *) a, y = *(const float *) b;
    return (x > y) - (x < y);
}

/* Median of the distances within reach of a frame, itself left out; frame 0 has none before it. */
static float median_around(const struct shots *s, long frame)
{
    float d[WINDOW];
    int n = 0;
    for (long i = frame - REACH; i <= frame + REACH && i < s->frames; i++)
        if (i > 0 && i != frame)
            d[n++] = s->steps[i % WINDOW].distance;
    if (!n)
        return 0;
    qsort(d, (size_t) n, sizeof *d, compare_floats);
    return d[n / 2];
}

/* Do two frames differ as over a cut? A frame outside the clip differs from all. */
static bool differ(const struct shots *s, long a, long b)
{
    if (a < 0 || b >= s->frames)
        return true;
    return distance(history_at(s, a), history_at(s, b), s->dims) >= SHOT_CUT_DISTANCE;
}

static bool is_cut(const struct shots *s, long frame)
{
    float d = s->steps[frame % WINDOW].distance;
    if (d < SHOT_CUT_DISTANCE || d < CUT_OVER_MEDIAN * median_around(s, frame))
        return false;
    /* Round a flash the picture comes back: into it, and out of it. */
    return differ(s, frame - 1, frame + 1) && differ(s, frame - 2, frame);
}

static struct shot *open_shot(struct shots *s)
{
    size_t n = s->found.size / sizeof(struct shot);
    return n ? (struct shot *) (void *) s->found.data + n - 1 : NULL;
}

/* Decides about one frame and puts it into the open shot or a new one. */
static enum cq_err judge(struct shots *s, long frame)
{
    const struct step *step = &s->steps[frame % WINDOW];
    bool cut = frame > 0 && is_cut(s, frame);
    if (frame == 0 || cut) {
        struct shot shot = {.first = (int) frame, .start_s = step->time_s, .cut_score = cut ? step->distance : 0};
        cq_put(&s->found, &shot, sizeof shot);
        if (s->found.err)
            return s->found.err;
    }
    struct shot *open = open_shot(s);
    open->last = (int) frame;
    open->end_s = step->time_s;
    return CQ_OK;
}

static void merge_bins(struct shots *s)
{
    for (int i = 0; i < BINS; i++) {
        int to = i / 2;
        double *into = s->sums + to * s->dims, *from = s->sums + i * s->dims;
        int count = s->count[i];
        if (i % 2 == 0) {
            memmove(into, from, (size_t) s->dims * sizeof *into);
            s->count[to] = count;
        } else {
            for (int k = 0; k < s->dims; k++)
                into[k] += from[k];
            s->count[to] += count;
        }
    }
    memset(s->sums + BINS / 2 * s->dims, 0, (size_t) (BINS / 2 * s->dims) * sizeof *s->sums);
    memset(s->count + BINS / 2, 0, BINS / 2 * sizeof *s->count);
    s->span_s *= 2;
}

static void add_to_bin(struct shots *s, const float *v, double time_s)
{
    double since = time_s > s->start_s ? time_s - s->start_s : 0;
    while (since >= s->span_s * BINS)
        merge_bins(s);
    int bin = (int) (since / s->span_s);
    for (int k = 0; k < s->dims; k++)
        s->sums[bin * s->dims + k] += v[k];
    s->count[bin]++;
}

enum cq_err shots_push(struct shots *s, const float *embedding, double time_s)
{
    if (!isfinite(time_s))
        return CQ_INVALID;
    long frame = s->frames;
    if (frame == 0)
        s->start_s = time_s;
    float *own = history_at(s, frame);
    memcpy(own, embedding, (size_t) s->dims * sizeof *own);
    s->steps[frame % WINDOW] = (struct step) {
        .distance = frame ? distance(history_at(s, frame - 1), own, s->dims) : 0,
        .time_s = time_s,
    };
    s->frames++;
    s->last_s = time_s;
    add_to_bin(s, embedding, time_s);
    return frame >= REACH ? judge(s, s->judged++) : CQ_OK;
}

enum cq_err shots_end(struct shots *s, const struct shot **out, int *n)
{
    while (s->judged < s->frames) {
        enum cq_err err = judge(s, s->judged++);
        if (err)
            return err;
    }
    *n = (int) (s->found.size / sizeof(struct shot));
    *out = (const struct shot *) (const void *) s->found.data;
    return CQ_OK;
}

/* Mean over the times from..to (in bins), bins on the border counting by their overlap. */
static void mean_between(const struct shots *s, double from, double to, float *out)
{
    double total = 0, sum[SIGNATURE_MAX] = {0};
    for (int bin = 0; bin < BINS; bin++) {
        double overlap = fmin(to, bin + 1) - fmax(from, bin);
        if (overlap <= 0 || !s->count[bin])
            continue;
        for (int k = 0; k < s->dims; k++)
            sum[k] += overlap * s->sums[bin * s->dims + k] / s->count[bin];
        total += overlap;
    }
    for (int k = 0; k < s->dims; k++)
        out[k] = total > 0 ? (float) (sum[k] / total) : 0;
}

void shots_signature(const struct shots *s, struct signature *out)
{
    *out = (struct signature) {0};
    if (!s->frames)
        return;
    out->dims = s->dims * SIGNATURE_PARTS;
    out->duration_s = s->last_s > s->start_s ? s->last_s - s->start_s : 0;
    /* A single frame still fills its bin's first part: a part without time of its own would be empty. */
    double length = fmax(out->duration_s / s->span_s, 1e-6);
    for (int part = 0; part < SIGNATURE_PARTS; part++)
        mean_between(s, length * part / SIGNATURE_PARTS, length * (part + 1) / SIGNATURE_PARTS,
                     out->v + part * s->dims);
}

/* In LANES sums, which compilers make a vector of. */
static float squared_distance(const float *a, const float *b, int n)
{
    float sums[LANES] = {0}, sum = 0;
    int i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++)
            sums[k] += (a[i + k] - b[i + k]) * (a[i + k] - b[i + k]);
    for (; i < n; i++)
        sum += (a[i] - b[i]) * (a[i] - b[i]);
    for (int k = 0; k < LANES; k++)
        sum += sums[k];
    return sum;
}

double signature_similarity(const struct signature *a, const struct signature *b)
{
    const double sigma = 0.15, far = 9 * 2 * sigma * sigma * SIGNATURE_PARTS;
    if (a->dims != b->dims || a->dims == 0)
        return 0;
    double gap = fabs(a->duration_s - b->duration_s);
    if (gap > 1 && gap > 0.2 * fmax(a->duration_s, b->duration_s))
        return 0;
    float sum = 0;
    for (int i = 0; i < a->dims && sum <= far; i += STRIDE)
        sum += squared_distance(a->v + i, b->v + i, a->dims - i < STRIDE ? a->dims - i : STRIDE);
    return sum > far ? 0 : exp(-(double) sum / SIGNATURE_PARTS / (2 * sigma * sigma));
}
