/* RNN, GRU and LSTM, written out: one cell after the other, as products, sums and activations that have kernels.
 *
 * The input's share of all gates is one product over the whole sequence, and only the product with the hidden
 * state remains in the chain. Formulas and the order of gates (RNN: i, GRU: zrh, LSTM: iofc) are those of ONNX's
 * operators. Lengths are known when a plan is made; sequences of different lengths in one batch are refused.
 */
#include <string.h>

#include "stages/infer/build.h"

enum { MAX_CELLS = 4096, MAX_ACTS = 3 };

struct rnn;
struct direction;

struct rnn_kind {
    const char *type;
    int gates;
    int n_acts;
    const char *acts[MAX_ACTS];
    /* One step: `x` is the input's share [batch][gates*hidden]; *h, *cell [batch][hidden] are renewed. */
    void (*step)(struct rnn *r, const struct direction *d, int x, int *h, int *cell);
};

struct rnn_act { enum unary fn; float a, b; };

struct rnn {
    struct build b;
    const struct rnn_kind *kind;
    int64_t length, batch, input, hidden;
    int directions;
    bool backward, batch_first;      /* backward: the only direction is */
    float clip;                      /* of what goes into an activation; 0: none */
    bool linear_before_reset, input_forget;
};

/* Tensors of one direction, -1 where the model has none. */
struct direction {
    bool backward;
    struct rnn_act act[MAX_ACTS];
    int x;                           /* [length*batch][gates*hidden], biases included */
    int recurrent;                   /* [gates*hidden][hidden] */
    int recurrent_bias;              /* [gates*hidden], where it is not in x */
    int peephole;                    /* [3*hidden], order iof */
    int h, cell;                     /* initial states, [batch][hidden] */
};

/* ---- formulas ---- */

/* a * b^T + bias */
static int product(struct rnn *r, int a, int b, int bias)
{
    struct tensor_desc y = build_desc(&r->b, a);
    struct op op = {.kind = OP_GEMM, .u.gemm = {.alpha = 1, .beta = 1, .trans_b = true}};
    y.dim[1] = build_desc(&r->b, b).dim[0];
    return build_step(&r->b, &op, (int[]){a, b, bias}, bias < 0 ? 2 : 3, &y);
}

static int activate(struct rnn *r, const struct rnn_act *act, int x)
{
    struct tensor_desc y = build_desc(&r->b, x);
    struct op clip = {.kind = OP_UNARY, .act_a = -r->clip, .act_b = r->clip, .u.unary = UN_CLIP};
    struct op op = {.kind = OP_UNARY, .act_a = act->a, .act_b = act->b, .u.unary = act->fn};
    if (r->clip > 0)
        x = build_step(&r->b, &clip, &x, 1, &y);
    return build_step(&r->b, &op, &x, 1, &y);
}

static int one_minus(struct rnn *r, int x)
{
    return build_binary(&r->b, BIN_SUB, build_scalar(&r->b, DT_F32, 1), x);
}

static int gate(struct rnn *r, int gates, int k)
{
    return build_slice(&r->b, gates, 1, k * r->hidden, 1, r->hidden);
}

/* x + peephole[k] * cell */
static int peep(struct rnn *r, const struct direction *d, int x, int k, int cell)
{
    if (d->peephole < 0)
        return x;
    int weights = build_slice(&r->b, d->peephole, 0, k * r->hidden, 1, r->hidden);
    return build_binary(&r->b, BIN_ADD, x, build_binary(&r->b, BIN_MUL, weights, cell));
}

/* ---- cells ---- */

static void rnn_step(struct rnn *r, const struct direction *d, int x, int *h, int *cell)
{
    (void) cell;
    *h = activate(r, &d->act[0], build_binary(&r->b, BIN_ADD, x, product(r, *h, d->recurrent, -1)));
}

static void lstm_step(struct rnn *r, const struct direction *d, int x, int *h, int *cell)
{
    int all = build_binary(&r->b, BIN_ADD, x, product(r, *h, d->recurrent, -1));
    int i = activate(r, &d->act[0], peep(r, d, gate(r, all, 0), 0, *cell));
    int f = r->input_forget ? one_minus(r, i) : activate(r, &d->act[0], peep(r, d, gate(r, all, 2), 2, *cell));
    int candidate = activate(r, &d->act[1], gate(r, all, 3));
    int kept = build_binary(&r->b, BIN_MUL, f, *cell);
    *cell = build_binary(&r->b, BIN_ADD, kept, build_binary(&r->b, BIN_MUL, i, candidate));
    int o = activate(r, &d->act[0], peep(r, d, gate(r, all, 1), 1, *cell));
    struct rnn unclipped = *r;
    unclipped.clip = 0;
    int squashed = activate(&unclipped, &d->act[2], *cell);
    r->b.err = unclipped.b.err;
    *h = build_binary(&r->b, BIN_MUL, o, squashed);
}

/* What the reset gate lets through of the hidden state's share in the candidate. */
static int gru_memory(struct rnn *r, const struct direction *d, int reset, int h, int all)
{
    if (r->linear_before_reset)
        return build_binary(&r->b, BIN_MUL, reset, gate(r, all, 2));
    int weights = build_slice(&r->b, d->recurrent, 0, 2 * r->hidden, 1, r->hidden);
    return product(r, build_binary(&r->b, BIN_MUL, reset, h), weights, -1);
}

static void gru_step(struct rnn *r, const struct direction *d, int x, int *h, int *cell)
{
    (void) cell;
    int weights = r->linear_before_reset ? d->recurrent : build_slice(&r->b, d->recurrent, 0, 0, 1, 2 * r->hidden);
    int all = product(r, *h, weights, d->recurrent_bias);
    int z = activate(r, &d->act[0], build_binary(&r->b, BIN_ADD, gate(r, x, 0), gate(r, all, 0)));
    int reset = activate(r, &d->act[0], build_binary(&r->b, BIN_ADD, gate(r, x, 1), gate(r, all, 1)));
    int memory = gru_memory(r, d, reset, *h, all);
    int candidate = activate(r, &d->act[1], build_binary(&r->b, BIN_ADD, gate(r, x, 2), memory));
    int fresh = build_binary(&r->b, BIN_MUL, one_minus(r, z), candidate);
    *h = build_binary(&r->b, BIN_ADD, fresh, build_binary(&r->b, BIN_MUL, z, *h));
}

static const struct rnn_kind kinds[] = {
    {"RNN", 1, 1, {"Tanh"}, rnn_step},
    {"GRU", 3, 2, {"Sigmoid", "Tanh"}, gru_step},
    {"LSTM", 4, 3, {"Sigmoid", "Tanh", "Tanh"}, lstm_step},
};

/* ---- attributes ---- */

static const struct { const char *name; struct rnn_act act; int parameters; } activations[] = {
    {"Relu", {UN_RELU, 0, 0}, 0},          {"Tanh", {UN_TANH, 0, 0}, 0},
    {"Sigmoid", {UN_SIGMOID, 0, 0}, 0},    {"Softsign", {UN_SOFTSIGN, 0, 0}, 0},
    {"Softplus", {UN_SOFTPLUS, 0, 0}, 0},  {"LeakyRelu", {UN_LEAKY, 0.01f, 0}, 1},
    {"Elu", {UN_ELU, 1, 0}, 1},            {"ThresholdedRelu", {UN_THRESHOLDED_RELU, 1, 0}, 1},
    {"HardSigmoid", {UN_HARD_SIGMOID, 0.2f, 0.5f}, 2},
};

/* The lists of parameters hold entries only for the activations that have them, in order. */
static float next_parameter(const struct attr *list, int *at, float otherwise)
{
    return list && list->kind == ATTR_FLOATS && *at < list->n ? list->floats[(*at)++] : otherwise;
}

static void read_act(struct rnn *r, const char *name, int *alpha, int *beta, struct rnn_act *out)
{
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++) {
        if (strcmp(activations[i].name, name))
            continue;
        *out = activations[i].act;
        if (activations[i].parameters > 0)
            out->a = next_parameter(node_attr(r->b.c->node, "activation_alpha"), alpha, out->a);
        if (activations[i].parameters > 1)
            out->b = next_parameter(node_attr(r->b.c->node, "activation_beta"), beta, out->b);
        return;
    }
    r->b.err = lower_fail(r->b.c, "its activation %s is not supported", name);
}

static void read_acts(struct rnn *r, struct direction *directions)
{
    const struct attr *names = node_attr(r->b.c->node, "activations");
    int wanted = r->directions * r->kind->n_acts, alpha = 0, beta = 0;
    if (names && (names->kind != ATTR_STRINGS || names->n != wanted))
        r->b.err = lower_fail(r->b.c, "needs %d activations", wanted);
    for (int k = 0; k < wanted && !r->b.err; k++) {
        int d = k / r->kind->n_acts, i = k % r->kind->n_acts;
        read_act(r, names ? names->strings[k] : r->kind->acts[i], &alpha, &beta, &directions[d].act[i]);
    }
}

static void read_direction(struct rnn *r)
{
    const char *way = node_string(r->b.c->node, "direction", "forward");
    r->directions = strcmp(way, "bidirectional") ? 1 : 2;
    r->backward = !strcmp(way, "reverse");
    if (r->directions == 1 && !r->backward && strcmp(way, "forward"))
        r->b.err = lower_fail(r->b.c, "its direction '%s' is not known", way);
}

static bool is_shape(const struct lower *c, int i, int64_t a, int64_t b, int64_t d)
{
    struct tensor_desc x = lower_desc(c, i);
    int rank = d < 0 ? 2 : 3;
    return x.type == DT_NONE ||
           (x.type == DT_F32 && x.rank == rank && x.dim[0] == a && x.dim[1] == b && (rank == 2 || x.dim[2] == d));
}

/* X, W, R, B?, sequence_lens?, initial_h?, initial_c?, P? against each other. Initial states may be those of one
 * image, to be repeated for a batch. */
static void check_shapes(struct rnn *r)
{
    const struct lower *c = r->b.c;
    int64_t gh = r->kind->gates * r->hidden, dirs = r->directions;
    bool fits = is_shape(c, 1, dirs, gh, r->input) && is_shape(c, 2, dirs, gh, r->hidden) &&
                is_shape(c, 3, dirs, 2 * gh, -1) && is_shape(c, 7, dirs, 3 * r->hidden, -1);
    for (int i = 5; i <= 6 && fits; i++) {
        struct tensor_desc s = lower_desc(c, i);
        int64_t batch = s.rank == 3 && s.dim[!r->batch_first] == 1 ? 1 : r->batch;
        fits = r->batch_first ? is_shape(c, i, batch, dirs, r->hidden) : is_shape(c, i, dirs, batch, r->hidden);
    }
    if (!fits)
        r->b.err = lower_fail(c, "its weights and states do not fit an input of %lld and %lld hidden units",
                            (long long) r->input, (long long) r->hidden);
    else if (r->length * dirs > MAX_CELLS)
        r->b.err = lower_fail(c, "runs over %lld steps; at most %d are supported", (long long) r->length,
                            MAX_CELLS / r->directions);
}

static void check_lengths(struct rnn *r)
{
    struct tensor_desc d = lower_desc(r->b.c, 4);
    const int32_t *lengths = lower_data(r->b.c, 4);
    if (d.type == DT_NONE)
        return;
    bool same = lengths && d.type == DT_I32;
    for (int64_t i = 0; same && i < tensor_elems(&d); i++)
        same = lengths[i] == r->length;
    if (!same)
        r->b.err = lower_fail(r->b.c, "sequences of different lengths in one batch are not supported");
}

static enum cq_err read_rnn(struct rnn *r)
{
    const struct lower *c = r->b.c;
    struct tensor_desc x = lower_desc(c, 0), w = lower_desc(c, 2);
    if (lower_in(c, 1) < 0 || x.rank != 3 || x.type != DT_F32 || w.rank != 3)
        return lower_fail(c, "needs a float input of 3 dimensions, and weights");
    r->batch_first = node_int(c->node, "layout", 0);
    r->length = x.dim[r->batch_first];
    r->batch = x.dim[!r->batch_first];
    r->input = x.dim[2];
    r->hidden = w.dim[2];
    r->clip = node_float(c->node, "clip", 0);
    r->linear_before_reset = node_int(c->node, "linear_before_reset", 0);
    r->input_forget = node_int(c->node, "input_forget", 0);
    read_direction(r);
    if (!r->b.err)
        check_shapes(r);
    if (!r->b.err)
        check_lengths(r);
    return r->b.err;
}

/* ---- one direction ---- */

/* Slice k of an input's dimension for directions, as a matrix or a vector; -1 when the input is absent. */
static int part(struct rnn *r, int i, int k)
{
    int t = lower_in(r->b.c, i);
    struct tensor_desc d = build_desc(&r->b, t);
    return t < 0 ? -1 : build_view(&r->b, build_slice(&r->b, t, 0, k, 1, 1), d.rank - 1, d.dim + 1);
}

/* Zeros where the model gives none; repeated where it gives that of one image. */
static int initial_state(struct rnn *r, int i, int k)
{
    int state = lower_in(r->b.c, i);
    if (state < 0)
        state = build_scalar(&r->b, DT_F32, 0);
    else
        state = build_view(&r->b, build_slice(&r->b, state, r->batch_first, k, 1, 1), 2,
                           (int64_t[]){lower_desc(r->b.c, i).dim[!r->batch_first], r->hidden});
    return build_expand(&r->b, state, 2, (int64_t[]){r->batch, r->hidden});
}

/* With linear_before_reset the recurrent bias of the candidate goes through the reset gate, so it stays apart. */
static int input_bias(struct rnn *r, int bias, struct direction *d)
{
    int64_t gh = r->kind->gates * r->hidden;
    d->recurrent_bias = -1;
    if (bias < 0)
        return -1;
    int of_input = build_slice(&r->b, bias, 0, 0, 1, gh), of_state = build_slice(&r->b, bias, 0, gh, 1, gh);
    if (!r->linear_before_reset)
        return build_binary(&r->b, BIN_ADD, of_input, of_state);
    d->recurrent_bias = of_state;
    return of_input;
}

static void read_direction_tensors(struct rnn *r, int x, int k, struct direction *d)
{
    d->backward = k ? true : r->backward;
    d->recurrent = part(r, 2, k);
    d->peephole = part(r, 7, k);
    d->h = initial_state(r, 5, k);
    d->cell = initial_state(r, 6, k);
    int weights = part(r, 1, k), bias = input_bias(r, part(r, 3, k), d);
    d->x = product(r, build_view(&r->b, x, 2, (int64_t[]){r->length * r->batch, r->input}), weights, bias);
}

/* Tensors of equal shape after one another along the first dimension, in groups that a kernel takes. */
static int join(struct rnn *r, int *t, int64_t n)
{
    struct op op = {.kind = OP_CONCAT};
    for (int64_t left = n; left > 1 && !r->b.err;) {
        int64_t groups = 0;
        for (int64_t i = 0; i < left; i += OP_MAX_INPUTS) {
            int count = (int) (left - i < OP_MAX_INPUTS ? left - i : OP_MAX_INPUTS);
            struct tensor_desc y = build_desc(&r->b, t[i]);
            for (int k = 1; k < count; k++)
                y.dim[0] += build_desc(&r->b, t[i + k]).dim[0];
            t[groups++] = count > 1 ? build_step(&r->b, &op, t + i, count, &y) : t[i];
        }
        left = groups;
    }
    return t[0];
}

/* All hidden states [length][1][batch][hidden]; d->h and d->cell become the last ones. */
static int run_direction(struct rnn *r, struct direction *d)
{
    int *h = pool_alloc(&r->b.c->net->pool, (size_t) r->length + 1, sizeof *h);
    if (!h) {
        r->b.err = CQ_NOMEM;
        return -1;
    }
    h[0] = d->h;
    for (int64_t i = 0; i < r->length && !r->b.err; i++) {
        int64_t t = d->backward ? r->length - 1 - i : i;
        r->kind->step(r, d, build_slice(&r->b, d->x, 0, t * r->batch, 1, r->batch), &d->h, &d->cell);
        h[t] = d->h;
    }
    return build_view(&r->b, join(r, h, r->length), 4, (int64_t[]){r->length, 1, r->batch, r->hidden});
}

/* ---- the node ---- */

static int join_directions(struct rnn *r, const int *t, int axis)
{
    struct op op = {.kind = OP_CONCAT, .u.axis.axis = axis};
    struct tensor_desc y = build_desc(&r->b, t[0]);
    y.dim[axis] = 2;
    return r->directions == 2 ? build_step(&r->b, &op, t, 2, &y) : t[0];
}

static void bind_states(struct rnn *r, int output, int a, int b)
{
    int64_t dim[] = {1, r->batch, r->hidden};
    int last[2] = {build_view(&r->b, a, 3, dim), r->directions == 2 ? build_view(&r->b, b, 3, dim) : -1};
    int both = join_directions(r, last, 0);
    if (r->batch_first)
        both = build_transpose(&r->b, both, (int[]){1, 0, 2});
    build_bind(&r->b, output, both);
}

static enum cq_err run_rnn(struct rnn *r)
{
    struct direction d[2] = {0};
    int x = lower_in(r->b.c, 0), y[2] = {-1, -1};
    if (r->batch_first)
        x = build_transpose(&r->b, x, (int[]){1, 0, 2});
    read_acts(r, d);
    for (int k = 0; k < r->directions && !r->b.err; k++) {
        read_direction_tensors(r, x, k, &d[k]);
        y[k] = run_direction(r, &d[k]);
    }
    int all = join_directions(r, y, 1);
    if (r->batch_first)
        all = build_transpose(&r->b, all, (int[]){2, 0, 1, 3});
    build_bind(&r->b, 0, all);
    bind_states(r, 1, d[0].h, d[1].h);
    bind_states(r, 2, d[0].cell, d[1].cell);
    return r->b.err;
}

static enum cq_err lower_recurrent(struct lower *c)
{
    struct rnn r = {.b = {.c = c}, .kind = &kinds[c->variant]};
    enum cq_err err = read_rnn(&r);
    if (!err && (!r.length || !r.batch || !r.hidden))
        err = lower_fail(c, "its sequence is empty");
    return err ? err : run_rnn(&r);
}

const struct lower_op lower_ops_recurrent[] = {
    {"RNN", lower_recurrent, 0},
    {"GRU", lower_recurrent, 1},
    {"LSTM", lower_recurrent, 2},
    {0},
};
