/* Option tables: one table parses the command line, reads the environment, checks ranges and prints --help.
 *
 * An option `from-file` is written --from-file VALUE or --from-file=VALUE, its letter -f VALUE or -fVALUE, and
 * its environment variable is CLIPQ_FROM_FILE. What is on the command line wins over the environment, which
 * wins over the default. A switch takes no value (--json), or one (--json=no); in the environment it is 1, yes,
 * true, on or 0, no, false, off. "--" ends the options.
 *
 * The type of an option is taken from the field that it fills, so the two cannot disagree.
 *
 * Thread-safety: as getenv().
 */
#ifndef CLIPQ_KERNELS_BASE_OPT_H
#define CLIPQ_KERNELS_BASE_OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "kernels/base/err.h"

struct cq_log;

enum { CQ_OPT_LIST_MAX = 16, CQ_OPT_GROUP_MAX = 64 };

struct cq_opt_list {                 /* an option that may be given several times */
    const char *item[CQ_OPT_LIST_MAX];
    int n;
};

struct cq_opt_size { int width, height; };   /* "640x480"; 0x0 when not given; -1x-1 for its `word` */
struct cq_opt_seconds { double s; };         /* "90", "1:30", "00:01:30.5" */
struct cq_opt_bytes { int64_t n; };          /* "512MiB", "1.5GiB", "65536"; 0 when not given */

enum cq_opt_type {
    CQ_OPT_BOOL, CQ_OPT_INT, CQ_OPT_DOUBLE, CQ_OPT_TEXT, CQ_OPT_LIST, CQ_OPT_SIZE, CQ_OPT_SECONDS,
    CQ_OPT_BYTES
};

struct cq_opt {
    const char *name;                /* "from-file"; NULL ends a table */
    char letter;                     /* 'f', or 0 */
    const char *value;               /* how help calls the value: "FILE"; unused for switches */
    const char *help;                /* one or more lines, separated by '\n' */
    const char *choices;             /* CQ_OPT_INT: "auto|bar|plain": the value is the index; else NULL */
    const char *zero;                /* CQ_OPT_INT: a word that stands for 0, "auto"; else NULL */
    const char *word;                /* CQ_OPT_SIZE: a word that may be given for a size, "clip"; else NULL */
    enum cq_opt_type type;
    size_t offset;                   /* of the field in the state */
    double def;                      /* of numbers and switches; NAN stands for "not given" */
    const char *def_text;            /* of texts; may be NULL */
    double min, max;                 /* of numbers, seconds, bytes and lists' lengths (max); both 0: not checked */
};

#define CQ_OPT(state, field, ...)                                          \
    { .offset = offsetof(state, field),                                    \
      .type = _Generic(((state *) 0)->field,                               \
                       bool: CQ_OPT_BOOL, int: CQ_OPT_INT,                 \
                       double: CQ_OPT_DOUBLE, const char *: CQ_OPT_TEXT,   \
                       struct cq_opt_list: CQ_OPT_LIST,                    \
                       struct cq_opt_size: CQ_OPT_SIZE,                    \
                       struct cq_opt_seconds: CQ_OPT_SECONDS,              \
                       struct cq_opt_bytes: CQ_OPT_BYTES),             \
      __VA_ARGS__ }

/* A table (at most CQ_OPT_GROUP_MAX entries) with the state that it fills. A list of groups ends with {0}. */
struct cq_opt_group {
    const char *title;               /* over its part of the help */
    const struct cq_opt *opts;
    void *state;
};

/* Fills every state. argv is argc long and starts with the first argument, not with a program name; the
 * arguments that are no options are moved to its front, *n_rest of them, in order. Texts are not copied.
 * CQ_INVALID, with a message that names the option and what it takes. */
enum cq_err cq_opt_parse(struct cq_log *log, const struct cq_opt_group *groups, int argc, char **argv, int *n_rest);

/* One option's field from text; `where` names the source in messages ("--workers", "CLIPQ_WORKERS"). */
enum cq_err cq_opt_set(struct cq_log *log, const struct cq_opt *opt, void *state, const char *where, const char *text);

void cq_opt_help(const struct cq_opt_group *groups, FILE *out);

/* Edits (insert, delete, change, swap of neighbours) between two words; for "did you mean". */
int cq_edit_distance(const char *a, const char *b);

#endif
