/* If: the nodes of the chosen branch take the node's place.
 *
 * A condition that follows from shapes or constants is known when the graph is lowered, and the branch becomes part
 * of the net. Otherwise the whole node, with both branches, is left to the tail, where every condition is known.
 */
#include "stages/infer/lower.h"

static enum cq_err choose(struct lower *c, const struct subgraph **out)
{
    int64_t condition;
    int n;
    if (!lower_const_ints(c, 0, &condition, 1, &n) || n != 1)
        return lower_later(c, 0, "its condition");
    const struct attr *a = node_attr(c->node, condition ? "then_branch" : "else_branch");
    if (!a || a->kind != ATTR_GRAPH || a->graph->n_in)
        return lower_fail(c, "lacks a branch, or has one with inputs");
    if (a->graph->n_out < c->node->n_out)
        return lower_fail(c, "its branch gives fewer results than the node");
    *out = a->graph;
    return CQ_OK;
}

static enum cq_err lower_if(struct lower *c)
{
    const struct subgraph *branch = NULL;
    enum cq_err err = choose(c, &branch);
    if (!err)
        err = lower_subgraph(c, branch);
    for (int i = 0; i < c->node->n_out && !err; i++) {
        int t = c->tensor_of[branch->out[i]];
        if (t < 0)
            return lower_fail(c, "its branch gives an optional result that clipq does not make");
        lower_bind(c, i, t);
    }
    return err;
}

const struct lower_op lower_ops_flow[] = {
    {"If", lower_if, 0},
    {0},
};
