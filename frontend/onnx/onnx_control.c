/* SPDX-License-Identifier: Apache-2.0
 * ONNX control flow: If, Loop, Scan.
 * Subgraphs become closed regions: the outer values they use are operands of the node and parameters of the region.
 * Those known while importing (constants, shapes) are made again inside, so that shapes can be worked out there. */
#include <string.h>

#include "frontend/onnx/onnx_rules.h"

/* A region while it is filled. */
typedef struct Region {
    Importer *importer;
    const Onnx__GraphProto *proto;
    Sheet *sheet;
    Scope scope;
} Region;

/* Outer values that regions of one node capture: operands, in order. */
typedef struct Outer {
    Captures names;
    Value *value;
    bool *is_operand; /* else it is made again inside */
    uint32_t operand_count;
} Outer;

static bool is_known_inside(const Site *s, Value value)
{
    return graph_definition(s->builder.graph, value)->op == OP_constant || site_numbers_of(s, value) != NULL;
}

/* False: reported, or an outer value's node failed. */
static bool find_outer(Site *s, const Onnx__GraphProto *const *proto, uint32_t count, Outer *outer)
{
    *outer = (Outer){0};
    for (uint32_t i = 0; i < count; i++)
        if (!captures_find(s->importer, proto[i], &outer->names)) {
            site_unsupported(s, "subgraphs nest too deep");
            return false;
        }
    outer->value = SITE_NEW(s, Value, outer->names.name_count);
    outer->is_operand = SITE_NEW(s, bool, outer->names.name_count);
    for (uint32_t i = 0; i < outer->names.name_count && !site_failed(s); i++) {
        const NameEntry *entry = scope_find(s->importer, s->scope, outer->names.name[i]);
        if (!entry)
            site_invalid(s, "'%s' is used in a subgraph but given by no node before", outer->names.name[i]);
        else if (!entry->value.id)
            s->failed = true; /* reported where it failed */
        else {
            outer->value[i] = entry->value;
            outer->is_operand[i] = !is_known_inside(s, entry->value);
            outer->operand_count += outer->is_operand[i];
        }
    }
    return !site_failed(s);
}

/* Operands: the node's own, then what is captured. */
static Value *all_operands(Site *s, const Value *own, uint32_t own_count, const Outer *outer)
{
    Value *operand = SITE_NEW(s, Value, own_count + outer->operand_count);
    uint32_t count = own_count;
    if (operand && own_count)
        memcpy(operand, own, own_count * sizeof *own);
    for (uint32_t i = 0; operand && i < outer->names.name_count; i++)
        if (outer->is_operand[i])
            operand[count++] = outer->value[i];
    return operand;
}

static Site region_site(const Site *s, Region *region)
{
    Site inner = *s;
    inner.scope = &region->scope;
    inner.builder.graph = region->sheet->graph;
    return inner;
}

/* A known outer value, made again. */
static Value remake(Site *s, Site *inner, Value value)
{
    const Type type = site_type_of(s, value);
    const Node *node = graph_definition(s->builder.graph, value);
    if (node->op == OP_constant)
        return build_constant(&inner->builder, node_constant(node, ATTR_value));
    const uint32_t count = (uint32_t)type_static_size(type);
    const Value list = site_dims_vector(inner, site_numbers_of(s, value), count);
    return build_reshape(&inner->builder, build_cast(&inner->builder, list, type.element), type.dim, type.rank);
}

/* Starts a region: parameters of the given types, the first of which are the subgraph's inputs from `first_input` on.
 */
static bool region_open(Site *s, Region *region, const Onnx__GraphProto *proto, const Type *own, uint32_t own_count,
                        const Outer *outer, Value *parameter)
{
    Importer *importer = s->importer;
    *region = (Region){.importer = importer, .proto = proto};
    region->sheet = sheet_create(importer, graph_create(importer->module, ""));
    if (!region->sheet || !region->sheet->graph || !scope_init(&region->scope, importer, NULL, region->sheet))
        return false;
    region->scope.opset = s->scope->opset;
    region->scope.opset_count = s->scope->opset_count;
    region->scope.call = s->scope->call;
    region->scope.function = s->scope->function;
    Site inner = region_site(s, region);
    for (uint32_t i = 0; i < own_count; i++)
        parameter[i] = graph_add_parameter(region->sheet->graph, "", own[i]);
    for (uint32_t i = 0; i < outer->names.name_count; i++)
        if (outer->is_operand[i]) {
            const Value value = graph_add_parameter(region->sheet->graph, "", site_type_of(s, outer->value[i]));
            scope_bind(importer, &region->scope, outer->names.name[i], value, NULL);
        }
    for (uint32_t i = 0; i < outer->names.name_count; i++)
        if (!outer->is_operand[i])
            scope_bind(importer, &region->scope, outer->names.name[i], remake(s, &inner, outer->value[i]), NULL);
    return !site_failed(s);
}

static bool region_bind(Region *region, size_t input, Value value)
{
    return scope_bind(region->importer, &region->scope, onnx_text(region->proto->input[input]->name), value, NULL);
}

/* Imports the nodes; result[i] gets output i. False when something failed: the site has then failed too. */
static bool region_import(Site *s, Region *region, Value *result)
{
    Importer *importer = s->importer;
    const uint32_t failures = importer->failure_count;
    if (importer->depth == MAX_NESTING) {
        site_unsupported(s, "subgraphs nest too deep");
        return false;
    }
    importer->depth++;
    import_initializers(importer, &region->scope, region->proto);
    import_nodes(importer, &region->scope, region->proto->node, region->proto->n_node);
    importer->depth--;
    for (size_t i = 0; i < region->proto->n_output && failures == importer->failure_count; i++) {
        const char *name = onnx_text(region->proto->output[i]->name);
        const NameEntry *entry = scope_find(importer, &region->scope, name);
        if (!entry)
            site_invalid(s, "the subgraph's output '%s' is given by no node", name);
        else
            result[i] = entry->value;
    }
    if (failures != importer->failure_count)
        s->failed = true;
    return !site_failed(s);
}

bool site_inline(Site *s, const Onnx__GraphProto *proto, const Value *input, Value *result)
{
    Region region = {.importer = s->importer, .proto = proto, .sheet = s->scope->sheet};
    if (!scope_init(&region.scope, s->importer, s->scope, s->scope->sheet))
        return false;
    for (size_t i = 0; i < proto->n_input; i++)
        region_bind(&region, i, input[i]);
    return region_import(s, &region, result);
}

/* ---- If ---- */

/* The branch that is taken is known: its nodes go in place of the If. */
static void inline_branch(Site *s, const Onnx__GraphProto *branch)
{
    Value *result = SITE_NEW(s, Value, branch->n_output);
    if (branch->n_input != 0)
        site_invalid(s, "a branch has inputs");
    if (site_failed(s) || !site_inline(s, branch, NULL, result))
        return;
    for (uint32_t i = 0; i < branch->n_output; i++)
        site_give(s, i, result[i]);
}

static Graph *import_branch(Site *s, const Onnx__GraphProto *branch, const Outer *outer)
{
    Region region;
    Value *result = SITE_NEW(s, Value, branch->n_output);
    if (!result || !region_open(s, &region, branch, NULL, 0, outer, NULL) || !region_import(s, &region, result))
        return NULL;
    for (size_t i = 0; i < branch->n_output; i++)
        graph_add_result(region.sheet->graph, result[i], "");
    return region.sheet->graph;
}

void import_if(Site *s)
{
    HostArray condition;
    Outer outer;
    const Onnx__GraphProto *branch[2] = {site_graph(s, "then_branch"), site_graph(s, "else_branch")};
    if (!branch[0] || !branch[1] || branch[0]->n_output != s->output_count || branch[1]->n_output != s->output_count) {
        site_invalid(s, "branches with %u outputs each are due", s->output_count);
        return;
    }
    if (site_array_of(s, site_input(s, 0), &condition) && host_array_size(&condition) == 1) {
        inline_branch(s, branch[host_array_real(&condition, 0) != 0 ? 0 : 1]);
        return;
    }
    if (!find_outer(s, branch, 2, &outer))
        return;
    Graph *then_region = import_branch(s, branch[0], &outer);
    Graph *else_region = then_region ? import_branch(s, branch[1], &outer) : NULL;
    const Value *operand = all_operands(s, NULL, 0, &outer);
    if (!else_region || !operand || site_failed(s))
        return;
    const Value predicate = build_reshape(&s->builder, site_input(s, 0), NULL, 0);
    build_if(&s->builder, predicate, operand, outer.operand_count, then_region, else_region, s->output);
}

/* ---- Loop ---- */

typedef struct Loop {
    const Onnx__GraphProto *body;
    uint32_t carried, stacked; /* of the loop's own: without iteration number and condition */
    Outer outer;
    Value *initial; /* carried */
    Type *type;     /* of them */
} Loop;

static bool read_loop(Site *s, Loop *loop)
{
    *loop = (Loop){.body = site_graph(s, "body"), .carried = s->input_count > 2 ? s->input_count - 2 : 0};
    if (!loop->body || loop->body->n_input != loop->carried + 2u || loop->body->n_output < loop->carried + 1u ||
        s->output_count > loop->body->n_output - 1u) {
        site_invalid(s, "the body's inputs and outputs don't fit %u carried values", loop->carried);
        return false;
    }
    loop->stacked = (uint32_t)loop->body->n_output - 1 - loop->carried;
    loop->initial = SITE_NEW(s, Value, loop->carried + 2);
    loop->type = SITE_NEW(s, Type, loop->carried + 2);
    for (uint32_t i = 0; i < loop->carried && !site_failed(s); i++) {
        loop->initial[i] = site_input(s, 2 + i);
        loop->type[i] = site_type(s, 2 + i);
        if (!loop->initial[i].id)
            site_invalid(s, "carried value %u is missing", i);
    }
    const Onnx__GraphProto *bodies[] = {loop->body};
    return !site_failed(s) && find_outer(s, bodies, 1, &loop->outer);
}

static bool is_true(Site *s, Value value)
{
    HostArray array;
    return site_array_of(s, value, &array) && host_array_size(&array) == 1 && host_array_real(&array, 0) != 0;
}

/* As many iterations as given, for a condition that is always true: a scan over the iteration numbers.
 * False, with nothing reported, when the condition isn't. */
static bool loop_as_scan(Site *s, const Loop *loop, Dim count)
{
    Builder *b = &s->builder;
    Region region;
    const uint32_t own = loop->carried + 1;
    Type *type = SITE_NEW(s, Type, own);
    Value *parameter = SITE_NEW(s, Value, own), *result = SITE_NEW(s, Value, loop->body->n_output);
    Value *start = SITE_NEW(s, Value, own), *final = SITE_NEW(s, Value, loop->carried + loop->stacked);
    if (site_failed(s))
        return true;
    memcpy(type, loop->type, loop->carried * sizeof *type);
    memcpy(start, loop->initial, loop->carried * sizeof *start);
    type[loop->carried] = type_scalar(ELEMENT_i64);
    start[loop->carried] = build_iota(b, type_make(s->importer->module, ELEMENT_i64, &count, 1), 0);
    if (!region_open(s, &region, loop->body, type, own, &loop->outer, parameter))
        return true;
    Site inner = region_site(s, &region);
    const uint8_t yes = 1;
    const Value condition =
        build_constant(&inner.builder, constant_copy(s->importer->module, type_scalar(ELEMENT_bool), &yes));
    region_bind(&region, 0, parameter[loop->carried]);
    region_bind(&region, 1, condition);
    for (uint32_t i = 0; i < loop->carried; i++)
        region_bind(&region, 2 + i, parameter[i]);
    if (!region_import(s, &region, result))
        return true;
    if (!is_true(&inner, result[0]))
        return false;
    for (uint32_t i = 1; i < loop->body->n_output; i++)
        graph_add_result(region.sheet->graph, result[i], "");
    const Value *operand = all_operands(s, start, own, &loop->outer);
    if (site_failed(s))
        return true;
    build_scan(b, operand, own + loop->outer.operand_count, loop->carried, 1, count, false, region.sheet->graph, final);
    for (uint32_t i = 0; i < loop->carried + loop->stacked; i++)
        site_give(s, i, final[i]);
    return true;
}

/* Carried: iteration number, whether to go on, the loop's own. The trip count is in the condition. */
static Graph *loop_condition(Site *s, const Loop *loop, const Type *type, uint32_t own, Value trips)
{
    Region region;
    const uint32_t limit = own - 1;
    Value *parameter = SITE_NEW(s, Value, own);
    if (!parameter || !region_open(s, &region, loop->body, type, own, &loop->outer, parameter))
        return NULL;
    Site inner = region_site(s, &region);
    Value go_on = parameter[1];
    if (trips.id)
        go_on = build_binary(&inner.builder, OP_and, go_on,
                             build_binary(&inner.builder, OP_less, parameter[0], parameter[limit]));
    graph_add_result(region.sheet->graph, go_on, "");
    return region.sheet->graph;
}

static Graph *loop_body(Site *s, const Loop *loop, const Type *type, uint32_t own)
{
    Region region;
    Value *parameter = SITE_NEW(s, Value, own), *result = SITE_NEW(s, Value, loop->body->n_output);
    if (!parameter || !result || !region_open(s, &region, loop->body, type, own, &loop->outer, parameter))
        return NULL;
    Site inner = region_site(s, &region);
    for (uint32_t i = 0; i < loop->carried + 2; i++)
        region_bind(&region, i, parameter[i]);
    if (!region_import(s, &region, result))
        return NULL;
    graph_add_result(region.sheet->graph, build_binary_scalar(&inner.builder, OP_add, parameter[0], 1), "");
    graph_add_result(region.sheet->graph, build_reshape(&inner.builder, result[0], NULL, 0), "");
    for (uint32_t i = 0; i < loop->carried; i++)
        graph_add_result(region.sheet->graph, result[1 + i], "");
    graph_add_result(region.sheet->graph, parameter[own - 1], "");
    return region.sheet->graph;
}

static void loop_as_while(Site *s, const Loop *loop)
{
    Builder *b = &s->builder;
    const uint32_t own = loop->carried + 3; /* and the trip count, carried along */
    const uint8_t yes = 1;
    Type *type = SITE_NEW(s, Type, own);
    Value *start = SITE_NEW(s, Value, own), *final = SITE_NEW(s, Value, own);
    if (site_failed(s))
        return;
    const Value trips = site_input(s, 0);
    start[0] = build_scalar_i64(b, ELEMENT_i64, 0);
    start[1] = site_has(s, 1) ? build_reshape(b, site_input(s, 1), NULL, 0)
                              : build_constant(b, constant_copy(s->importer->module, type_scalar(ELEMENT_bool), &yes));
    memcpy(start + 2, loop->initial, loop->carried * sizeof *start);
    start[own - 1] = trips.id ? build_reshape(b, trips, NULL, 0) : build_scalar_i64(b, ELEMENT_i64, 0);
    for (uint32_t i = 0; i < own && !site_failed(s); i++)
        type[i] = site_type_of(s, start[i]);
    Graph *body = loop_body(s, loop, type, own);
    Graph *condition = body ? loop_condition(s, loop, type, own, trips) : NULL;
    const Value *operand = all_operands(s, start, own, &loop->outer);
    if (!condition || !operand || site_failed(s))
        return;
    build_while(b, operand, own + loop->outer.operand_count, own, condition, body, final);
    for (uint32_t i = 0; i < loop->carried; i++)
        site_give(s, i, final[2 + i]);
}

void import_loop(Site *s)
{
    Loop loop;
    if (!read_loop(s, &loop))
        return;
    const Dim *trips = site_has(s, 0) ? site_numbers_of(s, site_input(s, 0)) : NULL;
    const bool starts = !site_has(s, 1) || is_true(s, site_input(s, 1));
    if (trips && starts) {
        const Dim count = dim_max(s->importer->module, *trips, dim_constant(0));
        if (loop_as_scan(s, &loop, count))
            return;
    }
    if (loop.stacked)
        site_unsupported(s, "outputs that grow with a number of iterations known only when the model runs");
    else
        loop_as_while(s, &loop);
}

/* ---- Scan ---- */

static int64_t list_entry(const int64_t *list, uint32_t count, uint32_t index)
{
    return list && index < count ? list[index] : 0;
}

/* The axis moved to the front, or the first one to it. */
static Value move_axis(Site *s, Value x, uint32_t axis, bool to_front)
{
    int64_t permutation[MAX_RANK];
    const uint32_t rank = site_type_of(s, x).rank;
    for (uint32_t i = 0; i < rank; i++) {
        if (to_front)
            permutation[i] = i == 0 ? axis : i <= axis ? i - 1 : i;
        else
            permutation[i] = i < axis ? i + 1 : i == axis ? 0 : i;
    }
    return axis == 0 ? x : build_transpose(&s->builder, x, permutation);
}

static Value turned(Site *s, Value x)
{
    const int64_t first = 0;
    return build_reverse(&s->builder, x, &first, 1);
}

/* Inputs with the scanned axis in front and in order of use; their slices' types. */
static bool scan_inputs(Site *s, uint32_t carried, uint32_t count, Value *operand, Type *type)
{
    uint32_t axis_count, direction_count;
    const int64_t *axes = site_integers(s, "scan_input_axes", &axis_count);
    const int64_t *directions = site_integers(s, "scan_input_directions", &direction_count);
    for (uint32_t i = 0; i < count && !site_failed(s); i++) {
        const Type whole = site_type(s, carried + i);
        const uint32_t axis = site_axis(s, list_entry(axes, axis_count, i), whole.rank);
        if (site_failed(s))
            return false;
        Value x = move_axis(s, site_input(s, carried + i), axis, true);
        if (list_entry(directions, direction_count, i))
            x = turned(s, x);
        operand[carried + i] = x;
        const Type moved = site_type_of(s, x);
        type[carried + i] =
            type_make(s->importer->module, moved.element, moved.dim + 1, moved.rank ? moved.rank - 1 : 0);
    }
    return !site_failed(s);
}

void import_scan(Site *s)
{
    Region region;
    Outer outer;
    uint32_t axis_count, direction_count;
    const Onnx__GraphProto *body = site_graph(s, "body");
    const int64_t inputs = site_integer(s, "num_scan_inputs", 0);
    const int64_t *axes = site_integers(s, "scan_output_axes", &axis_count);
    const int64_t *directions = site_integers(s, "scan_output_directions", &direction_count);
    if (s->opset < 9) {
        site_unsupported(s, "Scan of opset 8");
        return;
    }
    if (!body || inputs < 1 || inputs > s->input_count || body->n_input != s->input_count ||
        body->n_output != s->output_count || s->output_count + (uint64_t)inputs < s->input_count) {
        site_invalid(s, "the body's inputs and outputs don't fit");
        return;
    }
    const uint32_t carried = s->input_count - (uint32_t)inputs;
    Value *operand = SITE_NEW(s, Value, s->input_count), *parameter = SITE_NEW(s, Value, s->input_count);
    Value *result = SITE_NEW(s, Value, s->output_count), *final = SITE_NEW(s, Value, s->output_count);
    Type *type = SITE_NEW(s, Type, s->input_count);
    for (uint32_t i = 0; i < s->input_count && !site_failed(s); i++) {
        operand[i] = site_input(s, i);
        type[i] = site_type(s, i);
        if (!operand[i].id)
            site_invalid(s, "input %u is missing", i);
    }
    const Onnx__GraphProto *bodies[] = {body};
    if (site_failed(s) || !scan_inputs(s, carried, (uint32_t)inputs, operand, type) ||
        !find_outer(s, bodies, 1, &outer) || !region_open(s, &region, body, type, s->input_count, &outer, parameter))
        return;
    for (uint32_t i = 0; i < s->input_count; i++)
        region_bind(&region, i, parameter[i]);
    if (!region_import(s, &region, result))
        return;
    for (uint32_t i = 0; i < s->output_count; i++)
        graph_add_result(region.sheet->graph, result[i], "");
    const Dim length = site_type_of(s, operand[carried]).dim[0];
    const Value *all = all_operands(s, operand, s->input_count, &outer);
    if (site_failed(s))
        return;
    build_scan(&s->builder, all, s->input_count + outer.operand_count, carried, (uint32_t)inputs, length, false,
               region.sheet->graph, final);
    for (uint32_t i = 0; i < s->output_count && !site_failed(s); i++) {
        Value y = final[i];
        if (i >= carried) {
            const uint32_t rank = site_type_of(s, y).rank;
            if (list_entry(directions, direction_count, i - carried))
                y = turned(s, y);
            y = move_axis(s, y, site_axis(s, list_entry(axes, axis_count, i - carried), rank), false);
        }
        site_give(s, i, y);
    }
}
