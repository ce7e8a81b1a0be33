/* Names of the files that decoders leave beside the database, and the rows that name them. */
#ifndef CLIPQ_STAGES_ANSWER_ARTIFACT_H
#define CLIPQ_STAGES_ANSWER_ARTIFACT_H

#include "stages/answer/decoder.h"

enum { ARTIFACT_PATH_MAX = 4096 };

/* Row and full path of the file for output `i`: FOLDER/STEM-OUTPUT.KIND. Makes the folder, not its parents, when it is
 * missing (its error is logged). CQ_INVALID when a path is too long. Fills kind, name and path of the row; the shape
 * is the caller's. */
enum cq_err artifact_name(const struct decode_frame *f, int i, const char *kind, struct artifact *row,
                          char path[ARTIFACT_PATH_MAX]);

#endif
