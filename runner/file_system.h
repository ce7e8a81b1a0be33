/* What kind of file system a path lies on.
 *
 * SQLite's WAL mode needs memory that all who use the database share, which machines do not: on a file system that
 * several of them mount, one would not see what the other writes, and the file would be damaged.
 *
 * Thread-safety: pure but for looking.
 */
#ifndef CLIPQ_RUNNER_FILE_SYSTEM_H
#define CLIPQ_RUNNER_FILE_SYSTEM_H

enum file_system_reach {
    FILE_SYSTEM_LOCAL,
    FILE_SYSTEM_UNSURE,    /* FUSE and the like: who knows what is behind */
    FILE_SYSTEM_NETWORK
};

/* Of statfs's f_type; *name is "NFS", or "" for a local one. */
enum file_system_reach file_system_reach_of(long type, const char **name);

/* Of a path, or where there is nothing, of the folder that it would lie in. LOCAL when nothing can be learnt.
 * CLIPQ_FAULT=fstype@HEX makes it another (for tests). */
enum file_system_reach file_system_look(const char *path, const char **name);

#endif
