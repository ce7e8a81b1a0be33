/* Questions that the variants' serves() functions have in common. */
#include "kernels/serves.h"

static const struct tensor_desc *tensor(const struct op_inst *inst, int i)
{
    return i < inst->n_in ? &inst->in[i] : &inst->out[i - inst->n_in];
}

bool serves_type(const struct op_inst *inst, enum dtype type)
{
    for (int i = 0; i < inst->n_in + inst->n_out; i++)
        if (tensor(inst, i)->type != DT_NONE && tensor(inst, i)->type != type)
            return false;
    return true;
}

bool serves_plain(const struct op_inst *inst)
{
    for (int i = 0; i < inst->n_in + inst->n_out; i++)
        if (tensor(inst, i)->layout != LAYOUT_PLAIN)
            return false;
    return true;
}

bool serves_blocked(const struct op_inst *inst, int block)
{
    for (int i = 0; i < inst->n_in + inst->n_out; i++) {
        const struct tensor_desc *d = tensor(inst, i);
        if (d->type != DT_NONE && (d->layout != LAYOUT_BLOCKED || d->block != block))
            return false;
    }
    return true;
}

bool serves_int_index(const struct op_inst *inst)
{
    for (int i = 0; i < inst->n_in + inst->n_out; i++) {
        const struct tensor_desc *d = tensor(inst, i);
        if (d->type != DT_NONE && tensor_bytes(d) / dtype_size(d->type) >= INT32_MAX)
            return false;
    }
    return true;
}
