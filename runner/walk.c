/* The walk: a stack of open directories above the current file, nothing else. */
#include "runner/walk.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "kernels/base/log.h"

enum { MAX_DEPTH = 128 };    /* each level holds one descriptor */

static const char *const suffixes[] = {
    "mp4", "m4v", "mov", "qt", "mkv", "webm", "avi", "mpg", "mpeg", "mpe", "m1v", "m2v", "vob", "ts", "m2ts", "mts",
    "mxf", "flv", "f4v", "wmv", "asf", "3gp", "3g2", "ogv", "ogm", "dv", "y4m", "ivf", "nut", "h264", "264", "h265",
    "265", "hevc", "av1", "obu", "rm", "rmvb", "insv", "lrv", "gif", "divx", NULL,
};

struct walk {
    struct walk_params params;
    int at;                        /* next of params.paths */
    glob_t matches;                /* of the current pattern */
    size_t match_at;               /* next of it */
    char *line;                    /* owned; of getdelim */
    size_t line_size;
    DIR *dir[MAX_DEPTH];
    size_t length[MAX_DEPTH];      /* of `path` at that level */
    int depth;
    char path[WALK_PATH];          /* of the innermost directory */
    int64_t missing;
};

bool walk_is_media_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *dot = strrchr(slash ? slash : path, '.');
    if (!dot)
        return false;
    for (int i = 0; suffixes[i]; i++)
        if (!strcasecmp(dot + 1, suffixes[i]))
            return true;
    return false;
}

enum cq_err walk_create(const struct walk_params *params, struct walk **out)
{
    *out = NULL;
    struct walk *w = calloc(1, sizeof *w);
    if (!w)
        return CQ_NOMEM;
    w->params = *params;
    *out = w;
    return CQ_OK;
}

void walk_destroy(struct walk **walk)
{
    struct walk *w = *walk;
    if (!w)
        return;
    while (w->depth)
        closedir(w->dir[--w->depth]);
    globfree(&w->matches);
    free(w->line);
    free(w);
    *walk = NULL;
}

int64_t walk_missing(const struct walk *w) { return w->missing; }

static void lose(struct walk *w, const char *name, int error)
{
    w->missing++;
    cq_log_error(w->params.log, "%s: %s", name, strerror(error));
}

static bool push_directory(struct walk *w, const char *path)
{
    if (w->depth == MAX_DEPTH) {
        lose(w, path, ELOOP);
        return false;
    }
    DIR *dir = opendir(path);
    if (!dir) {
        lose(w, path, errno);
        return false;
    }
    if (path != w->path)
        snprintf(w->path, sizeof w->path, "%s", path);
    w->length[w->depth] = strlen(w->path);
    w->dir[w->depth++] = dir;
    return true;
}

/* Makes `name` absolute. The folder is resolved, the last part is kept: a link to a file keeps its name. */
static int make_absolute(const char *name, char out[WALK_PATH])
{
    char folder[PATH_MAX], copy[WALK_PATH];
    if (snprintf(copy, sizeof copy, "%s", name) >= (int) sizeof copy)
        return ENAMETOOLONG;
    char *slash = strrchr(copy, '/');
    const char *last = slash ? slash + 1 : copy;
    const char *parent = !slash ? "." : slash == copy ? "/" : copy;
    if (slash && slash != copy)
        *slash = '\0';
    if (!realpath(parent, folder))
        return errno;
    bool root = !strcmp(folder, "/");
    int n = snprintf(out, WALK_PATH, "%s/%s", root ? "" : folder, last);
    return n >= WALK_PATH ? ENAMETOOLONG : 0;
}

/* What a user named: CQ_OK for a candidate in `out`, CQ_AGAIN when a directory was opened or nothing is there. */
static enum cq_err take_name(struct walk *w, const char *name, char out[WALK_PATH])
{
    struct stat st;
    if (stat(name, &st)) {
        lose(w, name, errno);
        return CQ_AGAIN;
    }
    if (S_ISDIR(st.st_mode)) {
        char folder[PATH_MAX];
        if (!realpath(name, folder))
            lose(w, name, errno);
        else
            push_directory(w, folder);
        return CQ_AGAIN;
    }
    if (!S_ISREG(st.st_mode)) {
        w->missing++;
        cq_log_error(w->params.log, "%s: neither a regular file nor a directory", name);
        return CQ_AGAIN;
    }
    int error = make_absolute(name, out);
    if (error) {
        lose(w, name, error);
        return CQ_AGAIN;
    }
    return CQ_OK;
}

static bool is_pattern(const char *name)
{
    struct stat st;
    return strpbrk(name, "*?[") && lstat(name, &st);   /* a file of that very name comes first */
}

static enum cq_err next_argument(struct walk *w, char out[WALK_PATH])
{
    const char *name = w->params.paths[w->at++];
    if (!is_pattern(name))
        return take_name(w, name, out);

    globfree(&w->matches);
    memset(&w->matches, 0, sizeof w->matches);
    w->match_at = 0;
    int rc = glob(name, 0, NULL, &w->matches);
    if (rc == GLOB_NOSPACE)
        return CQ_NOMEM;
    if (rc) {
        w->missing++;
        cq_log_error(w->params.log, "%s: no file matches", name);
    }
    return CQ_AGAIN;
}

static enum cq_err next_line(struct walk *w, char out[WALK_PATH])
{
    ssize_t n = getdelim(&w->line, &w->line_size, w->params.list_nul ? '\0' : '\n', w->params.list);
    if (n < 0) {
        if (ferror(w->params.list)) {
            cq_log_error(w->params.log, "reading the list of files: %s", strerror(errno));
            return CQ_IO;
        }
        return CQ_EOF;
    }
    if (n && !w->params.list_nul && w->line[n - 1] == '\n')
        w->line[--n] = '\0';
    if (n && !w->params.list_nul && w->line[n - 1] == '\r')
        w->line[--n] = '\0';
    return n ? take_name(w, w->line, out) : CQ_AGAIN;
}

static bool append_name(struct walk *w, const char *name)
{
    size_t at = w->length[w->depth - 1];
    const char *slash = at == 1 ? "" : "/";
    int n = snprintf(w->path + at, sizeof w->path - at, "%s%s", slash, name);
    if ((size_t) n < sizeof w->path - at)
        return true;
    w->path[at] = '\0';
    lose(w, w->path, ENAMETOOLONG);
    return false;
}

/* One entry of the innermost directory, whose path is now in w->path. */
static enum cq_err take_entry(struct walk *w, const struct dirent *entry, char out[WALK_PATH])
{
    bool is_dir = entry->d_type == DT_DIR, is_file = entry->d_type == DT_REG;
    if (!is_dir && !is_file) {
        struct stat st;
        if (lstat(w->path, &st))
            return CQ_AGAIN;
        is_dir = S_ISDIR(st.st_mode);
        is_file = S_ISREG(st.st_mode) || (S_ISLNK(st.st_mode) && !stat(w->path, &st) && S_ISREG(st.st_mode));
    }
    if (is_dir) {
        push_directory(w, w->path);
        return CQ_AGAIN;
    }
    if (!is_file || !walk_is_media_name(w->path))
        return CQ_AGAIN;
    snprintf(out, WALK_PATH, "%s", w->path);
    return CQ_OK;
}

static enum cq_err next_entry(struct walk *w, char out[WALK_PATH])
{
    int top = w->depth - 1;
    w->path[w->length[top]] = '\0';
    errno = 0;
    const struct dirent *entry = readdir(w->dir[top]);
    if (!entry) {
        if (errno)
            lose(w, w->path, errno);
        closedir(w->dir[top]);
        w->depth--;
        return CQ_AGAIN;
    }
    if (entry->d_name[0] == '.' || !append_name(w, entry->d_name))
        return CQ_AGAIN;
    return take_entry(w, entry, out);
}

enum cq_err walk_next(struct walk *w, char out[WALK_PATH])
{
    enum cq_err err;
    do {
        if (w->depth)
            err = next_entry(w, out);
        else if (w->match_at < w->matches.gl_pathc)
            err = take_name(w, w->matches.gl_pathv[w->match_at++], out);
        else if (w->at < w->params.n_paths)
            err = next_argument(w, out);
        else if (w->params.list)
            err = next_line(w, out);
        else
            err = CQ_EOF;
    } while (err == CQ_AGAIN);
    return err;
}
