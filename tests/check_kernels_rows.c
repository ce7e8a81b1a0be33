/* Cases for what works along axes: reductions, softmax, ArgMax, normalisations. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/check_kernels.h"

static struct tensor_desc any_shape(struct check_rng *r, int min_rank, int max_rank)
{
    static const int dims[] = {1, 1, 2, 3, 5, 7, 8, 9, 16, 17, 31, 33, 80};
    struct tensor_desc d = {.type = DT_F32, .rank = check_int(r, min_rank, max_rank)};
    for (int i = 0; i < d.rank; i++)
        d.dim[i] = check_pick(r, dims, d.rank > 3 ? 9 : d.rank > 2 ? 12 : 13);
    return d;
}

/* Mostly float32; else what kernels/numbers.h knows. */
static enum dtype any_type(struct check_rng *r, int percent_float)
{
    static const int types[] = {DT_F16, DT_U8, DT_I8, DT_U16, DT_I16, DT_I32, DT_U32, DT_I64, DT_I64};
    return check_chance(r, percent_float) ? DT_F32 : (enum dtype) check_pick(r, types, sizeof types / sizeof *types);
}

static void make_reduce(struct check_rng *r, struct check_case *c)
{
    struct tensor_desc x = any_shape(r, 1, 5), y = x;
    uint32_t axes = (uint32_t) check_int(r, 0, (1 << x.rank) - 1);
    int form = check_int(r, 0, 4);
    if (form == 0 && x.rank > 2)
        axes = ((1u << x.rank) - 1) & ~3u;
    else if (form == 1)
        axes = 1u << check_int(r, 0, x.rank - 1);
    if (check_chance(r, 3))
        x.dim[check_int(r, 0, x.rank - 1)] = 0;
    c->op.u.reduce.fn = (enum reduce) check_int(r, RED_SUM, RED_LOG_SUM_EXP);
    x.type = any_type(r, 60);
    c->tolerance = x.type == DT_F16 ? 1e-3f : 0;       /* a unit in the last place of a half */
    /* Sums may cancel: what is rounded is as large as the elements. */
    c->scale = c->op.u.reduce.fn <= RED_MEAN || c->op.u.reduce.fn >= RED_LOG_SUM;
    c->edges = x.type != DT_F32 || c->op.u.reduce.fn == RED_MAX || c->op.u.reduce.fn == RED_MIN;
    c->op.u.reduce.axes = axes;
    c->op.u.reduce.keepdims = check_chance(r, 70);
    y = x;
    y.rank = 0;
    for (int i = 0; i < x.rank; i++)
        if (c->op.u.reduce.keepdims || !(axes >> i & 1))
            y.dim[y.rank++] = axes >> i & 1 ? 1 : x.dim[i];
    c->lo[0] = c->op.u.reduce.fn == RED_PROD ? 0.8f : c->op.u.reduce.fn == RED_LOG_SUM ? 0.1f : -1;
    c->hi[0] = 1.2f;
    c->inst.in[0] = x;
    c->inst.out[0] = y;
}

static void make_axis(struct check_rng *r, struct check_case *c)
{
    struct tensor_desc x = any_shape(r, 1, 4);
    int axis = check_int(r, 0, x.rank - 1);
    c->op.u.axis.axis = axis;
    c->op.u.axis.flag = check_chance(r, 40);
    c->inst.in[0] = c->inst.out[0] = x;
    c->lo[0] = -8;
    c->hi[0] = 8;
    if (c->op.kind == OP_ARG) {
        c->inst.in[0].type = any_type(r, 60);
        c->edges = 1;
        c->inst.out[0].type = DT_I64;
        c->inst.out[0].dim[axis] = 1;
        c->lo[0] = c->hi[0] = 0;
    }
}

static void make_norm(struct check_rng *r, struct check_case *c)
{
    bool layer = c->op.kind == OP_LAYER_NORM;
    struct tensor_desc x = layer ? any_shape(r, 1, 4) : any_shape(r, c->op.kind == OP_INSTANCE_NORM ? 3 : 2, 4);
    int axis = layer ? check_int(r, 0, x.rank - 1) : 1;
    if (layer && x.rank > 2 && check_chance(r, 40)) {      /* whole images of whole blocks */
        axis = check_chance(r, 50);
        x.dim[0] = axis ? x.dim[0] : 1;
        x.dim[1] = 16 * check_int(r, 1, 2);
        x.dim[2] = check_chance(r, 50) ? 1 : x.dim[2];
    }
    struct tensor_desc part = {.type = DT_F32, .rank = layer ? x.rank - axis : 1};
    for (int i = 0; i < part.rank; i++)
        part.dim[i] = x.dim[axis + i];
    c->op.u.norm.epsilon = 1e-3f;
    c->op.u.norm.axis = axis;
    c->inst.n_in = c->op.kind == OP_BATCH_NORM ? 5 : layer && check_chance(r, 30) ? 2 : 3;
    c->inst.in[0] = c->inst.out[0] = x;
    for (int i = 1; i < c->inst.n_in; i++)
        c->inst.in[i] = part;
    if (c->op.kind == OP_BATCH_NORM) {
        c->constants = 0x1e;
        c->scale = 1;             /* what the mean leaves of x may be little */
        c->lo[4] = 0.5f;
        c->hi[4] = 2;
        c->op.act = check_chance(r, 50) ? ACT_RELU : ACT_NONE;
    } else {
        c->constants = check_chance(r, 50) ? 6 : 0;
    }
}

static void make_lrn(struct check_rng *r, struct check_case *c)
{
    c->inst.in[0] = c->inst.out[0] = any_shape(r, 2, 5);
    c->op.u.norm.size = check_int(r, 1, 7);
    c->op.u.norm.alpha = check_float(r, 1e-4f, 0.5f);
    c->op.u.norm.beta = check_float(r, 0.5f, 1);
    c->op.u.norm.bias = check_float(r, 1, 2);
}

static void make_topk(struct check_rng *r, struct check_case *c)
{
    struct tensor_desc x = any_shape(r, 1, 4);
    int axis = check_int(r, 0, x.rank - 1);
    x.type = any_type(r, 60);
    if (check_chance(r, 15))
        x.dim[axis] = check_int(r, 300, 1200);
    if (check_chance(r, 5))
        x.dim[check_int(r, 0, x.rank - 1)] = 0;
    int n = (int) x.dim[axis];
    c->op.u.topk.axis = axis;
    c->op.u.topk.k = check_chance(r, 20) ? n : check_int(r, 0, n < 20 ? n : 20);
    c->op.u.topk.largest = check_chance(r, 70);
    c->op.u.topk.sorted = true;
    c->inst.n_out = 2;
    c->inst.in[0] = c->inst.out[0] = c->inst.out[1] = x;
    c->inst.out[0].dim[axis] = c->inst.out[1].dim[axis] = c->op.u.topk.k;
    c->inst.out[1].type = DT_I64;
    c->edges = check_chance(r, 50);
}

/* Scores among which some are the threshold itself. */
static void make_candidates(struct check_rng *r, struct check_case *c)
{
    struct candidate_attrs *a = &c->op.u.candidates;
    int cells = check_chance(r, 20) ? check_int(r, 500, 1300) : check_int(r, 0, 70), images = check_int(r, 1, 3);
    a->planes = check_chance(r, 50);
    a->gate = check_chance(r, 50) ? check_int(r, 0, 4) : -1;
    a->first = check_int(r, 0, 5);
    a->scores = check_chance(r, 10) ? 0 : check_int(r, 1, 40);
    a->threshold = check_chance(r, 20) ? -1 : check_float(r, 0, 1);
    int values = a->first + a->scores + check_int(r, 0, 3) + (a->gate >= 0 ? 5 : 0), most = check_int(r, 0, cells);
    c->inst.in[0] = a->planes ? check_tensor(DT_F32, 3, images, values, cells)
                              : check_tensor(DT_F32, 3, images, cells, values);
    c->inst.n_out = 2;
    c->inst.out[0] = check_tensor(DT_F32, 3, images, most, values);
    c->inst.out[1] = check_tensor(DT_I32, 2, images, 1 + most);
    c->edges = check_chance(r, 30);
    int64_t n = tensor_elems(&c->inst.in[0]);
    float *x = c->edges ? NULL : malloc((size_t) n * sizeof *x + 1);
    for (int64_t i = 0; x && i < n; i++)
        x[i] = check_chance(r, 2) ? a->threshold : check_chance(r, 90) ? check_float(r, -1, 0.1f) : check_float(r, 0, 1);
    c->data[0] = x;
}

static void make(struct check_rng *r, int n, struct check_case *c)
{
    static const enum op_kind kinds[] = {
        OP_REDUCE, OP_SOFTMAX, OP_REDUCE, OP_ARG, OP_INSTANCE_NORM, OP_LAYER_NORM, OP_BATCH_NORM, OP_TOPK, OP_LRN,
        OP_CANDIDATES,
    };
    c->op.kind = kinds[n % (int) (sizeof kinds / sizeof *kinds)];
    c->inst.n_in = c->inst.n_out = 1;
    if (c->op.kind == OP_REDUCE)
        make_reduce(r, c);
    else if (c->op.kind == OP_SOFTMAX || c->op.kind == OP_ARG)
        make_axis(r, c);
    else if (c->op.kind == OP_TOPK)
        make_topk(r, c);
    else if (c->op.kind == OP_CANDIDATES)
        make_candidates(r, c);
    else if (c->op.kind == OP_LRN)
        make_lrn(r, c);
    else
        make_norm(r, c);
    char shape[TENSOR_TEXT_SIZE];
    snprintf(c->text, sizeof c->text, "%s of %.100s", op_kind_name(c->op.kind), tensor_text(&c->inst.in[0], shape));
}

static bool bench(int n, struct check_case *c)
{
    c->inst.n_in = c->inst.n_out = 1;
    switch (n) {
    case 0:
        c->op.kind = OP_REDUCE;
        c->op.u.reduce.fn = RED_MEAN;
        c->op.u.reduce.axes = 0xc;
        c->inst.in[0] = check_tensor(DT_F32, 4, 1, 64, 64, 64);
        c->inst.out[0] = check_tensor(DT_F32, 4, 1, 64, 1, 1);
        break;
    case 1:
    case 2:
        c->op.kind = OP_SOFTMAX;
        c->op.u.axis.axis = n;
        c->inst.in[0] = c->inst.out[0] = check_tensor(DT_F32, 3, 1, n == 1 ? 16 : 4420, n == 1 ? 8400 : 16);
        break;
    case 3:
        c->op.kind = OP_ARG;
        c->op.u.axis.axis = 1;
        c->inst.in[0] = check_tensor(DT_F32, 4, 1, 21, 512, 512);
        c->inst.out[0] = check_tensor(DT_I64, 4, 1, 1, 512, 512);
        break;
    case 4:
    case 5:
        c->op.kind = OP_TOPK;
        c->op.u.topk.axis = 1;
        c->op.u.topk.k = 300;
        c->op.u.topk.largest = true;
        c->inst.n_out = 2;
        c->inst.in[0] = check_tensor(DT_F32, 2, 1, n == 4 ? 8400 : 24000);
        c->inst.out[0] = check_tensor(DT_F32, 2, 1, 300);
        c->inst.out[1] = check_tensor(DT_I64, 2, 1, 300);
        break;
    case 6:
        c->op.kind = OP_REDUCE;
        c->op.u.reduce.fn = RED_MEAN;
        c->op.u.reduce.axes = 0xd;
        c->inst.in[0] = check_tensor(DT_F32, 4, 8, 64, 64, 64);
        c->inst.out[0] = check_tensor(DT_F32, 4, 1, 64, 1, 1);
        break;
    case 7:
    case 8:
        c->op.kind = OP_CANDIDATES;
        c->op.u.candidates = (struct candidate_attrs){
            .planes = n == 8, .gate = n == 8 ? -1 : 4, .first = n == 8 ? 4 : 5, .scores = 80, .threshold = 0.999f,
        };
        c->inst.n_out = 2;
        c->inst.in[0] = n == 8 ? check_tensor(DT_F32, 3, 1, 84, 8400) : check_tensor(DT_F32, 3, 1, 3549, 85);
        c->inst.out[0] = check_tensor(DT_F32, 3, 1, n == 8 ? 1050 : 444, n == 8 ? 84 : 85);
        c->inst.out[1] = check_tensor(DT_I32, 2, 1, n == 8 ? 1051 : 445);
        break;
    default:
        return false;
    }
    char shape[TENSOR_TEXT_SIZE];
    snprintf(c->text, sizeof c->text, "%s of %.100s", op_kind_name(c->op.kind), tensor_text(&c->inst.in[0], shape));
    return true;
}

static const struct check_tolerance tolerances[] = {
    {"reduce", 2e-6f}, {"reduce_any", 2e-6f}, {"softmax", 2e-6f}, {"arg", 0}, {"topk_rank", 0}, {"topk_heap", 0},
    {"candidates", 0}, {"lrn", 2e-6f}, {"instance_norm", 5e-6f}, {"layer_norm", 5e-6f},
    {"layer_norm_blocks", 5e-6f}, {"batch_norm", 2e-6f}, {NULL},
};

const struct check_family check_rows = {
    .name = "rows", .cases = 400, .make = make, .bench = bench, .tolerances = tolerances,
};
