/* Parts that messages of several talks hold, written and checked. */
#include "runner/messages_parts.h"

#include <math.h>

enum cq_err msg_refuse(struct cq_rd *r)
{
    r->err = CQ_PROTOCOL;
    return r->err;
}

int msg_get_range(struct cq_rd *r, int least, int most)
{
    int v = cq_get_i32(r);
    if (v < least || v > most) {
        msg_refuse(r);
        return least;
    }
    return v;
}

double msg_get_finite(struct cq_rd *r)
{
    double v = cq_get_f64(r);
    if (!isfinite(v)) {
        msg_refuse(r);
        return 0;
    }
    return v;
}

int64_t msg_get_natural(struct cq_rd *r)
{
    int64_t v = cq_get_i64(r);
    if (v < 0) {
        msg_refuse(r);
        return 0;
    }
    return v;
}

bool msg_get_bool(struct cq_rd *r)
{
    return cq_get_u8(r) != 0;
}

enum cq_err msg_get_err(struct cq_rd *r)
{
    return (enum cq_err) msg_get_range(r, CQ_OK, CQ_INTERNAL);
}

void msg_put_geometry(struct cq_buf *b, const struct geometry *g)
{
    const int v[] = {g->display_w, g->display_h, g->input_w, g->input_h, g->x, g->y, g->w, g->h};
    for (int i = 0; i < 8; i++)
        cq_put_i32(b, v[i]);
}

struct geometry msg_get_geometry(struct cq_rd *r)
{
    struct geometry g;
    g.display_w = msg_get_range(r, 1, MSG_SIDE_MAX * 4);
    g.display_h = msg_get_range(r, 1, MSG_SIDE_MAX * 4);
    g.input_w = msg_get_range(r, 1, MSG_SIDE_MAX);
    g.input_h = msg_get_range(r, 1, MSG_SIDE_MAX);
    g.x = msg_get_range(r, 0, g.input_w - 1);
    g.y = msg_get_range(r, 0, g.input_h - 1);
    g.w = msg_get_range(r, 1, g.input_w - g.x);
    g.h = msg_get_range(r, 1, g.input_h - g.y);
    return g;
}
