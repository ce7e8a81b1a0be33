/* Error codes as text, and errno as error codes. */
#include "kernels/base/err.h"

#include <errno.h>
#include <stddef.h>

static const char *const texts[] = {
#define X(name, text) [CQ_##name] = text,
    CQ_ERRORS(X)
#undef X
};

const char *cq_err_text(enum cq_err err)
{
    size_t i = (size_t) err;
    return i < sizeof texts / sizeof *texts ? texts[i] : "unknown error";
}

enum cq_err cq_err_errno(int err)
{
    switch (err) {
    case 0:       return CQ_OK;
    case ENOMEM:  return CQ_NOMEM;
    case ENOENT:
    case ENOTDIR: return CQ_NOT_FOUND;
    case EACCES:
    case EPERM:
    case EROFS:   return CQ_DENIED;
    case ENOSPC:
    case EDQUOT:  return CQ_FULL;
    case EINVAL:  return CQ_INVALID;
    case EAGAIN:  return CQ_AGAIN;
    default:      return CQ_IO;
    }
}
