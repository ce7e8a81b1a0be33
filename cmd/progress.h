/* Showing how far things are, on standard error: a bar that redraws itself on a terminal, otherwise a plain line
 * every ten seconds, or JSON lines for a program that watches.
 *
 * Messages must not run into the bar, so the log goes through progress_log(), which clears it first.
 *
 * Thread-safety: one thread at a time per object.
 */
#ifndef CLIPQ_CMD_PROGRESS_H
#define CLIPQ_CMD_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "kernels/base/log.h"

enum progress_mode { PROGRESS_AUTO, PROGRESS_BAR, PROGRESS_PLAIN, PROGRESS_JSON, PROGRESS_NONE };

#define PROGRESS_CHOICES "auto|bar|plain|json|none"
#define PROGRESS_HELP "how to show progress on standard error: a bar on a terminal,\n" \
                      "else a plain line every 10 s"

struct progress {
    enum progress_mode mode;      /* after init never AUTO */
    bool color;
    bool bar_is_drawn;
    int64_t last_ns;              /* of the last line */
};

void progress_init(struct progress *p, enum progress_mode mode, bool quiet, bool color);

/* Is it time for another line? Always when `last`. */
bool progress_is_due(const struct progress *p, bool last);

/* share: 0..1, or < 0 when the end is unknown. `fields` is stolen; only JSON prints it. */
void progress_show(struct progress *p, double share, const char *text, const char *type, json_t *fields, bool last);

/* A cq_log sink; ctx is the struct progress. */
void progress_log(void *ctx, enum cq_level level, const char *text);

#endif
