/* SPDX-License-Identifier: Apache-2.0
 * Values a rule needs to know while importing: integers by their dimension expressions, arrays of any type by
 * interpreting what they are made of, when that is constants only. */
#include <string.h>

#include "frontend/onnx/importer.h"
#include "ir/element.h"

const Dim *site_numbers_of(const Site *s, Value value)
{
    if (!value.id)
        return NULL;
    sheet_update(s->importer, s->scope->sheet);
    return value.id < s->scope->sheet->known_count ? s->scope->sheet->known[value.id].dim : NULL;
}

bool site_is_known(Site *s, Value value)
{
    HostArray array;
    return site_numbers_of(s, value) != NULL || site_array_of(s, value, &array);
}

static void report_unknown(Site *s, uint32_t index, const char *what)
{
    if (!site_failed(s))
        site_unsupported(s, "%s depends on the value of input '%s', which is known only when the model runs", what,
                         s->proto->input[index]);
}

const Dim *site_numbers(Site *s, uint32_t index, const char *what, uint32_t *count)
{
    const Value value = site_input(s, index);
    const Dim *dim = site_numbers_of(s, value);
    HostArray array;
    *count = 0;
    if (site_failed(s))
        return NULL;
    if (!dim && value.id && site_array_of(s, value, &array) && element_is_integer(array.element)) {
        Dim *made = SITE_NEW(s, Dim, (size_t)host_array_size(&array));
        for (int64_t i = 0; made && i < host_array_size(&array); i++)
            made[i] = dim_constant((int64_t)host_array_real(&array, i));
        dim = made;
    }
    if (!dim)
        report_unknown(s, index, what);
    else
        *count = (uint32_t)type_static_size(site_type_of(s, value));
    return dim;
}

const int64_t *site_integers_of_input(Site *s, uint32_t index, const char *what, uint32_t *count)
{
    const Dim *dim = site_numbers(s, index, what, count);
    int64_t *number = dim ? SITE_NEW(s, int64_t, *count) : NULL;
    for (uint32_t i = 0; number && i < *count; i++) {
        if (!dim_is_constant(dim[i])) {
            site_unsupported(s, "%s depends on a dimension that isn't fixed (input '%s')", what,
                             s->proto->input[index]);
            return NULL;
        }
        number[i] = dim[i].constant;
    }
    return number;
}

double host_array_real(const HostArray *array, int64_t index)
{
    return element_to_double(array->element, (const uint8_t *)array->data + index * element_info[array->element].bytes);
}

const double *site_reals_of_input(Site *s, uint32_t index, const char *what, uint32_t *count)
{
    HostArray array;
    *count = 0;
    if (site_failed(s))
        return NULL;
    if (!site_has(s, index) || !site_array_of(s, site_input(s, index), &array)) {
        report_unknown(s, index, what);
        return NULL;
    }
    *count = (uint32_t)host_array_size(&array);
    double *real = SITE_NEW(s, double, *count);
    for (uint32_t i = 0; real && i < *count; i++)
        real[i] = host_array_real(&array, i);
    return real;
}

/* ---- interpreting what depends on constants only ---- */

enum { ARRAY_MAX = 1 << 16, WORK_MAX = 1 << 12 };

static void array_of_constant(const Module *module, ConstantId id, HostArray *array)
{
    const Constant *constant = constant_get(module, id);
    *array = (HostArray){constant->type.element, constant->type.rank, {0}, NULL};
    for (uint32_t i = 0; i < constant->type.rank; i++)
        array->dim[i] = constant->type.dim[i].constant;
    array->data = (void *)(uintptr_t)constant_data(module, id);
}

bool known_as_array(Site *s, Value value, HostArray *array)
{
    const Dim *dim = site_numbers_of(s, value);
    const Type type = site_type_of(s, value);
    const uint32_t count = dim ? (uint32_t)type_static_size(type) : 0, bytes = element_info[type.element].bytes;
    if (!dim)
        return false;
    uint8_t *data = site_alloc(s, count, bytes);
    for (uint32_t i = 0; data && i < count; i++) {
        if (!dim_is_constant(dim[i]))
            return false;
        memcpy(data + i * bytes, &dim[i].constant, bytes);
    }
    *array = (HostArray){type.element, type.rank, {0}, data};
    for (uint32_t i = 0; i < type.rank; i++)
        array->dim[i] = type.dim[i].constant;
    return data != NULL;
}

typedef struct Interpretation {
    Site *s;
    const Graph *graph;
    Arena arena;
    HostArray *array; /* by value id; data NULL: not there */
    bool *wanted;     /* by node id */
} Interpretation;

static bool leaf_array(Site *s, Value value, HostArray *array)
{
    const Graph *graph = s->builder.graph;
    const Node *node = graph_definition(graph, value);
    if (node->op != OP_constant)
        return known_as_array(s, value, array);
    array_of_constant(graph->module, node_constant(node, ATTR_value), array);
    return array->data != NULL;
}

static bool can_interpret(const Interpretation *in, const Node *node)
{
    if (!(op_info[node->op].traits & PURE) || node->op == OP_parameter || node->region_count)
        return false;
    for (uint32_t i = 0; i < node->result_count; i++) {
        const Type type = value_type(in->graph, node_result(node, i));
        if (!type_is_static(type) || type_static_size(type) > ARRAY_MAX)
            return false;
    }
    return true;
}

/* Marks what the value is made of, with a list in place of recursion. */
static bool mark_needed(Interpretation *in, Value value)
{
    NodeId list[WORK_MAX];
    uint32_t count = 0;
    list[count++] = in->graph->value[value.id].node;
    in->wanted[list[0].id] = true;
    for (uint32_t i = 0; i < count; i++) {
        const Node *node = graph_node(in->graph, list[i]);
        if (!can_interpret(in, node))
            return false;
        for (uint32_t k = 0; k < node->operand_count; k++) {
            const Value operand = node->operand[k];
            const NodeId from = in->graph->value[operand.id].node;
            HostArray *array = &in->array[operand.id];
            if (array->data || in->wanted[from.id] || leaf_array(in->s, operand, array))
                continue;
            if (count == WORK_MAX)
                return false;
            in->wanted[from.id] = true;
            list[count++] = from;
        }
    }
    return true;
}

static bool interpret_node(Interpretation *in, NodeId id)
{
    const Node *node = graph_node(in->graph, id);
    HostArray *operands = ARENA_NEW(&in->arena, HostArray, node->operand_count);
    for (uint32_t i = 0; operands && i < node->operand_count; i++)
        operands[i] = in->array[node->operand[i].id];
    return operands && node_evaluate(in->graph, id, operands, &in->array[node->first_result.id], NULL, &in->arena,
                                     NULL) == STATUS_OK;
}

static bool interpret(Interpretation *in, Value value)
{
    in->array = ARENA_NEW(&in->arena, HostArray, in->graph->value_count);
    in->wanted = ARENA_NEW(&in->arena, bool, in->graph->node_count);
    if (!in->array || !in->wanted || !mark_needed(in, value))
        return false;
    for (uint32_t i = 1; i < in->graph->node_count; i++)
        if (in->wanted[i] && !interpret_node(in, (NodeId){i}))
            return false;
    return in->array[value.id].data != NULL;
}

bool site_array_of(Site *s, Value value, HostArray *array)
{
    if (!value.id || site_failed(s))
        return false;
    if (leaf_array(s, value, array))
        return true;
    Interpretation in = {.s = s, .graph = s->builder.graph};
    arena_init(&in.arena);
    const bool done = interpret(&in, value);
    if (done) {
        *array = in.array[value.id];
        array->data = arena_copy(&s->importer->arena, array->data, host_array_bytes(array));
    }
    arena_release(&in.arena);
    return done && array->data;
}

Value site_settle(Site *s, Value value)
{
    HostArray array;
    if (!site_array_of(s, value, &array))
        return value;
    return build_constant(&s->builder, constant_copy(s->importer->module, site_type_of(s, value), array.data));
}
