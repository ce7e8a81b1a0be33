/* The end of a net that gives only those cells of its output that may be boxes (OP_CANDIDATES).
 *
 * In place of the output stand two: the values of the cells that are kept, and which cells they are. There is room for
 * one cell in SHARE; more of them are rare, and then the whole output is wanted (session_candidates.c).
 *
 * Thread-safety: as the net.
 */
#ifndef CLIPQ_STAGES_INFER_CANDIDATES_H
#define CLIPQ_STAGES_INFER_CANDIDATES_H

#include "kernels/base/err.h"
#include "stages/infer/session.h"

struct net;

enum { CANDIDATES_ROWS, CANDIDATES_CELLS, CANDIDATES_OUTPUTS };   /* the net's outputs then */

/* Ends the net so where its only output is of that form for so many images, and where that pays on the device. *cells
 * is how many the output has for one image, 0: the net is as it was. CQ_NOMEM. */
enum cq_err candidates_pick(struct cq_log *log, const struct device *dev, struct net *net,
                            const struct session_candidates *what, int64_t images, int64_t *cells);

#endif
