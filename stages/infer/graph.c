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
    const struct graph *graph;
    int scope;
    const struct node *nodes;
    int n_nodes;
    int *waiting;       /* per node: inputs still missing */
    int *first, *next;  /* per value: first link; per link: the next one */
    int *link_node;     /* per link */
    int *order;
    int n_order;
};

static int inputs_of(const struct node *n)
{
    return n->n_in + n->n_captured;
}

/* The node of the same scope that makes the node's i-th input, -1 for none. */
static int maker(const struct sorter *s, const struct node *n, int i)
{
    const struct value *v = n->in[i] >= 0 ? &s->graph->values[n->in[i]] : NULL;
    return v && v->scope == s->scope ? v->producer : -1;
}

static void enqueue_input(struct sorter *s, int node, int value, int *n_links)
{
    int link = (*n_links)++;
    s->link_node[link] = node;
    s->next[link] = s->first[value];
    s->first[value] = link;
    s->waiting[node]++;
}

static void link_inputs(struct sorter *s)
{
    int n_links = 0;
    for (int v = 0; v < s->graph->n_values; v++)
        s->first[v] = -1;
    for (int n = 0; n < s->n_nodes; n++)
        for (int i = 0; i < inputs_of(&s->nodes[n]); i++)
            if (maker(s, &s->nodes[n], i) >= 0)
                enqueue_input(s, n, s->nodes[n].in[i], &n_links);
}

/* Kahn's algorithm; nodes that were in order stay in order. */
static void sort_nodes(struct sorter *s)
{
    for (int n = 0; n < s->n_nodes; n++)
        if (!s->waiting[n])
            s->order[s->n_order++] = n;
    for (int at = 0; at < s->n_order; at++) {
        const struct node *n = &s->nodes[s->order[at]];
        for (int o = 0; o < n->n_out; o++)
            for (int l = n->out[o] >= 0 ? s->first[n->out[o]] : -1; l >= 0; l = s->next[l])
                if (--s->waiting[s->link_node[l]] == 0)
                    s->order[s->n_order++] = s->link_node[l];
    }
}

static bool already_sorted(const struct sorter *s)
{
    for (int n = 0; n < s->n_nodes; n++)
        for (int i = 0; i < inputs_of(&s->nodes[n]); i++)
            if (maker(s, &s->nodes[n], i) >= n)
                return false;
    return true;
}

static enum cq_err reorder_nodes(struct cq_log *log, struct graph *g, struct sorter *s, struct node **out)
{
    if (s->n_order < s->n_nodes) {
        int n = 0;
        while (!s->waiting[n])
            n++;
        cq_log_error(log, "node '%s' (%s) depends on its own result: the graph has a cycle", s->nodes[n].name,
                     s->nodes[n].type);
        return CQ_CORRUPT;
    }
    struct node *sorted = pool_alloc(&g->pool, (size_t) s->n_nodes, sizeof *sorted);
    if (!sorted)
        return CQ_NOMEM;
    for (int i = 0; i < s->n_nodes; i++) {
        sorted[i] = s->nodes[s->order[i]];
        for (int o = 0; o < sorted[i].n_out; o++)
            if (sorted[i].out[o] >= 0)
                g->values[sorted[i].out[o]].producer = i;
    }
    *out = sorted;
    return CQ_OK;
}

enum cq_err graph_sort(struct cq_log *log, struct graph *g, int scope, struct node **nodes, int n_nodes)
{
    struct sorter s = {.graph = g, .scope = scope, .nodes = *nodes, .n_nodes = n_nodes};
    if (already_sorted(&s))
        return CQ_OK;

    size_t links = 0;
    for (int n = 0; n < n_nodes; n++)
        links += (size_t) inputs_of(&s.nodes[n]);
    s.waiting = calloc((size_t) n_nodes + 1, sizeof(int));
    s.first = calloc((size_t) g->n_values + 1, sizeof(int));
    s.next = calloc(links + 1, sizeof(int));
    s.link_node = calloc(links + 1, sizeof(int));
    s.order = calloc((size_t) n_nodes + 1, sizeof(int));
    enum cq_err err = CQ_NOMEM;
    if (s.waiting && s.first && s.next && s.link_node && s.order) {
        link_inputs(&s);
        sort_nodes(&s);
        err = reorder_nodes(log, g, &s, nodes);
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

int node_choice(const struct node *n, const char *name, const char *otherwise, const char *const *names)
{
    const char *text = node_string(n, name, otherwise);
    for (int i = 0; names[i]; i++)
        if (!strcmp(names[i], text))
            return i;
    return -1;
}

const int64_t *node_ints(const struct node *n, const char *name, int *count)
{
    const struct attr *a = node_attr(n, name);
    *count = a && a->kind == ATTR_INTS ? a->n : 0;
    return *count ? a->ints : NULL;
}
