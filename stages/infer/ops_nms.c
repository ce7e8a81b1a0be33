/* NonMaxSuppression: of boxes that overlap, the one with the highest score.
 *
 * Per image and class: boxes whose score passes the threshold are taken by falling score, equal ones by number, and
 * each drops the later ones whose intersection over union with it exceeds the limit. The arithmetic is float32 in the
 * order of ONNX Runtime, so that boxes right at the limit fall on the same side.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stages/infer/lower.h"

struct box { float x0, y0, x1, y1, area; };

struct candidate {
    float score;
    int64_t index;
};

struct nms {
    int64_t images, classes, boxes;
    const float *box, *score;        /* [images][boxes][4], [images][classes][boxes] */
    int64_t most;                    /* per class */
    float overlap, threshold;
    bool centered;                   /* x, y of the middle, width, height; else two corners y, x, y, x */
    struct candidate *candidates;    /* room for `boxes` */
    struct box *kept;                /* the same, of the current class */
    int64_t (*out)[3];               /* image, class, box */
    size_t n_out, max_out;
};

/* fminf and fmaxf are calls, and most of the time is spent here. */
static float least(float a, float b)
{
    return a < b ? a : b;
}

static float most(float a, float b)
{
    return a > b ? a : b;
}

static struct box box_of(const struct nms *n, int64_t image, int64_t i)
{
    const float *b = n->box + (image * n->boxes + i) * 4;
    float w = b[2] / 2, h = b[3] / 2;
    struct box box = {b[0] - w, b[1] - h, b[0] + w, b[1] + h};
    if (!n->centered)
        box = (struct box){least(b[1], b[3]), least(b[0], b[2]), most(b[1], b[3]), most(b[0], b[2])};
    box.area = (box.x1 - box.x0) * (box.y1 - box.y0);
    return box;
}

static bool overlaps(const struct box *a, const struct box *b, float limit)
{
    /* Nearly all pairs are apart, and there are many of them. */
    if (!(a->x0 < b->x1 && b->x0 < a->x1 && a->y0 < b->y1 && b->y0 < a->y1))
        return false;
    float w = least(a->x1, b->x1) - most(a->x0, b->x0), h = least(a->y1, b->y1) - most(a->y0, b->y0);
    float both = w * h, either = a->area + b->area - both;
    return both > 0 && a->area > 0 && b->area > 0 && either > 0 && both / either > limit;
}

static int by_score(const void *pa, const void *pb)
{
    const struct candidate *a = pa, *b = pb;
    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    return (a->index > b->index) - (a->index < b->index);
}

static bool put(struct nms *n, int64_t image, int64_t class, int64_t box)
{
    if (n->n_out == n->max_out) {
        size_t more = n->max_out ? 2 * n->max_out : 64;
        void *out = realloc(n->out, more * sizeof *n->out);
        if (!out)
            return false;
        n->out = out;
        n->max_out = more;
    }
    int64_t *to = n->out[n->n_out++];
    to[0] = image, to[1] = class, to[2] = box;
    return true;
}

/* A score that is not a number passes no threshold. */
static int64_t find_candidates(struct nms *n, int64_t image, int64_t class)
{
    const float *score = n->score + (image * n->classes + class) * n->boxes;
    int64_t count = 0;
    for (int64_t i = 0; i < n->boxes; i++)
        if (score[i] > n->threshold)
            n->candidates[count++] = (struct candidate){score[i], i};
    qsort(n->candidates, (size_t) count, sizeof *n->candidates, by_score);
    return count;
}

static bool select_class(struct nms *n, int64_t image, int64_t class)
{
    int64_t count = find_candidates(n, image, class), kept = 0;
    for (int64_t i = 0; i < count && kept < n->most; i++) {
        struct box b = box_of(n, image, n->candidates[i].index);
        bool free = true;
        for (int64_t k = 0; k < kept && free; k++)
            free = !overlaps(&n->kept[k], &b, n->overlap);
        if (!free)
            continue;
        n->kept[kept++] = b;
        if (!put(n, image, class, n->candidates[i].index))
            return false;
    }
    return true;
}

static enum cq_err select_all(struct lower *c, struct nms *n)
{
    bool done = n->candidates && n->kept;
    for (int64_t image = 0; image < n->images && done; image++)
        for (int64_t class = 0; class < n->classes && done; class++)
            done = select_class(n, image, class);
    struct tensor_desc y = {.type = DT_I64, .rank = 2, .dim = {(int64_t) n->n_out, 3}};
    int64_t *out = done ? lower_known_output(c, 0, &y) : NULL;
    if (out && n->n_out)
        memcpy(out, n->out, n->n_out * sizeof *n->out);
    free(n->candidates);
    free(n->kept);
    free(n->out);
    return out ? CQ_OK : CQ_NOMEM;
}

/* Optional inputs are one number each; what is left out keeps its default. */
static enum cq_err read_limits(struct lower *c, struct nms *n)
{
    int count = 1;
    n->threshold = -INFINITY;
    if (lower_in(c, 2) >= 0 && (!lower_const_ints(c, 2, &n->most, 1, &count) || count != 1))
        return lower_later(c, 2, "max_output_boxes_per_class");
    if (lower_in(c, 3) >= 0 && !lower_const_float(c, 3, &n->overlap))
        return lower_later(c, 3, "iou_threshold");
    if (lower_in(c, 4) >= 0 && !lower_const_float(c, 4, &n->threshold))
        return lower_later(c, 4, "score_threshold");
    return CQ_OK;
}

static enum cq_err lower_nms(struct lower *c)
{
    struct tensor_desc box = lower_desc(c, 0), score = lower_desc(c, 1);
    if (lower_in(c, 0) < 0 || lower_in(c, 1) < 0 || box.rank != 3 || score.rank != 3 || box.dim[2] != 4 ||
        box.dim[0] != score.dim[0] || box.dim[1] != score.dim[2] || box.type != DT_F32 || score.type != DT_F32)
        return lower_fail(c, "needs float boxes [images, n, 4] and scores [images, classes, n]");
    if (!c->in_tail)
        return CQ_AGAIN;             /* even for boxes that are known: loading a model must not take long */
    struct nms n = {
        .images = score.dim[0], .classes = score.dim[1], .boxes = score.dim[2], .box = lower_data(c, 0),
        .score = lower_data(c, 1), .centered = node_int(c->node, "center_point_box", 0),
    };
    if (!n.box || !n.score)
        return lower_later(c, n.box ? 1 : 0, "its input");
    enum cq_err err = read_limits(c, &n);
    if (err)
        return err;
    n.candidates = malloc(((size_t) n.boxes + 1) * sizeof *n.candidates);
    n.kept = malloc(((size_t) n.boxes + 1) * sizeof *n.kept);
    return select_all(c, &n);
}

const struct lower_op lower_ops_nms[] = {
    {"NonMaxSuppression", lower_nms, 0},
    {0},
};
