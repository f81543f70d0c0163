/* SPDX-License-Identifier: Apache-2.0
 * Applying a graph to all lanes, and what rules are written with. */
#include <string.h>

#include "passes/batch/batch.h"
#include "passes/rewrite.h"

enum { DEEPEST = 64 };

bool batching_enter(Batching *batching, Location location)
{
    if (batching->module->status != STATUS_OK)
        return false;
    if (batching->depth >= DEEPEST) {
        module_fail(batching->module, STATUS_UNSUPPORTED, location_text(batching->module, location),
                    "vmap: regions and calls nest deeper than %d", DEEPEST);
        return false;
    }
    batching->depth++;
    return true;
}

void *batching_scratch(Batching *batching, size_t count, size_t size)
{
    void *memory = arena_alloc_array(&batching->arena, count + 1, size);
    if (memory == NULL)
        module_fail(batching->module, STATUS_OUT_OF_MEMORY, "vmap", "out of memory");
    return memory;
}

/* ---- lanes ---- */

Lanes *lanes_create(Batching *batching, const Graph *from, Graph *to, const Value *argument, const bool *mapped)
{
    Lanes *lanes = SCRATCH(batching, Lanes, 1);
    bool *is_mapped = SCRATCH(batching, bool, from->value_count);
    if (lanes == NULL || is_mapped == NULL)
        return NULL;
    *lanes = (Lanes){.batching = batching, .from = from, .to = to, .mapped = is_mapped};
    if (!value_map_init(&lanes->map, from, &batching->arena)) {
        module_fail(batching->module, STATUS_OUT_OF_MEMORY, "vmap", "out of memory");
        return NULL;
    }
    for (uint32_t i = 0; i < from->parameter_count; i++) {
        is_mapped[from->parameter[i].id] = mapped[i];
        value_map_set(&lanes->map, from->parameter[i], argument[i]);
    }
    return lanes;
}

static void apply_rule(Lanes *lanes, const Node *node, const bool *mapped)
{
    Batching *batching = lanes->batching;
    Value *x = SCRATCH(batching, Value, node->operand_count), *y = SCRATCH(batching, Value, node->result_count);
    if (x == NULL || y == NULL)
        return;
    for (uint32_t i = 0; i < node->operand_count; i++)
        x[i] = value_map_get(&lanes->map, node->operand[i]);
    BatchRule r = {.b = {lanes->to, node->location, node->clone},
                   .lanes = lanes,
                   .node = node,
                   .x = x,
                   .mapped = mapped,
                   .due = lanes->mapped + node->first_result.id,
                   .y = y};
    batch_rule[node->op](&r);
    for (uint32_t i = 0; i < node->result_count; i++)
        value_map_set(&lanes->map, node_result(node, i), y[i]);
}

static void run_node(Lanes *lanes, NodeId id)
{
    const Node *node = graph_node(lanes->from, id);
    bool *mapped = SCRATCH(lanes->batching, bool, node->operand_count), any = false;
    for (uint32_t i = 0; i < node->operand_count && mapped != NULL; i++) {
        mapped[i] = lanes->mapped[node->operand[i].id];
        any = any || mapped[i];
    }
    if (mapped == NULL || !mapped_by_node(lanes->batching, node, mapped, lanes->mapped + node->first_result.id))
        return;
    if (any)
        apply_rule(lanes, node, mapped);
    else
        graph_copy_node(lanes->from, id, lanes->to, &lanes->map);
}

void lanes_run(Lanes *lanes)
{
    for (uint32_t n = lanes->from->parameter_count + 1; n < lanes->from->node_count; n++)
        if (lanes->batching->module->status == STATUS_OK)
            run_node(lanes, (NodeId){n});
}

Value lanes_result(const Lanes *lanes, uint32_t i, bool mapped)
{
    const Value result = lanes->from->result[i], copy = value_map_get(&lanes->map, result);
    Builder b = {lanes->to, {0}, 0};
    return mapped && !lanes->mapped[result.id] ? build_mapped(&b, lanes->batching, copy) : copy;
}

static Graph *make_region(Batching *batching, const Graph *from, const bool *mapped, const bool *due)
{
    Graph *to = graph_create(batching->module, "");
    Value *argument = SCRATCH(batching, Value, from->parameter_count);
    for (uint32_t i = 0; i < from->parameter_count && to != NULL && argument != NULL; i++) {
        const Type type = value_type(from, from->parameter[i]);
        argument[i] = graph_add_parameter(to, parameter_name(from, i), mapped[i] ? mapped_type(batching, type) : type);
    }
    Lanes *lanes = to == NULL || argument == NULL ? NULL : lanes_create(batching, from, to, argument, mapped);
    if (lanes == NULL)
        return NULL;
    lanes_run(lanes);
    for (uint32_t i = 0; i < from->result_count; i++)
        graph_add_result(to, lanes_result(lanes, i, due[i]), from->result_name[i]);
    return batching->module->status == STATUS_OK ? to : NULL;
}

Graph *batch_region(Batching *batching, const Graph *from, const bool *mapped, const bool *due)
{
    if (!batching_enter(batching, (Location){0}))
        return NULL;
    Graph *to = make_region(batching, from, mapped, due);
    batching->depth--;
    return to;
}

/* ---- types and values ---- */

Type batch_operand_type(const BatchRule *r, uint32_t i)
{
    return value_type(r->lanes->from, r->node->operand[i]);
}

Type batch_result_type(const BatchRule *r, uint32_t i)
{
    return value_type(r->lanes->from, node_result(r->node, i));
}

Type mapped_type(Batching *batching, Type type)
{
    Dim dim[MAX_RANK + 1] = {batching->size};
    if (type.rank == MAX_RANK) {
        module_fail(batching->module, STATUS_UNSUPPORTED, "vmap", "a mapped value has more than %d axes", MAX_RANK);
        return type;
    }
    for (uint32_t i = 0; i < type.rank; i++)
        dim[i + 1] = type.dim[i];
    return type_make(batching->module, type.element, dim, type.rank + 1);
}

Value build_mapped(Builder *b, Batching *batching, Value x)
{
    int64_t axes[MAX_RANK];
    if (batching->module->status != STATUS_OK)
        return (Value){0};
    const Type type = mapped_type(batching, value_type(b->graph, x));
    for (uint32_t i = 0; i + 1 < type.rank; i++)
        axes[i] = i + 1;
    return build_broadcast(b, x, type.dim, type.rank, axes);
}

Value batch_operand(BatchRule *r, uint32_t i)
{
    return r->mapped[i] ? r->x[i] : build_mapped(&r->b, r->lanes->batching, r->x[i]);
}

Value *batch_operands(BatchRule *r)
{
    Value *operand = SCRATCH(r->lanes->batching, Value, r->node->operand_count);
    for (uint32_t i = 0; i < r->node->operand_count && operand != NULL; i++)
        operand[i] = batch_operand(r, i);
    return operand;
}

Value build_move_axis(Builder *b, Value x, uint32_t from, uint32_t to)
{
    int64_t permutation[MAX_RANK];
    const uint32_t rank = b->graph->module->status == STATUS_OK ? value_type(b->graph, x).rank : 0;
    for (uint32_t i = 0, next = 0; i < rank; i++) {
        next += next == from;
        permutation[i] = i == to ? from : next++;
    }
    return from == to ? x : build_transpose(b, x, permutation);
}

/* ---- nodes ---- */

static void take_results(BatchRule *r, NodeId made)
{
    for (uint32_t i = 0; i < r->node->result_count && made.id != 0; i++)
        r->y[i] = node_result(graph_node(r->b.graph, made), i);
}

void batch_add(BatchRule *r, const Value *operand, const Attr *attr, uint32_t attr_count, Graph *const *region)
{
    const NodeSpec spec = {.op = r->node->op,
                           .operand = operand,
                           .operand_count = r->node->operand_count,
                           .attr = attr,
                           .attr_count = attr_count,
                           .region = region,
                           .region_count = region == NULL ? 0 : r->node->region_count,
                           .location = r->b.location,
                           .clone = r->b.clone};
    take_results(r, graph_add(r->b.graph, &spec));
}

/* What comes of a list by axis when there is an axis more in front, and of numbers that count axes. */
typedef struct AttrShift {
    enum { LEAD_NOTHING, LEAD_ZERO, LEAD_ONE, LEAD_SIZE } lead;
    int64_t plus;
} AttrShift;

static const AttrShift shift_of[ATTR_COUNT] = {
    [ATTR_axis] = {LEAD_NOTHING, 1},     [ATTR_axes] = {LEAD_NOTHING, 1},  [ATTR_batch_count] = {LEAD_NOTHING, 1},
    [ATTR_permutation] = {LEAD_ZERO, 1}, [ATTR_shape] = {LEAD_SIZE, 0},    [ATTR_starts] = {LEAD_ZERO, 0},
    [ATTR_limits] = {LEAD_SIZE, 0},      [ATTR_strides] = {LEAD_ONE, 0},   [ATTR_low] = {LEAD_ZERO, 0},
    [ATTR_high] = {LEAD_ZERO, 0},        [ATTR_interior] = {LEAD_ZERO, 0},
};

static void shift_integers(Batching *batching, AttrShift shift, Attr *attr)
{
    int64_t *list = SCRATCH(batching, int64_t, attr->count + 1);
    const uint32_t leads = shift.lead != LEAD_NOTHING;
    if (list == NULL)
        return;
    list[0] = shift.lead == LEAD_ONE;
    for (uint32_t i = 0; i < attr->count; i++)
        list[i + leads] = attr->integers[i] + shift.plus;
    attr->integers = list;
    attr->count += leads;
}

static void shift_dims(Batching *batching, AttrShift shift, Attr *attr)
{
    Dim *list = SCRATCH(batching, Dim, attr->count + 1);
    if (list == NULL)
        return;
    list[0] = shift.lead == LEAD_SIZE ? batching->size : dim_constant(0);
    memcpy(list + 1, attr->dims, attr->count * sizeof *list);
    attr->dims = list;
    attr->count++;
}

void batch_shift(BatchRule *r, const Value *operand)
{
    Batching *batching = r->lanes->batching;
    Attr *attr = SCRATCH(batching, Attr, r->node->attr_count);
    for (uint32_t i = 0; i < r->node->attr_count && attr != NULL; i++) {
        attr[i] = r->node->attr[i];
        const AttrShift shift = shift_of[attr[i].key];
        if (attr_info[attr[i].key].form == FORM_INTEGER)
            attr[i].integer += shift.plus;
        else if (attr_info[attr[i].key].form == FORM_INTEGERS)
            shift_integers(batching, shift, &attr[i]);
        else if (attr_info[attr[i].key].form == FORM_DIMS)
            shift_dims(batching, shift, &attr[i]);
    }
    if (attr != NULL && operand != NULL && batching->module->status == STATUS_OK)
        batch_add(r, operand, attr, r->node->attr_count, NULL);
}

/* ---- one lane after the other ---- */

/* Parameters of the body: a lane of each mapped operand, then the unmapped ones. */
static Graph *one_lane(BatchRule *r, const uint32_t *order)
{
    Graph *body = graph_create(r->lanes->batching->module, "");
    Value *operand = SCRATCH(r->lanes->batching, Value, r->node->operand_count);
    if (body == NULL || operand == NULL)
        return NULL;
    for (uint32_t i = 0; i < r->node->operand_count; i++)
        operand[order[i]] = graph_add_parameter(body, "", batch_operand_type(r, order[i]));
    NodeSpec spec = {.op = r->node->op,
                     .operand = operand,
                     .operand_count = r->node->operand_count,
                     .attr = r->node->attr,
                     .attr_count = r->node->attr_count,
                     .region = r->node->region,
                     .region_count = r->node->region_count,
                     .location = r->b.location,
                     .clone = r->b.clone};
    const NodeId id = graph_add(body, &spec);
    for (uint32_t i = 0; i < r->node->result_count && id.id != 0; i++)
        graph_add_result(body, node_result(graph_node(body, id), i), "");
    return id.id == 0 ? NULL : body;
}

void batch_one_by_one(BatchRule *r)
{
    Batching *batching = r->lanes->batching;
    const uint32_t count = r->node->operand_count;
    uint32_t *order = SCRATCH(batching, uint32_t, count), inputs = 0, at = 0;
    Value *operand = SCRATCH(batching, Value, count);
    if (order == NULL || operand == NULL)
        return;
    for (uint32_t pass = 0; pass < 2; pass++)
        for (uint32_t i = 0; i < count; i++)
            if (r->mapped[i] == (pass == 0)) {
                inputs += pass == 0;
                operand[at] = r->x[i];
                order[at++] = i;
            }
    Graph *body = one_lane(r, order);
    if (body != NULL)
        build_scan(&r->b, operand, count, 0, inputs, batching->size, false, body, r->y);
}
