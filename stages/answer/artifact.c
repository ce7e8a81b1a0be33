/* File names for outputs. A tensor's name may hold anything, slashes included, and two outputs may differ in
 * just such characters: so what is not plain becomes '_', and the output's index stands before it. */
#include "stages/answer/artifact.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "kernels/base/log.h"

static void plain_name(const char *name, char *out, size_t size)
{
    size_t i = 0;
    for (; name[i] && i + 1 < size; i++)
        out[i] = (char) (isalnum((unsigned char) name[i]) || name[i] == '-' ? name[i] : '_');
    out[i] = '\0';
}

enum cq_err artifact_name(const struct decode_frame *f, int i, const char *kind, struct artifact *row,
                          char path[ARTIFACT_PATH_MAX])
{
    *row = (struct artifact) {0};
    if (mkdir(f->folder, 0777) && errno != EEXIST) {
        int reason = errno;
        cq_log_error(f->log, "folder %s for pictures and tensors: %s", f->folder, strerror(reason));
        return cq_err_errno(reason);
    }
    char output[48], file[256];
    plain_name(f->names[i], output, sizeof output);
    int n = snprintf(file, sizeof file, "%s-%d-%s.%s", f->stem, i, output, kind);
    bool fits = n >= 0 && (size_t) n < sizeof file;
    n = snprintf(path, ARTIFACT_PATH_MAX, "%s/%s", f->folder, file);
    fits = fits && n >= 0 && n < ARTIFACT_PATH_MAX;
    n = snprintf(row->path, sizeof row->path, "%s%s%s", f->folder_label ? f->folder_label : "",
                 f->folder_label && *f->folder_label ? "/" : "", file);
    fits = fits && n >= 0 && (size_t) n < sizeof row->path;
    if (!fits) {
        cq_log_error(f->log, "name of a file for output %s in %s is too long", f->names[i], f->folder);
        return CQ_INVALID;
    }
    snprintf(row->kind, sizeof row->kind, "%s", kind);
    /* Only a label from here on, so a very long one may be cut. */
    snprintf(row->name, sizeof row->name, "%.63s", f->names[i]);
    return CQ_OK;
}
