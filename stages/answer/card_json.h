/* Inside the card: what its files share. */
#ifndef CLIPQ_STAGES_ANSWER_CARD_JSON_H
#define CLIPQ_STAGES_ANSWER_CARD_JSON_H

#include <stdbool.h>

#include <jansson.h>

#include "stages/answer/card.h"

/* Takes every key of `json` over `c`. `where` opens the messages. `model_known`: the number of channels is the
 * model's and cannot change. CQ_INVALID names the key; on error `c` is as it was. */
enum cq_err card_take_json(struct cq_log *log, const char *where, const json_t *json, bool model_known, struct card *c);

#endif
