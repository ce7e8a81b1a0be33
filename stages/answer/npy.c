/* A magic, a version, a header that is a Python dict padded so that the data starts at a multiple of 64, the
 * numbers as they stand in memory (numpy.lib.format, version 1.0).
 *
 * The bytes go to "NAME.part" first; rename() makes the file appear whole or not at all.
 */
#include "stages/answer/npy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kernels/base/log.h"

enum { HEADER_MAX = 512, PREFIX = 10, ALIGNMENT = 64 };

static const char *const descriptors[] = {
    [DT_F32] = "<f4", [DT_F16] = "<f2", [DT_F64] = "<f8", [DT_U8] = "|u1",  [DT_I8] = "|i1",  [DT_U16] = "<u2",
    [DT_I16] = "<i2", [DT_I32] = "<i4", [DT_U32] = "<u4", [DT_I64] = "<i8", [DT_U64] = "<u8", [DT_BOOL] = "|b1",
};

/* Returns the size of what stands before the data, a multiple of ALIGNMENT. */
static size_t fill_header(const struct tensor_desc *d, char out[HEADER_MAX])
{
    char *text = out + PREFIX;
    size_t room = HEADER_MAX - PREFIX;
    int n = snprintf(text, room, "{'descr': '%s', 'fortran_order': False, 'shape': (", descriptors[d->type]);
    for (int i = 0; i < d->rank; i++)
        n += snprintf(text + n, room - (size_t) n, "%lld,", (long long) d->dim[i]);
    n += snprintf(text + n, room - (size_t) n, "), }");

    size_t size = (PREFIX + (size_t) n + 1 + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    memset(text + n, ' ', size - PREFIX - (size_t) n);
    out[size - 1] = '\n';
    memcpy(out, "\x93NUMPY\x01\x00", 8);
    out[8] = (char) ((size - PREFIX) & 0xff);
    out[9] = (char) ((size - PREFIX) >> 8);
    return size;
}

static int write_file(const char *path, const void *header, size_t header_size, const void *data, size_t size)
{
    FILE *f = fopen(path, "we");
    if (!f)
        return errno;
    errno = 0;
    int failed = fwrite(header, 1, header_size, f) != header_size || (size && fwrite(data, 1, size, f) != size);
    int reason = failed ? errno : 0;
    if (fclose(f) && !reason)
        reason = errno;
    return failed && !reason ? EIO : reason;
}

enum cq_err npy_write(struct cq_log *log, const char *path, const struct tensor_desc *desc, const void *data)
{
    size_t size = tensor_bytes(desc);
    if (desc->type == DT_NONE || desc->layout != LAYOUT_PLAIN || size == SIZE_MAX)
        return CQ_INVALID;
    char part[4096];
    if ((size_t) snprintf(part, sizeof part, "%s.part", path) >= sizeof part) {
        cq_log_error(log, "path too long: %s", path);
        return CQ_INVALID;
    }

    char header[HEADER_MAX];
    int reason = write_file(part, header, fill_header(desc, header), data, size);
    if (!reason && rename(part, path))
        reason = errno;
    if (!reason)
        return CQ_OK;
    unlink(part);
    cq_log_error(log, "cannot write %s: %s", path, strerror(reason));
    return cq_err_errno(reason);
}
