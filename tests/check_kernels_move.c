/* Cases for operators that move elements, in every width of element. */
#include <stdio.h>

#include "tests/check_kernels.h"

static enum dtype any_type(struct check_rng *r)
{
    static const int types[] = {DT_F32, DT_F32, DT_F32, DT_F32, DT_U8, DT_BOOL, DT_F16, DT_I32, DT_I64};
    return (enum dtype) check_pick(r, types, sizeof types / sizeof *types);
}

static struct tensor_desc any_tensor(struct check_rng *r, int min_rank, int max_rank)
{
    static const int dims[] = {1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 24, 33};
    struct tensor_desc d = {.type = any_type(r), .rank = check_int(r, min_rank, max_rank)};
    for (int i = 0; i < d.rank; i++)
        d.dim[i] = check_pick(r, dims, d.rank > 4 ? 6 : d.rank > 3 ? 9 : 12);
    if (d.rank && check_chance(r, 3))
        d.dim[check_int(r, 0, d.rank - 1)] = 0;
    return d;
}

/* Where parts meet: on a multiple of 8 or 16 channels, or anywhere. */
static int part_size(struct check_rng *r)
{
    return check_chance(r, 60) ? 16 * check_int(r, 1, 2) : check_int(r, check_chance(r, 5) ? 0 : 1, 20);
}

static void make_concat(struct check_rng *r, struct check_case *c)
{
    struct tensor_desc d = any_tensor(r, check_chance(r, 60) ? 4 : 1, 4);
    if (check_chance(r, 50))
        d.type = DT_F32;
    int axis = d.rank > 2 && check_chance(r, 70) ? 1 : check_int(r, 0, d.rank - 1);
    c->op.u.axis.axis = axis;
    c->inst.n_in = check_int(r, 1, 5);
    c->inst.n_out = 1;
    c->inst.out[0] = d;
    c->inst.out[0].dim[axis] = 0;
    for (int i = 0; i < c->inst.n_in; i++) {
        c->inst.in[i] = d;
        c->inst.in[i].dim[axis] = part_size(r);
        c->inst.out[0].dim[axis] += c->inst.in[i].dim[axis];
    }
}

static void make_split(struct check_rng *r, struct check_case *c)
{
    make_concat(r, c);
    struct op_inst *inst = &c->inst;
    struct tensor_desc whole = inst->out[0];
    inst->n_out = inst->n_in;
    inst->n_in = 1;
    for (int i = 0; i < inst->n_out; i++)
        inst->out[i] = inst->in[i];
    inst->in[0] = whole;
}

static void make_slice(struct check_rng *r, struct check_case *c)
{
    struct tensor_desc x = any_tensor(r, 1, 5), y = x;
    for (int i = 0; i < x.rank; i++) {
        static const int steps[] = {1, 1, 2, 3, -1, -2};
        int step = check_pick(r, steps, 6), start = x.dim[i] ? check_int(r, 0, (int) x.dim[i] - 1) : 0;
        if (check_chance(r, 40)) {
            step = 1;
            start = 0;
        } else if (i == 1 && check_chance(r, 50)) {
            step = 1;
            start -= start % 8;
        }
        int64_t room = step > 0 ? x.dim[i] - start : start + 1;
        y.dim[i] = x.dim[i] ? (room + (step > 0 ? step : -step) - 1) / (step > 0 ? step : -step) : 0;
        if (check_chance(r, 40) && y.dim[i])
            y.dim[i] = check_int(r, 1, (int) y.dim[i]);
        c->op.u.slice.start[i] = start;
        c->op.u.slice.step[i] = step;
    }
    c->inst.in[0] = x;
    c->inst.out[0] = y;
}

/* Channels alone, so that BLOCKED has to change lanes. */
static void make_channel_slice(struct check_rng *r, struct check_case *c)
{
    struct tensor_desc x = any_tensor(r, 3, 4), y = x;
    x.type = y.type = DT_F32;
    for (int i = 0; i < x.rank; i++) {
        c->op.u.slice.start[i] = 0;
        c->op.u.slice.step[i] = 1;
    }
    int start = x.dim[1] ? check_int(r, 0, (int) x.dim[1] - 1) : 0;
    c->op.u.slice.start[1] = start;
    y.dim[1] = x.dim[1] ? check_int(r, 1, (int) x.dim[1] - start) : 0;
    c->inst.in[0] = x;
    c->inst.out[0] = y;
}

/* Any order; often that which moves channels to the end or back. */
static void random_perm(struct check_rng *r, int rank, int *perm)
{
    for (int i = 0; i < rank; i++)
        perm[i] = i;
    if (rank == 4 && check_chance(r, 60)) {
        bool to_last = check_chance(r, 50);
        for (int i = 0; i < 3; i++)
            perm[1 + i] = 1 + (i + (to_last ? 1 : 2)) % 3;
        return;
    }
    for (int i = rank - 1; i > 0; i--) {
        int other = check_int(r, 0, i), t = perm[i];
        perm[i] = perm[other];
        perm[other] = t;
    }
}

static void make_transpose(struct check_rng *r, struct check_case *c)
{
    bool image = check_chance(r, 50);
    struct tensor_desc x = any_tensor(r, image ? 4 : 0, image ? 4 : 6), y;
    int perm[TENSOR_MAX_RANK];
    x.type = image ? DT_F32 : x.type;
    y = x;
    random_perm(r, x.rank, perm);
    for (int i = 0; i < x.rank; i++) {
        c->op.u.perm[i] = perm[i];
        y.dim[i] = x.dim[perm[i]];
    }
    c->inst.in[0] = x;
    c->inst.out[0] = y;
}

static void make_copy(struct check_rng *r, struct check_case *c)
{
    c->inst.in[0] = c->inst.out[0] = any_tensor(r, 0, 4);
    if (check_chance(r, 50)) {
        int64_t n = tensor_elems(&c->inst.in[0]);
        c->inst.out[0] = (struct tensor_desc){.type = c->inst.in[0].type, .rank = 1, .dim = {n}};
    }
}

static void make_expand(struct check_rng *r, struct check_case *c)
{
    struct tensor_desc y = any_tensor(r, 0, 5), x = y;
    int dropped = check_int(r, 0, y.rank);
    x.rank -= dropped;
    for (int i = 0; i < x.rank; i++)
        x.dim[i] = check_chance(r, 50) ? 1 : y.dim[i + dropped];
    c->inst.in[0] = x;
    c->inst.out[0] = y;
}

static void make_tile(struct check_rng *r, struct check_case *c)
{
    c->inst.in[0] = c->inst.out[0] = any_tensor(r, 1, 4);
    for (int i = 0; i < c->inst.in[0].rank; i++)
        c->inst.out[0].dim[i] *= check_int(r, 1, 3);
}

static void make_pad(struct check_rng *r, struct check_case *c)
{
    struct tensor_desc x = any_tensor(r, 1, 5), y = x;
    bool crop = check_chance(r, 15);
    for (int i = 0; i < x.rank; i++) {
        int most = i == 1 && check_chance(r, 60) ? 0 : 4;
        int64_t begin = check_int(r, crop ? -1 : 0, most), end = check_int(r, crop ? -1 : 0, most);
        if (x.dim[i] + begin + end < 0)
            begin = end = 0;
        c->op.u.pad.begin[i] = begin;
        c->op.u.pad.end[i] = end;
        y.dim[i] += begin + end;
    }
    c->op.u.pad.mode = check_chance(r, 50) ? PAD_CONSTANT : (enum pad_mode) check_int(r, PAD_REFLECT, PAD_WRAP);
    if (c->op.u.pad.mode != PAD_CONSTANT && !tensor_elems(&x))
        c->op.u.pad.mode = PAD_CONSTANT;
    if (check_chance(r, 60)) {
        c->inst.n_in = 2;
        c->inst.in[1] = check_tensor(x.type, 0);
    }
    c->inst.in[0] = x;
    c->inst.out[0] = y;
}

static void make_blocks(struct check_rng *r, struct check_case *c, bool to_space)
{
    int block = check_int(r, 1, 4), channels = check_int(r, 1, 5), h = check_int(r, 1, 6), w = check_int(r, 1, 9);
    enum dtype type = any_type(r);
    struct tensor_desc deep = check_tensor(type, 4, check_int(r, 1, 3), channels * block * block, h, w), wide = deep;
    wide.dim[1] = channels;
    wide.dim[2] *= block;
    wide.dim[3] *= block;
    c->op.u.axis.axis = block;
    c->op.u.axis.flag = to_space && check_chance(r, 50);
    c->inst.in[0] = to_space ? deep : wide;
    c->inst.out[0] = to_space ? wide : deep;
}

static void make_gather(struct check_rng *r, struct check_case *c)
{
    struct tensor_desc x = any_tensor(r, 1, 4), y = {.type = x.type};
    int axis = check_int(r, 0, x.rank - 1);
    if (!x.dim[axis])
        x.dim[axis] = 3;
    struct tensor_desc indices = {.type = check_chance(r, 50) ? DT_I64 : DT_I32, .rank = check_int(r, 0, 2)};
    for (int i = 0; i < indices.rank; i++)
        indices.dim[i] = check_int(r, 1, 5);
    for (int i = 0; i < axis; i++)
        y.dim[y.rank++] = x.dim[i];
    for (int i = 0; i < indices.rank; i++)
        y.dim[y.rank++] = indices.dim[i];
    for (int i = axis + 1; i < x.rank; i++)
        y.dim[y.rank++] = x.dim[i];
    c->op.u.axis.axis = axis;
    c->inst.n_in = 2;
    c->inst.in[0] = x;
    c->inst.in[1] = indices;
    c->inst.out[0] = y;
    c->lo[1] = (float) -x.dim[axis];
    c->hi[1] = (float) x.dim[axis] - 1 == 0 && c->lo[1] == 0 ? 1 : (float) (x.dim[axis] - 1);
    c->constants = check_chance(r, 50) ? 2 : 0;
}

static void make_select(struct check_rng *r, struct check_case *c)
{
    struct tensor_desc x = check_shape(r, 4);
    int channels = 0;
    c->inst.n_in = check_int(r, 2, check_chance(r, 20) ? 17 : 5);
    for (int i = 1; i < c->inst.n_in; i++) {
        c->inst.in[i] = x;
        c->inst.in[i].dim[1] = check_chance(r, 50) ? 8 * check_int(r, 1, 3) : check_int(r, 1, 20);
        channels += (int) c->inst.in[i].dim[1];
    }
    c->inst.in[0] = check_tensor(DT_I32, 1, check_int(r, 1, 30));
    c->inst.out[0] = x;
    c->inst.out[0].dim[1] = c->inst.in[0].dim[0];
    c->hi[0] = (float) (channels - 1);
    c->lo[0] = channels == 1 ? -1 : 0;
    c->constants = 1;
}

/* The other dimensions of the indices may be smaller than those of x. */
static void make_gather_elements(struct check_rng *r, struct check_case *c)
{
    struct tensor_desc x = any_tensor(r, 1, 5), y = x;
    int axis = check_int(r, 0, x.rank - 1);
    x.dim[axis] = x.dim[axis] ? x.dim[axis] : 3;
    for (int i = 0; i < x.rank; i++)
        y.dim[i] = i == axis ? check_int(r, 0, 12) : check_chance(r, 70) ? x.dim[i] : check_int(r, 0, (int) x.dim[i]);
    c->op.u.axis.axis = axis;
    c->inst.n_in = 2;
    c->inst.in[0] = x;
    c->inst.in[1] = c->inst.out[0] = y;
    c->inst.in[1].type = check_chance(r, 50) ? DT_I64 : DT_I32;
    c->lo[1] = (float) -x.dim[axis];
    c->hi[1] = (float) (x.dim[axis] - 1);
    c->constants = check_chance(r, 50) ? 2 : 0;
}

static const enum op_kind kinds[] = {
    OP_CONCAT, OP_SPLIT, OP_SLICE, OP_SLICE, OP_TRANSPOSE, OP_COPY, OP_EXPAND, OP_TILE, OP_PAD, OP_DEPTH_TO_SPACE,
    OP_SPACE_TO_DEPTH, OP_GATHER, OP_GATHER_ELEMENTS, OP_PAD, OP_SELECT,
};

static void make(struct check_rng *r, int n, struct check_case *c)
{
    int which = n % (int) (sizeof kinds / sizeof *kinds);
    c->op.kind = kinds[which];
    c->inst.n_in = c->inst.n_out = 1;
    switch (c->op.kind) {
    case OP_CONCAT: make_concat(r, c); break;
    case OP_SPLIT: make_split(r, c); break;
    case OP_SLICE: which == 2 ? make_slice(r, c) : make_channel_slice(r, c); break;
    case OP_TRANSPOSE: make_transpose(r, c); break;
    case OP_COPY: make_copy(r, c); break;
    case OP_EXPAND: make_expand(r, c); break;
    case OP_TILE: make_tile(r, c); break;
    case OP_PAD: make_pad(r, c); break;
    case OP_GATHER: make_gather(r, c); break;
    case OP_SELECT: make_select(r, c); break;
    case OP_GATHER_ELEMENTS: make_gather_elements(r, c); break;
    default: make_blocks(r, c, c->op.kind == OP_DEPTH_TO_SPACE); break;
    }
    char shape[TENSOR_TEXT_SIZE];
    snprintf(c->text, sizeof c->text, "%s of %.100s", op_kind_name(c->op.kind), tensor_text(&c->inst.in[0], shape));
}

static bool bench(int n, struct check_case *c)
{
    c->inst.n_in = c->inst.n_out = 1;
    switch (n) {
    case 0:
        c->op.kind = OP_TRANSPOSE;
        c->op.u.perm[0] = 0;
        c->op.u.perm[1] = 2;
        c->op.u.perm[2] = 1;
        c->inst.in[0] = check_tensor(DT_F32, 3, 1, 84, 8400);
        c->inst.out[0] = check_tensor(DT_F32, 3, 1, 8400, 84);
        break;
    case 1:
        c->op.kind = OP_SLICE;
        for (int i = 0; i < 4; i++)
            c->op.u.slice.step[i] = i == 3 ? 2 : 1;
        c->inst.in[0] = check_tensor(DT_F32, 4, 1, 3, 208, 416);
        c->inst.out[0] = check_tensor(DT_F32, 4, 1, 3, 208, 208);
        break;
    case 2:
    case 3:
        c->op.kind = OP_CONCAT;
        c->op.u.axis.axis = 1;
        c->inst.n_in = 2;
        c->inst.in[0] = c->inst.in[1] = check_tensor(DT_F32, 4, 1, n == 2 ? 64 : 60, 52, 52);
        c->inst.out[0] = check_tensor(DT_F32, 4, 1, n == 2 ? 128 : 120, 52, 52);
        break;
    case 4:
        c->op.kind = OP_DEPTH_TO_SPACE;
        c->op.u.axis.axis = 3;
        c->inst.in[0] = check_tensor(DT_F32, 4, 1, 9, 224, 224);
        c->inst.out[0] = check_tensor(DT_F32, 4, 1, 1, 672, 672);
        break;
    default:
        return false;
    }
    char shape[TENSOR_TEXT_SIZE];
    snprintf(c->text, sizeof c->text, "%s of %.100s", op_kind_name(c->op.kind), tensor_text(&c->inst.in[0], shape));
    return true;
}

static const struct check_tolerance tolerances[] = {
    {"move_concat", 0}, {"move_split", 0}, {"move_slice", 0}, {"move_transpose", 0}, {"move_copy", 0},
    {"move_expand", 0}, {"move_tile", 0}, {"move_pad", 0}, {"move_depth_to_space", 0}, {"move_space_to_depth", 0},
    {"lanes_concat", 0}, {"lanes_split", 0}, {"lanes_slice", 0}, {"reorder_last", 0}, {"gather_rows", 0},
    {"select_lanes", 0}, {"select_rows", 0}, {"select_concat", 0}, {"gather_elements", 0}, {"pad_rows", 0}, {NULL},
};

const struct check_family check_move = {
    .name = "move", .cases = 450, .make = make, .bench = bench, .tolerances = tolerances,
};
