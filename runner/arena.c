/* Book-keeping of slots: for each part an array of extents in order of offset, free neighbours merged. A run has some
 * hundreds of slots, so a walk over the array is shorter than anything cleverer.
 *
 * A part's memory comes into being as its slots are written and stays when they are free, to be written again. Where
 * that would be more than the arena may take, for every worker had many slots at some time, the part with most of it
 * idle gives it back.
 */
#include "runner/arena.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <uv.h>

#include "kernels/base/log.h"

struct extent {
    int64_t offset, bytes;
    bool used;
};

struct part {
    int fd;
    const uint8_t *base;        /* mapped when somebody looks */
    int64_t used, touched;      /* bytes */
    int64_t high;               /* end of the highest slot so far */
    struct extent *extents;     /* owned; cover the part without gaps */
    int n, capacity;
};

struct arena {
    int64_t bytes;              /* of each part, and at most of all slots together */
    int64_t used, touched;
    int n;
    struct part parts[];
};

int arena_usual_parts(void)
{
    int cpus = (int) uv_available_parallelism();
    return cpus < ARENA_PARTS ? cpus : ARENA_PARTS;
}

static int64_t round_up(int64_t bytes)
{
    return (bytes + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
}

static enum cq_err make_memory(struct cq_log *log, const struct arena *a, struct part *p)
{
    p->fd = memfd_create("clipq-arena", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (p->fd < 0 || ftruncate(p->fd, a->bytes) || fcntl(p->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) {
        cq_log_error(log, "cannot make %lld MiB of shared memory: %s", (long long) (a->bytes >> 20), strerror(errno));
        return cq_err_errno(errno);
    }
    return CQ_OK;
}

static enum cq_err init_part(struct cq_log *log, const struct arena *a, struct part *p)
{
    p->capacity = 64;
    p->extents = calloc((size_t) p->capacity, sizeof *p->extents);
    if (!p->extents)
        return CQ_NOMEM;
    p->extents[p->n++] = (struct extent) {0, a->bytes, false};
    return make_memory(log, a, p);
}

enum cq_err arena_create(struct cq_log *log, int64_t bytes, int parts, struct arena **out)
{
    assert(parts > 0 && parts <= ARENA_PARTS);
    *out = NULL;
    struct arena *a = calloc(1, sizeof *a + (size_t) parts * sizeof *a->parts);
    if (!a)
        return CQ_NOMEM;
    a->bytes = round_up(bytes);
    a->n = parts;
    for (int i = 0; i < parts; i++)
        a->parts[i].fd = -1;
    enum cq_err err = CQ_OK;
    for (int i = 0; i < parts && !err; i++)
        err = init_part(log, a, &a->parts[i]);
    if (err)
        arena_destroy(&a);
    *out = a;
    return err;
}

void arena_destroy(struct arena **pa)
{
    struct arena *a = *pa;
    if (!a)
        return;
    for (int i = 0; i < a->n; i++) {
        if (a->parts[i].base)
            munmap((void *) a->parts[i].base, (size_t) a->bytes);
        if (a->parts[i].fd >= 0)
            close(a->parts[i].fd);
        free(a->parts[i].extents);
    }
    free(a);
    *pa = NULL;
}

int64_t arena_bytes(const struct arena *a) { return a->bytes; }
int arena_parts(const struct arena *a) { return a->n; }
int arena_fd(const struct arena *a, int part) { return a->parts[part].fd; }
int64_t arena_offset(const struct arena *a, int64_t slot) { return slot % a->bytes; }
int64_t arena_used(const struct arena *a) { return a->used; }
int64_t arena_touched(const struct arena *a) { return a->touched; }

/* ---- for those who only read ---- */

/* Only a new opening has rights of its own. */
enum cq_err arena_open_readers(struct cq_log *log, const struct arena *a, int fds[ARENA_PARTS])
{
    for (int i = 0; i < a->n; i++)
        fds[i] = -1;
    for (int i = 0; i < a->n; i++) {
        char path[64];
        snprintf(path, sizeof path, "/proc/self/fd/%d", a->parts[i].fd);
        fds[i] = open(path, O_RDONLY | O_CLOEXEC);
        if (fds[i] < 0) {
            enum cq_err err = cq_err_errno(errno);
            cq_log_error(log, "cannot open shared memory to read it (is /proc mounted?): %s", strerror(errno));
            arena_close_readers(a, fds);
            return err;
        }
    }
    return CQ_OK;
}

void arena_close_readers(const struct arena *a, const int fds[ARENA_PARTS])
{
    for (int i = 0; i < a->n; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

const uint8_t *arena_look(struct arena *a, int64_t slot, int64_t offset)
{
    struct part *p = &a->parts[slot / a->bytes];
    if (!p->base) {
        void *base = mmap(NULL, (size_t) a->bytes, PROT_READ, MAP_SHARED, p->fd, 0);
        p->base = base == MAP_FAILED ? NULL : base;
    }
    return p->base ? p->base + arena_offset(a, slot) + offset : NULL;
}

/* ---- memory ---- */

static void touch(struct arena *a, struct part *p, int64_t end, int64_t bytes)
{
    int64_t before = p->touched;
    p->high = end > p->high ? end : p->high;
    p->touched = before + bytes < p->high ? before + bytes : p->high;
    a->touched += p->touched - before;
}

/* Whoever reads there, as nobody should, finds zeros. A system that cannot do it keeps the memory. */
static void give_back_memory(struct arena *a, struct part *p)
{
    for (int i = 0; i < p->n && p->extents[i].offset < p->high; i++)
        if (!p->extents[i].used)
            (void) !fallocate(p->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, p->extents[i].offset, p->extents[i].bytes);
    a->touched -= p->touched - p->used;
    p->touched = p->used;
}

static void keep_within(struct arena *a)
{
    while (a->touched > a->bytes) {
        struct part *idlest = &a->parts[0];
        for (int i = 1; i < a->n; i++)
            if (a->parts[i].touched - a->parts[i].used > idlest->touched - idlest->used)
                idlest = &a->parts[i];
        give_back_memory(a, idlest);
    }
}

/* ---- slots ---- */

/* Makes extent `i` exactly `bytes` long; what is left becomes an extent behind it. */
static enum cq_err split(struct part *p, int i, int64_t bytes)
{
    if (p->extents[i].bytes == bytes)
        return CQ_OK;
    if (p->n == p->capacity) {
        struct extent *more = realloc(p->extents, (size_t) p->capacity * 2 * sizeof *more);
        if (!more)
            return CQ_NOMEM;
        p->extents = more;
        p->capacity *= 2;
    }
    struct extent *e = &p->extents[i];
    memmove(e + 1, e, (size_t) (p->n - i) * sizeof *e);
    p->n++;
    e[1].offset += bytes;
    e[1].bytes -= bytes;
    e->bytes = bytes;
    return CQ_OK;
}

enum cq_err arena_take(struct arena *a, int part, int64_t bytes, int64_t *slot)
{
    struct part *p = &a->parts[part];
    if (bytes <= 0 || bytes > a->bytes)
        return CQ_INVALID;
    bytes = round_up(bytes);
    if (bytes > a->bytes - a->used)
        return CQ_AGAIN;
    for (int i = 0; i < p->n; i++) {
        if (p->extents[i].used || p->extents[i].bytes < bytes)
            continue;
        enum cq_err err = split(p, i, bytes);
        if (err)
            return err;
        p->extents[i].used = true;
        p->used += bytes;
        a->used += bytes;
        touch(a, p, p->extents[i].offset + bytes, bytes);
        keep_within(a);
        *slot = part * a->bytes + p->extents[i].offset;
        return CQ_OK;
    }
    return CQ_AGAIN;
}

static void merge_with_next(struct part *p, int i)
{
    if (i < 0 || i + 1 >= p->n || p->extents[i].used || p->extents[i + 1].used)
        return;
    p->extents[i].bytes += p->extents[i + 1].bytes;
    memmove(p->extents + i + 1, p->extents + i + 2, (size_t) (p->n - i - 2) * sizeof *p->extents);
    p->n--;
}

void arena_give(struct arena *a, int64_t slot)
{
    assert(slot >= 0 && slot / a->bytes < a->n);
    struct part *p = &a->parts[slot / a->bytes];
    int64_t offset = arena_offset(a, slot);
    int i = 0;
    while (i < p->n && p->extents[i].offset < offset)
        i++;
    assert(i < p->n && p->extents[i].offset == offset && p->extents[i].used);
    p->extents[i].used = false;
    p->used -= p->extents[i].bytes;
    a->used -= p->extents[i].bytes;
    merge_with_next(p, i);
    merge_with_next(p, i - 1);
}
