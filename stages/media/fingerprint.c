/* Sixteen blocks of a file are enough to know it again.
 *
 * A change inside a long file that keeps its size and misses every block goes unseen; media files do not change
 * like that, and reading a terabyte to notice it would cost a night.
 */
#include "stages/media/fingerprint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

enum { BLOCKS = 16, BLOCK_SIZE = 64 << 10 };

/* Fewer than `size` bytes only at the end of the file; -1 with errno. */
static ssize_t read_at(int fd, uint8_t *data, size_t size, int64_t pos)
{
    size_t got = 0;
    while (got < size) {
        ssize_t n = pread(fd, data + got, size - got, pos + (int64_t) got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        got += (size_t) n;
    }
    return (ssize_t) got;
}

static enum cq_err hash_blocks(int fd, int64_t size, uint8_t *block, XXH3_state_t *hash)
{
    int64_t span = size - BLOCK_SIZE;   /* of the blocks' starts */
    bool all = size <= (int64_t) BLOCKS * BLOCK_SIZE;
    for (int i = 0; i < BLOCKS; i++) {
        int64_t pos = all ? (int64_t) i * BLOCK_SIZE : span / (BLOCKS - 1) * i + span % (BLOCKS - 1) * i / (BLOCKS - 1);
        if (pos >= size)
            break;
        ssize_t n = read_at(fd, block, BLOCK_SIZE, pos);
        if (n < 0)
            return cq_err_errno(errno);
        XXH3_128bits_update(hash, block, (size_t) n);
    }
    return CQ_OK;
}

enum cq_err fingerprint_fd(int fd, int64_t size, char out[FINGERPRINT_SIZE])
{
    enum cq_err err = CQ_NOMEM;
    uint8_t *block = malloc(BLOCK_SIZE);
    XXH3_state_t *hash = XXH3_createState();
    if (!block || !hash)
        goto done;

    XXH3_128bits_reset(hash);
    uint8_t size_le[8];
    for (int i = 0; i < 8; i++)
        size_le[i] = (uint8_t) ((uint64_t) size >> 8 * i);
    XXH3_128bits_update(hash, size_le, sizeof size_le);
    err = hash_blocks(fd, size, block, hash);
    if (err)
        goto done;

    XXH128_hash_t h = XXH3_128bits_digest(hash);
    snprintf(out, FINGERPRINT_SIZE, "%016llx%016llx", (unsigned long long) h.high64, (unsigned long long) h.low64);

done:;
    int why = errno;
    XXH3_freeState(hash);
    free(block);
    errno = why;
    return err;
}

enum cq_err fingerprint_file(const char *path, char out[FINGERPRINT_SIZE], int64_t *size, int64_t *mtime_ns)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    enum cq_err err = CQ_OK;
    if (fd < 0 || fstat(fd, &st))
        err = cq_err_errno(errno);
    if (!err)
        err = fingerprint_fd(fd, st.st_size, out);
    if (!err) {
        *size = st.st_size;
        *mtime_ns = (int64_t) st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    }
    int why = errno;
    if (fd >= 0)
        close(fd);
    errno = why;
    return err;
}
