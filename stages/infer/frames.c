#include "stages/infer/frames.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/device.h"
#include "kernels/kernel.h"
#include "stages/infer/net.h"
#include "stages/infer/session.h"

/* The step that is all that reads tensor t, and does so once; NULL where there is none. */
static struct step *only_reader(const struct net *net, int t)
{
    struct step *reader = NULL;
    for (int i = 0; i < net->n_outputs; i++)
        if (net->outputs[i] == t)
            return NULL;
    for (int n = 0; n < net->n_steps; n++)
        for (int i = 0; i < net->steps[n].n_in; i++)
            if (net->steps[n].in[i] == t) {
                if (reader)
                    return NULL;
                reader = &net->steps[n];
            }
    return reader;
}

/* The step that turns an input in NHWC to NCHW, when nothing else reads it. */
static struct step *only_turn(const struct net *net, int input)
{
    static const int to_nchw[] = {0, 3, 1, 2};
    struct step *s = only_reader(net, input);
    return s && s->op.kind == OP_TRANSPOSE && !memcmp(s->op.u.perm, to_nchw, sizeof to_nchw) ? s : NULL;
}

static enum cq_err add_image_step(struct net *net, const struct session_image *image, int *out)
{
    int input = net->inputs[0];
    const struct tensor_desc *x = &net->tensors[input].desc;
    struct tensor_desc frames = {
        .type = DT_U8, .rank = 4, .dim = {x->dim[0], image->height, image->width, image->channels},
    };
    struct step *turn = image->nhwc ? only_turn(net, input) : NULL;
    int from = net_tensor(net, "frames", &frames), to = turn ? turn->out[0] : input;
    struct step s = {
        .op.kind = OP_IMAGE, .n_in = 1, .n_out = 1, .in = &from, .out = &to, .name = net->tensors[input].name,
        .type = "Image",
    };
    memcpy(s.op.u.image.mean, image->mean, sizeof image->mean);
    memcpy(s.op.u.image.scale, image->scale, sizeof image->scale);
    s.op.u.image.nhwc = image->nhwc && !turn;
    net->inputs[0] = from;
    *out = to;
    if (turn)
        turn->dead = true;
    enum cq_err err = from < 0 ? CQ_NOMEM : net_insert(net, 0, &s);
    return err ? err : net_sweep(net);
}

/* Is there a kernel that is worth it for `s`, its output as it will lie: in blocks, if the device likes them? */
static enum cq_err served(const struct net *net, const struct device *dev, const struct step *s, bool *yes)
{
    struct op_inst *inst = malloc(sizeof *inst);
    if (!inst)
        return CQ_NOMEM;
    net_inst(net, s, inst);
    struct tensor_desc *blocked[] = {&inst->out[0], &inst->in[3]};
    for (int i = 0; i < (s->n_in > 3 ? 2 : 1) && !device_get_info(dev)->simt; i++) {
        blocked[i]->layout = LAYOUT_BLOCKED;
        blocked[i]->block = device_get_info(dev)->float_width;
    }
    const struct kernel_class *k = kernel_find(dev, inst);
    *yes = k && !kernel_is_host(k);
    free(inst);
    return CQ_OK;
}

/* The image step and the convolution that reads its result `t`, as one. */
static enum cq_err join(struct net *net, const struct device *dev, int t)
{
    struct step *image = net->steps, *conv = only_reader(net, t);
    if (!conv || image->op.u.image.nhwc || conv->op.kind != OP_CONV || conv->in[0] != t || net->tensors[t].desc.type != DT_F32)
        return CQ_OK;
    struct step before = *conv;
    conv->op.kind = OP_CONV_FRAMES;
    memcpy(conv->op.u.conv_frames.mean, image->op.u.image.mean, sizeof conv->op.u.conv_frames.mean);
    memcpy(conv->op.u.conv_frames.scale, image->op.u.image.scale, sizeof conv->op.u.conv_frames.scale);
    conv->in[0] = image->in[0];
    bool yes = false;
    enum cq_err err = served(net, dev, conv, &yes);
    if (yes) {
        image->dead = true;
    } else {
        *conv = before;
        conv->in[0] = t;
    }
    return err;
}

enum cq_err frames_feed(struct net *net, const struct device *dev, const struct session_image *image)
{
    int t = -1;
    enum cq_err err = add_image_step(net, image, &t);
    if (!err)
        err = join(net, dev, t);
    return err ? err : net_sweep(net);
}
