/* How long a file should be by what its container says of itself, to tell a cut file from a short one.
 *
 * Durations and frame counts in headers lie too often (edit lists, fragments, dropped frames); the lengths of the
 * outermost elements do not: the writer sets them when the file is finished.
 *
 * Thread-safety: reads the descriptor at positions of its own.
 */
#ifndef CLIPQ_STAGES_MEDIA_EXTENT_H
#define CLIPQ_STAGES_MEDIA_EXTENT_H

#include <stdint.h>

struct AVFormatContext;

/* Bytes claimed by the outermost elements (ISO base media boxes, the Matroska segment, AVI's RIFF chunks); 0 when
 * this container makes no claim, or one that a file of `size` bytes fulfils. */
int64_t extent_claimed(int fd, int64_t size);

/* End of the furthest sample: of those that the stream's index names (ISO base media), or, where all have one size, of
 * the one that the file begins last (YUV4MPEG2). 0 in other containers. */
int64_t extent_indexed(const struct AVFormatContext *format, int stream, int fd, int64_t size);

#endif
