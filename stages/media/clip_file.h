/* A clip's file, opened for reading by one who may: who decodes it is not allowed to open any (runner/sandbox.h).
 *
 * Thread-safety: pure but for opening the file.
 */
#ifndef CLIPQ_STAGES_MEDIA_CLIP_FILE_H
#define CLIPQ_STAGES_MEDIA_CLIP_FILE_H

#include <stdbool.h>
#include <stdint.h>

struct clip_file {
    int fd;               /* owned by who opened it; -1: could not be opened */
    int why;              /* then errno, else 0 */
    bool folder_gone;     /* then: so is its folder, with all that was mounted there or moved away */
    bool regular;         /* pipes, folders and devices are opened too, and never read */
    int64_t size;         /* bytes, at open */
    int64_t mtime_ns;
};

void clip_file_open(const char *path, struct clip_file *out);
void clip_file_close(struct clip_file *f);

/* Has it been written to or cut since, by size and time of change? Not: deleted, or another put in its place. */
bool clip_file_has_changed(int fd, int64_t size, int64_t mtime_ns);

#endif
