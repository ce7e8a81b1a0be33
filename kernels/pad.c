/* Pad by reflection, by repeating the edge and by wrapping around, for every type. BLOCKED tensors have one dimension
 * more, the lanes, and channels that are not padded. Padding with a constant is a move (move.c).
 */
#include "kernels/classes.h"
#include "kernels/device.h"
#include "kernels/kernel.h"
#include "kernels/move.h"
#include "kernels/nest.h"
#include "kernels/program.h"
#include "kernels/serves.h"

enum { PAD_RANK = 8, MOST = INT32_MAX / 4 };

/* As in kernels/cl/move.cl. */
struct pad {
    int32_t mode, rank, rows, per_item;
    int32_t x_dim[PAD_RANK], y_dim[PAD_RANK], begin[PAD_RANK];
};

static void push(struct pad *p, int64_t x_dim, int64_t y_dim, int64_t begin)
{
    p->x_dim[p->rank] = (int32_t) x_dim;
    p->y_dim[p->rank] = (int32_t) y_dim;
    p->begin[p->rank++] = (int32_t) begin;
}

/* False for what the kernel cannot tell: numbers beyond int, channels of a BLOCKED tensor that move. */
static bool pad_of(const struct device *dev, const struct op_inst *inst, struct pad *p)
{
    const struct tensor_desc *x = &inst->in[0], *y = &inst->out[0];
    bool blocked = x->layout == LAYOUT_BLOCKED;
    *p = (struct pad){.mode = (int32_t) inst->op->u.pad.mode, .rows = 1};
    for (int i = 0; i < x->rank; i++) {
        int64_t begin = inst->op->u.pad.begin[i];
        bool lanes = blocked && i == 1;
        if (x->dim[i] > MOST || y->dim[i] > MOST || begin > MOST || begin < -MOST ||
            (lanes && (begin || x->dim[1] != y->dim[1])))
            return false;
        int64_t block = lanes ? x->block : 1;
        push(p, (x->dim[i] + block - 1) / block, (y->dim[i] + block - 1) / block, begin);
    }
    if (blocked)
        push(p, x->block, x->block, 0);
    for (int i = 0; i < p->rank - 1; i++)
        p->rows *= p->y_dim[i];
    p->per_item = nest_rows_per_item(dev, p->rank ? p->y_dim[p->rank - 1] : 1);
    return true;
}

static bool pad_serves(const struct device *dev, const struct op_inst *inst)
{
    const struct tensor_desc *x = &inst->in[0], *y = &inst->out[0];
    struct pad p;
    return inst->op->u.pad.mode != PAD_CONSTANT && x->type == y->type && x->layout == y->layout &&
           x->block == y->block && x->rank == y->rank && x->rank > 0 && serves_int_index(inst) &&
           (tensor_elems(x) > 0 || tensor_elems(y) == 0) && pad_of(dev, inst, &p);
}

static enum cq_err pad_enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    struct pad p;
    if (!pad_of(dev, inst, &p))
        return CQ_INTERNAL;
    if (tensor_elems(&inst->out[0]) == 0)
        return CQ_OK;
    struct kernel_arg args[] = {ARG_REF(bufs->in[0]), ARG_REF(bufs->out[0]), ARG_STRUCT(p)};
    struct launch launch = {
        .program = &move_program, .kernel = "pad_rows", .options = move_options(inst->out[0].type), .dims = 1,
        .global = {(size_t) ((p.rows + p.per_item - 1) / p.per_item)}, .local = {(size_t) nest_local_size(dev)},
        .args = args, .n_args = sizeof args / sizeof *args,
    };
    return program_run(dev, &launch);
}

const struct kernel_class kernel_pad_rows = {
    .name = "pad_rows", .kind = OP_PAD, .serves = pad_serves, .enqueue = pad_enqueue,
};
