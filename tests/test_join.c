/* Random networks of convolutions, sums, joins and cuts, for one image and for two: what the engine makes of them with
 * shared memory agrees with the C reference, step by step in memory of its own.
 */
#include <stdio.h>

#include "kernels/device.h"
#include "stages/infer/session.h"
#include "tests/pass_check.h"

enum { MODELS = 60, MOST_NODES = 24, SIDE = 5 };

static struct device *dev;
static uint32_t rng = 20261121;

static int below(int n)
{
    rng = rng * 1664525u + 1013904223u;
    return (int) ((rng >> 8) % (uint32_t) n);
}

/* A model in the making: tensors t0, t1, ... of [N, channels, SIDE, SIDE]. */
struct random_model {
    Onnx__ModelProto *p;
    int channels[2 * MOST_NODES + 2], n;
};

static int pick(const struct random_model *m)
{
    int back = below(3) ? below(4) : below(MOST_NODES);
    return back < m->n ? m->n - 1 - back : 0;
}

static const char *name_of(int t, char *out)
{
    sprintf(out, "t%d", t);
    return out;
}

static int new_tensor(struct random_model *m, int channels)
{
    m->channels[m->n] = channels;
    return m->n++;
}

static Onnx__NodeProto *add_node(struct random_model *m, const char *type, int a, int b, int channels)
{
    char links[40], out[20];
    sprintf(links, b < 0 ? "t%d" : "t%d,t%d", a, b);
    return onnx_node(m->p, type, links, name_of(new_tensor(m, channels), out));
}

static void add_conv(struct random_model *m)
{
    static const int counts[] = {8, 16, 16, 32, 12};
    int x = pick(m), to = counts[below(5)], k = below(2) ? 1 : 3;
    char w[20], links[40], out[20];
    sprintf(w, "w%d", m->n);
    sprintf(links, "t%d,%s", x, w);
    onnx_weights(m->p, w, 4, (int64_t[]){to, m->channels[x], k, k});
    Onnx__NodeProto *conv = onnx_node(m->p, "Conv", links, name_of(new_tensor(m, to), out));
    onnx_attr_ints(conv, "pads", 4, (int64_t[]){k / 2, k / 2, k / 2, k / 2});
}

static void add_unary(struct random_model *m)
{
    static const char *const types[] = {"Relu", "Sigmoid", "Tanh", "Neg"};
    int x = pick(m);
    add_node(m, types[below(4)], x, -1, m->channels[x]);
}

/* The newest other tensor of the same size as x, or x itself. */
static int like(const struct random_model *m, int x)
{
    for (int t = m->n - 1; t >= 0; t--)
        if (t != x && m->channels[t] == m->channels[x])
            return t;
    return x;
}

static void add_sum(struct random_model *m)
{
    int x = pick(m);
    add_node(m, below(3) ? "Add" : "Max", x, like(m, x), m->channels[x]);
}

static void add_concat(struct random_model *m)
{
    int a = pick(m), b = pick(m);
    if (m->channels[a] + m->channels[b] <= 96)
        onnx_attr_int(add_node(m, "Concat", a, b, m->channels[a] + m->channels[b]), "axis", 1);
}

static void add_split(struct random_model *m)
{
    int x = pick(m), first = m->channels[x] > 8 ? 8 * (1 + below((m->channels[x] - 1) / 8)) : 4;
    char sizes[20], links[40], out[40];
    sprintf(sizes, "sizes%d", m->n);
    sprintf(links, "t%d,%s", x, sizes);
    sprintf(out, "t%d,t%d", m->n, m->n + 1);
    if (m->channels[x] <= first)
        return;
    onnx_ints(m->p, sizes, 2, (int64_t[]){first, m->channels[x] - first});
    onnx_attr_int(onnx_node(m->p, "Split", links, out), "axis", 1);
    new_tensor(m, first);
    new_tensor(m, m->channels[x] - first);
}

static void (*const adders[])(struct random_model *) = {
    add_conv, add_conv, add_conv, add_unary, add_sum, add_sum, add_concat, add_concat, add_split,
};

static Onnx__ModelProto *random_model(void)
{
    struct random_model m = {.p = onnx_model(13)};
    char out[20];
    onnx_input(m.p, "t0", 4, (int64_t[]){-1, 16, SIDE, SIDE});
    new_tensor(&m, 16);
    int nodes = 3 + below(MOST_NODES - 3);
    for (int i = 0; i < nodes; i++)
        adders[below(sizeof adders / sizeof *adders)](&m);
    add_unary(&m);
    onnx_output(m.p, name_of(m.n - 1, out));
    if (m.n > 3)
        onnx_output(m.p, name_of(1 + below(m.n - 2), out));
    return m.p;
}

static void count_joins(void *ctx, const char *text)
{
    *(int *) ctx += strstr(text, "concat") != NULL;
}

static void compare(const float *got, const float *want, int64_t n)
{
    float largest = 1e-20f;
    for (int64_t i = 0; i < n; i++)
        largest = fmaxf(largest, fabsf(want[i]));
    for (int64_t i = 0; i < n; i++)
        assert_true(fabsf(got[i] - want[i]) <= 2e-3f * largest);
}

static void check(struct model *m, struct session *s, int images)
{
    struct net net = {0};
    struct tensor_desc d = {DT_F32, .rank = 4, .dim = {images, 16, SIDE, SIDE}};
    const struct session_output *out;
    int n_out;
    assert_int_equal(lower_graph(&logger, model_graph(m), &d, NULL, &net, NULL), CQ_OK);
    void **want = net_values(&net);
    struct session_input in = {d, want[net.inputs[0]]};
    for (int run = 0; run < 2; run++) {          /* what the first leaves behind must not matter */
        assert_int_equal(session_run_tensors(s, &in, 1, &out, &n_out), CQ_OK);
        assert_int_equal(n_out, net.n_outputs);
        for (int i = 0; i < n_out; i++) {
            assert_int_equal(tensor_elems(&out[i].desc), tensor_elems(&net.tensors[net.outputs[i]].desc));
            compare(out[i].data, want[net.outputs[i]], tensor_elems(&out[i].desc));
        }
    }
    free_net_values(&net, want);
    net_finish(&net);
}

static void test_random_models(void **state)
{
    (void) state;
    int written = 0, left = 0;
    for (int i = 0; i < MODELS; i++) {
        size_t size;
        struct model *m;
        struct session *s;
        Onnx__ModelProto *p = random_model();
        for (size_t n = 0; n < p->graph->n_node; n++)
            written += !strcmp(p->graph->node[n]->op_type, "Concat");
        uint8_t *data = onnx_bytes(p, &size);
        assert_int_equal(model_load_memory(&logger, "test", data, size, &m), CQ_OK);
        assert_int_equal(session_create(&logger, dev, m, &(struct session_params){.skip_batch_check = true}, &s), CQ_OK);
        for (int images = 1; images <= 2; images++)
            check(m, s, images);
        assert_int_equal(session_describe(s, 1, count_joins, &left), CQ_OK);
        free(data);
        onnx_free(p);
        session_destroy(&s);
        model_destroy(&m);
    }
    print_message("%d joins, of which %d need a step for one image\n", written, left);
    assert_true(written > MODELS && left < written / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_models)};
    struct device_info info;
    device_setup_environment(0);
    if (device_find(&logger, "auto", &info) || device_open(&logger, &info, &dev))
        return 77;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    device_close(&dev);
    return failed;
}
