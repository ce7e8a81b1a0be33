/* An answer's memory, and its form on the wire.
 *
 * The reader trusts nothing: counts are held against the bytes that are left, texts against their fields,
 * and a number that is not finite is a protocol error, for the database could not compare it.
 */
#include "stages/answer/answer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void answer_finish(struct answer *a)
{
    free(a->detections);
    free(a->classes);
    free(a->embedding);
    free(a->artifacts);
    *a = (struct answer) {0};
}

/* Room for one more: capacity is the power of two at or above the count, so it needs no field of its own. */
static void *room_for_one(void *items, int n, size_t size)
{
    if (n & (n - 1))
        return items;
    if (n > INT32_MAX / 2)
        return NULL;
    return realloc(items, (n ? 2 * (size_t) n : 1) * size);
}

enum cq_err answer_add_detection(struct answer *a, const struct detection *d)
{
    struct detection *items = room_for_one(a->detections, a->n_detections, sizeof *items);
    if (!items)
        return CQ_NOMEM;
    a->detections = items;
    items[a->n_detections++] = *d;
    return CQ_OK;
}

enum cq_err answer_add_class(struct answer *a, int class_id, float score)
{
    struct classification *items = room_for_one(a->classes, a->n_classes, sizeof *items);
    if (!items)
        return CQ_NOMEM;
    a->classes = items;
    items[a->n_classes++] = (struct classification) {.class_id = class_id, .score = score};
    return CQ_OK;
}

enum cq_err answer_set_embedding(struct answer *a, const float *v, int dims)
{
    if (dims <= 0)
        return CQ_INVALID;
    float *copy = malloc((size_t) dims * sizeof *copy);
    if (!copy)
        return CQ_NOMEM;
    memcpy(copy, v, (size_t) dims * sizeof *copy);
    free(a->embedding);
    a->embedding = copy;
    a->dims = dims;
    return CQ_OK;
}

enum cq_err answer_add_artifact(struct answer *a, const struct artifact *f)
{
    struct artifact *items = room_for_one(a->artifacts, a->n_artifacts, sizeof *items);
    if (!items)
        return CQ_NOMEM;
    a->artifacts = items;
    items[a->n_artifacts++] = *f;
    return CQ_OK;
}

static void put_detection(struct cq_buf *b, const struct detection *d)
{
    cq_put_i32(b, d->class_id);
    cq_put_f32(b, d->score);
    cq_put_f32(b, d->x0);
    cq_put_f32(b, d->y0);
    cq_put_f32(b, d->x1);
    cq_put_f32(b, d->y1);
    cq_put_u32(b, (uint32_t) d->n_points);
    cq_put(b, d->point, (size_t) d->n_points * sizeof d->point[0]);
}

void answer_put(struct cq_buf *b, const struct answer *a)
{
    cq_put_u32(b, (uint32_t) a->n_detections);
    for (int i = 0; i < a->n_detections; i++)
        put_detection(b, &a->detections[i]);

    cq_put_u32(b, (uint32_t) a->n_classes);
    for (int i = 0; i < a->n_classes; i++) {
        cq_put_i32(b, a->classes[i].class_id);
        cq_put_f32(b, a->classes[i].score);
    }

    cq_put_u32(b, (uint32_t) a->dims);
    cq_put(b, a->embedding, (size_t) a->dims * sizeof *a->embedding);

    cq_put_u32(b, (uint32_t) a->n_artifacts);
    for (int i = 0; i < a->n_artifacts; i++) {
        cq_put_str(b, a->artifacts[i].kind);
        cq_put_str(b, a->artifacts[i].name);
        cq_put_str(b, a->artifacts[i].shape);
        cq_put_str(b, a->artifacts[i].path);
    }

    cq_put_u8(b, a->has_quality != 0);
    if (a->has_quality) {
        cq_put_f32(b, a->quality.sharpness);
        cq_put_f32(b, a->quality.exposure);
        cq_put_f32(b, a->quality.contrast);
        cq_put_f32(b, a->quality.clipped_dark);
        cq_put_f32(b, a->quality.clipped_bright);
    }
}

static float get_finite(struct cq_rd *r)
{
    float v = cq_get_f32(r);
    if (!r->err && !isfinite(v))
        r->err = CQ_PROTOCOL;
    return v;
}

static void get_text(struct cq_rd *r, char *out, size_t size)
{
    const char *s = cq_get_str(r);
    size_t length = strlen(s);
    if (length < size)
        memcpy(out, s, length + 1);
    else if (!r->err)
        r->err = CQ_PROTOCOL;
}

static void get_detection(struct cq_rd *r, struct answer *out)
{
    struct detection d = {.class_id = cq_get_i32(r), .score = get_finite(r)};
    d.x0 = get_finite(r);
    d.y0 = get_finite(r);
    d.x1 = get_finite(r);
    d.y1 = get_finite(r);
    uint32_t n = cq_get_count(r, sizeof d.point[0]);
    if (n > ANSWER_MAX_POINTS) {
        r->err = CQ_PROTOCOL;
        return;
    }
    d.n_points = (int) n;
    for (uint32_t i = 0; i < n; i++) {
        d.point[i][0] = get_finite(r);
        d.point[i][1] = get_finite(r);
    }
    if (!r->err)
        r->err = answer_add_detection(out, &d);
}

static void get_class(struct cq_rd *r, struct answer *out)
{
    int id = cq_get_i32(r);
    float score = get_finite(r);
    if (!r->err)
        r->err = answer_add_class(out, id, score);
}

static void get_embedding(struct cq_rd *r, struct answer *out)
{
    uint32_t dims = cq_get_count(r, sizeof(float));
    if (r->err || !dims)
        return;
    out->embedding = malloc(dims * sizeof(float));
    if (!out->embedding) {
        r->err = CQ_NOMEM;
        return;
    }
    out->dims = (int) dims;
    for (uint32_t i = 0; i < dims; i++)
        out->embedding[i] = get_finite(r);
}

static void get_artifact(struct cq_rd *r, struct answer *out)
{
    struct artifact f = {0};
    get_text(r, f.kind, sizeof f.kind);
    get_text(r, f.name, sizeof f.name);
    get_text(r, f.shape, sizeof f.shape);
    get_text(r, f.path, sizeof f.path);
    if (!r->err)
        r->err = answer_add_artifact(out, &f);
}

static void get_quality(struct cq_rd *r, struct answer *out)
{
    out->has_quality = cq_get_u8(r) != 0;
    if (!out->has_quality)
        return;
    out->quality.sharpness = get_finite(r);
    out->quality.exposure = get_finite(r);
    out->quality.contrast = get_finite(r);
    out->quality.clipped_dark = get_finite(r);
    out->quality.clipped_bright = get_finite(r);
}

enum cq_err answer_get(struct cq_rd *r, struct answer *out)
{
    /* The smallest forms: an empty landmark list, four empty texts. */
    enum { DETECTION_MIN = 28, CLASS_SIZE = 8, ARTIFACT_MIN = 4 * 5 };

    uint32_t n = cq_get_count(r, DETECTION_MIN);
    for (uint32_t i = 0; i < n && !r->err; i++)
        get_detection(r, out);
    n = cq_get_count(r, CLASS_SIZE);
    for (uint32_t i = 0; i < n && !r->err; i++)
        get_class(r, out);
    get_embedding(r, out);
    n = cq_get_count(r, ARTIFACT_MIN);
    for (uint32_t i = 0; i < n && !r->err; i++)
        get_artifact(r, out);
    get_quality(r, out);

    if (r->err)
        answer_finish(out);
    return r->err;
}
