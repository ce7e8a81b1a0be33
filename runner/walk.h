/* Candidates from what a user names: files, directories (recursive), glob patterns, a list on a stream.
 *
 * One path at a time comes out; nothing is collected, so that memory does not grow with the number of files
 * (but for what glob(3) matches). Within a directory the order is the file system's. In directories only regular
 * files with a known media suffix count, hidden entries (".name") are skipped and links to directories are not
 * followed; a file that is named itself is always a candidate.
 *
 * Paths come out absolute: what the user named is resolved once, names below it are appended as they are.
 *
 * Thread-safety: one thread at a time per object.
 */
#ifndef CLIPQ_RUNNER_WALK_H
#define CLIPQ_RUNNER_WALK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "kernels/base/err.h"

struct cq_log;
struct walk;

enum { WALK_PATH = 4096 };

struct walk_params {
    char *const *paths;      /* borrowed for the walk's life */
    int n_paths;
    FILE *list;              /* borrowed; read after `paths`; NULL: none */
    bool list_nul;           /* names in the list end with NUL, not with a newline */
    struct cq_log *log;      /* told of what cannot be read */
};

enum cq_err walk_create(const struct walk_params *params, struct walk **out);
void walk_destroy(struct walk **w);

/* The next candidate; CQ_EOF after the last. */
enum cq_err walk_next(struct walk *w, char out[WALK_PATH]);

/* Names that led nowhere so far: no such file, unreadable directory, pattern without a match. */
int64_t walk_missing(const struct walk *w);

/* Has the path a suffix that counts in directories, such as "mp4"? Case does not matter. */
bool walk_is_media_name(const char *path);

#endif
