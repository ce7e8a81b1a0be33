/* Choosing kernels by measurement: every candidate that could be chosen gives the same answers, on random networks;
 * names of variants that are unknown or do not fit are of no effect. */
#include "stages/infer/session_impl.h"
#include "stages/infer/tune.h"
#include "tests/session_fixture.h"

/* Over the largest magnitude of the output, by precision; several operators in a row. */
static const float tolerance[] = {[PRECISION_FP32] = 1e-3f, [PRECISION_FP16] = 5e-2f};

enum { NETS = 12, LAYERS = 6, MAX_TUNED = 64 };

static uint32_t seed = 20261121;

static int random_int(int least, int most)
{
    seed = seed * 1664525u + 1013904223u;
    return least + (int) ((seed >> 8) % (uint32_t) (most - least + 1));
}

/* ---- random networks ---- */

struct growing {
    Onnx__ModelProto *p;
    int n, channels, side;
    char name[16];               /* of the newest tensor */
};

static const char *next_name(struct growing *g, char out[16])
{
    snprintf(out, 16, "t%d", ++g->n);
    return out;
}

static void add_layer(struct growing *g, const char *type, const char *more)
{
    char in[64], out[16];
    snprintf(in, sizeof in, "%s%s", g->name, more);
    onnx_node(g->p, type, in, next_name(g, out));
    memcpy(g->name, out, sizeof out);
}

static void add_random_conv(struct growing *g)
{
    int k = (int[]){1, 3, 3, 3, 5}[random_int(0, 4)], stride = random_int(0, 3) ? 1 : 2, m = random_int(1, 40);
    char w[24], b[24], links[64], out[16];
    snprintf(w, sizeof w, "w%d", g->n);
    snprintf(b, sizeof b, "b%d", g->n);
    snprintf(links, sizeof links, "%s,%s,%s", g->name, w, b);
    onnx_weights(g->p, w, 4, (int64_t[]){m, g->channels, k, k});
    onnx_weights(g->p, b, 1, (int64_t[]){m});
    Onnx__NodeProto *n = onnx_node(g->p, "Conv", links, next_name(g, out));
    onnx_attr_ints(n, "pads", 4, (int64_t[]){k / 2, k / 2, k / 2, k / 2});
    onnx_attr_ints(n, "strides", 2, (int64_t[]){stride, stride});
    memcpy(g->name, out, sizeof out);
    g->side = (g->side - 1) / stride + 1;
    g->channels = m;
    if (random_int(0, 1))
        add_layer(g, "Relu", "");
}

/* Over the last dimension, with one factor known. */
static void add_random_product(struct growing *g)
{
    char w[24], more[32];
    int m = random_int(2, 30);
    snprintf(w, sizeof w, "w%d", g->n);
    snprintf(more, sizeof more, ",%s", w);
    onnx_weights(g->p, w, 2, (int64_t[]){g->side, m});
    add_layer(g, "MatMul", more);
}

static struct model *random_model(int64_t shape[4])
{
    struct growing g = {.p = onnx_model(13), .channels = random_int(1, 20), .side = random_int(9, 24), .name = "x"};
    memcpy(shape, (int64_t[]){1, g.channels, g.side, g.side}, 4 * sizeof *shape);
    onnx_input(g.p, "x", 4, shape);
    for (int i = 0; i < LAYERS; i++)
        if (random_int(0, 4))
            add_random_conv(&g);
        else
            add_layer(&g, "Sigmoid", "");
    add_random_product(&g);
    onnx_output(g.p, g.name);
    return load_and_free(g.p);
}

/* ---- what tuning found ---- */

struct found {
    struct tune_result list[MAX_TUNED];
    int n, most;                 /* most: candidates of one operator */
};

static void collect(void *ctx, const struct session_tuned *t)
{
    struct found *f = ctx;
    assert_true(f->n < MAX_TUNED && t->uses >= 1 && t->result->n >= 2);
    f->list[f->n++] = *t->result;
    f->most = t->result->n > f->most ? t->result->n : f->most;
}

/* The c-th candidate wherever there are so many, else the last one. */
static void choose_all(const struct found *f, int c, struct choices *out)
{
    *out = (struct choices){0};
    for (int i = 0; i < f->n; i++) {
        const struct tune_result *r = &f->list[i];
        const struct tune_candidate *chosen = &r->candidates[c < r->n ? c : r->n - 1];
        assert_int_equal(choices_add(out, r->key, chosen->kernel->name), CQ_OK);
    }
}

static struct session *open_with(const struct model *m, enum precision precision, const struct choices *choices)
{
    struct session *s;
    const struct session_params params = {.choices = choices, .precision = precision};
    if (session_create(&logger, dev, m, &params, &s))
        fail_msg("%s", logger.last_error);
    return s;
}

static enum cq_err tune(struct session *s, int batch, double budget_ms, struct found *f)
{
    const struct session_tuning t = {.batch = batch, .budget_ms = budget_ms, .tell = collect, .ctx = f};
    return session_tune(s, &t);
}

static const struct session_output *run_noise(struct session *s, const struct session_noise *noise)
{
    const struct session_output *out;
    int n;
    if (session_run_noise(s, noise, &out, &n))
        fail_msg("%s", logger.last_error);
    return out;
}

static int steps_as_chosen(struct session *s, const struct choices *choices)
{
    struct session_plan *sp;
    struct session_way way;
    int n = 0;
    assert_int_equal(session_plan_for_batch(s, 1, &way, &sp), CQ_OK);
    for (int i = 0; i < sp->plan->n_steps; i++) {
        const struct plan_step *ps = &sp->plan->steps[i];
        const struct kernel_class *k = choices_find(choices, dev, ps->inst);
        assert_true(!k || k == ps->kernel);
        n += k != NULL;
    }
    return n;
}

static void compare(const struct session_output *a, const float *want, enum precision precision)
{
    float largest = 0, error = 0;
    const float *got = a->data;
    for (int64_t i = 0; i < tensor_elems(&a->desc); i++) {
        largest = fmaxf(largest, fabsf(want[i]));
        error = fmaxf(error, fabsf(want[i] - got[i]));
    }
    if (!(error <= tolerance[precision] * largest))
        fail_msg("off by %g of %g", (double) error, (double) largest);
}

/* ---- tests ---- */

/* Runs the model with each candidate wherever there is one; returns how many operators had a choice. */
static int try_all(const struct model *m, enum precision precision)
{
    struct session *s = open_with(m, precision, NULL);
    struct session_noise *noise;
    struct found f = {0};
    assert_int_equal(session_noise_create(s, 1, &noise), CQ_OK);
    assert_int_equal(tune(s, 1, 0.1, &f), CQ_OK);
    const struct session_output *out = run_noise(s, noise);
    size_t bytes = tensor_bytes(&out->desc);
    float *want = malloc(bytes);
    assert_non_null(want);
    memcpy(want, out->data, bytes);
    for (int c = 0; c < f.most; c++) {
        struct choices choices;
        choose_all(&f, c, &choices);
        struct session *other = open_with(m, precision, &choices);
        assert_true(steps_as_chosen(other, &choices) >= f.n);
        compare(run_noise(other, noise), want, precision);
        session_destroy(&other);
        choices_finish(&choices);
    }
    free(want);
    session_noise_destroy(&noise);
    session_destroy(&s);
    return f.n;
}

static void every_candidate_gives_the_same(void **state)
{
    (void) state;
    int tuned = 0;
    for (int net = 0; net < NETS; net++) {
        int64_t shape[4];
        struct model *m = random_model(shape);
        tuned += try_all(m, PRECISION_FP32);
        tuned += try_all(m, PRECISION_FP16);
        model_destroy(&m);
    }
    assert_true(tuned >= 2 * NETS);
}

static void winners_are_fast_and_right(void **state)
{
    (void) state;
    struct found f = {0};
    int64_t shape[4];
    struct model *m = random_model(shape);
    struct session *s = open_with(m, PRECISION_FP32, NULL);
    assert_int_equal(tune(s, 2, 1, &f), CQ_OK);
    for (int i = 0; i < f.n; i++) {
        const struct tune_result *r = &f.list[i];
        const struct tune_candidate *best = &r->candidates[r->best], *first = &r->candidates[r->first];
        assert_true(!best->wrong && best->error <= TUNE_TOLERANCE && best->ms > 0);
        assert_true(r->best == r->first || best->ms < first->ms);
        assert_int_equal(strlen(r->key), CHOICE_KEY - 1);
    }
    session_destroy(&s);
    model_destroy(&m);
}

/* A run cut short is gone on with where it stopped. */
static void what_is_known_is_left_out(void **state)
{
    (void) state;
    struct found all = {0}, none = {0}, rest = {0};
    struct choices choices = {0};
    int64_t shape[4];
    struct model *m = random_model(shape);
    struct session *s = open_with(m, PRECISION_FP32, &choices);
    struct session_tuning t = {.batch = 1, .budget_ms = 0.1, .only_unknown = true, .tell = collect, .ctx = &all};
    assert_int_equal(session_tune(s, &t), CQ_OK);
    assert_true(all.n >= 2);
    t.ctx = &none;
    t.limit_ms = 1e-9;
    assert_int_equal(session_tune(s, &t), CQ_OK);
    assert_int_equal(none.n, 0);

    const struct tune_result *first = &all.list[0];
    assert_int_equal(choices_add(&choices, first->key, first->candidates[first->best].kernel->name), CQ_OK);
    t.ctx = &rest;
    t.limit_ms = 0;
    assert_int_equal(session_tune(s, &t), CQ_OK);
    assert_int_equal(rest.n, all.n - 1);
    for (int i = 0; i < rest.n; i++)
        assert_string_equal(rest.list[i].key, all.list[i + 1].key);
    session_destroy(&s);
    model_destroy(&m);
    choices_finish(&choices);
}

static struct op_inst *conv_inst(struct op *op, int64_t height)
{
    static const float weights[8 * 8 * 9];
    struct op_inst *inst = calloc(1, sizeof *inst);
    assert_non_null(inst);
    *op = (struct op){.kind = OP_CONV, .u.conv = {.spatial = 2, .group = 1, .kernel = {3, 3}, .stride = {1, 1},
                                                  .dilation = {1, 1}, .pad_begin = {1, 1}, .pad_end = {1, 1}}};
    int block = device_get_info(dev)->float_width;
    inst->op = op;
    inst->n_in = 2;
    inst->n_out = 1;
    inst->in[0] = inst->out[0] = (struct tensor_desc){DT_F32, LAYOUT_BLOCKED, block, 4, {1, 8, height, 20}};
    inst->in[1] = (struct tensor_desc){DT_F32, .rank = 4, .dim = {8, 8, 3, 3}};
    inst->constant[1] = weights;
    return inst;
}

static void what_does_not_fit_is_ignored(void **state)
{
    (void) state;
    struct op op, taller_op;
    struct op_inst *inst = conv_inst(&op, 12), *taller = conv_inst(&taller_op, 13);
    struct choices c = {0};
    char key[CHOICE_KEY], other[CHOICE_KEY];
    choice_key(dev, inst, key);
    choice_key(dev, taller, other);
    assert_string_not_equal(key, other);
    assert_null(choices_find(NULL, dev, inst));
    assert_int_equal(choices_add(&c, key, "no_such_kernel"), CQ_OK);
    assert_int_equal(choices_add(&c, key, "host"), CQ_OK);
    assert_int_equal(choices_add(&c, "short", "conv_tile"), CQ_OK);
    assert_null(choices_find(&c, dev, inst));
    assert_int_equal(choices_add(&c, key, "conv_tile"), CQ_OK);
    assert_string_equal(choices_find(&c, dev, inst)->name, "conv_tile");
    assert_null(choices_find(&c, dev, taller));
    assert_int_equal(choices_add(&c, key, "gemm_tile"), CQ_OK);        /* of another kind */
    assert_null(choices_find(&c, dev, inst));
    assert_int_equal(choices_add(&c, key, "conv_pointwise"), CQ_OK);   /* does not serve 3x3 */
    assert_null(choices_find(&c, dev, inst));
    choices_finish(&c);
    free(inst);
    free(taller);
}

static void many_keys_are_found(void **state)
{
    (void) state;
    struct choices c = {0};
    struct op op;
    for (int64_t i = 0; i < 300; i++) {
        struct op_inst *inst = conv_inst(&op, 1 + i * 7 % 300);
        char key[CHOICE_KEY];
        choice_key(dev, inst, key);
        assert_int_equal(choices_add(&c, key, i % 2 ? "conv_tile" : "winograd_4x4"), CQ_OK);
        free(inst);
    }
    assert_int_equal(c.n, 300);
    for (int64_t i = 0; i < 300; i++) {
        struct op_inst *inst = conv_inst(&op, 1 + i * 7 % 300);
        assert_string_equal(choices_find(&c, dev, inst)->name, i % 2 ? "conv_tile" : "winograd_4x4");
        free(inst);
    }
    choices_finish(&c);
}

int main(void)
{
    if (!open_device()) {
        puts("SKIP: no OpenCL device");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_candidate_gives_the_same),
        cmocka_unit_test(winners_are_fast_and_right),
        cmocka_unit_test(what_is_known_is_left_out),
        cmocka_unit_test(what_does_not_fit_is_ignored),
        cmocka_unit_test(many_keys_are_found),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    device_close(&dev);
    return failed;
}
