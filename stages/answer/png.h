/* Writes a picture as PNG, through libavcodec. The file appears under its name only when it is whole. */
#ifndef CLIPQ_STAGES_ANSWER_PNG_H
#define CLIPQ_STAGES_ANSWER_PNG_H

#include <stdint.h>

#include "kernels/base/err.h"

struct cq_log;

/* channels: 1 (grey) or 3 (RGB), interleaved, rows without padding. */
enum cq_err png_write(struct cq_log *log, const char *path, const uint8_t *pixels, int width, int height, int channels);

#endif
