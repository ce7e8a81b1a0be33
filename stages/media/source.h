/* One opened media file: a file descriptor, and libavformat reading through it and through nothing else.
 *
 * Whatever the bytes say (a playlist, a reference to another file, a URL), only this file is ever read: it is
 * opened by us or for us, every protocol is refused, and its name is not shown to libavformat, so that "-", "a:b" or "100%d"
 * are plain names and a text file is not a video for being called .mp4.
 *
 * Thread-safety: one thread at a time per object; libavcodec's own threads may report into `text`.
 */
#ifndef CLIPQ_STAGES_MEDIA_SOURCE_H
#define CLIPQ_STAGES_MEDIA_SOURCE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "stages/failure.h"
#include "stages/media/clip_file.h"

struct AVCodecContext;
struct AVFormatContext;
struct AVIOContext;

/* The newest error that libav spoke of; opaque of the contexts that report here. */
struct av_text {
    pthread_mutex_t lock;
    char last[160];                 /* guarded by `lock`; "" when nothing was said */
    bool decoder_spoke;             /* guarded by `lock`; a decoder spoke of damage */
};

struct source {
    int fd;
    struct clip_file own;           /* what is closed with the source; fd -1 when it was opened for us */
    int64_t size;                   /* bytes, at open */
    int64_t mtime_ns;
    int64_t pos;
    int io_error;                   /* errno of the first read() that failed, else 0 */
    struct AVIOContext *io;         /* owned */
    struct AVFormatContext *format; /* owned; NULL before source_open_format */
    struct av_text text;
};

/* How much libavformat does to learn what the streams are. */
enum source_effort {
    SOURCE_BRIEF,   /* at most 1 MiB is read and no frame rate is measured: what headers say is kept */
    SOURCE_FULL     /* libavformat's defaults */
};

/* Of a file that is open and stays its owner's. EMPTY, VANISHED, IO, NOT_MEDIA (not a regular file) or NONE; `message`
 * tells more. source_finish() is due in every case. */
enum failure source_init_file(struct source *s, const struct clip_file *file, char *message, int message_size);
void source_finish(struct source *s);

/* Opens (again, when open) the container and learns its streams. NOT_MEDIA, IO, INTERNAL (no memory) or NONE. */
enum failure source_open_format(struct source *s, enum source_effort effort, char *message, int message_size);

/* One video stream of a file that was probed before. */
struct source_want {
    const char *path;
    int stream_index;
    int64_t size, mtime_ns;         /* as probed; size 0: not compared */
    const struct clip_file *file;   /* that file, opened already; borrowed until source_finish(); NULL: `path` is opened */
};

/* source_init_file() and, when it is still that file, source_open_format() in full; all other streams are left unread.
 * FAIL_CHANGED when it is another, or the stream is no video; else as those two. source_finish() is due in every case. */
enum failure source_open_stream(struct source *s, const struct source_want *want, char *message, int message_size);

/* Whether a decoder ever spoke of an error, be it one that it got over or painted over. */
bool source_heard_decoder(struct source *s);

/* "DOING: what libav said last (its error text)"; the kept text is forgotten. */
void source_explain(struct source *s, const char *doing, int av_error, char *message, int message_size);

#endif
