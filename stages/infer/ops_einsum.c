/* Einsum: sums of products over named dimensions, as transpositions and products of matrices.
 *
 * Each operand is a tensor with one label per dimension. First every operand is simplified: a label that it has twice
 * becomes one (its diagonal), a dimension of 1 that is larger elsewhere is dropped. Then operands are taken together
 * from the left: labels that only one of the two has and that nobody needs later are summed; of the rest
 *
 *     batch       in both, needed later     -> the leading dimension of a product of matrices
 *     contracted  in both, not needed later -> the dimension that the product sums over
 *     own         in one of them            -> its rows, or its columns
 *
 * An ellipsis is so many more labels, counted from the last of its dimensions, so that operands line up on the right.
 */
#include <string.h>

#include "stages/infer/build.h"

enum { LETTERS = 52, LABELS = LETTERS + TENSOR_MAX_RANK };     /* A-Z, a-z, dimensions of an ellipsis */

struct term {
    int n;
    int label[TENSOR_MAX_RANK];
};

struct operand {
    int tensor;
    struct term term;
};

struct einsum {
    struct build b;
    int64_t size[LABELS];            /* 0: the label does not occur */
    int times[LABELS];               /* how often, over all operands */
    int ellipsis;                    /* most dimensions that an ellipsis stands for */
};

/* ---- the equation ---- */

static int letter(char ch)
{
    return ch >= 'A' && ch <= 'Z' ? ch - 'A' : ch >= 'a' && ch <= 'z' ? 26 + ch - 'a' : -1;
}

static bool append(struct term *t, int label)
{
    if (t->n == TENSOR_MAX_RANK)
        return false;
    t->label[t->n++] = label;
    return true;
}

/* Reads up to a comma, an arrow or the end; an ellipsis stands for `dots` dimensions. */
static bool read_term(const char **at, int dots, struct term *t)
{
    bool seen = false;
    *t = (struct term){0};
    for (; **at && **at != ',' && **at != '-'; ++*at) {
        if (**at == ' ')
            continue;
        if (!strncmp(*at, "...", 3) && !seen && dots >= 0) {
            for (int i = dots - 1; i >= 0; i--)
                if (!append(t, LETTERS + i))
                    return false;
            seen = true;
            *at += 2;
        } else if (letter(**at) < 0 || !append(t, letter(**at))) {
            return false;
        }
    }
    return true;
}

static int count_letters(const char *at)
{
    int n = 0;
    for (; *at && *at != ',' && *at != '-'; at++)
        n += letter(*at) >= 0;
    return n;
}

static enum cq_err note_sizes(struct einsum *e, const struct term *t, const struct tensor_desc *d)
{
    for (int i = 0; i < t->n; i++) {
        int64_t *size = &e->size[t->label[i]];
        bool first = !e->times[t->label[i]]++;
        if (!first && *size != d->dim[i] && *size != 1 && d->dim[i] != 1)
            return lower_fail(e->b.c, "its operands differ in a dimension of the same name");
        if (first || *size == 1)
            *size = d->dim[i];
    }
    return CQ_OK;
}

static enum cq_err read_operands(struct einsum *e, const char **at, struct operand *ops, int n)
{
    struct lower *c = e->b.c;
    for (int i = 0; i < n; i++, *at += **at == ',') {
        struct tensor_desc d = lower_desc(c, i);
        int letters = count_letters(*at), dots = d.rank - letters;
        ops[i].tensor = build_in(&e->b, i);
        if (e->b.err)
            return e->b.err;
        if (dots < 0 || !read_term(at, dots, &ops[i].term) || ops[i].term.n != d.rank || (i < n - 1 && **at != ','))
            return lower_fail(c, "its equation does not fit input %d", i);
        enum cq_err err = note_sizes(e, &ops[i].term, &d);
        if (err)
            return err;
        if (ops[i].term.n > letters && dots > e->ellipsis)
            e->ellipsis = dots;
    }
    return **at == ',' ? lower_fail(c, "its equation has more terms than inputs") : CQ_OK;
}

/* Without an arrow: the ellipsis, then all labels that occur once, in alphabetical order. */
static bool implied_result(const struct einsum *e, struct term *t)
{
    bool ok = true;
    *t = (struct term){0};
    for (int i = e->ellipsis - 1; i >= 0; i--)
        ok = ok && append(t, LETTERS + i);
    for (int label = 0; label < LETTERS; label++)
        if (e->times[label] == 1)
            ok = ok && append(t, label);
    return ok;
}

static enum cq_err read_result(struct einsum *e, const char *at, struct term *t)
{
    bool seen[LABELS] = {false}, ok;
    if (!strncmp(at, "->", 2)) {
        at += 2;
        ok = read_term(&at, e->ellipsis, t) && !*at;
    } else {
        ok = !*at && implied_result(e, t);
    }
    for (int i = 0; ok && i < t->n; i++) {
        ok = e->times[t->label[i]] && !seen[t->label[i]];
        seen[t->label[i]] = true;
    }
    return ok ? CQ_OK : lower_fail(e->b.c, "the result that its equation names is impossible");
}

/* ---- one operand ---- */

static int find(const struct term *t, int label)
{
    for (int i = 0; i < t->n; i++)
        if (t->label[i] == label)
            return i;
    return -1;
}

static void remove_at(struct term *t, int i)
{
    memmove(&t->label[i], &t->label[i + 1], (size_t) (--t->n - i) * sizeof *t->label);
}

static void sum_over(struct einsum *e, struct operand *o, int i)
{
    o->tensor = build_reduce(&e->b, RED_SUM, o->tensor, 1u << i, false);
    remove_at(&o->term, i);
}

/* The dimension has one element. */
static void drop(struct einsum *e, struct operand *o, int i)
{
    struct tensor_desc d = build_desc(&e->b, o->tensor);
    memmove(&d.dim[i], &d.dim[i + 1], (size_t) (d.rank - i - 1) * sizeof *d.dim);
    o->tensor = build_view(&e->b, o->tensor, d.rank - 1, d.dim);
    remove_at(&o->term, i);
}

/* Off the diagonal of dimensions i and j all becomes 0; then a sum over j leaves the diagonal. */
static void take_diagonal(struct einsum *e, struct operand *o, int i, int j)
{
    struct tensor_desc d = build_desc(&e->b, o->tensor);
    int same = build_binary(&e->b, BIN_EQUAL, build_counting(&e->b, d.dim[i], d.rank, i),
                            build_counting(&e->b, d.dim[j], d.rank, j));
    o->tensor = build_where(&e->b, same, o->tensor, build_scalar(&e->b, d.type, 0));
    sum_over(e, o, j);
}

static enum cq_err simplify(struct einsum *e, struct operand *o)
{
    for (int j = o->term.n - 1; j > 0; j--) {
        int i = find(&o->term, o->term.label[j]);
        struct tensor_desc d = build_desc(&e->b, o->tensor);
        if (i < j && d.dim[i] != d.dim[j] && !e->b.err)
            return lower_fail(e->b.c, "a diagonal of dimensions that differ");
        if (i < j)
            take_diagonal(e, o, i, j);
    }
    for (int i = o->term.n - 1; i >= 0; i--)
        if (build_desc(&e->b, o->tensor).dim[i] == 1 && e->size[o->term.label[i]] != 1)
            drop(e, o, i);
    return e->b.err;
}

/* ---- two operands ---- */

static bool is_needed(const struct operand *later, int n, const struct term *result, int label)
{
    for (int i = 0; i < n; i++)
        if (find(&later[i].term, label) >= 0)
            return true;
    return find(result, label) >= 0;
}

/* Sums what only `o` has and nobody needs. */
static void sum_unneeded(struct einsum *e, struct operand *o, const struct operand *other, const struct operand *later,
                         int n, const struct term *result)
{
    for (int i = o->term.n - 1; i >= 0; i--) {
        int label = o->term.label[i];
        if ((!other || find(&other->term, label) < 0) && !is_needed(later, n, result, label))
            sum_over(e, o, i);
    }
}

/* -1 when it does not fit, which no view survives. */
static int64_t elements(const struct einsum *e, const struct term *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->n; i++)
        if (__builtin_mul_overflow(n, e->size[t->label[i]], &n))
            return -1;
    return n;
}

/* The operand as [batch, rows, columns]. */
static int as_matrices(struct einsum *e, const struct operand *o, const struct term *batch, const struct term *rows,
                       const struct term *columns)
{
    const struct term *parts[] = {batch, rows, columns};
    int perm[TENSOR_MAX_RANK] = {0}, n = 0;
    int64_t dim[3];
    for (int p = 0; p < 3; p++) {
        dim[p] = elements(e, parts[p]);
        for (int i = 0; i < parts[p]->n; i++)
            perm[n++] = find(&o->term, parts[p]->label[i]);
    }
    return build_view(&e->b, build_transpose(&e->b, o->tensor, perm), 3, dim);
}

static void join(struct term *t, const struct term *more)
{
    for (int i = 0; i < more->n; i++)
        t->label[t->n++] = more->label[i];
}

static int result_of(struct einsum *e, int product, const struct term *t)
{
    int64_t dim[TENSOR_MAX_RANK];
    for (int i = 0; i < t->n; i++)
        dim[i] = e->size[t->label[i]];
    return build_view(&e->b, product, t->n, dim);
}

/* x becomes the product of both. */
static enum cq_err contract(struct einsum *e, struct operand *x, struct operand *y, const struct operand *later, int n,
                            const struct term *result)
{
    struct term batch = {0}, contracted = {0}, rows = {0}, columns = {0}, all;
    sum_unneeded(e, x, y, later, n, result);
    sum_unneeded(e, y, x, later, n, result);
    for (int i = 0; i < x->term.n; i++) {
        int label = x->term.label[i];
        bool both = find(&y->term, label) >= 0;
        append(!both ? &rows : is_needed(later, n, result, label) ? &batch : &contracted, label);
    }
    for (int i = 0; i < y->term.n; i++)
        if (find(&x->term, y->term.label[i]) < 0)
            append(&columns, y->term.label[i]);
    if (batch.n + rows.n + columns.n > TENSOR_MAX_RANK)
        return lower_fail(e->b.c, "a product in it has more than %d dimensions", TENSOR_MAX_RANK);

    int a = as_matrices(e, x, &batch, &rows, &contracted), b = as_matrices(e, y, &batch, &contracted, &columns);
    bool sums = elements(e, &contracted) != 1;
    int product = sums ? build_matmul(&e->b, a, b) : build_binary(&e->b, BIN_MUL, a, b);
    all = batch;
    join(&all, &rows);
    join(&all, &columns);
    *x = (struct operand){result_of(e, product, &all), all};
    return e->b.err;
}

/* ---- */

static enum cq_err bind_result(struct einsum *e, struct operand *o, const struct term *result)
{
    int perm[TENSOR_MAX_RANK] = {0};
    sum_unneeded(e, o, NULL, NULL, 0, result);
    for (int i = 0; i < result->n; i++)
        perm[i] = find(&o->term, result->label[i]);
    return build_bind(&e->b, 0, build_transpose(&e->b, o->tensor, perm));
}

static enum cq_err lower_einsum(struct lower *c)
{
    struct einsum e = {.b = {c}};
    struct operand ops[OP_MAX_INPUTS];
    struct term result;
    const char *at = node_string(c->node, "equation", "");
    int n = c->node->n_in;
    if (n < 1 || n > OP_MAX_INPUTS)
        return lower_fail(c, "has no inputs, or more than %d", OP_MAX_INPUTS);
    enum cq_err err = read_operands(&e, &at, ops, n);
    if (!err)
        err = read_result(&e, at, &result);
    for (int i = 0; i < n && !err; i++)
        err = simplify(&e, &ops[i]);
    for (int i = 1; i < n && !err; i++)
        err = contract(&e, &ops[0], &ops[i], ops + i + 1, n - i - 1, &result);
    return err ? err : bind_result(&e, &ops[0], &result);
}

const struct lower_op lower_ops_einsum[] = {
    {"Einsum", lower_einsum, 0},
    {0},
};
