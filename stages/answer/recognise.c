/* Questions about a model's inputs, outputs and operators. */
#include "stages/answer/recognise.h"

#include <string.h>

#include "stages/infer/model.h"

static bool is_colours(int64_t channels)
{
    return channels == 1 || channels == 3;
}

bool recognise_picture(const struct model_io *io, struct image_input *out)
{
    if (io->rank != 4 || (io->type != DT_F32 && io->type != DT_F16))
        return false;
    bool nhwc = !is_colours(io->dim[1]) && is_colours(io->dim[3]);
    if (!nhwc && !is_colours(io->dim[1]))
        return false;
    int64_t height = io->dim[nhwc ? 1 : 2], width = io->dim[nhwc ? 2 : 3];
    if (height > INT16_MAX || width > INT16_MAX || height == 0 || width == 0)
        return false;
    *out = (struct image_input) {
        .channels = (int) io->dim[nhwc ? 3 : 1],
        .nhwc = nhwc,
        .width = width > 0 ? (int) width : 0,
        .height = height > 0 ? (int) height : 0,
    };
    return true;
}

bool recognise_image(const struct model *m, struct image_input *out)
{
    return model_input_count(m) == 1 && recognise_picture(model_input(m, 0), out);
}

bool recognise_op(const struct model *m, const char *op_type)
{
    int n = 0;
    const struct model_op_count *ops = model_ops(m, &n);
    for (int i = 0; i < n; i++)
        if (!strcmp(ops[i].op_type, op_type))
            return true;
    return false;
}

const struct model_io *recognise_output(const struct model *m, const char *name)
{
    for (int i = 0; i < model_output_count(m); i++)
        if (!strcmp(model_output(m, i)->name, name))
            return model_output(m, i);
    return NULL;
}

int64_t recognise_vector(const struct model_io *io)
{
    bool flat = io->rank == 2 || (io->rank == 4 && io->dim[2] == 1 && io->dim[3] == 1);
    return flat && io->dim[1] > 0 ? io->dim[1] : 0;
}
