/* Random shapes that the generators of check_kernels share. */
#include "tests/check_kernels.h"

/* A shape that has often odd, small and empty dimensions. */
struct tensor_desc check_shape(struct check_rng *r, int rank)
{
    static const int dims[] = {1, 1, 2, 3, 5, 7, 8, 9, 16, 17, 31, 33, 64};
    struct tensor_desc d = {.type = DT_F32, .rank = rank};
    for (int i = 0; i < rank; i++)
        d.dim[i] = check_pick(r, dims, rank > 4 ? 8 : rank > 2 ? 11 : 13);
    if (rank && check_chance(r, 3))
        d.dim[check_int(r, 0, rank - 1)] = 0;
    return d;
}

/* What broadcasts to `y`: some dimensions become 1, leading ones may go. */
struct tensor_desc check_broadcast_from(struct check_rng *r, const struct tensor_desc *y)
{
    struct tensor_desc d = *y;
    int dropped = check_chance(r, 40) ? check_int(r, 0, y->rank) : 0;
    d.rank -= dropped;
    for (int i = 0; i < d.rank; i++)
        d.dim[i] = check_chance(r, 40) ? 1 : y->dim[i + dropped];
    return d;
}

/* [N,C,1,1] and its like, for which BLOCKED has a way of its own. */
struct tensor_desc check_per_channel(struct check_rng *r, const struct tensor_desc *y)
{
    struct tensor_desc d = *y;
    int keep = check_int(r, 0, 3);
    for (int i = 0; i < d.rank; i++)
        d.dim[i] = (i == 1 && keep) || (i == 0 && keep == 2) || (i > 1 && keep == 0) ? d.dim[i] : 1;
    if (keep == 3) {
        d.rank--;
        for (int i = 0; i < d.rank; i++)
            d.dim[i] = y->dim[i + 1];
        for (int i = 1; i < d.rank; i++)
            d.dim[i] = 1;
    }
    return d;
}

void check_operands(struct check_rng *r, struct check_case *c)
{
    struct tensor_desc y = check_shape(r, check_int(r, 0, 5)), a = y, b = y;
    int form = check_int(r, 0, 4);
    if (form == 1)
        b = check_broadcast_from(r, &y);
    else if (form == 2)
        a = check_broadcast_from(r, &y);
    else if (form == 3 && y.rank > 2)
        b = check_per_channel(r, &y);
    else if (form == 4)
        b = check_tensor(DT_F32, 0);
    c->inst.n_in = 2;
    c->inst.n_out = 1;
    c->inst.in[0] = a;
    c->inst.in[1] = b;
    c->inst.out[0] = y;
    /* Both operands may have shrunk in the same dimension: then y is smaller, too. */
    for (int i = 0; i < y.rank; i++) {
        int ia = i + a.rank - y.rank, ib = i + b.rank - y.rank;
        if ((ia < 0 || a.dim[ia] == 1) && (ib < 0 || b.dim[ib] == 1))
            c->inst.out[0].dim[i] = 1;
    }
}
