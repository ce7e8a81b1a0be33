/* ModelProto to struct graph: what stands around the graph itself, which is onnx_graph.c. */
#include <string.h>

#include <onnx.pb-c.h>

#include "kernels/base/log.h"
#include "stages/infer/graph.h"
#include "stages/infer/onnx.h"

static const char *text(const char *s)
{
    return s ? s : "";
}

static void free_source(void *source)
{
    protobuf_c_message_free_unpacked(source, NULL);
}

static enum cq_err read_meta(struct graph *g, const Onnx__ModelProto *m)
{
    g->producer = text(m->producer_name);
    g->opset = 1;
    for (size_t i = 0; i < m->n_opset_import; i++) {
        const char *domain = text(m->opset_import[i]->domain);
        int64_t version = m->opset_import[i]->version;
        if (!*domain || !strcmp(domain, "ai.onnx"))
            g->opset = version > 0 && version < 1000 ? (int) version : 1;
    }
    g->meta_key = pool_alloc(&g->pool, m->n_metadata_props, sizeof *g->meta_key);
    g->meta_value = pool_alloc(&g->pool, m->n_metadata_props, sizeof *g->meta_value);
    if (!g->meta_key || !g->meta_value)
        return CQ_NOMEM;
    for (size_t i = 0; i < m->n_metadata_props; i++, g->n_meta++) {
        g->meta_key[i] = text(m->metadata_props[i]->key);
        g->meta_value[i] = text(m->metadata_props[i]->value);
    }
    return CQ_OK;
}

/* Models that are kept elsewhere leave a few lines of text, or a web page, where the file should be. */
static bool is_text(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size && i < 512; i++)
        if (data[i] < ' ' && data[i] != '\n' && data[i] != '\r' && data[i] != '\t')
            return false;
    return size > 0;
}

enum cq_err onnx_read(struct cq_log *log, const char *name, const char *folder, const void *data, size_t size,
                      struct graph *g)
{
    struct onnx_reader r = {log, name, folder, g};
    Onnx__ModelProto *m = onnx_wire_ok(data, size) ? onnx__model_proto__unpack(NULL, size, data) : NULL;
    if (!m || !m->graph) {
        cq_log_error(log, "%s: %s", name,
                     is_text(data, size) ? "a text file, no ONNX model (a saved web page, or a Git LFS pointer?): "
                                           "download the model itself"
                                         : "not an ONNX model, or one cut short or damaged: export or copy it again");
        if (m)
            onnx__model_proto__free_unpacked(m, NULL);
        return CQ_CORRUPT;
    }
    g->source = m;
    g->source_free = free_source;

    enum cq_err err = read_meta(g, m);
    return err ? err : onnx_graph(&r, m->graph);
}
