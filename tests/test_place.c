/* Addresses on random nets and on real models: running the steps in order never destroys what is still needed and
 * leaves out none that is, results lie over inputs only where that is allowed, and the arena is within a tenth of what
 * cannot be undercut, a fifth for random nets.
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

enum { MAX_STEPS = 120, MAX_TENSORS = 2 * MAX_STEPS + 2, INPUTS = 3, NETS = 1000 };

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
    uint32_t *content[MAX_TENSORS];      /* what each tensor holds, as it is stored */
    int inputs[1], outputs[2];
};

/* Few shapes, so that there is something to be joined. */
static struct tensor_desc random_desc(void)
{
    static const int sides[] = {1, 2, 4, 7, 16, 33, 64}, channels[] = {8, 16, 32, 12};
    if (random_below(2))
        return (struct tensor_desc){.type = DT_F32, .rank = 4, .layout = LAYOUT_BLOCKED, .block = 8,
                                    .dim = {random_below(6) ? 1 : 2, channels[random_below(4)], 3, 3}};
    return (struct tensor_desc){.type = DT_F32, .rank = 3,
                                .dim = {random_below(4) ? 1 : 2, sides[random_below(7)], random_below(4) ? 16 : 5}};
}

/* Mostly the newest tensors are read, some much older: a chain with branches and long skips. */
static int random_tensor(const struct random_net *r)
{
    int back = random_below(4) ? random_below(3) : random_below(40);
    return back < r->net.n_tensors ? r->net.n_tensors - 1 - back : 0;
}

static size_t bytes_of(const struct net *net, int t)
{
    return tensor_bytes(&net->tensors[t].desc);
}

static int new_tensor(struct random_net *r, const struct tensor_desc *d)
{
    int t = r->net.n_tensors++;
    r->tensors[t].desc = *d;
    r->content[t] = malloc(bytes_of(&r->net, t) + 1);
    assert_non_null(r->content[t]);
    for (size_t i = 0; i < bytes_of(&r->net, t) / sizeof(uint32_t); i++)
        r->content[t][i] = (uint32_t) t << 20 | (uint32_t) i;
    return t;
}

static struct step *new_step(struct random_net *r, int n, enum op_kind kind, int n_in, int n_out)
{
    struct step *s = &r->steps[n];
    *s = (struct step){.op.kind = kind, .n_in = n_in, .in = r->links[n], .n_out = n_out, .out = r->links[n] + INPUTS};
    r->wishes[n].takes_parts = true;     /* which only a Concat asks for */
    return s;
}

static void add_computation(struct random_net *r, int n)
{
    struct step *s = new_step(r, n, OP_BINARY, 1 + random_below(INPUTS), random_below(5) ? 1 : 2);
    for (int i = 0; i < s->n_in; i++)
        s->in[i] = random_tensor(r);
    r->wishes[n] = (struct place_wish){
        .in_place = (unsigned) random_below(1 << INPUTS),
        .scratch = random_below(4) ? 0 : 1 + (size_t) random_below(50000),
    };
    const struct tensor_desc first = r->tensors[s->in[0]].desc;
    for (int i = 0; i < s->n_out; i++) {
        struct tensor_desc other = random_desc();
        s->out[i] = new_tensor(r, random_below(2) ? &first : &other);
    }
}

static void add_view(struct random_net *r, int n)
{
    struct step *s = new_step(r, n, OP_COPY, 1, 1);
    s->in[0] = random_tensor(r);
    s->out[0] = new_tensor(r, &r->tensors[s->in[0]].desc);
    memcpy(r->content[s->out[0]], r->content[s->in[0]], bytes_of(&r->net, s->in[0]));
}

/* Copies `part` at `first` along `axis` of `whole`, or back. */
static void copy_part(struct random_net *r, int whole, int part, int axis, int64_t first, bool to_part)
{
    const struct tensor_desc *w = &r->tensors[whole].desc, *p = &r->tensors[part].desc;
    int unit = w->layout == LAYOUT_BLOCKED && axis == 1 ? w->block : 1;
    int64_t outer = 1;
    for (int i = 0; i < axis; i++)
        outer *= w->dim[i];
    size_t along = (size_t) ((w->dim[axis] + unit - 1) / unit), part_along = (size_t) ((p->dim[axis] + unit - 1) / unit);
    size_t step = bytes_of(&r->net, whole) / 4 / (size_t) outer, run = step / along * part_along;
    for (size_t o = 0; o < (size_t) outer; o++) {
        uint32_t *inside = r->content[whole] + o * step + (size_t) (first / unit) * (step / along);
        uint32_t *apart = r->content[part] + o * run;
        memcpy(to_part ? apart : inside, to_part ? inside : apart, run * sizeof *apart);
    }
}

/* Fills blocks but perhaps the last? */
static bool is_cut_between_blocks(const struct tensor_desc *whole, int axis, int64_t first, int64_t count)
{
    bool lanes = whole->layout == LAYOUT_BLOCKED && axis == 1;
    return !lanes || (first % 8 == 0 && (count % 8 == 0 || first + count == whole->dim[1]));
}

static void finish_concat(struct random_net *r, struct step *s)
{
    int axis = s->op.u.axis.axis;
    struct tensor_desc y = r->tensors[s->in[0]].desc;
    for (int i = 1; i < s->n_in; i++)
        y.dim[axis] += r->tensors[s->in[i]].desc.dim[axis];
    s->out[0] = new_tensor(r, &y);
    bool whole_blocks = true;
    for (int64_t i = 0, first = 0; i < s->n_in; first += r->tensors[s->in[i++]].desc.dim[axis])
        whole_blocks &= is_cut_between_blocks(&y, axis, first, r->tensors[s->in[i]].desc.dim[axis]);
    for (int64_t i = 0, first = 0; i < s->n_in && whole_blocks; first += r->tensors[s->in[i++]].desc.dim[axis])
        copy_part(r, s->out[0], s->in[i], axis, first, false);
}

/* The newest Split's second part behind (or before) something of the shape of its first, made since: as where one half
 * of what a convolution makes is worked on, and the other half waits. False where there is no such thing. */
static bool add_rejoin(struct random_net *r, int n)
{
    for (int k = n - 1; k >= 0; k--) {
        const struct step *split = &r->steps[k];
        if (split->op.kind != OP_SPLIT)
            continue;
        int kept = random_below(3) ? 1 : 0, gone = split->out[1 - kept];
        for (int t = r->net.n_tensors - 1; t > split->out[1]; t--) {
            const struct tensor_desc *d = &r->tensors[t].desc, *like = &r->tensors[gone].desc;
            if (d->layout != like->layout || !tensor_same_shape(d, like))
                continue;
            struct step *s = new_step(r, n, OP_CONCAT, 2, 1);
            s->op.u.axis.axis = split->op.u.axis.axis;
            s->in[1 - kept] = t;
            s->in[kept] = split->out[kept];
            finish_concat(r, s);
            return true;
        }
        return false;
    }
    return false;
}

static void add_concat(struct random_net *r, int n)
{
    if (random_below(2) && add_rejoin(r, n))
        return;
    struct step *s = new_step(r, n, OP_CONCAT, 2 + random_below(INPUTS - 1), 1);
    int axis = random_below(4) ? 1 : 0;
    s->op.u.axis.axis = axis;
    s->in[0] = random_tensor(r);
    const struct tensor_desc y = r->tensors[s->in[0]].desc;
    for (int i = 1; i < s->n_in; i++) {
        s->in[i] = s->in[0];
        for (int tries = 0; tries < 20 && s->in[i] == s->in[0]; tries++) {
            int t = random_tensor(r);
            struct tensor_desc d = r->tensors[t].desc;
            d.dim[axis] = y.dim[axis];
            if (d.layout == y.layout && tensor_same_shape(&d, &y))
                s->in[i] = t;
        }
    }
    finish_concat(r, s);
}

/* Split in two, or one part alone as Slice. */
static void add_cut(struct random_net *r, int n)
{
    int x = random_tensor(r), axis = random_below(4) ? 1 : random_below(3);
    struct tensor_desc part[2] = {r->tensors[x].desc, r->tensors[x].desc};
    int64_t size = part[0].dim[axis], first = size > 8 && random_below(4) ? size / 16 * 8 : random_below((int) size);
    if (first == 0) {
        add_view(r, n);
        return;
    }
    bool split = random_below(2);
    struct step *s = new_step(r, n, split ? OP_SPLIT : OP_SLICE, 1, split ? 2 : 1);
    part[0].dim[axis] = first;
    part[1].dim[axis] = size - first;
    s->in[0] = x;
    if (split)
        s->op.u.axis.axis = axis;
    for (int d = 0; d < part[0].rank && !split; d++) {
        s->op.u.slice.start[d] = d == axis ? first : 0;
        s->op.u.slice.step[d] = 1;
    }
    for (int i = 0; i < s->n_out; i++) {
        bool second = i || !split;
        s->out[i] = new_tensor(r, &part[second]);
        if (is_cut_between_blocks(&r->tensors[x].desc, axis, second ? first : 0, part[second].dim[axis]))
            copy_part(r, x, s->out[i], axis, second ? first : 0, true);
    }
}

static struct random_net *random_net(void)
{
    static void (*const adders[])(struct random_net *, int) = {
        add_computation, add_computation, add_computation, add_computation, add_concat, add_concat, add_cut, add_view,
    };
    struct random_net *r = calloc(1, sizeof *r);
    assert_non_null(r);
    int n = 1 + random_below(MAX_STEPS);
    r->net = (struct net){
        .tensors = r->tensors, .steps = r->steps, .n_steps = n, .inputs = r->inputs, .n_inputs = 1,
        .outputs = r->outputs, .n_outputs = 2,
    };
    struct tensor_desc input = random_desc();
    new_tensor(r, &input);
    for (int i = 0; i < n; i++)
        adders[random_below(sizeof adders / sizeof *adders)](r, i);
    r->outputs[0] = r->net.n_tensors - 1;
    r->outputs[1] = random_tensor(r);
    return r;
}

static void free_net(struct random_net *r)
{
    for (int t = 0; t < r->net.n_tensors; t++)
        free(r->content[t]);
    free(r);
}

/* ---- the simulation: memory and what stands in it ---- */

struct simulation {
    struct random_net *r;
    const struct placement *p;
    uint8_t *arena, *staging;
};

static uint8_t *memory_of(const struct simulation *m, int t)
{
    const struct place *at = &m->p->of[t];
    assert_true(at->kind == PLACE_ARENA || at->kind == PLACE_STAGING);
    size_t end = at->offset + bytes_of(&m->r->net, t);
    assert_true(end <= (at->kind == PLACE_ARENA ? m->p->arena_bytes : m->p->staging_bytes));
    assert_int_equal(at->offset % (at->root == t ? PLACE_ALIGN : PLACE_PART_ALIGN), 0);
    return (at->kind == PLACE_ARENA ? m->arena : m->staging) + at->offset;
}

static void check_content(const struct simulation *m, int t)
{
    assert_memory_equal(memory_of(m, t), m->r->content[t], bytes_of(&m->r->net, t));
}

static bool overlap(const struct simulation *m, int a, int b)
{
    const uint8_t *x = memory_of(m, a), *y = memory_of(m, b);
    return x < y + bytes_of(&m->r->net, b) && y < x + bytes_of(&m->r->net, a);
}

/* A result over an input must have been allowed. */
static void check_overlay(const struct simulation *m, int n)
{
    const struct step *s = &m->r->steps[n];
    for (int o = 0; o < s->n_out; o++)
        for (int i = 0; i < s->n_in; i++) {
            if (s->op.kind == OP_CONCAT || !overlap(m, s->in[i], s->out[o]))
                continue;
            assert_true(m->r->wishes[n].in_place >> i & 1);
            assert_int_equal(s->n_out, 1);
            assert_ptr_equal(memory_of(m, s->in[i]), memory_of(m, s->out[o]));
            assert_true(tensor_same_shape(&m->r->tensors[s->in[i]].desc, &m->r->tensors[s->out[o]].desc));
        }
}

/* What is not already there. Nothing but that may be changed, for other parts still need what they hold. */
static void simulate_concat(const struct simulation *m, const struct step *s)
{
    int y = s->out[0];
    const uint8_t *want = (const uint8_t *) m->r->content[y];
    uint8_t *to = memory_of(m, y);
    for (int i = 0; i < s->n_in; i++) {
        const uint8_t *x = memory_of(m, s->in[i]);
        size_t at = (size_t) (x - to), bytes = bytes_of(&m->r->net, s->in[i]);
        if (overlap(m, s->in[i], y))
            assert_memory_equal(want + at, x, bytes);
    }
    memcpy(to, want, bytes_of(&m->r->net, y));
    for (int i = 0; i < s->n_in; i++)
        check_content(m, s->in[i]);
}

static void simulate_step(const struct simulation *m, int n)
{
    const struct step *s = &m->r->steps[n];
    uint8_t *scratch = m->arena + m->p->scratch[n];
    for (int i = 0; i < s->n_in; i++)
        check_content(m, s->in[i]);
    if (!m->p->skip[n]) {
        check_overlay(m, n);
        memset(scratch, 0xee, m->r->wishes[n].scratch);
        if (s->op.kind == OP_CONCAT)
            simulate_concat(m, s);
        for (int o = 0; o < s->n_out && s->op.kind != OP_CONCAT; o++)
            memcpy(memory_of(m, s->out[o]), m->r->content[s->out[o]], bytes_of(&m->r->net, s->out[o]));
        for (size_t i = 0; i < m->r->wishes[n].scratch; i++)
            assert_int_equal(scratch[i], 0xee);
    }
    for (int o = 0; o < s->n_out; o++)
        check_content(m, s->out[o]);
}

static void simulate(struct random_net *r, const struct placement *p)
{
    struct simulation m = {r, p, calloc(p->arena_bytes + 1, 1), malloc(p->staging_bytes)};
    assert_true(m.arena && m.staging);
    memcpy(m.staging, r->content[0], bytes_of(&r->net, 0));
    for (int n = 0; n < r->net.n_steps; n++)
        simulate_step(&m, n);
    for (int i = 0; i < r->net.n_outputs; i++)
        check_content(&m, r->outputs[i]);
    free(m.arena);
    free(m.staging);
}

static size_t aligned(size_t bytes)
{
    return bytes ? (bytes + PLACE_ALIGN - 1) / PLACE_ALIGN * PLACE_ALIGN : PLACE_ALIGN;
}

/* Is the root written by step n or before, and read at n or later (or written just now)? */
static bool is_alive(const struct random_net *r, const struct placement *p, int root, int n)
{
    bool before = false, after = false;
    for (int k = 0; k < r->net.n_steps; k++) {
        const struct step *s = &r->steps[k];
        for (int o = 0; o < s->n_out && !p->skip[k]; o++) {
            before |= k <= n && p->of[s->out[o]].root == root;
            after |= k >= n && p->of[s->out[o]].root == root;
        }
        for (int i = 0; i < s->n_in; i++)
            after |= k >= n && p->of[s->in[i]].root == root;
    }
    for (int o = 0; o < r->net.n_outputs; o++)
        after |= p->of[r->outputs[o]].root == root;
    return before && after;
}

static size_t alive_at(const struct random_net *r, const struct placement *p, int n)
{
    size_t sum = r->wishes[n].scratch ? aligned(r->wishes[n].scratch) : 0;
    for (int t = 0; t < r->net.n_tensors; t++)
        if (p->of[t].kind == PLACE_ARENA && p->of[t].root == t && is_alive(r, p, t, n))
            sum += aligned(bytes_of(&r->net, t));
    return sum;
}

/* How often memory was shared. */
struct tally { int overlaid, joined, partly, cut; };

static void count_shared(const struct random_net *r, const struct placement *p, struct tally *tally)
{
    for (int n = 0; n < r->net.n_steps; n++) {
        const struct step *s = &r->steps[n];
        bool shares = p->of[s->in[0]].root == p->of[s->out[0]].root;
        tally->overlaid += s->op.kind == OP_BINARY && shares;
        tally->joined += s->op.kind == OP_CONCAT && p->skip[n];
        tally->partly += s->op.kind == OP_CONCAT && !p->skip[n] && shares;
        tally->cut += (s->op.kind == OP_SPLIT || s->op.kind == OP_SLICE) && p->skip[n];
    }
}

static void test_random_nets(void **state)
{
    (void) state;
    struct tally tally = {0};
    double worst = 1;
    for (int i = 0; i < NETS; i++) {
        struct random_net *r = random_net();
        struct placement p;
        assert_int_equal(place_tensors(&r->net, i % 4 ? r->wishes : NULL, 0, &p), CQ_OK);
        if (i % 4 == 0)
            memset(r->wishes, 0, sizeof r->wishes);
        simulate(r, &p);
        count_shared(r, &p, &tally);
        size_t most = 0;
        for (int n = 0; n < r->net.n_steps; n++) {
            size_t now = alive_at(r, &p, n);
            most = now > most ? now : most;
        }
        assert_int_equal(p.bound_bytes, most);
        assert_true(p.arena_bytes >= most && (double) p.arena_bytes <= 1.2 * (double) most);
        worst = most && (double) p.arena_bytes / (double) most > worst ? (double) p.arena_bytes / (double) most : worst;
        placement_finish(&p);
        free_net(r);
    }
    print_message("worst arena: %.3f of the bound; %d results over inputs, %d joined, %d in part, %d cut\n", worst,
                  tally.overlaid, tally.joined, tally.partly, tally.cut);
    assert_true(tally.overlaid > NETS && tally.joined > NETS / 2 && tally.partly > NETS && tally.cut > NETS);
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
