/* Candidates: the cells of a detector's output that may be boxes, side by side, so that they alone need be read back.
 *
 * Two launches: each cell leaves a mark; then each piece of the cells counts the marks in front of it, which is where
 * its own go. The order is that of the cells, whoever comes first.
 */
#include "kernels/candidates.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/cl_sources.h"
#include "kernels/classes.h"
#include "kernels/device.h"
#include "kernels/kernel.h"
#include "kernels/nest.h"
#include "kernels/program.h"
#include "kernels/serves.h"

static const struct program_class program = {
    .name = "candidates",
    .source = {cl_common, cl_candidates},
};

/* Marks are read eight at a time. CELLS: per work-item on a CPU; PIECE: on a GPU, where each cell is marked by one. */
enum { MARKS = 8, CELLS = 512, PIECE = 32, LARGE_BYTES = 1 << 16 };

/* As in kernels/cl/candidates.cl. */
struct candidates {
    int32_t cells, values, image, cell_step, value_step, first, scores, gate, most, marks, per_item;
    float threshold;
};

static struct candidates candidates_of(const struct op_inst *inst)
{
    const struct candidate_attrs *a = &inst->op->u.candidates;
    const struct tensor_desc *x = &inst->in[0];
    int32_t cells = (int32_t) x->dim[a->planes ? 2 : 1], values = (int32_t) x->dim[a->planes ? 1 : 2];
    return (struct candidates) {
        .cells = cells, .values = values, .image = cells * values, .cell_step = a->planes ? 1 : values,
        .value_step = a->planes ? cells : 1, .first = a->first, .scores = a->scores, .gate = a->gate,
        .most = (int32_t) inst->out[0].dim[1], .marks = (cells + MARKS - 1) / MARKS * MARKS, .threshold = a->threshold,
    };
}

static bool serves(const struct device *dev, const struct op_inst *inst)
{
    (void) dev;
    const struct candidate_attrs *a = &inst->op->u.candidates;
    const struct tensor_desc *x = &inst->in[0], *y = &inst->out[0];
    return inst->n_in == 1 && inst->n_out == 2 && x->rank == 3 && y->rank == 3 && x->type == DT_F32 &&
           y->type == DT_F32 && inst->out[1].type == DT_I32 && serves_plain(inst) && serves_int_index(inst) &&
           a->first >= 0 && a->scores >= 0 && a->first + a->scores <= y->dim[2];
}

static size_t scratch_bytes(const struct device *dev, const struct op_inst *inst)
{
    (void) dev;
    return (size_t) candidates_of(inst).marks * (size_t) inst->in[0].dim[0];
}

/* Over pieces of `per_item` of so many cells. */
static enum cq_err launch(struct device *dev, const struct op_inst *inst, const char *kernel, int cells, int per_item,
                          const struct kernel_arg *args, int n_args)
{
    struct launch l = {
        .program = &program, .kernel = kernel, .dims = 2, .local = {(size_t) nest_local_size(dev), 1},
        .global = {(size_t) ((cells + per_item - 1) / per_item), (size_t) inst->in[0].dim[0]}, .args = args,
        .n_args = n_args,
    };
    return program_run(dev, &l);
}

static enum cq_err enqueue(struct device *dev, const struct op_inst *inst, const struct kernel_bufs *bufs)
{
    bool simt = device_get_info(dev)->simt;
    struct candidates c = candidates_of(inst);
    c.per_item = simt ? 1 : CELLS;
    struct kernel_arg mark[] = {ARG_REF(bufs->in[0]), ARG_REF(bufs->scratch), ARG_STRUCT(c)};
    enum cq_err err = launch(dev, inst, "candidates_mark", c.marks, c.per_item, mark, 3);
    c.per_item = simt ? PIECE : CELLS;
    struct kernel_arg pick[] = {
        ARG_REF(bufs->in[0]), ARG_REF(bufs->scratch), ARG_REF(bufs->out[0]), ARG_REF(bufs->out[1]), ARG_STRUCT(c),
    };
    return err ? err : launch(dev, inst, "candidates_pick", c.marks, c.per_item, pick, 5);
}

bool candidates_pay(const struct device *dev, size_t bytes)
{
    const char *wanted = getenv("CLIPQ_CANDIDATES");
    if (wanted && *wanted)
        return strcmp(wanted, "0") != 0;
    return !device_get_info(dev)->shares_memory && bytes >= LARGE_BYTES;
}

const struct kernel_class kernel_candidates = {
    .name = "candidates", .kind = OP_CANDIDATES, .serves = serves, .scratch_bytes = scratch_bytes, .enqueue = enqueue,
};
