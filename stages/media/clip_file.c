/* Opening without waiting, and a look at what was opened. */
#include "stages/media/clip_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool folder_is_gone(const char *path)
{
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    return access(dirname(folder), F_OK) != 0;
}

static int64_t mtime_ns_of(const struct stat *st)
{
    return (int64_t) st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

void clip_file_open(const char *path, struct clip_file *out)
{
    /* Without O_NONBLOCK a named pipe among the clips would hold the program for ever. */
    *out = (struct clip_file) {.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
    struct stat st;
    if (out->fd < 0 || fstat(out->fd, &st)) {
        out->why = errno;
        out->folder_gone = (out->why == ENOENT || out->why == ENOTDIR) && folder_is_gone(path);
        clip_file_close(out);
        return;
    }
    out->regular = S_ISREG(st.st_mode);
    out->size = st.st_size;
    out->mtime_ns = mtime_ns_of(&st);
}

/* The bare call: the C library's looks at a path that is empty, and no filter of calls can see that it is. */
bool clip_file_has_changed(int fd, int64_t size, int64_t mtime_ns)
{
    struct stat st;
    return !syscall(SYS_fstat, fd, &st) && (st.st_size != size || mtime_ns_of(&st) != mtime_ns);
}

void clip_file_close(struct clip_file *f)
{
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
}
