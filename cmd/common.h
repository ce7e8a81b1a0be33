/* What all subcommands share: common options, exit codes, JSON lines, figures as people read them. */
#ifndef CLIPQ_CMD_COMMON_H
#define CLIPQ_CMD_COMMON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include "kernels/base/err.h"
#include "kernels/base/log.h"
#include "kernels/base/opt.h"

/* Never a count; 128 + signal when a signal ended the run. */
enum exit_code {
    EXIT_FINE = 0,        /* all jobs fine */
    EXIT_FATAL = 1,
    EXIT_USAGE = 2,
    EXIT_SOME_FAILED = 3, /* finished, some jobs failed */
    EXIT_LEFT = 4,        /* stopped with work left */
    EXIT_DATABASE = 10,   /* missing, locked, foreign, newer, unwritable */
    EXIT_NO_DEVICE = 11
};

/* One subcommand; cmd/main.c has the list. run: argv without the program's and the command's name. */
struct command {
    const char *name;
    const char *usage;    /* what follows the name: "[options] PATH..." */
    const char *summary;  /* one line */
    const char *details;  /* paragraphs for --help; may be NULL */
    int (*run)(const struct command *self, int argc, char **argv);
};

extern const struct command cmd_submit, cmd_work, cmd_status, cmd_list, cmd_show, cmd_log, cmd_retry, cmd_cache, cmd_cancel,
    cmd_pause, cmd_resume, cmd_report, cmd_devices, cmd_doctor, cmd_model, cmd_bench, cmd_tune;

/* The options that every subcommand takes. */
struct common {
    const char *db;
    bool json, quiet, verbose, help;
    int color;            /* enum color_mode */
    struct cq_log log;    /* to standard error */
};

enum color_mode { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };

extern const struct cq_opt common_opts[];

/* --memory-limit, for CQ_OPT over a struct cq_opt_bytes. */
#define MEMORY_LIMIT_OPT                                                                                        \
    .name = "memory-limit", .value = "SIZE", .min = 1, .max = 0x1p60,                                            \
    .help = "memory for the models of a device, e.g. 1.5GiB; default: 85 % of\na GPU's, half of what is free for the CPU"

/* --sandbox, for CQ_OPT over an int: enum sandbox_mode. */
#define SANDBOX_OPT                                                                                             \
    .name = "sandbox", .choices = "auto|require|off",                                                            \
    .help = "walls around processes that parse clips; require fails where\nthis system lacks one, auto says so and goes on"

/* --precision, for CQ_OPT over an int: as pipeline_flags.precision. */
#define PRECISION_OPT                                                                                           \
    .name = "precision", .choices = "auto|fp32|fp16",                                                           \
    .help = "fp16 keeps weights as float16 and computes in float32; auto is\nwhat the model's card says, else fp32"

/* Parses `opts` (of `state`) and the common ones. True: go on, with *n_rest arguments at argv's front. False: *rc
 * is the exit code (help was printed, or a wrong option was told). */
bool common_parse(const struct command *self, struct common *c, const struct cq_opt *opts, void *state, int argc,
                  char **argv, int *n_rest, int *rc);

/* Tells a wrong use in the command's name, with the way to the help; returns EXIT_USAGE. */
int common_usage(const struct command *self, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Do the first `length` bytes name a device: auto, cpu, gpu or P:D, or its part, WHAT/K/N? Whether there is one is another matter. */
bool common_is_device(const char *text, size_t length);

/* The exit code for an error that came from where the code says nothing else. */
int common_exit(enum cq_err err, bool from_store);

/* Is colour wanted on this stream? --color, NO_COLOR, TERM=dumb, a terminal. */
bool common_color(const struct common *c, FILE *stream);

/* Prints {"message_type":type,"schema_version":1,...fields} as one line on standard output. Steals `fields`. */
void json_emit(const char *type, json_t *fields);

/* Fields of such a line, in the order of the calls. A time of 0 and a figure that is not finite become null;
 * figures are rounded to three decimals. */
void field_int(json_t *fields, const char *key, int64_t v);
void field_bool(json_t *fields, const char *key, bool v);
void field_figure(json_t *fields, const char *key, double v);
void field_text(json_t *fields, const char *key, const char *v);
void field_time(json_t *fields, const char *key, int64_t utc_ms);

/* A JSON string from bytes that may not be UTF-8: what is not text becomes \xNN. New reference. */
json_t *json_text(const char *s);

enum { FIGURE_SIZE = 32 };
char *text_count(int64_t n, char out[FIGURE_SIZE]);         /* 12,345 */
char *text_bytes(double bytes, char out[FIGURE_SIZE]);      /* 12.3 MiB */
char *text_seconds(double s, char out[FIGURE_SIZE]);        /* 0.85 s, 4 min 05 s, 2 h 13 min */
char *text_ms(double ms, char out[FIGURE_SIZE]);            /* 0.042, 12.3, 1,234 */

/* `s` with control characters shown as \xNN, so that a file's name cannot drive a terminal. Returns `out`. */
char *text_safe(const char *s, char *out, size_t size);

#endif
