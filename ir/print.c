/* SPDX-License-Identifier: Apache-2.0
 * Text IR out: the canonical form, the same for the same module wherever it is printed. Grammar: parse.c.
 * Values are numbered as they were added; parameters go by their names where these are names and differ. Graphs stand
 * after those they call; the word `entry` marks the first of the module when that isn't the first of the text. */
#include "ir/text.h"

#include "ir/base/hash.h"
#include "ir/base/vec.h"
#include "ir/intern.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct Printer {
    const Module *module;
    StrBuf *out;
    Arena scratch;
    uint32_t *blob_number; /* by blob index: 1 + number in the text, 0 when not printed */
    uint32_t *blob;        /* by number: blob index */
    uint32_t blob_count;
} Printer;

/* One graph being printed. */
typedef struct Page {
    const Graph *graph;
    const bool *is_named; /* by parameter: its name is how its value prints */
    uint32_t indent;
} Page;

static void *scratch_array(Printer *printer, size_t count, size_t size)
{
    void *memory = arena_alloc_array(&printer->scratch, count, size);
    if (memory == NULL)
        printer->out->failed = true;
    return memory;
}

static void print_indent(Printer *printer, uint32_t indent)
{
    for (uint32_t i = 0; i < indent; i++)
        strbuf_add(printer->out, "  ");
}

static const char *separator(uint32_t index)
{
    return index == 0 ? "" : ", ";
}

/* ---- constants ---- */

static bool is_splat(const Printer *printer, const Attr *attr, void *element)
{
    const Constant *constant = constant_get(printer->module, attr->constant);
    const int64_t size = type_static_size(constant->type);
    return !printer->module->blob[constant->blob].absent && size > 1 && size <= TEXT_SPLAT_LIMIT &&
           constant_is_splat(printer->module, attr->constant, element);
}

/* Whether the constant stands in the text; else by reference to a blob. */
static bool is_inline(const Printer *printer, const Attr *attr)
{
    uint8_t element[16];
    const Constant *constant = constant_get(printer->module, attr->constant);
    const bool is_short = type_static_size(constant->type) <= TEXT_INLINE_LIMIT;
    return (is_short && !printer->module->blob[constant->blob].absent) || is_splat(printer, attr, element);
}

static void print_constant(Printer *printer, const Attr *attr)
{
    StrBuf *out = printer->out;
    const Constant *constant = constant_get(printer->module, attr->constant);
    const ElementType kind = constant->type.element;
    const char *data = constant_data(printer->module, attr->constant);
    uint8_t element[16];
    if (!is_inline(printer, attr)) {
        strbuf_printf(out, "blob %u offset %zu hash 0x%016" PRIx64, printer->blob_number[constant->blob] - 1,
                      constant->offset, constant->hash);
    } else if (constant->type.rank == 0) {
        text_print_element(kind, data, out);
    } else if (is_splat(printer, attr, element)) {
        text_print_element(kind, element, out);
    } else {
        strbuf_add(out, "[");
        for (int64_t i = 0; i < type_static_size(constant->type); i++) {
            strbuf_add(out, separator(i != 0));
            text_print_element(kind, data + (size_t)i * element_info[kind].bytes, out);
        }
        strbuf_add(out, "]");
    }
}

/* Numbers the blobs that constants of the graph refer to, in printing order. */
static void number_blobs(Printer *printer, const Graph *graph)
{
    for (uint32_t i = 1; i < graph->node_count; i++) {
        const Attr *value = node_attr(&graph->node[i], ATTR_value);
        if (value != NULL && !is_inline(printer, value)) {
            const uint32_t blob = constant_get(printer->module, value->constant)->blob;
            if (printer->blob_number[blob] == 0) {
                printer->blob[printer->blob_count++] = blob;
                printer->blob_number[blob] = printer->blob_count;
            }
        }
        for (uint32_t k = 0; k < graph->node[i].region_count; k++)
            number_blobs(printer, graph->node[i].region[k]);
    }
}

/* ---- attributes ---- */

static void print_dims(Printer *printer, const Dim *dim, uint32_t count)
{
    strbuf_add(printer->out, "[");
    for (uint32_t i = 0; i < count; i++) {
        strbuf_add(printer->out, separator(i));
        dim_print(printer->module, dim[i], printer->out);
    }
    strbuf_add(printer->out, "]");
}

static void print_integers(StrBuf *out, const int64_t *value, uint32_t count)
{
    strbuf_add(out, "[");
    for (uint32_t i = 0; i < count; i++)
        strbuf_printf(out, "%s%" PRId64, separator(i), value[i]);
    strbuf_add(out, "]");
}

static void print_graph_name(StrBuf *out, const char *name)
{
    strbuf_add(out, "@");
    if (text_is_name(name))
        strbuf_add(out, name);
    else
        text_print_string(name, out);
}

static void print_attribute(Printer *printer, const Attr *attr)
{
    StrBuf *out = printer->out;
    strbuf_printf(out, "%s = ", attr_info[attr->key].name);
    switch (attr_info[attr->key].form) {
    case FORM_INTEGER:
        strbuf_printf(out, "%" PRId64, attr->integer);
        break;
    case FORM_REAL:
        text_print_element(ELEMENT_f64, &attr->real, out);
        break;
    case FORM_INTEGERS:
        print_integers(out, attr->integers, attr->count);
        break;
    case FORM_DIM:
        dim_print(printer->module, attr->dim, out);
        break;
    case FORM_DIMS:
        print_dims(printer, attr->dims, attr->count);
        break;
    case FORM_ELEMENT:
        strbuf_add(out, element_info[attr->element].name);
        break;
    case FORM_STRING:
        text_print_string(attr->string, out);
        break;
    case FORM_GRAPH:
        print_graph_name(out, attr->graph->name);
        break;
    case FORM_CONSTANT: /* after the op's name */
        break;
    }
}

static void print_attributes(Printer *printer, const Node *node)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < node->attr_count; i++) {
        if (attr_info[node->attr[i].key].form == FORM_CONSTANT)
            continue;
        strbuf_add(printer->out, count++ == 0 ? " {" : ", ");
        print_attribute(printer, &node->attr[i]);
    }
    if (count != 0)
        strbuf_add(printer->out, "}");
}

/* ---- graphs ---- */

static void print_value(Printer *printer, const Page *page, Value value)
{
    const uint32_t index = value.id - 1; /* parameters come first, in order */
    if (index < page->graph->parameter_count && page->is_named[index])
        strbuf_printf(printer->out, "%%%s", parameter_name(page->graph, index));
    else
        strbuf_printf(printer->out, "%%%u", index);
}

static void print_values(Printer *printer, const Page *page, const Value *value, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        strbuf_add(printer->out, separator(i));
        print_value(printer, page, value[i]);
    }
}

static bool same_parameter_name(const void *context, uint32_t id)
{
    const Page *page = ((const void *const *)context)[0];
    return strcmp(parameter_name(page->graph, id - 1), ((const void *const *)context)[1]) == 0;
}

/* The first parameter of each name goes by it. */
static void choose_names(Printer *printer, Page *page)
{
    const uint32_t count = page->graph->parameter_count;
    bool *is_named = scratch_array(printer, count, sizeof *is_named);
    Intern names = {0};
    for (uint32_t i = 0; is_named != NULL && i < count; i++) {
        const char *name = parameter_name(page->graph, i);
        const uint64_t hash = hash_bytes(0, name, strlen(name));
        const void *query[] = {page, name};
        is_named[i] = text_is_name(name) && intern_find(&names, hash, same_parameter_name, query) == 0 &&
                      intern_add(&names, &printer->scratch, hash, i + 1);
    }
    page->is_named = is_named;
}

static void print_parameters(Printer *printer, const Page *page)
{
    strbuf_add(printer->out, "(");
    for (uint32_t i = 0; i < page->graph->parameter_count; i++) {
        const char *name = parameter_name(page->graph, i);
        strbuf_add(printer->out, separator(i));
        print_value(printer, page, page->graph->parameter[i]);
        if (!page->is_named[i] && name[0] != 0) {
            strbuf_add(printer->out, " ");
            text_print_string(name, printer->out);
        }
        strbuf_add(printer->out, ": ");
        type_print(printer->module, value_type(page->graph, page->graph->parameter[i]), printer->out);
    }
    strbuf_add(printer->out, ")");
}

static void print_result_types(Printer *printer, const Graph *graph)
{
    strbuf_add(printer->out, " -> (");
    for (uint32_t i = 0; i < graph->result_count; i++) {
        const char *name = graph->result_name[i];
        strbuf_add(printer->out, separator(i));
        if (text_is_name(name))
            strbuf_add(printer->out, name);
        else if (name[0] != 0)
            text_print_string(name, printer->out);
        strbuf_add(printer->out, name[0] != 0 ? ": " : "");
        type_print(printer->module, value_type(graph, graph->result[i]), printer->out);
    }
    strbuf_add(printer->out, ")");
}

static void print_body(Printer *printer, const Graph *graph, uint32_t indent);

/* " : types", then what is optional. */
static void print_types(Printer *printer, const Page *page, const Node *node)
{
    for (uint32_t i = 0; i < node->result_count; i++) {
        strbuf_add(printer->out, i == 0 ? " : " : ", ");
        type_print(printer->module, value_type(page->graph, node_result(node, i)), printer->out);
    }
    if (node->clone != 0)
        strbuf_printf(printer->out, " clone %u", node->clone);
    const char *location = location_text(printer->module, node->location);
    if (location[0] == 0)
        return;
    strbuf_add(printer->out, " loc(");
    text_print_string(location, printer->out);
    strbuf_add(printer->out, ")");
}

static void print_node(Printer *printer, const Page *page, const Node *node)
{
    StrBuf *out = printer->out;
    print_indent(printer, page->indent);
    for (uint32_t i = 0; i < node->result_count; i++) {
        strbuf_add(out, separator(i));
        print_value(printer, page, node_result(node, i));
    }
    strbuf_printf(out, "%s%s", node->result_count == 0 ? "" : " = ", op_info[node->op].name);
    strbuf_add(out, node->operand_count == 0 ? "" : " ");
    print_values(printer, page, node->operand, node->operand_count);
    const Attr *value = node_attr(node, ATTR_value);
    if (value != NULL) {
        strbuf_add(out, " ");
        print_constant(printer, value);
    }
    print_attributes(printer, node);
    print_types(printer, page, node);
    strbuf_add(out, "\n");
    for (uint32_t i = 0; i < node->region_count; i++) {
        print_indent(printer, page->indent + 1);
        strbuf_add(out, "region");
        print_body(printer, node->region[i], page->indent + 1);
    }
}

/* From the parameters to the closing brace, which stands at `indent`. */
static void print_body(Printer *printer, const Graph *graph, uint32_t indent)
{
    Page page = {.graph = graph, .indent = indent + 1};
    choose_names(printer, &page);
    if (page.is_named == NULL)
        return;
    print_parameters(printer, &page);
    print_result_types(printer, graph);
    strbuf_add(printer->out, " {\n");
    for (uint32_t i = 1; i < graph->node_count; i++)
        if (graph->node[i].op != OP_parameter)
            print_node(printer, &page, &graph->node[i]);
    print_indent(printer, page.indent);
    strbuf_add(printer->out, graph->result_count == 0 ? "return" : "return ");
    print_values(printer, &page, graph->result, graph->result_count);
    strbuf_add(printer->out, "\n");
    print_indent(printer, indent);
    strbuf_add(printer->out, "}\n");
}

static void print_graph(Printer *printer, const Graph *graph, bool is_marked)
{
    strbuf_add(printer->out, is_marked ? "entry graph " : "graph ");
    print_graph_name(printer->out, graph->name);
    print_body(printer, graph, 0);
}

/* ---- order of graphs ---- */

/* A graph on its way into the text: its callees, by index in the module, and how many of them were looked at. */
typedef struct GraphEntry {
    uint32_t *callee;
    uint32_t callee_count, callee_capacity, next;
    bool is_seen;
} GraphEntry;

/* Callees first, by depth-first search; a stack instead of recursion, as chains of calls may be long. */
typedef struct GraphOrder {
    Intern index;      /* graph by address: id is 1 + index in the module */
    GraphEntry *entry; /* by index */
    uint32_t *stack, stack_count;
    const Graph **graph; /* done */
    uint32_t count;
} GraphOrder;

static bool same_graph(const void *context, uint32_t id)
{
    const void *const *query = context;
    return ((const Module *)query[0])->graph[id - 1] == query[1];
}

static uint64_t graph_hash(const Graph *graph)
{
    return hash_word(0, (uintptr_t)graph);
}

static bool add_callees(Printer *printer, const GraphOrder *order, const Graph *graph, GraphEntry *entry)
{
    for (uint32_t i = 1; i < graph->node_count; i++) {
        const Node *node = &graph->node[i];
        const Graph *callee = node_graph(node, ATTR_callee);
        const void *query[] = {printer->module, callee};
        const uint32_t id = callee == NULL ? 0 : intern_find(&order->index, graph_hash(callee), same_graph, query);
        if (id != 0) {
            if (!VEC_GROW(&printer->scratch, entry, callee))
                return false;
            entry->callee[entry->callee_count++] = id - 1;
        }
        for (uint32_t k = 0; k < node->region_count; k++)
            if (!add_callees(printer, order, node->region[k], entry))
                return false;
    }
    return true;
}

static void push_graph(GraphOrder *order, uint32_t index)
{
    order->entry[index].is_seen = true;
    order->stack[order->stack_count++] = index;
}

static void visit_graph(const Module *module, uint32_t root, GraphOrder *order)
{
    push_graph(order, root);
    while (order->stack_count > 0) {
        const uint32_t top = order->stack[order->stack_count - 1];
        GraphEntry *entry = &order->entry[top];
        if (entry->next == entry->callee_count) {
            order->graph[order->count++] = module->graph[top];
            order->stack_count--;
        } else if (!order->entry[entry->callee[entry->next++]].is_seen) {
            push_graph(order, entry->callee[entry->next - 1]);
        }
    }
}

static bool prepare_order(Printer *printer, GraphOrder *order)
{
    const Module *module = printer->module;
    const uint32_t count = module->graph_count;
    *order = (GraphOrder){.entry = scratch_array(printer, count, sizeof *order->entry),
                          .stack = scratch_array(printer, count, sizeof *order->stack),
                          .graph = scratch_array(printer, count, sizeof *order->graph)};
    if (order->entry == NULL || order->stack == NULL || order->graph == NULL)
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (!intern_add(&order->index, &printer->scratch, graph_hash(module->graph[i]), i + 1))
            return false;
    for (uint32_t i = 0; i < count; i++)
        if (!add_callees(printer, order, module->graph[i], &order->entry[i]))
            return false;
    return true;
}

static bool order_graphs(Printer *printer, GraphOrder *order)
{
    if (!prepare_order(printer, order)) {
        printer->out->failed = true;
        return false;
    }
    for (uint32_t i = 0; i < printer->module->graph_count; i++)
        if (!order->entry[i].is_seen)
            visit_graph(printer->module, i, order);
    return true;
}

/* ---- the head ---- */

static void print_symbols(Printer *printer)
{
    for (uint32_t i = 0; i < printer->module->symbol_count; i++) {
        const Symbol *symbol = &printer->module->symbol[i];
        strbuf_printf(printer->out, "symbol %s = %" PRId64 "..", symbol->name, symbol->min);
        if (symbol->max == INT64_MAX)
            strbuf_add(printer->out, "inf");
        else
            strbuf_printf(printer->out, "%" PRId64, symbol->max);
        strbuf_add(printer->out, symbol->kind == SYMBOL_VALUE ? " value\n" : "\n");
    }
}

static void print_blob(Printer *printer, uint32_t number, const Blob *blob)
{
    StrBuf *out = printer->out;
    strbuf_printf(out, "blob %u = ", number);
    if (blob->path[0] != 0) {
        text_print_string(blob->path, out);
        strbuf_printf(out, " bytes %zu\n", blob->bytes);
    } else if (blob->absent || blob->bytes > TEXT_HEX_LIMIT) {
        strbuf_printf(out, "omitted bytes %zu\n", blob->bytes);
    } else {
        strbuf_add(out, "hex \"");
        for (size_t i = 0; i < blob->bytes; i++)
            strbuf_printf(out, "%02x", blob->data[i]);
        strbuf_add(out, "\"\n");
    }
}

static void print_blobs(Printer *printer)
{
    for (uint32_t number = 0; number < printer->blob_count; number++)
        print_blob(printer, number, &printer->module->blob[printer->blob[number]]);
}

/* ---- the doors ---- */

static bool printer_begin(Printer *printer, const Module *module, StrBuf *out)
{
    *printer = (Printer){.module = module, .out = out};
    arena_init(&printer->scratch);
    printer->blob_number = scratch_array(printer, module->blob_count, sizeof *printer->blob_number);
    printer->blob = scratch_array(printer, module->blob_count, sizeof *printer->blob);
    return printer->blob_number != NULL && printer->blob != NULL;
}

void graph_print(const Graph *graph, StrBuf *out)
{
    const TextLocale locale = text_locale_enter();
    Printer printer;
    if (printer_begin(&printer, graph->module, out)) {
        number_blobs(&printer, graph);
        print_graph(&printer, graph, false);
    }
    arena_release(&printer.scratch);
    text_locale_leave(locale);
}

static void print_graphs(Printer *printer)
{
    GraphOrder order;
    if (!order_graphs(printer, &order))
        return;
    for (uint32_t i = 0; i < order.count; i++)
        number_blobs(printer, order.graph[i]);
    print_blobs(printer);
    for (uint32_t i = 0; i < order.count; i++) {
        strbuf_add(printer->out, "\n");
        print_graph(printer, order.graph[i], i > 0 && order.graph[i] == printer->module->graph[0]);
    }
}

void module_print(const Module *module, StrBuf *out)
{
    const TextLocale locale = text_locale_enter();
    Printer printer;
    strbuf_add(out, "module\n");
    if (printer_begin(&printer, module, out)) {
        print_symbols(&printer);
        print_graphs(&printer);
    }
    arena_release(&printer.scratch);
    text_locale_leave(locale);
}
