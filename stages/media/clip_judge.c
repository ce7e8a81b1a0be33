/* Whether a clip is whole, asked of three witnesses, none of them a duration: what the demuxer and the decoder reported,
 * where the index says that samples lie, and how long the container says it is (extent.h). */
#include "stages/media/clip_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "stages/media/clip_file.h"
#include "stages/media/extent.h"

static int64_t bytes_expected(const struct clip *c)
{
    int64_t claimed = extent_claimed(c->source.fd, c->source.size);
    int64_t indexed = extent_indexed(c->source.format, c->stream->index, c->source.fd, c->source.size);
    return claimed > indexed ? claimed : indexed;
}

void clip_judge(struct clip *c)
{
    struct clip_end *e = &c->end;
    int64_t expected = c->cut_short ? 0 : bytes_expected(c);
    char what[128];
    if (clip_file_has_changed(c->source.fd, c->source.size, c->source.mtime_ns)) {
        e->failure = FAIL_CHANGED;
        snprintf(e->message, sizeof e->message, "it was written to while it was read, after up to %" PRId64 " frames; "
                 "submit it again", e->decoded);
        return;
    }
    if (c->source.io_error) {
        e->failure = FAIL_IO;
        snprintf(what, sizeof what, "reading failed after %" PRId64 " frames: %s", e->decoded,
                 strerror(c->source.io_error));
    } else if (!e->decoded) {
        e->failure = FAIL_DECODE_ERROR;
        snprintf(what, sizeof what, "no frame decoded; errors: %" PRId64, e->errors);
    } else if (expected > c->source.size) {
        e->failure = FAIL_TRUNCATED;
        snprintf(what, sizeof what, "%" PRId64 " of %" PRId64 " bytes are there; %" PRId64 " frames, to %.3f s",
                 c->source.size, expected, e->decoded, e->last_s);
    } else if (e->errors) {
        e->failure = FAIL_DAMAGED;
        snprintf(what, sizeof what, "errors: %" PRId64 "; %" PRId64 " frames, to %.3f s", e->errors, e->decoded,
                 e->last_s);
    } else {
        return;
    }
    source_explain(&c->source, what, 0, e->message, sizeof e->message);
}
