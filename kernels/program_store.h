/* Compiled programs on disk, for devices whose driver keeps none.
 *
 * One file per program in $XDG_CACHE_HOME/clipq/programs (else ~/.cache/clipq/programs), named by a hash of its source,
 * its options, the device's name and the driver's version: another driver never finds them. Files are written under
 * another name and then renamed, and carry a checksum; what does not agree is removed and compiled again.
 *
 * PoCL keeps machine code, which its binaries lack, in a cache of its own and is left alone; CLIPQ_PROGRAM_CACHE=all
 * in the environment, which is for tests, keeps its programs, too, and CLIPQ_PROGRAM_CACHE=none keeps none at all.
 *
 * Thread-safety: as the device. Other processes may use the folder at the same time.
 */
#ifndef CLIPQ_KERNELS_PROGRAM_STORE_H
#define CLIPQ_KERNELS_PROGRAM_STORE_H

#include <CL/cl.h>

struct device;

struct program_key { char hex[33]; };

/* The key of a program for this device; empty when none are kept. */
struct program_key program_store_key(const struct device *dev, const char *const *sources, int n_sources,
                                     const char *options);

/* A program made of what is on disk, yet to be built; NULL when there is nothing of use. The caller releases it. */
cl_program program_store_load(struct device *dev, const struct program_key *key);

/* Keeps a built program. Failing to do so is no error. */
void program_store_save(struct device *dev, const struct program_key *key, cl_program program);

/* What was loaded does not build: it is not to be found again. */
void program_store_forget(struct device *dev, const struct program_key *key);

#endif
