/* Lists of class names, from their sources into a card. */
#ifndef CLIPQ_STAGES_ANSWER_LABELS_H
#define CLIPQ_STAGES_ANSWER_LABELS_H

#include <stddef.h>

#include "kernels/base/err.h"

struct card;
struct cq_log;

enum { LABEL_MAX = 255, LABELS_MAX = 100000 };   /* bytes of one, number of them */

struct labels {
    char **text;      /* owned */
    int n;
};

void labels_finish(struct labels *l);
/* Takes a copy of `length` bytes. CQ_INVALID: too long, too many. */
enum cq_err labels_add(struct labels *l, const char *text, size_t length);
/* Hands the list over to the card, in place of the one there; `l` is empty afterwards. */
void labels_give(struct labels *l, struct card *c);

/* A detector of one kind of thing: that is its only label. */
enum cq_err labels_one(struct card *c, const char *label);

/* The "names" entry of a YOLO export: a Python dict {0: 'person', 1: "dog's"} with ids 0, 1, .. in order, or a
 * list ['person', ...]. CQ_INVALID when it is neither; `out` is then empty. */
enum cq_err labels_from_python(const char *text, struct labels *out);
/* The same into a card. NULL, or what cannot be read (a warning says so), leaves the card as it was. */
enum cq_err labels_take_python(struct cq_log *log, const char *text, struct card *c);

#endif
