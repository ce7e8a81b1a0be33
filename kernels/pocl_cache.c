/* The manifest: lines of "hash size path", written to a file of its own name and then renamed. */
#include "kernels/pocl_cache.h"

#include <ctype.h>
#include <fcntl.h>
#include <fts.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

#include "kernels/base/log.h"
#include "kernels/program_store.h"

enum { PATH_SIZE = 1024, PROGRAM_NAME_MIN = 16 };

static const char manifest_name[] = "clipq-manifest";

static bool join(char out[PATH_SIZE], const char *folder, const char *name)
{
    int n = snprintf(out, PATH_SIZE, "%s/%s", folder, name);
    return n > 0 && n < PATH_SIZE;
}

static bool is_upper(const char *name)
{
    while (isupper((unsigned char) *name))
        name++;
    return !*name;
}

/* Is this where PoCL keeps a program: AB/CDEFGH..., two levels down? */
static bool is_program(const FTSENT *e)
{
    return e->fts_info == FTS_D && e->fts_level == 2 && strlen(e->fts_parent->fts_name) == 2 &&
           is_upper(e->fts_parent->fts_name) && e->fts_namelen >= PROGRAM_NAME_MIN && is_upper(e->fts_name);
}

/* Entries that hold no program are left out of a walk; true for one in a program. */
static bool is_ours(FTS *walk, FTSENT *e)
{
    if (e->fts_level <= 1)
        return false;
    if (e->fts_level == 2 && e->fts_info == FTS_D && !is_program(e))
        fts_set(walk, e, FTS_SKIP);
    return e->fts_level > 2 && e->fts_info == FTS_F && strcmp(e->fts_name, "last_accessed");
}

static FTS *walk_begin(char *folder)
{
    char *roots[] = {folder, NULL};
    return fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
}

static bool hash_file(const char *path, uint64_t *hash, long long *size)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool ok = fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode);
    void *data = ok && st.st_size ? mmap(NULL, (size_t) st.st_size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
    if (ok && data != MAP_FAILED) {
        *hash = XXH3_64bits(data, (size_t) st.st_size);
        munmap(data, (size_t) st.st_size);
    } else if (ok) {
        *hash = 0;
        ok = st.st_size == 0;
    }
    *size = ok ? (long long) st.st_size : 0;
    if (fd >= 0)
        close(fd);
    return ok;
}

/* A folder and all in it; links are removed, not followed. */
static void remove_tree(const char *path)
{
    char copy[PATH_SIZE];
    snprintf(copy, sizeof copy, "%s", path);
    FTS *walk = walk_begin(copy);
    for (FTSENT *e; walk && (e = fts_read(walk));)
        if (e->fts_info != FTS_D)
            (e->fts_info == FTS_DP ? rmdir : unlink)(e->fts_accpath);
    if (walk)
        fts_close(walk);
}

static void remove_all(struct cq_log *log, char *folder)
{
    FTS *walk = walk_begin(folder);
    cq_log_debug(log, "compiled kernels in %s are made anew", folder);
    for (FTSENT *e; walk && (e = fts_read(walk));)
        if (is_program(e)) {
            fts_set(walk, e, FTS_SKIP);
            remove_tree(e->fts_path);
        }
    if (walk)
        fts_close(walk);
}

/* The program that a file of the manifest belongs to: "AB/CDEF". */
static bool program_of(const char *path, char out[PATH_SIZE])
{
    size_t first = strcspn(path, "/");
    size_t second = path[first] ? strcspn(path + first + 1, "/") : 0;
    if (first != 2 || second < PROGRAM_NAME_MIN || first + 1 + second >= PATH_SIZE)
        return false;
    memcpy(out, path, first + 1 + second);
    out[first + 1 + second] = '\0';
    for (const char *c = out; *c; c++)
        if (!isupper((unsigned char) *c) && c != out + first)
            return false;
    return true;
}

/* A file that is gone needs no attention: PoCL makes it again. */
static void check_line(struct cq_log *log, const char *folder, char *line)
{
    unsigned long long want;
    long long want_size, size;
    uint64_t hash;
    int at = 0;
    char path[PATH_SIZE], program[PATH_SIZE], full[PATH_SIZE];
    line[strcspn(line, "\n")] = '\0';
    if (sscanf(line, "%llx %lld %n", &want, &want_size, &at) < 2 || !at || !program_of(line + at, program) ||
        strstr(line + at, "..") || !join(path, folder, line + at) || access(path, F_OK))
        return;
    if (hash_file(path, &hash, &size) && hash == want && size == want_size)
        return;
    cq_log_debug(log, "%s is damaged: its program is compiled anew", path);
    if (join(full, folder, program))
        remove_tree(full);
}

void pocl_cache_check(struct cq_log *log, bool afresh)
{
    char path[PATH_SIZE], line[2 * PATH_SIZE], folder[PATH_SIZE];
    const char *where = getenv("POCL_CACHE_DIR");
    if (!where || strlen(where) >= sizeof folder || !join(path, where, manifest_name))
        return;
    strcpy(folder, where);
    if (afresh) {
        remove_all(log, folder);
        program_store_clear(log);       /* it may hold what was there */
        return;
    }
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f))
        check_line(log, folder, line);
    if (f)
        fclose(f);
}

static void write_lines(char *folder, FILE *f)
{
    FTS *walk = walk_begin(folder);
    size_t skip = strlen(folder) + 1;
    for (FTSENT *e; walk && (e = fts_read(walk));) {
        uint64_t hash;
        long long size;
        if (is_ours(walk, e) && hash_file(e->fts_path, &hash, &size))
            fprintf(f, "%016llx %lld %s\n", (unsigned long long) hash, size, e->fts_path + skip);
    }
    if (walk)
        fts_close(walk);
}

void pocl_cache_note(struct cq_log *log)
{
    char path[PATH_SIZE], temporary[PATH_SIZE + 16], folder[PATH_SIZE];
    const char *where = getenv("POCL_CACHE_DIR");
    if (!where || strlen(where) >= sizeof folder || !join(path, where, manifest_name))
        return;
    strcpy(folder, where);
    snprintf(temporary, sizeof temporary, "%s.%d", path, (int) getpid());
    FILE *f = fopen(temporary, "we");
    if (!f)
        return;                 /* no cache, or one that is not ours to write */
    write_lines(folder, f);
    bool failed = ferror(f);
    failed = fclose(f) || failed;
    if (failed || rename(temporary, path)) {
        unlink(temporary);
        cq_log_debug(log, "%s could not be written", path);
    }
}
