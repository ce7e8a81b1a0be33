/* Cells of a detector's output that may be boxes. A cell is kept unless gate*score < threshold for all of its scores.
 * Marks are bytes, 1 where a cell is kept, `marks` of them to an image: a multiple of eight, those past the end 0.
 */
struct Candidates {
    int cells, values, image, cell_step, value_step, first, scores, gate, most, marks, per_item;
    float threshold;
};

inline int may_be_box(global const float *cell, const struct Candidates *c)
{
    float gate = c->gate >= 0 ? cell[c->gate * c->value_step] : 1.0f;
    global const float *scores = cell + c->first * c->value_step;
    int kept = 0, i = 0;
    if (c->value_step == 1) {
        VI lanes = 0;
        for (; i + V <= c->scores; i += V)
            lanes |= ~(LOADV(0, scores + i) * gate < c->threshold);
        kept = any(lanes);
    }
    for (; i < c->scores; i++)
        kept |= !(gate * scores[i * c->value_step] < c->threshold);
    return kept;
}

/* V cells side by side, their values in planes. */
inline VI may_be_boxes(global const float *cell, const struct Candidates *c)
{
    VF gate = 1.0f;
    VI kept = 0;
    if (c->gate >= 0)
        gate = LOADV(0, cell + c->gate * c->value_step);
    for (int i = 0; i < c->scores; i++)
        kept |= ~(LOADV(0, cell + (c->first + i) * c->value_step) * gate < c->threshold);
    return kept;
}

/* Global: (pieces of per_item marks, images). */
kernel void candidates_mark(global float *x, ulong x_at, global uchar *marks, ulong marks_at, struct Candidates c)
{
    int image = get_global_id(1), at = get_global_id(0) * c.per_item, end = min(at + c.per_item, c.marks);
    global const float *from = AT(float, x, x_at) + image * c.image;
    global uchar *to = AT(uchar, marks, marks_at) + image * c.marks;
    if (c.cell_step == 1)
        for (; at + V <= min(end, c.cells); at += V)
            CAT(vstore, V)(CAT(convert_uchar, V)(may_be_boxes(from + at, &c) & 1), 0, to + at);
    for (; at < end; at++)
        to[at] = at < c.cells ? may_be_box(from + at * c.cell_step, &c) : 0;
}

/* How many marks are set from `at` to `end`, multiples of eight. */
inline int count_marks(global const uchar *marks, int at, int end)
{
    int n = 0;
    for (; at < end; at += 8)
        n += (int) popcount(as_ulong(vload8(0, marks + at)));
    return n;
}

/* Global: (pieces of per_item marks, a multiple of eight; images). A piece writes those of its cells that are kept, and
 * zeros in its share of the places that nobody takes. */
kernel void candidates_pick(global float *x, ulong x_at, global uchar *marks, ulong marks_at, global float *rows,
                            ulong rows_at, global int *cells, ulong cells_at, struct Candidates c)
{
    int piece = get_global_id(0), pieces = (c.marks + c.per_item - 1) / c.per_item, image = get_global_id(1);
    if (piece >= pieces)
        return;
    int start = piece * c.per_item, end = min(start + c.per_item, c.marks);
    global const float *from = AT(float, x, x_at) + image * c.image;
    global const uchar *mark = AT(uchar, marks, marks_at) + image * c.marks;
    global float *row = AT(float, rows, rows_at) + image * c.most * c.values;
    global int *list = AT(int, cells, cells_at) + image * (1 + c.most);
    int before = count_marks(mark, 0, start), to = before, all = before + count_marks(mark, start, c.marks);
    for (int cell = start; cell < end && to < c.most && to < all; cell++) {
        if (!mark[cell])
            continue;
        for (int i = 0; i < c.values; i++)
            row[to * c.values + i] = from[cell * c.cell_step + i * c.value_step];
        list[1 + to++] = cell;
    }
    if (piece == 0)
        list[0] = all;
    for (int k = all + piece; k < c.most; k += pieces) {
        for (int i = 0; i < c.values; i++)
            row[k * c.values + i] = 0;
        list[1 + k] = 0;
    }
}
