/* Loading: read the file, build the graph, try a lowering, count what is in it.
 *
 * The trial lowering is what makes "a model that loads, runs" true for models whose shapes are known; for
 * others (free height and width) only the operators can be checked before a size is chosen.
 */
#include "stages/infer/model.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

#include "kernels/base/log.h"
#include "stages/infer/lower.h"
#include "stages/infer/model_graph.h"
#include "stages/infer/onnx.h"

struct model {
    struct graph graph;
    struct model_op_count *ops;
    int n_ops;
    char hash[33];
};

const struct graph *model_graph(const struct model *m)
{
    return &m->graph;
}

bool model_default_inputs(const struct model *m, struct tensor_desc *out)
{
    for (int i = 0; i < m->graph.n_inputs; i++) {
        const struct model_io *io = &m->graph.inputs[i];
        out[i] = (struct tensor_desc){.type = io->type, .rank = io->rank};
        for (int d = 0; d < io->rank; d++) {
            if (io->dim[d] < 0 && d > 0)
                return false;
            out[i].dim[d] = io->dim[d] < 0 ? 1 : io->dim[d];
        }
    }
    return true;
}

static int by_count(const void *a, const void *b)
{
    const struct model_op_count *x = a, *y = b;
    return x->count != y->count ? (x->count < y->count) - (x->count > y->count) : strcmp(x->op_type, y->op_type);
}

static enum cq_err count_ops(struct model *m)
{
    m->ops = pool_alloc(&m->graph.pool, (size_t) m->graph.n_nodes, sizeof *m->ops);
    if (!m->ops)
        return CQ_NOMEM;
    for (int n = 0; n < m->graph.n_nodes; n++) {
        const char *type = m->graph.nodes[n].type;
        int i = 0;
        while (i < m->n_ops && strcmp(m->ops[i].op_type, type))
            i++;
        if (i == m->n_ops)
            m->ops[m->n_ops++].op_type = type;
        m->ops[i].count++;
    }
    qsort(m->ops, (size_t) m->n_ops, sizeof *m->ops, by_count);
    return CQ_OK;
}

/* What the file leaves open about outputs, the batch apart, the trial lowering knows. */
static void complete_outputs(struct model *m, const struct lowered *l)
{
    for (int i = 0; i < m->graph.n_outputs; i++) {
        struct model_io *io = &m->graph.outputs[i];
        const struct tensor_desc *d = &l->value[m->graph.output_value[i]].desc;
        if (d->type == DT_NONE)
            continue;              /* left to the tail: its shape depends on the image */
        if (io->type == DT_NONE)
            io->type = d->type;
        if (io->rank == 0) {
            io->rank = d->rank;
            io->dim[0] = -1;
        }
        for (int k = 1; k < d->rank && io->rank == d->rank; k++)
            io->dim[k] = d->dim[k];
    }
}

static enum cq_err try_lowering(struct cq_log *log, struct model *m)
{
    struct net net = {0};
    struct lowered lowered = {0};
    struct tensor_desc *inputs = calloc((size_t) m->graph.n_inputs + 1, sizeof *inputs);
    if (!inputs)
        return CQ_NOMEM;
    enum cq_err err = CQ_OK;
    if (model_default_inputs(m, inputs)) {
        err = lower_graph(log, &m->graph, inputs, NULL, &net, &lowered);
        if (!err)
            complete_outputs(m, &lowered);
    }
    lowered_finish(&lowered);
    net_finish(&net);
    free(inputs);
    return err;
}

static void write_hash(struct model *m, const void *data, size_t size)
{
    XXH128_hash_t h = XXH3_128bits(data, size);
    snprintf(m->hash, sizeof m->hash, "%016llx%016llx", (unsigned long long) h.high64, (unsigned long long) h.low64);
}

/* Lowering knows nodes, not files: their messages get the file's name here. */
struct named_log { struct cq_log *to; const char *file; };

static void log_named(void *ctx, enum cq_level level, const char *message)
{
    const struct named_log *n = ctx;
    cq_log_at(n->to, level, "%s: %s", n->file, message);
}

static enum cq_err load(struct cq_log *log, const char *name, const char *folder, const void *data, size_t size,
                        struct model **out)
{
    *out = NULL;
    struct named_log to = {log, name};
    struct cq_log named = {.level = log ? log->level : CQ_ERROR, .sink = log_named, .ctx = &to};
    struct model *m = calloc(1, sizeof *m);
    if (!m)
        return CQ_NOMEM;
    enum cq_err err = onnx_read(log, name, folder, data, size, &m->graph);
    if (!err)
        err = lower_check_ops(&named, &m->graph);
    if (!err)
        err = count_ops(m);
    if (!err)
        err = try_lowering(&named, m);
    if (err) {
        model_destroy(&m);
        return err;
    }
    write_hash(m, data, size);
    *out = m;
    return CQ_OK;
}

enum cq_err model_load_memory(struct cq_log *log, const char *name, const void *data, size_t size, struct model **out)
{
    return load(log, name, NULL, data, size, out);
}

static enum cq_err read_all(struct cq_log *log, const char *path, int fd, size_t size, uint8_t *to)
{
    for (size_t at = 0; at < size;) {
        ssize_t n = read(fd, to + at, size - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            cq_log_error(log, "%s: %s", path, n < 0 ? strerror(errno) : "became shorter while it was read");
            return CQ_IO;
        }
        at += (size_t) n;
    }
    return CQ_OK;
}

static enum cq_err read_file(struct cq_log *log, const char *path, uint8_t **data, size_t *size)
{
    struct stat st;
    enum cq_err err;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        err = cq_err_errno(errno);
        cq_log_error(log, "cannot read the model %s: %s: check the path", path, strerror(errno));
        goto done;
    }
    if (!S_ISREG(st.st_mode) || st.st_size == 0) {
        err = CQ_CORRUPT;
        cq_log_error(log, "%s: %s", path, S_ISDIR(st.st_mode) ? "a folder: name the .onnx file in it"
                     : S_ISREG(st.st_mode) ? "the file is empty: export or copy it again"
                     : "neither a file nor a link to one");
        goto done;
    }
    *size = (size_t) st.st_size;
    *data = malloc(*size);
    err = *data ? read_all(log, path, fd, *size, *data) : CQ_NOMEM;
done:
    if (fd >= 0)
        close(fd);
    return err;
}

enum cq_err model_load(struct cq_log *log, const char *path, struct model **out)
{
    uint8_t *data = NULL;
    size_t size = 0;
    *out = NULL;
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, (size_t) (slash - path) + 1) : strdup(".");
    if (!folder)
        return CQ_NOMEM;
    enum cq_err err = read_file(log, path, &data, &size);
    if (!err)
        err = load(log, path, folder, data, size, out);
    free(folder);
    free(data);
    return err;
}

void model_destroy(struct model **m)
{
    if (!*m)
        return;
    graph_finish(&(*m)->graph);
    free(*m);
    *m = NULL;
}

int model_input_count(const struct model *m)
{
    return m->graph.n_inputs;
}

const struct model_io *model_input(const struct model *m, int i)
{
    return &m->graph.inputs[i];
}

static bool put_number(enum dtype type, void *data, int64_t i, double v)
{
    switch (type) {
    case DT_F32: ((float *) data)[i] = (float) v; return true;
    case DT_I32: ((int32_t *) data)[i] = (int32_t) v; return true;
    case DT_I64: ((int64_t *) data)[i] = (int64_t) v; return true;
    default:     return false;
    }
}

enum cq_err model_fix_input(struct cq_log *log, struct model *m, int i, const double *values, int n)
{
    struct graph *g = &m->graph;
    const struct model_io *io = &g->inputs[i];
    struct tensor_desc d = {.type = io->type, .rank = io->rank};
    for (int k = 0; k < io->rank; k++)
        d.dim[k] = io->dim[k] > 0 ? io->dim[k] : 1;
    if (io->rank > 0 && io->dim[io->rank - 1] < 0)
        d.dim[io->rank - 1] = n;
    int64_t elems = tensor_elems(&d);
    bool fits = elems > 0 && elems <= 4096 && (n == 1 || elems == n);
    void *data = fits ? pool_alloc(&g->pool, (size_t) elems, sizeof(int64_t)) : NULL;
    if (fits && !data)
        return CQ_NOMEM;
    for (int64_t k = 0; k < elems && fits; k++)
        fits = put_number(d.type, data, k, values[n == 1 ? 0 : k]);
    if (!fits) {
        char text[TENSOR_TEXT_SIZE];
        cq_log_error(log, "input '%s' is %s, which does not take %d numbers: export the model without it", io->name,
                     tensor_text(&d, text), n);
        return CQ_UNSUPPORTED;
    }
    g->values[g->input_value[i]].constant = (struct constant) {.desc = d, .data = data};
    g->n_inputs--;
    for (int k = i; k < g->n_inputs; k++) {
        g->inputs[k] = g->inputs[k + 1];
        g->input_value[k] = g->input_value[k + 1];
    }
    return CQ_OK;
}

int model_output_count(const struct model *m)
{
    return m->graph.n_outputs;
}

const struct model_io *model_output(const struct model *m, int i)
{
    return &m->graph.outputs[i];
}

const char *model_metadata(const struct model *m, const char *key)
{
    for (int i = 0; i < m->graph.n_meta; i++)
        if (!strcmp(m->graph.meta_key[i], key))
            return m->graph.meta_value[i];
    return NULL;
}

const char *model_producer(const struct model *m)
{
    return m->graph.producer;
}

int model_opset(const struct model *m)
{
    return m->graph.opset;
}

const struct model_op_count *model_ops(const struct model *m, int *count)
{
    *count = m->n_ops;
    return m->ops;
}

int64_t model_parameters(const struct model *m)
{
    return m->graph.parameters;
}

const char *model_hash(const struct model *m)
{
    return m->hash;
}
