/* Operators that only move elements, for every type: Concat, Split, Slice, Transpose, Copy, Expand, Tile, Pad with a
 * constant, DepthToSpace, SpaceToDepth.
 *
 * Each is one or several "moves": a nest of loops with a stride per loop in the source and in the destination. BLOCKED
 * tensors have one loop more, over the lanes of a block; channels can then be cut and joined only at blocks' borders.
 * Where they are not, move_lanes.c takes over.
 */
#include <string.h>

#include "kernels/cl_sources.h"
#include "kernels/classes.h"
#include "kernels/kernel.h"
#include "kernels/move.h"
#include "kernels/nest.h"
#include "kernels/program.h"
#include "kernels/serves.h"

const struct program_class move_program = {
    .name = "move",
    .source = {cl_common, cl_nest, cl_move},
};

const char *move_options(enum dtype type)
{
    switch (dtype_size(type)) {
    case 1: return "-DT=uchar";
    case 2: return "-DT=ushort";
    case 4: return "-DT=uint";
    default: return "-DT=ulong";
    }
}

/* A tensor's dimensions as it is stored: BLOCKED has blocks for channels and lanes at the end. */
struct stored {
    int rank;
    int64_t dim[TENSOR_MAX_RANK + 1], stride[TENSOR_MAX_RANK + 1];
};

static struct stored stored_of(const struct tensor_desc *d)
{
    struct stored s = {.rank = d->rank};
    memcpy(s.dim, d->dim, sizeof d->dim);
    if (d->layout == LAYOUT_BLOCKED) {
        s.dim[1] = (d->dim[1] + d->block - 1) / d->block;
        s.dim[s.rank++] = d->block;
    }
    int64_t stride = 1;
    for (int i = s.rank - 1; i >= 0; i--) {
        s.stride[i] = stride;
        stride *= s.dim[i];
    }
    return s;
}

/* One copy between an input and an output. */
struct move {
    int in, out;
    int64_t from, to;              /* first element */
    struct loops loops;            /* tensors: source, destination */
};

/* `part` at `first` along `axis` of `whole`; false when the cut does not fall between blocks. */
static bool part_offset(const struct tensor_desc *whole, const struct tensor_desc *part, int axis, int64_t first,
                        int64_t *offset)
{
    struct stored s = stored_of(whole);
    *offset = first * s.stride[axis];
    if (whole->layout == LAYOUT_PLAIN || axis != 1)
        return true;
    *offset = first / whole->block * s.stride[1];
    bool last = first + part->dim[1] == whole->dim[1];
    return first % whole->block == 0 && (last || part->dim[1] % whole->block == 0);
}

static bool move_concat(const struct op_inst *inst, int n, struct move *m)
{
    int axis = inst->op->u.axis.axis;
    int64_t first = 0;
    for (int i = 0; i < n; i++)
        first += inst->in[i].dim[axis];
    struct stored x = stored_of(&inst->in[n]), y = stored_of(&inst->out[0]);
    for (int i = 0; i < x.rank; i++)
        loops_push(&m->loops, x.dim[i], (int64_t[]){x.stride[i], y.stride[i]});
    m->in = n;
    return part_offset(&inst->out[0], &inst->in[n], axis, first, &m->to);
}

static bool move_split(const struct op_inst *inst, int n, struct move *m)
{
    int axis = inst->op->u.axis.axis;
    int64_t first = 0;
    for (int i = 0; i < n; i++)
        first += inst->out[i].dim[axis];
    struct stored x = stored_of(&inst->in[0]), y = stored_of(&inst->out[n]);
    for (int i = 0; i < y.rank; i++)
        loops_push(&m->loops, y.dim[i], (int64_t[]){x.stride[i], y.stride[i]});
    m->out = n;
    return part_offset(&inst->in[0], &inst->out[n], axis, first, &m->from);
}

static bool move_slice(const struct op_inst *inst, struct move *m)
{
    const struct tensor_desc *x_desc = &inst->in[0];
    struct stored x = stored_of(x_desc), y = stored_of(&inst->out[0]);
    for (int i = 0; i < y.rank; i++) {
        bool lanes = i >= x_desc->rank;
        int64_t start = lanes ? 0 : inst->op->u.slice.start[i], step = lanes ? 1 : inst->op->u.slice.step[i];
        if (i == 1 && x_desc->layout == LAYOUT_BLOCKED) {
            if (start % x_desc->block || step != 1)
                return false;
            start /= x_desc->block;
        }
        m->from += start * x.stride[i];
        loops_push(&m->loops, y.dim[i], (int64_t[]){x.stride[i] * step, y.stride[i]});
    }
    return true;
}

static bool move_transpose(const struct op_inst *inst, struct move *m)
{
    struct stored x = stored_of(&inst->in[0]), y = stored_of(&inst->out[0]);
    for (int i = 0; i < y.rank; i++)
        loops_push(&m->loops, y.dim[i], (int64_t[]){x.stride[inst->op->u.perm[i]], y.stride[i]});
    return serves_plain(inst);
}

static bool move_expand(const struct op_inst *inst, struct move *m)
{
    int64_t x[TENSOR_MAX_RANK];
    struct stored y = stored_of(&inst->out[0]);
    nest_broadcast_strides(&inst->in[0], &inst->out[0], x);
    for (int i = 0; i < y.rank; i++)
        loops_push(&m->loops, y.dim[i], (int64_t[]){x[i], y.stride[i]});
    return serves_plain(inst);
}

static bool move_tile(const struct op_inst *inst, struct move *m)
{
    struct stored x = stored_of(&inst->in[0]), y = stored_of(&inst->out[0]);
    for (int i = 0; i < y.rank; i++) {
        loops_push(&m->loops, x.dim[i] ? y.dim[i] / x.dim[i] : 0, (int64_t[]){0, x.dim[i] * y.stride[i]});
        loops_push(&m->loops, x.dim[i], (int64_t[]){x.stride[i], y.stride[i]});
    }
    return serves_plain(inst);
}

static bool move_copy(const struct op_inst *inst, struct move *m)
{
    const struct tensor_desc *x = &inst->in[0], *y = &inst->out[0];
    bool same = x->layout == y->layout && x->block == y->block && tensor_same_shape(x, y);
    loops_push(&m->loops, (int64_t) (tensor_bytes(y) / dtype_size(y->type)), (int64_t[]){1, 1});
    return serves_plain(inst) || same;
}

/* The interior only; the border is filled before. Negative padding crops. */
static bool move_pad(const struct op_inst *inst, struct move *m)
{
    const struct tensor_desc *x_desc = &inst->in[0];
    struct stored x = stored_of(x_desc), y = stored_of(&inst->out[0]);
    for (int i = 0; i < x.rank; i++) {
        bool lanes = i >= x_desc->rank;
        int64_t begin = lanes ? 0 : inst->op->u.pad.begin[i], end = lanes ? 0 : inst->op->u.pad.end[i];
        if (i == 1 && x_desc->layout == LAYOUT_BLOCKED && (begin || end))
            return false;
        int64_t cropped = (begin < 0 ? begin : 0) + (end < 0 ? end : 0);
        m->from += (begin < 0 ? -begin : 0) * x.stride[i];
        m->to += (begin > 0 ? begin : 0) * y.stride[i];
        loops_push(&m->loops, x.dim[i] + cropped > 0 ? x.dim[i] + cropped : 0, (int64_t[]){x.stride[i], y.stride[i]});
    }
    return inst->op->u.pad.mode == PAD_CONSTANT;
}

static bool move_depth_to_space(const struct op_inst *inst, struct move *m)
{
    const struct tensor_desc *x = &inst->in[0], *y = &inst->out[0];
    int64_t block = inst->op->u.axis.axis, area = x->dim[2] * x->dim[3], width = y->dim[3];
    bool crd = inst->op->u.axis.flag;
    int64_t channel = crd ? block * block * area : area, cell = crd ? area : y->dim[1] * area;
    loops_push(&m->loops, y->dim[0], (int64_t[]){x->dim[1] * area, y->dim[1] * y->dim[2] * width});
    loops_push(&m->loops, y->dim[1], (int64_t[]){channel, y->dim[2] * width});
    loops_push(&m->loops, x->dim[2], (int64_t[]){x->dim[3], block * width});
    loops_push(&m->loops, block, (int64_t[]){block * cell, width});
    loops_push(&m->loops, x->dim[3], (int64_t[]){1, block});
    loops_push(&m->loops, block, (int64_t[]){cell, 1});
    return serves_plain(inst) && x->rank == 4;
}

static bool move_space_to_depth(const struct op_inst *inst, struct move *m)
{
    const struct tensor_desc *x = &inst->in[0], *y = &inst->out[0];
    int64_t block = inst->op->u.axis.axis, area = y->dim[2] * y->dim[3], width = x->dim[3];
    loops_push(&m->loops, x->dim[0], (int64_t[]){x->dim[1] * x->dim[2] * width, y->dim[1] * area});
    loops_push(&m->loops, block, (int64_t[]){width, block * x->dim[1] * area});
    loops_push(&m->loops, block, (int64_t[]){1, x->dim[1] * area});
    loops_push(&m->loops, x->dim[1], (int64_t[]){x->dim[2] * width, area});
    loops_push(&m->loops, y->dim[2], (int64_t[]){block * width, y->dim[3]});
    loops_push(&m->loops, y->dim[3], (int64_t[]){block, 1});
    return serves_plain(inst) && x->rank == 4;
}

/* The n-th move of the operator; false when it cannot be told by strides. */
static bool move_of(const struct op_inst *inst, int n, struct move *m)
{
    *m = (struct move){.loops = {.tensors = 2, .any_row = true}};
    switch (inst->op->kind) {
    case OP_CONCAT: return move_concat(inst, n, m);
    case OP_SPLIT: return move_split(inst, n, m);
    case OP_SLICE: return move_slice(inst, m);
    case OP_TRANSPOSE: return move_transpose(inst, m);
    case OP_EXPAND: return move_expand(inst, m);
    case OP_TILE: return move_tile(inst, m);
    case OP_COPY: return move_copy(inst, m);
    case OP_PAD: return move_pad(inst, m);
    case OP_DEPTH_TO_SPACE: return move_depth_to_space(inst, m);
    case OP_SPACE_TO_DEPTH: return move_space_to_depth(inst, m);
    default: return false;
    }
}

static int moves_of(const struct op_inst *inst)
{
    return inst->op->kind == OP_CONCAT ? inst->n_in : inst->op->kind == OP_SPLIT ? inst->n_out : 1;
}

static bool move_serves(const struct device *dev, const struct op_inst *inst)
{
    int block = inst->out[0].layout == LAYOUT_BLOCKED ? inst->out[0].block : 0;
    bool alike = inst->op->kind == OP_PAD ? inst->in[0].layout == inst->out[0].layout
                                          : serves_plain(inst) || serves_blocked(inst, block);
    if (!alike || !serves_type(inst, inst->out[0].type) || !serves_int_index(inst))
        return false;
    for (int i = 0; i < moves_of(inst); i++) {
        struct move m;
        struct nest nest;
        if (!move_of(inst, i, &m) || !nest_make(dev, &m.loops, &nest))
            return false;
    }
    return true;
}

static struct mem_ref shifted(struct mem_ref ref, int64_t elements, enum dtype type)
{
    ref.offset += (size_t) elements * dtype_size(type);
    return ref;
}

static enum cq_err run_move(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs, int n)
{
    struct move m;
    struct nest nest;
    enum dtype type = inst->out[0].type;
    if (!move_of(inst, n, &m) || !nest_make(dev, &m.loops, &nest))
        return CQ_INTERNAL;
    struct mem_ref from = shifted(bufs->in[m.in], m.from, type), to = shifted(bufs->out[m.out], m.to, type);
    if (!nest.units || (from.mem == to.mem && from.offset == to.offset))
        return CQ_OK;
    struct kernel_arg args[] = {ARG_REF(from), ARG_REF(to), ARG_STRUCT(nest)};
    struct launch launch = {
        .program = &move_program, .kernel = "move_rows", .options = move_options(type),
        .args = args, .n_args = sizeof args / sizeof *args,
    };
    nest_launch(dev, &nest, &launch);
    return program_run(dev, &launch);
}

static enum cq_err move_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    for (int i = 0; i < moves_of(inst); i++) {
        enum cq_err err = run_move(dev, inst, bufs, i);
        if (err)
            return err;
    }
    return CQ_OK;
}

static enum cq_err pad_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    const struct tensor_desc *y = &inst->out[0];
    struct loops loops = {.tensors = 1};
    struct nest nest;
    loops_push(&loops, (int64_t) (tensor_bytes(y) / dtype_size(y->type)), (int64_t[]){1});
    if (!nest_make(dev, &loops, &nest))
        return CQ_INTERNAL;
    struct mem_ref value = inst->n_in > 1 && inst->in[1].type != DT_NONE ? bufs->in[1] : (struct mem_ref){0};
    struct kernel_arg args[] = {ARG_REF(value), ARG_REF(bufs->out[0]), ARG_STRUCT(nest)};
    struct launch launch = {
        .program = &move_program, .kernel = "move_fill", .options = move_options(y->type),
        .args = args, .n_args = sizeof args / sizeof *args,
    };
    nest_launch(dev, &nest, &launch);
    enum cq_err err = program_run(dev, &launch);
    return err ? err : move_enqueue(dev, inst, bufs);
}

#define MOVE_CLASS(suffix, kind_, enqueue_)                                                             \
    const struct kernel_class kernel_move_##suffix = {                                                  \
        .name = "move_" #suffix, .kind = kind_, .serves = move_serves, .enqueue = enqueue_,             \
        .takes_parts = kind_ == OP_CONCAT,                                                              \
    }

MOVE_CLASS(concat, OP_CONCAT, move_enqueue);
MOVE_CLASS(split, OP_SPLIT, move_enqueue);
MOVE_CLASS(slice, OP_SLICE, move_enqueue);
MOVE_CLASS(transpose, OP_TRANSPOSE, move_enqueue);
MOVE_CLASS(copy, OP_COPY, move_enqueue);
MOVE_CLASS(expand, OP_EXPAND, move_enqueue);
MOVE_CLASS(tile, OP_TILE, move_enqueue);
MOVE_CLASS(pad, OP_PAD, pad_enqueue);
MOVE_CLASS(depth_to_space, OP_DEPTH_TO_SPACE, move_enqueue);
MOVE_CLASS(space_to_depth, OP_SPACE_TO_DEPTH, move_enqueue);
