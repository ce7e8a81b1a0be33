/* Does a model work at an input size? All its shapes are worked out, as for a plan, but nothing is chosen or taken,
 * so no device is needed. */
#include <stdlib.h>

#include "stages/infer/lower.h"
#include "stages/infer/model_graph.h"
#include "stages/infer/session_impl.h"

enum cq_err session_check_shapes(struct cq_log *log, const struct model *model, const struct session_image *image)
{
    const struct graph *g = model_graph(model);
    struct session s = {.log = log, .model = model, .image = *image, .has_image = true};
    struct tensor_desc *inputs = calloc((size_t) g->n_inputs + 1, sizeof *inputs);
    struct net net = {0};
    enum cq_err err = inputs ? session_check_image(&s) : CQ_NOMEM;
    if (!err)
        err = session_image_inputs(&s, 1, inputs);
    if (!err)
        err = lower_graph(log, g, inputs, NULL, &net, NULL);
    net_finish(&net);
    free(inputs);
    return err;
}
