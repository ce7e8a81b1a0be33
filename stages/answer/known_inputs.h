/* Inputs beside the picture that families of models are known to have. */
#ifndef CLIPQ_STAGES_ANSWER_KNOWN_INPUTS_H
#define CLIPQ_STAGES_ANSWER_KNOWN_INPUTS_H

#include "kernels/base/err.h"

struct cq_log;
struct model;

/* Makes them constants, so that the picture is all that is left to feed; inputs that nobody knows stay. To be called
 * once, after loading. CQ_UNSUPPORTED, logged: one asks for the picture's size and the file leaves that open. */
enum cq_err known_inputs_fix(struct cq_log *log, struct model *m);

#endif
