/* Book-keeping of slots: an array of extents in order of offset, free neighbours merged. A run has some
 * hundreds of slots, so a walk over the array is shorter than anything cleverer. */
#include "runner/arena.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernels/base/log.h"

struct extent {
    int64_t offset, bytes;
    bool used;
};

struct arena {
    int fd;
    int64_t bytes, used;
    struct extent *extents;     /* owned; cover the arena without gaps */
    int n, capacity;
};

static int64_t round_up(int64_t bytes)
{
    return (bytes + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
}

static enum cq_err make_memory(struct cq_log *log, struct arena *a)
{
    a->fd = memfd_create("clipq-arena", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (a->fd < 0 || ftruncate(a->fd, a->bytes) || fcntl(a->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW)) {
        cq_log_error(log, "cannot make %lld MiB of shared memory: %s", (long long) (a->bytes >> 20), strerror(errno));
        return cq_err_errno(errno);
    }
    return CQ_OK;
}

enum cq_err arena_create(struct cq_log *log, int64_t bytes, struct arena **out)
{
    *out = NULL;
    struct arena *a = calloc(1, sizeof *a);
    if (!a)
        return CQ_NOMEM;
    a->fd = -1;
    a->bytes = round_up(bytes);
    a->capacity = 64;
    a->extents = calloc((size_t) a->capacity, sizeof *a->extents);
    enum cq_err err = a->extents ? make_memory(log, a) : CQ_NOMEM;
    if (err) {
        arena_destroy(&a);
        return err;
    }
    a->extents[a->n++] = (struct extent) {0, a->bytes, false};
    *out = a;
    return CQ_OK;
}

void arena_destroy(struct arena **pa)
{
    struct arena *a = *pa;
    if (!a)
        return;
    if (a->fd >= 0)
        close(a->fd);
    free(a->extents);
    free(a);
    *pa = NULL;
}

int arena_fd(const struct arena *a) { return a->fd; }
int64_t arena_bytes(const struct arena *a) { return a->bytes; }
int64_t arena_used(const struct arena *a) { return a->used; }

/* Makes extent `i` exactly `bytes` long; what is left becomes an extent behind it. */
static enum cq_err split(struct arena *a, int i, int64_t bytes)
{
    if (a->extents[i].bytes == bytes)
        return CQ_OK;
    if (a->n == a->capacity) {
        struct extent *more = realloc(a->extents, (size_t) a->capacity * 2 * sizeof *more);
        if (!more)
            return CQ_NOMEM;
        a->extents = more;
        a->capacity *= 2;
    }
    struct extent *e = &a->extents[i];
    memmove(e + 1, e, (size_t) (a->n - i) * sizeof *e);
    a->n++;
    e[1].offset += bytes;
    e[1].bytes -= bytes;
    e->bytes = bytes;
    return CQ_OK;
}

enum cq_err arena_take(struct arena *a, int64_t bytes, int64_t *offset)
{
    if (bytes <= 0 || bytes > a->bytes)
        return CQ_INVALID;
    bytes = round_up(bytes);
    for (int i = 0; i < a->n; i++) {
        if (a->extents[i].used || a->extents[i].bytes < bytes)
            continue;
        enum cq_err err = split(a, i, bytes);
        if (err)
            return err;
        a->extents[i].used = true;
        a->used += bytes;
        *offset = a->extents[i].offset;
        return CQ_OK;
    }
    return CQ_AGAIN;
}

static void merge_with_next(struct arena *a, int i)
{
    if (i < 0 || i + 1 >= a->n || a->extents[i].used || a->extents[i + 1].used)
        return;
    a->extents[i].bytes += a->extents[i + 1].bytes;
    memmove(a->extents + i + 1, a->extents + i + 2, (size_t) (a->n - i - 2) * sizeof *a->extents);
    a->n--;
}

void arena_give(struct arena *a, int64_t offset)
{
    int i = 0;
    while (i < a->n && a->extents[i].offset < offset)
        i++;
    assert(i < a->n && a->extents[i].offset == offset && a->extents[i].used);
    a->extents[i].used = false;
    a->used -= a->extents[i].bytes;
    merge_with_next(a, i);
    merge_with_next(a, i - 1);
}

/* ---- in a child ---- */

enum cq_err arena_map(struct cq_log *log, int fd, struct arena_view *out)
{
    struct stat st;
    void *base = MAP_FAILED;
    if (!fstat(fd, &st) && st.st_size > 0)
        base = mmap(NULL, (size_t) st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED) {
        cq_log_error(log, "cannot map the shared memory: %s", strerror(errno));
        return cq_err_errno(errno);
    }
    *out = (struct arena_view) {base, st.st_size};
    return CQ_OK;
}

void arena_unmap(struct arena_view *v)
{
    if (v->base)
        munmap(v->base, (size_t) v->bytes);
    *v = (struct arena_view) {0};
}

uint8_t *arena_at(const struct arena_view *v, int64_t offset, int64_t bytes)
{
    if (offset < 0 || bytes < 0 || offset > v->bytes || bytes > v->bytes - offset)
        return NULL;
    return v->base + offset;
}
