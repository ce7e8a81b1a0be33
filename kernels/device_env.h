/* Where things of the user's are kept between runs; for the files of kernels/ and the runner's cache.
 * Thread-safety: as getenv(). */
#ifndef CLIPQ_KERNELS_DEVICE_ENV_H
#define CLIPQ_KERNELS_DEVICE_ENV_H

#include <stdbool.h>

enum { DEVICE_PATH_SIZE = 1024 };

/* $XDG_CACHE_HOME/clipq/NAME, else ~/.cache/clipq/NAME, made if need be; false when it cannot be had. */
bool device_cache_folder(const char *name, char out[DEVICE_PATH_SIZE]);

#endif
