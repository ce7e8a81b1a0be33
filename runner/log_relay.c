/* A locked list; a message for which there is no memory is lost. */
#include "runner/log_relay.h"

#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include "kernels/base/log.h"

struct message {
    struct message *next;
    enum cq_level level;
    char text[];
};

struct log_relay {
    struct cq_log log;              /* the other thread's */
    struct cq_log *to;
    uv_mutex_t lock;
    struct message *first, **end;   /* guarded by `lock` */
};

static void keep(void *ctx, enum cq_level level, const char *text)
{
    struct log_relay *r = ctx;
    size_t size = strlen(text) + 1;
    struct message *m = malloc(sizeof *m + size);
    if (!m)
        return;
    m->next = NULL;
    m->level = level;
    memcpy(m->text, text, size);
    uv_mutex_lock(&r->lock);
    *r->end = m;
    r->end = &m->next;
    uv_mutex_unlock(&r->lock);
}

enum cq_err log_relay_create(struct cq_log *to, struct log_relay **out)
{
    *out = NULL;
    struct log_relay *r = calloc(1, sizeof *r);
    if (!r || uv_mutex_init(&r->lock)) {
        free(r);
        return CQ_NOMEM;
    }
    r->to = to;
    r->end = &r->first;
    r->log = (struct cq_log) {.level = to ? to->level : CQ_ERROR, .sink = keep, .ctx = r};
    *out = r;
    return CQ_OK;
}

void log_relay_destroy(struct log_relay **out)
{
    struct log_relay *r = *out;
    if (!r)
        return;
    log_relay_deliver(r);
    uv_mutex_destroy(&r->lock);
    free(r);
    *out = NULL;
}

struct cq_log *log_relay_log(struct log_relay *r) { return &r->log; }

void log_relay_deliver(struct log_relay *r)
{
    if (!r)
        return;
    uv_mutex_lock(&r->lock);
    struct message *m = r->first;
    r->first = NULL;
    r->end = &r->first;
    uv_mutex_unlock(&r->lock);
    while (m) {
        struct message *next = m->next;
        cq_log_at(r->to, m->level, "%s", m->text);
        free(m);
        m = next;
    }
}
