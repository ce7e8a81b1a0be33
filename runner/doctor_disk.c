/* Room for the database, its log and the files beside it. */
#include <errno.h>
#include <libgen.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "runner/doctor.h"

enum { PATH_SIZE = 4096 };
static const uint64_t least = UINT64_C(64) << 20, few = UINT64_C(1) << 30;

#define ROOM "make room, or choose another disk with --db"

static void run(struct doctor *d)
{
    char folder[PATH_SIZE];
    struct statvfs fs;
    snprintf(folder, sizeof folder, "%s", d->db_path);
    const char *where = dirname(folder);
    if (statvfs(where, &fs)) {
        doctor_tell(d, DOCTOR_FAILURE, "name a folder that exists, with --db", "folder %s: %s", where, strerror(errno));
        return;
    }
    uint64_t bytes = (uint64_t) fs.f_bavail * fs.f_frsize;
    double gib = (double) bytes / (1 << 30);
    if (fs.f_flag & ST_RDONLY)
        doctor_tell(d, DOCTOR_FAILURE, "choose another disk with --db", "%s is mounted read-only", where);
    else if (bytes < least)
        doctor_tell(d, DOCTOR_FAILURE, ROOM, "%.3f GiB are free at %s", gib, where);
    else if (bytes < few)
        doctor_tell(d, DOCTOR_WARNING, ROOM, "%.2f GiB are free at %s", gib, where);
    else if (fs.f_files && fs.f_favail < 16)
        doctor_tell(d, DOCTOR_FAILURE, "delete files, or choose another disk with --db", "no more files can be made at %s", where);
    else
        doctor_tell(d, DOCTOR_OK, "", "%.1f GiB are free at %s", gib, where);
}

const struct doctor_check doctor_disk = {.name = "disk", .part = DOCTOR_DATABASE, .run = run};
