/* Mapping what was inherited. Parts that are never read from cost no address space, which a limit may make scarce. */
#include "runner/arena_view.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernels/base/log.h"

static bool is_inside(int64_t size, int64_t offset, int64_t bytes)
{
    return offset >= 0 && bytes >= 0 && offset <= size && bytes <= size - offset;
}

static int64_t size_of(int fd)
{
    struct stat st;
    return fstat(fd, &st) ? 0 : st.st_size;
}

static enum cq_err cannot_map(struct cq_log *log)
{
    cq_log_error(log, "cannot map the shared memory: %s", strerror(errno));
    return cq_err_errno(errno);
}

enum cq_err arena_map(struct cq_log *log, int fd, struct arena_view *out)
{
    int64_t bytes = size_of(fd);
    void *base = mmap(NULL, (size_t) bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    enum cq_err err = base == MAP_FAILED ? cannot_map(log) : CQ_OK;
    close(fd);
    if (!err)
        *out = (struct arena_view) {base, bytes};
    return err;
}

void arena_unmap(struct arena_view *v)
{
    if (v->base)
        munmap(v->base, (size_t) v->bytes);
    *v = (struct arena_view) {0};
}

uint8_t *arena_at(const struct arena_view *v, int64_t offset, int64_t bytes)
{
    return is_inside(v->bytes, offset, bytes) ? v->base + offset : NULL;
}

/* ---- all parts ---- */

/* Nothing else that a process may inherit is sealed like that. */
int arena_count(int first_fd)
{
    int n = 0;
    for (int seals; n < ARENA_PARTS && (seals = fcntl(first_fd + n, F_GET_SEALS)) >= 0 && seals & F_SEAL_SHRINK; n++)
        ;
    return n;
}

enum cq_err arena_reader_init(struct cq_log *log, int first_fd, struct arena_reader *out)
{
    *out = (struct arena_reader) {
        .log = log, .first_fd = first_fd, .n = arena_count(first_fd), .bytes = size_of(first_fd),
    };
    if (out->n)
        return CQ_OK;
    cq_log_error(log, "no shared memory on descriptor %d", first_fd);
    return CQ_INVALID;
}

void arena_reader_finish(struct arena_reader *r)
{
    for (int i = 0; i < r->n; i++) {
        if (r->parts[i])
            munmap((void *) r->parts[i], (size_t) r->bytes);
        close(r->first_fd + i);
    }
    *r = (struct arena_reader) {0};
}

const uint8_t *arena_read(struct arena_reader *r, int64_t slot, int64_t bytes)
{
    int64_t part = r->bytes ? slot / r->bytes : 0, offset = r->bytes ? slot % r->bytes : 0;
    if (slot < 0 || part >= r->n || !is_inside(r->bytes, offset, bytes))
        return NULL;
    if (!r->parts[part]) {
        void *p = mmap(NULL, (size_t) r->bytes, PROT_READ, MAP_SHARED, r->first_fd + (int) part, 0);
        if (p == MAP_FAILED) {
            cannot_map(r->log);
            return NULL;
        }
        r->parts[part] = p;
    }
    return r->parts[part] + offset;
}
