/* What the rest of stages/infer may know of a model besides its public face.
 * Thread-safety: as model.h. */
#ifndef CLIPQ_STAGES_INFER_MODEL_GRAPH_H
#define CLIPQ_STAGES_INFER_MODEL_GRAPH_H

#include "stages/infer/graph.h"
#include "stages/infer/model.h"

const struct graph *model_graph(const struct model *m);

/* Input shapes with the batch as exported (1 where symbolic); false when another dimension is unknown. */
bool model_default_inputs(const struct model *m, struct tensor_desc *out);

#endif
