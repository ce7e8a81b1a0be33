/* The one list of error codes.
 *
 * A function returns the first error it meets; the reason is logged once, where it is known, and only the
 * code travels up. CQ_OK is 0, so `if (err)` reads as it should.
 */
#ifndef CLIPQ_KERNELS_BASE_ERR_H
#define CLIPQ_KERNELS_BASE_ERR_H

#define CQ_ERRORS(X)                                                          \
    X(OK, "ok")                                                               \
    X(AGAIN, "not ready yet")                                                 \
    X(EOF, "end of stream")                                                   \
    X(NOMEM, "out of memory")                                                 \
    X(INVALID, "invalid value")                                               \
    X(UNSUPPORTED, "not supported")                                           \
    X(CORRUPT, "damaged data")                                                \
    X(IO, "input/output error")                                               \
    X(NOT_FOUND, "not found")                                                 \
    X(DENIED, "permission denied")                                            \
    X(BUSY, "locked by another process")                                      \
    X(FULL, "no space left")                                                  \
    X(NEWER, "made by a newer version")                                       \
    X(FOREIGN, "not a clipq file")                                            \
    X(STALE, "lease lost to another owner")                                   \
    X(OOM, "device out of memory")                                            \
    X(DEVICE, "OpenCL device error")                                          \
    X(NO_DEVICE, "no usable OpenCL device")                                   \
    X(PROTOCOL, "malformed message between processes")                        \
    X(CANCELLED, "cancelled")                                                 \
    X(INTERNAL, "internal error")

enum cq_err {
#define X(name, text) CQ_##name,
    CQ_ERRORS(X)
#undef X
};

/* Short English text; never NULL. */
const char *cq_err_text(enum cq_err err);

/* The code that stands for an errno value. */
enum cq_err cq_err_errno(int err);

#endif
