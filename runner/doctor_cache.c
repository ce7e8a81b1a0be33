/* Where PoCL keeps what it compiles: it writes objects there, has them linked by ld, and loads them as code. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernels/device.h"
#include "runner/doctor.h"

enum { PATH_SIZE = 4096, PAGE = 4096 };

#define ELSEWHERE "set POCL_CACHE_DIR to a folder that is writable and not mounted noexec"

/* 0, or errno; `doing` is what failed. */
static int try_code(const char *folder, const char **doing)
{
    char path[PATH_SIZE];
    static const char page[PAGE];
    *doing = "written";
    if ((size_t) snprintf(path, sizeof path, "%s/clipq-doctor-%d", folder, (int) getpid()) >= sizeof path)
        return ENAMETOOLONG;
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
    if (fd < 0)
        return errno;
    int err = write(fd, page, sizeof page) == (ssize_t) sizeof page ? 0 : errno ? errno : ENOSPC;
    if (!err) {
        void *code = mmap(NULL, sizeof page, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
        *doing = "loaded as code (mounted noexec?)";
        err = code == MAP_FAILED ? errno : 0;
        if (!err)
            munmap(code, sizeof page);
    }
    close(fd);
    unlink(path);
    return err;
}

static bool is_in_path(const char *program)
{
    const char *at = getenv("PATH");
    if (!at)
        at = "/usr/bin:/bin";
    for (size_t length; *at; at += length + (at[length] == ':')) {
        char path[PATH_SIZE];
        length = strcspn(at, ":");
        int n = snprintf(path, sizeof path, "%.*s/%s", (int) length, at, program);
        if (n > 0 && (size_t) n < sizeof path && !access(path, X_OK))
            return true;
    }
    return false;
}

static void run(struct doctor *d)
{
    device_setup_environment(0);
    const char *folder = getenv("POCL_CACHE_DIR"), *doing;
    int err = folder ? try_code(folder, &doing) : 0;
    if (!folder)
        doctor_tell(d, DOCTOR_FAILURE, ELSEWHERE, "no folder for compiled kernels can be made in ~/.cache or /tmp");
    else if (err)
        doctor_tell(d, DOCTOR_FAILURE, ELSEWHERE, "compiled kernels cannot be %s in %s: %s", doing, folder, strerror(err));
    else
        doctor_tell(d, DOCTOR_OK, "", "%s can be written, and what is there can be run", folder);
    if (!is_in_path("ld"))
        doctor_tell(d, DOCTOR_WARNING, "install binutils", "there is no linker `ld` in PATH; PoCL needs it to compile kernels");
}

const struct doctor_check doctor_cache = {.name = "cache", .part = DOCTOR_REST, .run = run};
