/* Content fingerprint: XXH3-128 over the size and up to 16 blocks of 64 KiB: the first, the last and fourteen
 * spread evenly between them (the whole file when it is no longer than 1 MiB). Two files that agree in all of
 * these are taken for the same clip; a copy, a rename or a touch changes nothing.
 *
 * Thread-safety: pure but for reading the file.
 */
#ifndef CLIPQ_STAGES_MEDIA_FINGERPRINT_H
#define CLIPQ_STAGES_MEDIA_FINGERPRINT_H

#include <stdint.h>

#include "kernels/base/err.h"

enum { FINGERPRINT_SIZE = 33 };   /* 32 hex digits and NUL */

/* errno is left as the failing call set it. */
enum cq_err fingerprint_file(const char *path, char out[FINGERPRINT_SIZE], int64_t *size, int64_t *mtime_ns);

/* The same of a file that is open already, `size` bytes long; its position is not moved. */
enum cq_err fingerprint_fd(int fd, int64_t size, char out[FINGERPRINT_SIZE]);

#endif
