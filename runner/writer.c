/* A thread that takes posts off a list, runs them in one transaction, commits, and hands them back.
 *
 * Two lists under one lock: `queue` from the loop to the thread, `finished` back. A post stays in order
 * through both. uv_async_send tells the loop; it may fold several signals into one, so the loop always takes
 * the whole list. The async handle keeps the loop alive only while posts are out.
 *
 * What fails alone is undone alone, by its savepoint. When the transaction itself breaks (begin, commit, disk
 * full), all posts of the group that had seemed fine get that error: none of them is in the database.
 */
#include "runner/writer.h"

#include <assert.h>
#include <stdlib.h>

#include "kernels/base/clock.h"
#include "kernels/base/log.h"
#include "runner/store.h"

static const int64_t GROUP_NS = 20000000;

struct node {
    struct writer_post post;
    enum cq_err err;
    struct node *next;
};

struct list {
    struct node *first, *last;
    int n;
};

struct writer {
    uv_loop_t *loop;
    struct store *store;         /* owned; the thread's while it runs */
    uv_async_t *async;           /* owned; freed by the loop when it has closed it */
    uv_thread_t thread;
    int pending;                 /* posted, `done` not yet called; the loop's thread only */

    uv_mutex_t lock;
    uv_cond_t wake;              /* the thread: something queued, or stop */
    uv_cond_t idle;              /* the loop's thread, in destroy: a group is finished */
    struct list queue, finished; /* guarded by `lock` */
    bool stop;                   /* guarded by `lock` */
};

static void append(struct list *l, struct node *n)
{
    n->next = NULL;
    *(l->last ? &l->last->next : &l->first) = n;
    l->last = n;
    l->n++;
}

static struct node *take_first(struct list *l)
{
    struct node *n = l->first;
    if (!n)
        return NULL;
    l->first = n->next;
    if (!l->first)
        l->last = NULL;
    l->n--;
    return n;
}

static void append_all(struct list *to, struct list *from)
{
    for (struct node *n; (n = take_first(from)); )
        append(to, n);
}

/* ---- the writer's thread ---- */

static struct node *next_queued(struct writer *w)
{
    uv_mutex_lock(&w->lock);
    struct node *n = take_first(&w->queue);
    uv_mutex_unlock(&w->lock);
    return n;
}

/* One post in its savepoint. The result is the group's: the post's own error is kept in the node. */
static enum cq_err run_post(struct writer *w, struct node *n)
{
    enum cq_err err = store_savepoint(w->store);
    if (err)
        return err;
    n->err = n->post.work(w->store, n->post.arg);
    return store_release_savepoint(w->store, n->err == CQ_OK);
}

static enum cq_err run_group(struct writer *w, struct list *group)
{
    int64_t start = cq_now_ns();
    enum cq_err err = store_begin(w->store);
    for (struct node *n = group->first; !err; ) {
        err = run_post(w, n);
        if (err || group->n >= WRITER_GROUP || cq_now_ns() - start >= GROUP_NS)
            break;
        n = next_queued(w);
        if (!n)
            break;
        append(group, n);
    }
    if (!err)
        err = store_commit(w->store);
    if (err)
        store_rollback(w->store);
    return err;
}

static void write_posts(void *arg)
{
    struct writer *w = arg;
    uv_mutex_lock(&w->lock);
    for (;;) {
        while (!w->queue.first && !w->stop)
            uv_cond_wait(&w->wake, &w->lock);
        struct list group = {0};
        struct node *first = take_first(&w->queue);
        if (!first)
            break;
        append(&group, first);
        uv_mutex_unlock(&w->lock);

        enum cq_err err = run_group(w, &group);
        for (struct node *n = group.first; err && n; n = n->next)
            if (!n->err)
                n->err = err;

        uv_mutex_lock(&w->lock);
        append_all(&w->finished, &group);
        uv_cond_signal(&w->idle);
        uv_async_send(w->async);
    }
    uv_mutex_unlock(&w->lock);
}

/* ---- the loop's thread ---- */

static void deliver(struct writer *w)
{
    struct list done = {0};
    uv_mutex_lock(&w->lock);
    append_all(&done, &w->finished);
    uv_mutex_unlock(&w->lock);

    for (struct node *n; (n = take_first(&done)); ) {
        if (!--w->pending)
            uv_unref((uv_handle_t *) w->async);
        if (n->post.done)
            n->post.done(n->post.arg, n->err);
        free(n);
    }
}

static void on_async(uv_async_t *async)
{
    deliver(async->data);
}

static void on_async_closed(uv_handle_t *handle)
{
    free(handle);
}

static bool start(struct writer *w)
{
    if (uv_mutex_init(&w->lock))
        return false;
    if (uv_cond_init(&w->wake))
        goto no_wake;
    if (uv_cond_init(&w->idle))
        goto no_idle;
    if (uv_async_init(w->loop, w->async, on_async))
        goto no_async;
    w->async->data = w;
    uv_unref((uv_handle_t *) w->async);
    if (!uv_thread_create(&w->thread, write_posts, w))
        return true;

    uv_close((uv_handle_t *) w->async, on_async_closed);
    w->async = NULL;             /* now the loop's */
no_async:
    uv_cond_destroy(&w->idle);
no_idle:
    uv_cond_destroy(&w->wake);
no_wake:
    uv_mutex_destroy(&w->lock);
    return false;
}

enum cq_err writer_create(uv_loop_t *loop, struct cq_log *log, struct store *store, struct writer **out)
{
    *out = NULL;
    struct writer *w = calloc(1, sizeof *w);
    uv_async_t *async = calloc(1, sizeof *async);
    if (w && async) {
        *w = (struct writer) {.loop = loop, .store = store, .async = async};
        if (start(w)) {
            *out = w;
            return CQ_OK;
        }
        async = w->async;
    }
    cq_log_error(log, "cannot start the database's writer thread");
    free(async);
    free(w);
    store_close(&store);
    return CQ_NOMEM;
}

enum cq_err writer_post(struct writer *w, const struct writer_post *p)
{
    struct node *n = malloc(sizeof *n);
    if (!n)
        return CQ_NOMEM;
    *n = (struct node) {.post = *p};
    if (!w->pending++)
        uv_ref((uv_handle_t *) w->async);
    uv_mutex_lock(&w->lock);
    append(&w->queue, n);
    uv_cond_signal(&w->wake);
    uv_mutex_unlock(&w->lock);
    return CQ_OK;
}

int writer_pending(const struct writer *w) { return w->pending; }
bool writer_full(const struct writer *w) { return w->pending >= WRITER_QUEUE; }

/* A `done` may post again: waits until nothing is out any more. */
static void drain(struct writer *w)
{
    while (w->pending) {
        uv_mutex_lock(&w->lock);
        while (!w->finished.first)
            uv_cond_wait(&w->idle, &w->lock);
        uv_mutex_unlock(&w->lock);
        deliver(w);
    }
}

void writer_destroy(struct writer **out)
{
    struct writer *w = *out;
    if (!w)
        return;
    drain(w);
    uv_mutex_lock(&w->lock);
    w->stop = true;
    uv_cond_signal(&w->wake);
    uv_mutex_unlock(&w->lock);
    uv_thread_join(&w->thread);

    uv_close((uv_handle_t *) w->async, on_async_closed);
    uv_cond_destroy(&w->idle);
    uv_cond_destroy(&w->wake);
    uv_mutex_destroy(&w->lock);
    store_close(&w->store);
    free(w);
    *out = NULL;
}
