/* PoCL's cache of compiled kernels, guarded.
 *
 * PoCL trusts what it finds there: a file that was cut or changed on disk ends the process in its loader, or computes
 * nonsense. So a manifest beside the cache knows size and hash of each file; a program with a file that differs is
 * removed before PoCL sees it, and PoCL compiles it again. Files that no manifest knows yet are trusted; where they
 * kill a process, its successor is to begin afresh.
 *
 * The cache is the folder that POCL_CACHE_DIR names; without one all functions do nothing. Only folders named as PoCL
 * names them (AB/CDEF...) are ever touched.
 *
 * Thread-safety: the files may change under us, as other processes use the cache, too.
 */
#ifndef CLIPQ_KERNELS_POCL_CACHE_H
#define CLIPQ_KERNELS_POCL_CACHE_H

#include <stdbool.h>

struct cq_log;

/* Before the first OpenCL call: removes what is damaged, or (`afresh`) everything. */
void pocl_cache_check(struct cq_log *log, bool afresh);

/* Writes the manifest of what is there now. */
void pocl_cache_note(struct cq_log *log);

#endif
