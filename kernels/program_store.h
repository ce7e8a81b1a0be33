/* Compiled programs on disk, for devices whose driver keeps none.
 *
 * One file per program in $XDG_CACHE_HOME/clipq/programs (else ~/.cache/clipq/programs), named by a hash of its source,
 * its options, the device's name and the driver's version: another driver never finds them. Files are written under
 * another name and then renamed, and carry a checksum; what does not agree is removed and compiled again.
 *
 * PoCL has a cache of its own, of machine code for the kernels that were launched. Asked for a program's binary it
 * compiles all kernels in it, so there only programs of one kernel are kept: those of chains (chain_program.c), which
 * PoCL's cache does not spare being linked. CLIPQ_PROGRAM_CACHE=all in the environment, which is for tests, keeps every
 * program, and CLIPQ_PROGRAM_CACHE=none keeps none at all.
 *
 * Thread-safety: as the device. Other processes may use the folder at the same time.
 */
#ifndef CLIPQ_KERNELS_PROGRAM_STORE_H
#define CLIPQ_KERNELS_PROGRAM_STORE_H

#include <stdbool.h>

#include <CL/cl.h>

struct cq_log;
struct device;

enum program_kind { PROGRAM_OF_KERNELS, PROGRAM_OF_ONE_KERNEL };

struct program_key {
    char hex[33];
    bool kept;                  /* else nothing is found or saved under it */
};

struct program_key program_store_key(const struct device *dev, const char *const *sources, int n_sources,
                                     const char *options, enum program_kind kind);

/* The program of an earlier process, built; NULL when there is nothing of use. The caller releases it. */
cl_program program_store_build(struct device *dev, const struct program_key *key, const char *options);

/* Keeps a built program. Failing to do so is no error. */
void program_store_save(struct device *dev, const struct program_key *key, cl_program program);

/* Removes all that is kept, when compiled code is suspected of killing processes. */
void program_store_clear(struct cq_log *log);

#endif
