/* A probe as bytes, for the child that made it and the parent that stores it. */
#include <stdio.h>

#include "stages/media/probe.h"

void probe_put(struct cq_buf *b, const struct probe *p)
{
    cq_put_i32(b, (int32_t) p->failure);
    cq_put_str(b, p->message);
    cq_put_i64(b, p->size);
    cq_put_i64(b, p->mtime_ns);
    cq_put_str(b, p->fingerprint);
    cq_put_str(b, p->container);
    cq_put_str(b, p->codec);
    cq_put_str(b, p->pixel_format);
    const int numbers[] = {
        p->coded_w, p->coded_h, p->display_w, p->display_h, p->sar_num, p->sar_den,
        p->rotation, p->mirrored, p->tb_num, p->tb_den, p->stream_index, p->video_streams,
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        cq_put_i32(b, numbers[i]);
    cq_put_i64(b, p->start_pts);
    cq_put_f64(b, p->duration_s);
    cq_put_i64(b, p->frames_claimed);
    cq_put_f64(b, p->fps);
    cq_put_str(b, p->stream_reason);
}

static void get_text(struct cq_rd *r, char *out, size_t size)
{
    snprintf(out, size, "%s", cq_get_str(r));
}

enum cq_err probe_get(struct cq_rd *r, struct probe *out)
{
    struct probe p = {0};
    int32_t failure = cq_get_i32(r);
    if (failure < 0 || failure >= FAIL_COUNT)
        return CQ_PROTOCOL;
    p.failure = (enum failure) failure;
    get_text(r, p.message, sizeof p.message);
    p.size = cq_get_i64(r);
    p.mtime_ns = cq_get_i64(r);
    get_text(r, p.fingerprint, sizeof p.fingerprint);
    get_text(r, p.container, sizeof p.container);
    get_text(r, p.codec, sizeof p.codec);
    get_text(r, p.pixel_format, sizeof p.pixel_format);
    int mirrored;
    int *const numbers[] = {
        &p.coded_w, &p.coded_h, &p.display_w, &p.display_h, &p.sar_num, &p.sar_den,
        &p.rotation, &mirrored, &p.tb_num, &p.tb_den, &p.stream_index, &p.video_streams,
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        *numbers[i] = cq_get_i32(r);
    p.mirrored = mirrored;
    p.start_pts = cq_get_i64(r);
    p.duration_s = cq_get_f64(r);
    p.frames_claimed = cq_get_i64(r);
    p.fps = cq_get_f64(r);
    get_text(r, p.stream_reason, sizeof p.stream_reason);
    if (r->err)
        return r->err;
    *out = p;
    return CQ_OK;
}
