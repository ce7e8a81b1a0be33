/* Formats a message once and hands it to the sink. */
#include "kernels/base/log.h"

#include <stdarg.h>
#include <stdio.h>

static const char *const level_names[] = {"error", "warning", "info", "debug"};

/* Names in messages come from files: no byte of them may steer a terminal or start a line. */
static void make_printable(char *text)
{
    for (; *text; text++)
        if ((unsigned char) *text < 0x20 || *text == 0x7f)
            *text = '?';
}

void cq_log_at(struct cq_log *log, enum cq_level level, const char *fmt, ...)
{
    if (!log || (level > log->level && level != CQ_ERROR))
        return;

    char text[sizeof log->last_error];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    make_printable(text);

    if (level == CQ_ERROR)
        snprintf(log->last_error, sizeof log->last_error, "%s", text);
    if (log->sink)
        log->sink(log->ctx, level, text);
    else
        fprintf(stderr, "%s: %s: %s\n", log->name ? log->name : "clipq", level_names[level], text);
}

const char *cq_log_reason(const struct cq_log *log, const char *otherwise)
{
    return log && log->last_error[0] ? log->last_error : otherwise;
}
