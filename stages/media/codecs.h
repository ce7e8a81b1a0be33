/* What this libavcodec can decode of what clips usually are.
 *
 * Thread-safety: pure.
 */
#ifndef CLIPQ_STAGES_MEDIA_CODECS_H
#define CLIPQ_STAGES_MEDIA_CODECS_H

#include <stddef.h>

/* Names of usual codecs that it lacks, "av1, vp9"; "" when it has all. Returns how many usual ones there are. */
int codecs_missing(char *out, size_t size, int *n_missing);

/* The libraries that are loaded, as opposed to those that were built with: "libavcodec 59.37.100, ...". */
void codecs_versions(char *out, size_t size);

#endif
