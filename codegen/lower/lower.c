/* SPDX-License-Identifier: Apache-2.0
 * Lowering of groups: the family table. A group's kind names the family that makes its kernels. */
#include "codegen/lower/lower.h"

#include <string.h>

static const struct {
    const char *kind;
    LowerFamily *lower;
} families[] = {
    {"pointwise", lower_pointwise},
    {"rows", lower_rows},
    {"contract", lower_contract},
    {"convolution", lower_convolution},
    {"attention", lower_attention},
    {"window", lower_window},
    {"arg_reduce", lower_arg_reduce},
    {"cumulative", lower_cumulative},
    {"sort", lower_sort},
    {"scatter", lower_scatter},
    {"linalg", lower_linalg},
};

static LowerFamily *find_family(const char *kind)
{
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++)
        if (strcmp(families[i].kind, kind) == 0)
            return families[i].lower;
    return NULL;
}

/* Families that may need a temporary declare its buffer before they know: a group without one has no such argument. */
static void drop_unused_temporary(const Graph *region, LoweredGroup *lowered)
{
    const uint32_t buffers = region->parameter_count + region->result_count;
    for (uint32_t i = 0; dim_is(lowered->temporary_bytes, 0) && i < lowered->kernel_count; i++)
        if (lowered->kernel[i].function->buffer_count > buffers)
            lowered->kernel[i].function->buffer_count = buffers;
}

Status lower_group(const LowerContext *context, const Graph *graph, NodeId group, LoweredGroup *lowered)
{
    const Node *node = graph_node(graph, group);
    const char *where = location_text(graph->module, node->location);
    *lowered = (LoweredGroup){.temporary_bytes = dim_constant(0)};
    if (node->op != OP_group || node->region_count != 1)
        return diag_fail(context->diag, STATUS_INVALID, where, "%s isn't a group", op_info[node->op].name);
    const char *kind = node_string(node, ATTR_kind);
    LowerFamily *lower = find_family(kind);
    if (lower == NULL)
        return diag_fail(context->diag, STATUS_UNSUPPORTED, where, "no kernels are made for groups of kind \"%s\"",
                         kind);
    if (node->region[0]->result_count == 0)
        return diag_fail(context->diag, STATUS_INVALID, where, "a group without results");
    TRY(lower(context, node->region[0], lowered));
    drop_unused_temporary(node->region[0], lowered);
    return STATUS_OK;
}
