/* The graph's own work: order of nodes, attributes by name, end of life. */
#include "stages/infer/graph.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "kernels/base/log.h"

void graph_finish(struct graph *g)
{
    for (int i = 0; i < g->n_maps; i++)
        munmap(g->maps[i].addr, g->maps[i].size);
    free(g->maps);
    if (g->source)
        g->source_free(g->source);
    pool_finish(&g->pool);
    *g = (struct graph){0};
}

/* What the sort works on: nodes that wait for a value form a list, one link per input. */
struct sorter {
    int *waiting;       /* per node: inputs still missing */
    int *first, *next;  /* per value: first link; per link: the next one */
    int *link_node;     /* per link */
    int *order;
    int n_order;
};

static void enqueue_input(struct sorter *s, int node, int value, int *n_links)
{
    int link = (*n_links)++;
    s->link_node[link] = node;
    s->next[link] = s->first[value];
    s->first[value] = link;
    s->waiting[node]++;
}

static void link_inputs(const struct graph *g, struct sorter *s)
{
    int n_links = 0;
    for (int v = 0; v < g->n_values; v++)
        s->first[v] = -1;
    for (int n = 0; n < g->n_nodes; n++)
        for (int i = 0; i < g->nodes[n].n_in + g->nodes[n].n_captured; i++)
            if (g->nodes[n].in[i] >= 0 && g->values[g->nodes[n].in[i]].producer >= 0)
                enqueue_input(s, n, g->nodes[n].in[i], &n_links);
}

/* Kahn's algorithm; nodes that were in order stay in order. */
static void sort_nodes(const struct graph *g, struct sorter *s)
{
    for (int n = 0; n < g->n_nodes; n++)
        if (!s->waiting[n])
            s->order[s->n_order++] = n;
    for (int at = 0; at < s->n_order; at++) {
        const struct node *n = &g->nodes[s->order[at]];
        for (int o = 0; o < n->n_out; o++)
            for (int l = n->out[o] >= 0 ? s->first[n->out[o]] : -1; l >= 0; l = s->next[l])
                if (--s->waiting[s->link_node[l]] == 0)
                    s->order[s->n_order++] = s->link_node[l];
    }
}

static bool already_sorted(const struct graph *g)
{
    for (int n = 0; n < g->n_nodes; n++)
        for (int i = 0; i < g->nodes[n].n_in + g->nodes[n].n_captured; i++)
            if (g->nodes[n].in[i] >= 0 && g->values[g->nodes[n].in[i]].producer >= n)
                return false;
    return true;
}

static enum cq_err reorder_nodes(struct cq_log *log, struct graph *g, struct sorter *s)
{
    if (s->n_order < g->n_nodes) {
        int n = 0;
        while (!s->waiting[n])
            n++;
        cq_log_error(log, "node '%s' (%s) depends on its own result: the graph has a cycle", g->nodes[n].name,
                     g->nodes[n].type);
        return CQ_CORRUPT;
    }
    struct node *sorted = pool_alloc(&g->pool, (size_t) g->n_nodes, sizeof *sorted);
    if (!sorted)
        return CQ_NOMEM;
    for (int i = 0; i < g->n_nodes; i++) {
        sorted[i] = g->nodes[s->order[i]];
        for (int o = 0; o < sorted[i].n_out; o++)
            if (sorted[i].out[o] >= 0)
                g->values[sorted[i].out[o]].producer = i;
    }
    g->nodes = sorted;
    return CQ_OK;
}

enum cq_err graph_sort(struct cq_log *log, struct graph *g)
{
    if (already_sorted(g))
        return CQ_OK;

    size_t links = 0, nodes = (size_t) g->n_nodes;
    for (int n = 0; n < g->n_nodes; n++)
        links += (size_t) g->nodes[n].n_in + (size_t) g->nodes[n].n_captured;
    struct sorter s = {
        .waiting = calloc(nodes + 1, sizeof(int)),
        .first = calloc((size_t) g->n_values + 1, sizeof(int)),
        .next = calloc(links + 1, sizeof(int)),
        .link_node = calloc(links + 1, sizeof(int)),
        .order = calloc(nodes + 1, sizeof(int)),
    };
    enum cq_err err = CQ_NOMEM;
    if (s.waiting && s.first && s.next && s.link_node && s.order) {
        link_inputs(g, &s);
        sort_nodes(g, &s);
        err = reorder_nodes(log, g, &s);
    }
    free(s.waiting);
    free(s.first);
    free(s.next);
    free(s.link_node);
    free(s.order);
    return err;
}

const struct attr *node_attr(const struct node *n, const char *name)
{
    for (int i = 0; i < n->n_attr; i++)
        if (!strcmp(n->attr[i].name, name))
            return &n->attr[i];
    return NULL;
}

int64_t node_int(const struct node *n, const char *name, int64_t otherwise)
{
    const struct attr *a = node_attr(n, name);
    return a && a->kind == ATTR_INT ? a->i : otherwise;
}

float node_float(const struct node *n, const char *name, float otherwise)
{
    const struct attr *a = node_attr(n, name);
    return a && a->kind == ATTR_FLOAT ? a->f : otherwise;
}

const char *node_string(const struct node *n, const char *name, const char *otherwise)
{
    const struct attr *a = node_attr(n, name);
    return a && a->kind == ATTR_STRING ? a->s : otherwise;
}

const int64_t *node_ints(const struct node *n, const char *name, int *count)
{
    const struct attr *a = node_attr(n, name);
    *count = a && a->kind == ATTR_INTS ? a->n : 0;
    return *count ? a->ints : NULL;
}
