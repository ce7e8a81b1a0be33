/* The environment that OpenCL implementations read once, when the first call loads them.
 *
 * PoCL starts a thread for every CPU of the machine, even where this process may use only some of them; it
 * takes SIGFPE for itself; and it compiles each kernel once per cache directory, which takes longer than a
 * short clip does. It would do so again for each size of work-groups, of grids and for the binary of a program, which
 * gained nothing in speed: one form serves all.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernels/device.h"
#include "kernels/device_env.h"

enum { PATH_SIZE = DEVICE_PATH_SIZE };

static int allowed_cpus(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set))
        return 0;
    return CPU_COUNT(&set);
}

/* mkdir -p; true when `path` is then a directory that can be written. */
static bool make_dirs(const char *path)
{
    char part[PATH_SIZE];
    size_t n = strlen(path);
    if (n >= sizeof part)
        return false;
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0777) && errno != EEXIST)
            return false;
    }
    return access(path, W_OK | X_OK) == 0;
}

bool device_cache_folder(const char *name, char out[DEVICE_PATH_SIZE])
{
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int n;
    if (xdg && *xdg == '/')
        n = snprintf(out, PATH_SIZE, "%s/clipq/%s", xdg, name);
    else if (home && *home == '/')
        n = snprintf(out, PATH_SIZE, "%s/.cache/clipq/%s", home, name);
    else
        return false;
    return n < PATH_SIZE && make_dirs(out);
}

/* For accounts without a home. PoCL loads code from there, so it must be ours and nobody else's to write. */
static bool private_cache(char out[PATH_SIZE])
{
    const char *tmp = getenv("TMPDIR");
    struct stat st;
    int n = snprintf(out, PATH_SIZE, "%s/clipq-pocl-%u", tmp && *tmp == '/' ? tmp : "/tmp", (unsigned) geteuid());
    if (n >= PATH_SIZE || (mkdir(out, 0700) && errno != EEXIST))
        return false;
    return !lstat(out, &st) && S_ISDIR(st.st_mode) && st.st_uid == geteuid() && !(st.st_mode & 022);
}

void device_setup_environment(int threads)
{
    char text[PATH_SIZE];
    if (threads <= 0)
        threads = allowed_cpus();
    if (threads > 0) {
        snprintf(text, sizeof text, "%d", threads);
        setenv("POCL_MAX_PTHREAD_COUNT", text, 0);
        setenv("POCL_CPU_MAX_CU_COUNT", text, 0);   /* the name from PoCL 4 on */
    }
    setenv("POCL_SIGFPE_HANDLER", "0", 0);
    setenv("POCL_WORK_GROUP_SPECIALIZATION", "0", 0);
    if (!getenv("POCL_CACHE_DIR") && (device_cache_folder("pocl", text) || private_cache(text)))
        setenv("POCL_CACHE_DIR", text, 0);
}
