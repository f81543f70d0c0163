/* SPDX-License-Identifier: Apache-2.0
 * From an ONNX file to a module: options, inputs, nodes in order, outputs.
 * All failures of nodes are collected before the import gives up; see importer.h. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "frontend/onnx/onnx_rules.h"

/* ---- failing ---- */

enum { MAX_MESSAGES = 1000 };

void import_fail(Importer *importer, Status status, const char *where, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (importer->failure_count++ < MAX_MESSAGES)
        diag_fail(importer->module->diag, status, where, "%s", text);
    importer->is_invalid = importer->is_invalid || status == STATUS_INVALID;
}

void import_bound(Importer *importer, const char *name, int64_t max)
{
    SymbolBound *bound = ARENA_NEW(&importer->arena, SymbolBound, 1);
    char *copy = arena_strdup(&importer->arena, name);
    if (!bound || !copy)
        return;
    *bound = (SymbolBound){copy, INT64_MIN, max, importer->new_bound};
    importer->new_bound = bound;
}

bool import_recover(Importer *importer)
{
    const Status status = importer->module->status;
    if (status != STATUS_INVALID && status != STATUS_UNSUPPORTED)
        return false;
    importer->module->status = STATUS_OK;
    return true;
}

/* ---- nodes ---- */

static const char *site_place(Site *s)
{
    const char *name = onnx_text(s->proto->name), *op = onnx_text(s->proto->op_type);
    const char *domain = onnx_text(s->proto->domain);
    Arena *arena = &s->importer->arena;
    const char *full = *domain ? arena_printf(arena, "%s.%s", domain, op) : op;
    if (!*name && s->proto->n_output)
        name = s->proto->output[0];
    const char *place = arena_printf(arena, "%s: node '%s' (%s)", s->importer->file_name, name, full);
    return place ? place : "";
}

/* False when an input can't be had: its node failed, or (reported) nobody gives it. */
static bool resolve_inputs(Site *s)
{
    bool whole = true;
    s->input_count = (uint32_t)s->proto->n_input;
    s->input = SITE_NEW(s, Value, s->input_count);
    for (uint32_t i = 0; s->input && i < s->input_count; i++) {
        const char *name = s->proto->input[i];
        if (!*name)
            continue;
        const NameEntry *entry = scope_find(s->importer, s->scope, name);
        if (!entry)
            site_invalid(s, "input '%s' is given by no node before this one", name);
        else if (entry->value.id)
            s->input[i] = entry->value;
        else if (!entry->is_absent)
            whole = false;
    }
    return whole && s->input && !s->failed;
}

static const Onnx__FunctionProto *find_function(const Site *s)
{
    const Onnx__ModelProto *model = s->importer->file.model;
    for (size_t i = 0; i < model->n_functions; i++) {
        const Onnx__FunctionProto *function = model->functions[i];
        if (strcmp(onnx_text(function->name), onnx_text(s->proto->op_type)) == 0 &&
            strcmp(onnx_text(function->domain), onnx_text(s->proto->domain)) == 0 &&
            strcmp(onnx_text(function->overload), onnx_text(s->proto->overload)) == 0)
            return function;
    }
    return NULL;
}

static const char *site_domain(const Site *s)
{
    const char *domain = onnx_text(s->proto->domain);
    return strcmp(domain, "ai.onnx") == 0 ? "" : domain;
}

static bool check_row(Site *s, const OnnxRow *row, bool is_known)
{
    const char *domain = site_domain(s);
    if (s->opset < 0)
        site_invalid(s, "the model imports no opset of domain '%s'", domain);
    else if (!*domain && s->opset > NEWEST_OPSET)
        site_unsupported(s, "opset %lld is newer than this program knows (%d)", (long long)s->opset, NEWEST_OPSET);
    else if (!row && is_known)
        site_unsupported(s, "not in opset %lld", (long long)s->opset);
    else if (!row)
        site_unsupported(s, "unknown op");
    else if (s->input_count < row->min_inputs || s->input_count > row->max_inputs)
        site_invalid(s, "%u inputs are out of range", s->input_count);
    for (uint32_t i = 0; row && i < row->min_inputs && !s->failed; i++)
        if (!s->input[i].id)
            site_invalid(s, "input %u is missing", i);
    return !s->failed;
}

static void run_rule(Site *s)
{
    const Onnx__FunctionProto *function = find_function(s);
    if (function) {
        import_function(s, function);
        return;
    }
    bool is_known;
    s->opset = scope_opset(s->scope, site_domain(s));
    const OnnxRow *row = onnx_row_find(site_domain(s), onnx_text(s->proto->op_type), s->opset, &is_known);
    if (!check_row(s, row, is_known))
        return;
    s->argument = row->argument;
    row->rule(s);
}

/* Values whose integers are known take the plainest form: constants, dimensions. What led to them is dead then. */
static Value simplest(Site *s, Value value)
{
    const Dim *dim = site_numbers_of(s, value);
    if (!dim || site_failed(s))
        return value;
    HostArray array;
    const Type type = site_type_of(s, value);
    const OpKind op = graph_definition(s->builder.graph, value)->op;
    const uint32_t count = (uint32_t)type_static_size(type);
    if (op == OP_constant || op == OP_dimension || op == OP_parameter)
        return value;
    if (known_as_array(s, value, &array))
        return build_constant(&s->builder, constant_copy(s->importer->module, type, array.data));
    if (count > MAX_RANK || type.element == ELEMENT_bool)
        return value;
    const Value plain = count == 1 ? build_dimension(&s->builder, dim[0]) : site_dims_vector(s, dim, count);
    return build_reshape(&s->builder, build_cast(&s->builder, plain, type.element), type.dim, type.rank);
}

static void bind_outputs(Site *s)
{
    for (uint32_t i = 0; i < s->output_count; i++) {
        const char *name = s->proto->output[i];
        if (!*name)
            continue;
        if (!s->failed && !s->output[i].id)
            site_unsupported(s, "output %u", i);
        const Value value = s->failed ? (Value){0} : simplest(s, s->output[i]);
        if (!scope_bind(s->importer, s->scope, name, value, NULL) && s->importer->module->status == STATUS_OK)
            import_fail(s->importer, STATUS_INVALID, location_text(s->importer->module, s->builder.location),
                        "output '%s' has a name that is taken", name);
    }
}

static void import_node(Importer *importer, Scope *scope, const Onnx__NodeProto *node)
{
    Site s = {.importer = importer, .scope = scope, .proto = node, .builder = {.graph = scope->sheet->graph}};
    if (++importer->site_count > MAX_SITES) {
        module_fail(importer->module, STATUS_UNSUPPORTED, importer->file_name, "more than %d nodes", MAX_SITES);
        return;
    }
    s.builder.location = module_location(importer->module, site_place(&s));
    s.output_count = (uint32_t)node->n_output;
    s.output = SITE_NEW(&s, Value, s.output_count);
    if (!s.output || !resolve_inputs(&s))
        s.failed = true;
    else
        run_rule(&s);
    if (importer->module->status != STATUS_OK) { /* a builder failed, and has said so */
        importer->failure_count++;
        s.failed = true;
        if (!import_recover(importer))
            return;
    }
    bind_outputs(&s);
}

void import_nodes(Importer *importer, Scope *scope, Onnx__NodeProto *const *node, size_t count)
{
    for (size_t i = 0; i < count && importer->module->status == STATUS_OK; i++)
        import_node(importer, scope, node[i]);
}

/* ---- functions of the model ---- */

void import_function(Site *s, const Onnx__FunctionProto *function)
{
    Importer *importer = s->importer;
    Scope scope;
    if (importer->depth == MAX_NESTING) {
        site_unsupported(s, "functions nest too deep");
        return;
    }
    if (s->input_count > function->n_input || s->output_count > function->n_output) {
        site_invalid(s, "function '%s' has fewer inputs or outputs", function->name);
        return;
    }
    if (!scope_init(&scope, importer, NULL, s->scope->sheet))
        return;
    scope.opset = function->opset_import;
    scope.opset_count = function->n_opset_import;
    scope.call = s;
    scope.function = function;
    for (size_t i = 0; i < function->n_input; i++)
        if (i < s->input_count && s->input[i].id)
            scope_bind(importer, &scope, function->input[i], s->input[i], NULL);
        else
            scope_bind_absent(importer, &scope, function->input[i]);
    const uint32_t failures = importer->failure_count;
    importer->depth++;
    import_nodes(importer, &scope, function->node, function->n_node);
    importer->depth--;
    s->failed = importer->failure_count != failures;
    for (uint32_t i = 0; i < s->output_count && !site_failed(s); i++) {
        const NameEntry *entry = scope_find(importer, &scope, function->output[i]);
        if (!entry)
            site_invalid(s, "function '%s' doesn't give '%s'", function->name, function->output[i]);
        else
            site_give(s, i, entry->value);
    }
}

/* ---- inputs ---- */

static const InputBinding *find_binding(const Importer *importer, const char *name)
{
    for (uint32_t i = 0; i < importer->options->binding_count; i++)
        if (strcmp(importer->options->binding[i].name, name) == 0)
            return &importer->options->binding[i];
    return NULL;
}

/* A name that text IR and C can spell. */
static const char *symbol_name(Importer *importer, const char *text)
{
    char *name = arena_printf(&importer->arena, "%s%s", *text >= '0' && *text <= '9' ? "d" : "", *text ? text : "d");
    for (char *at = name; at && *at; at++) {
        const bool plain = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9');
        if (!plain)
            *at = '_';
    }
    return name ? name : "d";
}

/* A named dimension: the number or the range that the options give it. */
static Dim named_dimension(Importer *importer, const char *text)
{
    enum { OPEN_BITS = 40 };
    int64_t min = 0, max = (int64_t)1 << OPEN_BITS;
    const char *name = symbol_name(importer, text);
    for (uint32_t i = 0; i < importer->options->dimension_count; i++) {
        const DimensionRange *range = &importer->options->dimension[i];
        if (strcmp(range->name, text) == 0 || strcmp(range->name, name) == 0) {
            min = range->min;
            max = range->max;
        }
    }
    for (const SymbolBound *bound = importer->bound; bound; bound = bound->next)
        if (strcmp(bound->name, name) == 0) {
            min = bound->min > min ? bound->min : min;
            max = bound->max < max ? bound->max : max;
        }
    if (min > max)
        import_fail(importer, STATUS_INVALID, importer->file_name, "no size fits dimension '%s'", text);
    return min >= max ? dim_constant(min) : dim_symbol(importer->module, name, min, max, SYMBOL_INPUT);
}

static Type input_type(Importer *importer, const Onnx__ValueInfoProto *info, const char *where)
{
    const Onnx__TypeProto__Tensor *tensor = info->type ? info->type->tensor_type : NULL;
    const Onnx__TensorShapeProto *shape = tensor ? tensor->shape : NULL;
    ElementType element = ELEMENT_f32;
    Dim dim[MAX_RANK];
    if (!tensor)
        import_fail(importer, STATUS_UNSUPPORTED, where, "an input that is no tensor");
    else if (!onnx_element(tensor->elem_type, &element))
        import_fail(importer, STATUS_UNSUPPORTED, where, "elements of type %s", onnx_element_name(tensor->elem_type));
    else if (!shape)
        import_fail(importer, STATUS_UNSUPPORTED, where, "an input without a shape");
    else if (shape->n_dim > MAX_RANK)
        import_fail(importer, STATUS_UNSUPPORTED, where, "an input of rank %zu; at most %d", shape->n_dim, MAX_RANK);
    else {
        for (size_t i = 0; i < shape->n_dim; i++) {
            const char *name = onnx_text(shape->dim[i]->dim_param);
            if (!shape->dim[i]->has_dim_value && !*name)
                name = arena_printf(&importer->arena, "%s_dim%zu", onnx_text(info->name), i);
            dim[i] = shape->dim[i]->has_dim_value ? dim_constant(shape->dim[i]->dim_value)
                                                  : named_dimension(importer, onnx_text(name));
            if (dim_is_constant(dim[i]) && dim[i].constant < 0)
                import_fail(importer, STATUS_INVALID, where, "dimension %zu is negative", i);
        }
        return type_make(importer->module, element, dim, (uint32_t)shape->n_dim);
    }
    return type_scalar(element);
}

/* Files hold the bits of these types as another type's. */
static bool same_storage(ElementType file, ElementType element)
{
    const bool is_small = element == ELEMENT_bf16 || element >= ELEMENT_f8e4m3fn;
    return file == element || (is_small && element_info[file].bytes == element_info[element].bytes);
}

/* Names of a bound input's dimensions stand for its sizes from now on. */
static void bind_dimensions(Importer *importer, const Onnx__ValueInfoProto *info, const HostArray *array)
{
    const Onnx__TypeProto__Tensor *tensor = info->type ? info->type->tensor_type : NULL;
    const Onnx__TensorShapeProto *shape = tensor ? tensor->shape : NULL;
    for (size_t i = 0; shape && i < shape->n_dim && i < array->rank; i++) {
        SymbolBound *bound = ARENA_NEW(&importer->arena, SymbolBound, 1);
        if (!bound || shape->dim[i]->has_dim_value || !*onnx_text(shape->dim[i]->dim_param))
            continue;
        *bound = (SymbolBound){symbol_name(importer, shape->dim[i]->dim_param), array->dim[i], array->dim[i],
                               importer->bound};
        importer->bound = bound;
    }
}

static void bind_constant(Importer *importer, Scope *scope, const Onnx__ValueInfoProto *info, const HostArray *array)
{
    Builder builder = {.graph = scope->sheet->graph};
    const char *name = onnx_text(info->name);
    const char *where = arena_printf(&importer->arena, "%s: input '%s'", importer->file_name, name);
    const Type due = input_type(importer, info, onnx_text(where));
    const Type type = type_make_static(importer->module, due.element, array->dim, array->rank);
    bool fits = due.rank == array->rank && same_storage(array->element, due.element);
    for (uint32_t i = 0; fits && i < due.rank; i++)
        fits = !dim_is_constant(due.dim[i]) || dim_equal(due.dim[i], type.dim[i]);
    if (!fits) {
        import_fail(importer, STATUS_INVALID, onnx_text(where), "the array bound to it has another type or shape");
        return;
    }
    scope_bind(importer, scope, name, build_constant(&builder, constant_copy(importer->module, type, array->data)),
               NULL);
}

static bool has_dimension(const Importer *importer, const Onnx__GraphProto *graph, const char *name)
{
    for (size_t i = 0; i < graph->n_input; i++) {
        const Onnx__TypeProto *type = graph->input[i]->type;
        const Onnx__TensorShapeProto *shape = type && type->tensor_type ? type->tensor_type->shape : NULL;
        for (size_t k = 0; shape && k < shape->n_dim; k++)
            if (strcmp(onnx_text(shape->dim[k]->dim_param), name) == 0)
                return true;
    }
    for (uint32_t i = 0; i < importer->module->symbol_count; i++) /* those the importer named */
        if (strcmp(importer->module->symbol[i].name, name) == 0)
            return true;
    return false;
}

static bool has_input(const Onnx__GraphProto *graph, const char *name)
{
    for (size_t i = 0; i < graph->n_input; i++)
        if (strcmp(onnx_text(graph->input[i]->name), name) == 0)
            return true;
    return false;
}

/* Options that name nothing in the model are mistakes. */
static void check_options(Importer *importer, const Onnx__GraphProto *graph)
{
    for (uint32_t i = 0; i < importer->options->dimension_count; i++)
        if (!has_dimension(importer, graph, importer->options->dimension[i].name))
            import_fail(importer, STATUS_INVALID, importer->file_name, "no input has a dimension named '%s'",
                        importer->options->dimension[i].name);
    for (uint32_t i = 0; i < importer->options->binding_count; i++)
        if (!has_input(graph, importer->options->binding[i].name))
            import_fail(importer, STATUS_INVALID, importer->file_name, "no input is named '%s'",
                        importer->options->binding[i].name);
}

/* Initializers are bound already, without being nodes yet: parameters come first in a graph. So do bound inputs later.
 */
static void import_inputs(Importer *importer, Scope *scope, const Onnx__GraphProto *graph)
{
    for (size_t i = 0; i < graph->n_input; i++) {
        const InputBinding *binding = find_binding(importer, onnx_text(graph->input[i]->name));
        if (binding)
            bind_dimensions(importer, graph->input[i], &binding->value);
    }
    for (size_t i = 0; i < graph->n_input; i++) {
        const char *name = onnx_text(graph->input[i]->name);
        const char *where = arena_printf(&importer->arena, "%s: input '%s'", importer->file_name, name);
        const uint32_t failures = importer->failure_count;
        if (find_binding(importer, name) || scope_has(scope, name))
            continue; /* a constant from the options, or a default value */
        const Type type = input_type(importer, graph->input[i], onnx_text(where));
        const bool usable = failures == importer->failure_count;
        const Value value = usable ? graph_add_parameter(scope->sheet->graph, name, type) : (Value){0};
        scope_bind(importer, scope, name, value, NULL);
    }
    for (size_t i = 0; i < graph->n_input; i++) {
        const InputBinding *binding = find_binding(importer, onnx_text(graph->input[i]->name));
        if (binding)
            bind_constant(importer, scope, graph->input[i], &binding->value);
    }
}

void import_initializers(Importer *importer, Scope *scope, const Onnx__GraphProto *graph)
{
    static const Value none = {0};
    for (size_t i = 0; i < graph->n_initializer; i++) {
        const char *name = onnx_text(graph->initializer[i]->name);
        if (!find_binding(importer, name) && !scope_bind(importer, scope, name, none, graph->initializer[i]))
            import_fail(importer, STATUS_INVALID, importer->file_name, "two tensors are named '%s'", name);
    }
    if (graph->n_sparse_initializer)
        import_fail(importer, STATUS_UNSUPPORTED, importer->file_name, "sparse initializers");
}

/* ---- the whole ---- */

static void import_outputs(Importer *importer, Scope *scope, const Onnx__GraphProto *graph)
{
    for (size_t i = 0; i < graph->n_output; i++) {
        const char *name = onnx_text(graph->output[i]->name);
        const NameEntry *entry = scope_find(importer, scope, name);
        if (!entry)
            import_fail(importer, STATUS_INVALID, importer->file_name, "output '%s' is given by no node", name);
        else if (entry->value.id)
            graph_add_result(scope->sheet->graph, entry->value, name);
    }
}

static void import_model(Importer *importer)
{
    const Onnx__GraphProto *graph = importer->file.model->graph;
    Scope scope;
    Sheet *sheet = sheet_create(importer, graph_create(importer->module, "main"));
    if (!sheet || !sheet->graph || !scope_init(&scope, importer, NULL, sheet)) {
        module_fail(importer->module, STATUS_OUT_OF_MEMORY, importer->file_name, "out of memory");
        return;
    }
    import_initializers(importer, &scope, graph);
    import_inputs(importer, &scope, graph);
    check_options(importer, graph);
    import_nodes(importer, &scope, graph->node, graph->n_node);
    if (importer->failure_count == 0 && importer->module->status == STATUS_OK)
        import_outputs(importer, &scope, graph);
}

/* The last message tells how it ended: its status is the outcome. */
static void summarize(Importer *importer)
{
    Module *module = importer->module;
    if (module->status != STATUS_OK || importer->failure_count == 0)
        return;
    module_fail(module, importer->is_invalid ? STATUS_INVALID : STATUS_UNSUPPORTED, importer->file_name,
                importer->is_invalid ? "not a valid model (%u problems)" : "not supported (%u problems)",
                importer->failure_count);
}

/* One attempt; true when bounds were found that call for another. The module is NULL when it failed. */
static bool attempt(Importer *importer, const char *path, Diag *diag)
{
    importer->failure_count = importer->site_count = importer->depth = importer->bind_count = 0;
    importer->is_invalid = false;
    importer->new_bound = NULL;
    importer->module = module_create(diag);
    if (!importer->module)
        return false;
    if (model_file_open(&importer->file, importer->module, path, &importer->arena) == STATUS_OK)
        import_model(importer);
    summarize(importer);
    const bool again = importer->new_bound && importer->module->status != STATUS_OUT_OF_MEMORY;
    if (again || importer->module->status != STATUS_OK) {
        module_destroy(importer->module);
        importer->module = NULL;
    }
    return again;
}

static void add_bounds(Importer *importer)
{
    while (importer->new_bound) {
        SymbolBound *bound = importer->new_bound;
        importer->new_bound = bound->next;
        bound->next = importer->bound;
        importer->bound = bound;
    }
}

/* Builders call what an op can't express invalid; when the outcome is "not supported", so is all that led to it. */
static void copy_messages(const Diag *from, Diag *to)
{
    Status outcome = STATUS_OUT_OF_MEMORY;
    for (const DiagMessage *message = from->first; message; message = message->next)
        outcome = message->status;
    if (from->count == 0)
        diag_fail(to, outcome, "", "out of memory");
    for (const DiagMessage *message = from->first; message; message = message->next) {
        diag_fail(to, outcome == STATUS_UNSUPPORTED ? outcome : message->status, message->where, "%s", message->what);
        if (*message->hint)
            diag_hint(to, "%s", message->hint);
    }
}

Module *onnx_import(const char *path, const ImportOptions *options, Diag *diag)
{
    enum { MAX_ATTEMPTS = 8 };
    static const ImportOptions no_options = {0};
    const char *slash = strrchr(path, '/');
    Importer importer = {.options = options ? options : &no_options, .file_name = slash ? slash + 1 : path};
    Diag own;
    diag_init(&own);
    arena_init(&importer.arena);
    for (uint32_t i = 0; i < MAX_ATTEMPTS && attempt(&importer, path, &own); i++) {
        diag_clear(&own);
        add_bounds(&importer);
    }
    if (!importer.module)
        copy_messages(&own, diag);
    else
        importer.module->diag = diag;
    arena_release(&importer.arena);
    diag_release(&own);
    return importer.module;
}

/* A ModelProto starts with ir_version, a small number, in every file that writers make; opset_import or producer may
 * come first in hand-made ones. */
bool onnx_probe(const uint8_t *bytes, size_t count)
{
    enum { IR_VERSION_TAG = 0x08, PRODUCER_TAG = 0x12, OPSET_TAG = 0x42, GRAPH_TAG = 0x3A, NEWEST_IR = 64 };
    if (count < 2)
        return false;
    return (bytes[0] == IR_VERSION_TAG && bytes[1] < NEWEST_IR) || bytes[0] == OPSET_TAG || bytes[0] == GRAPH_TAG ||
           (bytes[0] == PRODUCER_TAG && bytes[1] < count);
}
