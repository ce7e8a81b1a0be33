/* What a clip is, read from its headers and first packets. Parses untrusted bytes: run it in a child.
 *
 * Thread-safety: pure but for reading the file.
 */
#ifndef CLIPQ_STAGES_MEDIA_PROBE_H
#define CLIPQ_STAGES_MEDIA_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/base/buf.h"
#include "kernels/base/err.h"
#include "stages/failure.h"

struct clip_file;
struct cq_log;

struct probe {
    enum failure failure;          /* FAIL_NONE: can be decoded */
    char message[256];             /* of the failure: the library's error and what to do; else "" */

    int64_t size;                  /* bytes */
    int64_t mtime_ns;
    char fingerprint[33];          /* stages/media/fingerprint.h */

    char container[32];            /* "mov,mp4,m4a,..." shortened to its first name */
    char codec[32];                /* "h264" */
    char pixel_format[32];         /* "yuv420p" */
    int coded_w, coded_h;          /* pixels as coded */
    int display_w, display_h;      /* pixels as seen: sample aspect, then rotation applied */
    int sar_num, sar_den;          /* sample aspect, 1/1 when unknown */
    int rotation;                  /* clockwise degrees a viewer turns the picture: 0, 90, 180, 270 */
    bool mirrored;                 /* flipped left-right before that turn */
    int tb_num, tb_den;            /* time base of the stream */
    int64_t start_pts;             /* in the time base; INT64_MIN when unknown */
    double duration_s;             /* of the video stream, else of the file; 0 when unknown */
    int64_t frames_claimed;        /* what the header says; not to be trusted; 0 when it says nothing */
    double fps;                    /* average by the header; for estimates only */
    int stream_index;              /* the chosen video stream */
    int video_streams;             /* attached pictures not counted */
    char stream_reason[128];       /* why this one */
};

/* Always fills `out`: a clip that cannot be read gives its failure, not an error. Only CQ_NOMEM is returned. */
enum cq_err probe_file(struct cq_log *log, const char *path, struct probe *out);
/* The same of a file that was opened already, and stays its owner's; `path` only names it. */
enum cq_err probe_open_file(struct cq_log *log, const char *path, const struct clip_file *file, struct probe *out);

void probe_put(struct cq_buf *b, const struct probe *p);
enum cq_err probe_get(struct cq_rd *r, struct probe *out);

#endif
