/* Messages with a level, a name and a sink.
 *
 * A NULL log is valid and says nothing. A message has no newline; it says what, for which job or file, and
 * the number. The last error is kept so that it can be stored beside the failure that it explains.
 *
 * Thread-safety: none; each thread and each child has a log of its own.
 */
#ifndef CLIPQ_KERNELS_BASE_LOG_H
#define CLIPQ_KERNELS_BASE_LOG_H

enum cq_level { CQ_ERROR, CQ_WARN, CQ_INFO, CQ_DEBUG };

struct cq_log {
    enum cq_level level;      /* messages above it are dropped */
    const char *name;         /* borrowed; "clipq", "decode 3"; may be NULL */
    void (*sink)(void *ctx, enum cq_level level, const char *text); /* NULL: standard error */
    void *ctx;                /* for sink */
    char last_error[512];     /* text of the newest CQ_ERROR message, "" before the first */
};

void cq_log_at(struct cq_log *log, enum cq_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#define cq_log_error(log, ...) cq_log_at(log, CQ_ERROR, __VA_ARGS__)
#define cq_log_warn(log, ...)  cq_log_at(log, CQ_WARN, __VA_ARGS__)
#define cq_log_info(log, ...)  cq_log_at(log, CQ_INFO, __VA_ARGS__)
#define cq_log_debug(log, ...) cq_log_at(log, CQ_DEBUG, __VA_ARGS__)

/* The newest error text, or `otherwise` when there is none or `log` is NULL. */
const char *cq_log_reason(const struct cq_log *log, const char *otherwise);

#endif
