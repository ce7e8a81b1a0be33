/* Addresses on random nets and on real models: running the steps in order never destroys what is still needed, results
 * lie over inputs only where that is allowed, and the arena is within a tenth of what cannot be undercut.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/base/log.h"
#include "kernels/device.h"
#include "stages/infer/model.h"
#include "stages/infer/net.h"
#include "stages/infer/place.h"
#include "stages/infer/session.h"

enum { MAX_STEPS = 120, MAX_TENSORS = 2 * MAX_STEPS + 2, INPUTS = 3, NETS = 300, SCRATCH = -2, NOBODY = -1 };

static struct cq_log logger = {.level = CQ_WARN};

static uint32_t rng = 20261121;

static int random_below(int n)
{
    rng = rng * 1664525u + 1013904223u;
    return (int) ((rng >> 8) % (uint32_t) n);
}

/* A net by hand: the arrays are ours, not the pool's. */
struct random_net {
    struct net net;
    struct tensor tensors[MAX_TENSORS];
    struct step steps[MAX_STEPS];
    int links[MAX_STEPS][INPUTS + 2];
    struct place_wish wishes[MAX_STEPS];
    int inputs[1], outputs[2];
};

static struct tensor_desc random_desc(void)
{
    static const int sides[] = {1, 2, 4, 7, 16, 33, 64};
    return (struct tensor_desc){.type = DT_F32, .rank = 3,
                                .dim = {sides[random_below(7)], sides[random_below(7)], sides[random_below(7)]}};
}

/* Mostly the newest tensors are read, some much older: a chain with branches and long skips. */
static int random_tensor(const struct random_net *r)
{
    int back = random_below(4) ? random_below(3) : random_below(40);
    return back < r->net.n_tensors ? r->net.n_tensors - 1 - back : 0;
}

static void add_step(struct random_net *r, int n)
{
    struct step *s = &r->steps[n];
    bool view = !random_below(6);
    *s = (struct step){
        .op.kind = view ? OP_COPY : OP_BINARY, .n_in = view ? 1 : 1 + random_below(INPUTS), .in = r->links[n],
        .n_out = !view && !random_below(5) ? 2 : 1, .out = r->links[n] + INPUTS,
    };
    for (int i = 0; i < s->n_in; i++)
        s->in[i] = random_tensor(r);
    r->wishes[n] = (struct place_wish){
        view ? 0 : (unsigned) random_below(1 << INPUTS), view || random_below(4) ? 0 : 1 + (size_t) random_below(50000),
    };
    const struct tensor_desc first = r->tensors[s->in[0]].desc;
    for (int i = 0; i < s->n_out; i++) {
        s->out[i] = r->net.n_tensors;
        r->tensors[r->net.n_tensors++].desc = view || random_below(2) ? first : random_desc();
    }
}

static struct random_net *random_net(void)
{
    struct random_net *r = calloc(1, sizeof *r);
    assert_non_null(r);
    int n = 1 + random_below(MAX_STEPS);
    r->net = (struct net){
        .tensors = r->tensors, .n_tensors = 1, .steps = r->steps, .n_steps = n, .inputs = r->inputs, .n_inputs = 1,
        .outputs = r->outputs, .n_outputs = 2,
    };
    r->tensors[0].desc = random_desc();
    for (int i = 0; i < n; i++)
        add_step(r, i);
    r->outputs[0] = r->net.n_tensors - 1;
    r->outputs[1] = random_tensor(r);
    return r;
}

/* ---- the simulation: who has written each unit of the arena last? ---- */

static size_t units_of(size_t bytes)
{
    return bytes ? (bytes + PLACE_ALIGN - 1) / PLACE_ALIGN : 1;
}

static void put_owner(int *owner, size_t at, size_t bytes, int who)
{
    assert_int_equal(at % PLACE_ALIGN, 0);
    for (size_t u = 0; u < units_of(bytes); u++)
        owner[at / PLACE_ALIGN + u] = who;
}

static void check_owner(const int *owner, size_t at, size_t bytes, int who)
{
    for (size_t u = 0; u < units_of(bytes); u++)
        assert_int_equal(owner[at / PLACE_ALIGN + u], who);
}

static size_t bytes_of(const struct net *net, int t)
{
    return tensor_bytes(&net->tensors[t].desc);
}

/* A result over an input must have been allowed. */
static void check_overlay(const struct random_net *r, const struct placement *p, int n)
{
    const struct step *s = &r->steps[n];
    for (int o = 0; o < s->n_out; o++)
        for (int i = 0; i < s->n_in; i++) {
            const struct place *x = &p->of[s->in[i]], *y = &p->of[s->out[o]];
            if (x->kind != PLACE_ARENA || x->offset + bytes_of(&r->net, s->in[i]) <= y->offset ||
                y->offset + bytes_of(&r->net, s->out[o]) <= x->offset)
                continue;
            assert_true(r->wishes[n].in_place >> i & 1);
            assert_int_equal(s->n_out, 1);
            assert_int_equal(x->offset, y->offset);
            assert_true(tensor_same_shape(&r->tensors[s->in[i]].desc, &r->tensors[s->out[o]].desc));
        }
}

static void simulate(const struct random_net *r, const struct placement *p, int *content)
{
    int *owner = malloc((p->arena_bytes / PLACE_ALIGN + 1) * sizeof *owner);
    assert_non_null(owner);
    for (size_t u = 0; u <= p->arena_bytes / PLACE_ALIGN; u++)
        owner[u] = NOBODY;
    for (int n = 0; n < r->net.n_steps; n++) {
        const struct step *s = &r->steps[n];
        bool view = place_is_view(s);
        if (r->wishes[n].scratch)
            put_owner(owner, p->scratch[n], r->wishes[n].scratch, SCRATCH);
        for (int i = 0; i < s->n_in; i++)
            if (p->of[s->in[i]].kind == PLACE_ARENA)
                check_owner(owner, p->of[s->in[i]].offset, bytes_of(&r->net, s->in[i]), content[s->in[i]]);
        if (!view)
            check_overlay(r, p, n);
        for (int o = 0; o < s->n_out; o++) {
            content[s->out[o]] = view ? content[s->in[0]] : s->out[o];
            if (!view)
                put_owner(owner, p->of[s->out[o]].offset, bytes_of(&r->net, s->out[o]), s->out[o]);
        }
        for (int o = 0; o < s->n_out && !view; o++)
            check_owner(owner, p->of[s->out[o]].offset, bytes_of(&r->net, s->out[o]), s->out[o]);
        if (r->wishes[n].scratch)
            check_owner(owner, p->scratch[n], r->wishes[n].scratch, SCRATCH);
    }
    for (int i = 0; i < r->net.n_outputs; i++)
        if (p->of[r->outputs[i]].kind == PLACE_ARENA)
            check_owner(owner, p->of[r->outputs[i]].offset, bytes_of(&r->net, r->outputs[i]), content[r->outputs[i]]);
    free(owner);
}

/* Bytes that hold something needed during step n, counted once where results lie over inputs. */
static size_t alive_at(const struct random_net *r, const struct placement *p, const int *content, int n)
{
    bool needed[MAX_TENSORS] = {false};
    for (int k = n; k < r->net.n_steps; k++)
        for (int i = 0; i < r->steps[k].n_in; i++)
            needed[content[r->steps[k].in[i]]] = true;
    for (int o = 0; o < r->net.n_outputs; o++)
        needed[content[r->outputs[o]]] = true;
    for (int k = n + 1; k < r->net.n_steps; k++)        /* not made yet */
        for (int o = 0; o < r->steps[k].n_out && !place_is_view(&r->steps[k]); o++)
            needed[r->steps[k].out[o]] = false;
    for (int o = 0; o < r->steps[n].n_out && !place_is_view(&r->steps[n]); o++)
        needed[r->steps[n].out[o]] = true;

    size_t sum = r->wishes[n].scratch ? units_of(r->wishes[n].scratch) : 0;
    bool counted[MAX_TENSORS] = {false};
    for (int t = 0; t < r->net.n_tensors; t++)
        if (needed[t] && p->of[t].kind == PLACE_ARENA && !counted[p->of[t].root]) {
            counted[p->of[t].root] = true;
            sum += units_of(bytes_of(&r->net, t));
        }
    return sum * PLACE_ALIGN;
}

static void test_random_nets(void **state)
{
    (void) state;
    int content[MAX_TENSORS], overlaid = 0;
    double worst = 1;
    for (int i = 0; i < NETS; i++) {
        struct random_net *r = random_net();
        struct placement p;
        assert_int_equal(place_tensors(&r->net, i % 4 ? r->wishes : NULL, 0, &p), CQ_OK);
        if (i % 4 == 0)
            memset(r->wishes, 0, sizeof r->wishes);
        content[0] = 0;
        simulate(r, &p, content);
        size_t most = 0;
        for (int n = 0; n < r->net.n_steps; n++) {
            size_t now = alive_at(r, &p, content, n);
            most = now > most ? now : most;
            overlaid += p.of[r->steps[n].out[0]].root != r->steps[n].out[0];
        }
        assert_int_equal(p.bound_bytes, most);
        assert_true(p.arena_bytes >= most && (double) p.arena_bytes <= 1.1 * (double) most);
        worst = most && (double) p.arena_bytes / (double) most > worst ? (double) p.arena_bytes / (double) most : worst;
        placement_finish(&p);
        free(r);
    }
    print_message("worst arena: %.3f of the bound\n", worst);
    assert_true(overlaid > NETS);
}

/* ---- real models ---- */

static void check_model(struct device *dev, const char *path)
{
    struct model *m;
    struct session *s;
    struct session_memory mem;
    if (model_load(&logger, path, &m))
        fail_msg("%s: %s", path, logger.last_error);
    if (session_create(&logger, dev, m, &(struct session_params){.skip_batch_check = true}, &s))
        fail_msg("%s: %s", path, logger.last_error);
    for (int batch = 1; batch <= 9; batch += 4) {
        if (session_plan_memory(s, batch, &mem))
            continue;           /* of free size */
        print_message("%s, batch %d: %zu bytes, bound %zu\n", strrchr(path, '/'), batch, mem.activations,
                      mem.activation_bound);
        assert_true(mem.activations >= mem.activation_bound && mem.activation_bound > 0);
        assert_true((double) mem.activations <= 1.1 * (double) mem.activation_bound);
        assert_int_equal(mem.total, mem.weights + mem.activations + mem.staging);
    }
    session_destroy(&s);
    model_destroy(&m);
}

static void test_models(void **state)
{
    static const char *const names[] = {
        "FastestDet", "person-reid-0288", "squeezenet_fp32_from_fp16", "super_resolution", "version-RFB-320",
        "yolox_nano", "yunet_n_320_320", "yunet_n_dynamic",
    };
    (void) state;
    const char *data = getenv("CLIPQ_DATA");
    struct device_info info;
    struct device *dev;
    char path[1024];
    snprintf(path, sizeof path, "%s/models/%s.onnx", data ? data : "../shared/data", names[0]);
    FILE *f = fopen(path, "re");
    if (!f)
        skip();
    fclose(f);
    assert_int_equal(device_find(&logger, "auto", &info), CQ_OK);
    assert_int_equal(device_open(&logger, &info, &dev), CQ_OK);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/models/%s.onnx", data ? data : "../shared/data", names[i]);
        check_model(dev, path);
    }
    device_close(&dev);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_nets),
        cmocka_unit_test(test_models),
    };
    device_setup_environment(0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
