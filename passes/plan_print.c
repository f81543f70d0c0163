/* SPDX-License-Identifier: Apache-2.0
 * Text of a memory plan:
 *
 *     plan main: 12 steps, 3 buffers, arena 1024 bytes, at most 1024 alive
 *       buffer 0: steps 3..5, 512 bytes at 0
 *     step 3: group %4 -> buffer 0
 *     step 5: while %6 -> output 0
 *         before: buffer 0 -> output 0
 *         step 6: …                             regions are indented
 */
#include "passes/plan.h"

typedef struct Printer {
    const Plan *plan;
    const Module *module;
    StrBuf *out;
} Printer;

static void print_place(const Printer *printer, Place place)
{
    static const char *const name[] = {"nowhere", "input", "output", "constant", "buffer", "slice"};
    if (place.kind == PLACE_NONE)
        strbuf_add(printer->out, name[0]);
    else
        strbuf_printf(printer->out, "%s %u", name[place.kind], place.index);
    if (place.kind == PLACE_SLICE) {
        strbuf_add(printer->out, " of ");
        print_place(printer, printer->plan->slice[place.index].base);
    }
}

static void print_bytes(const Printer *printer, Dim bytes)
{
    dim_print(printer->module, bytes, printer->out);
    strbuf_add(printer->out, " bytes");
}

static void print_indent(const Printer *printer, uint32_t depth)
{
    strbuf_printf(printer->out, "%*s", (int)depth * 4, "");
}

static void print_copies(const Printer *printer, const char *title, const PlanCopies *copies, uint32_t depth)
{
    for (uint32_t i = 0; i < copies->copy_count; i++) {
        print_indent(printer, depth);
        strbuf_printf(printer->out, "%s: copy ", title);
        print_place(printer, copies->copy[i].from);
        strbuf_add(printer->out, " -> ");
        print_place(printer, copies->copy[i].to);
        strbuf_add(printer->out, ", ");
        print_bytes(printer, copies->copy[i].bytes);
        strbuf_add(printer->out, "\n");
    }
}

static void print_scope(const Printer *printer, const PlanScope *scope, uint32_t depth);

static void print_node(const Printer *printer, const PlanScope *scope, uint32_t id, uint32_t depth)
{
    const Node *node = &scope->graph->node[id];
    const PlanNode *planned = &scope->node[id];
    print_indent(printer, depth);
    strbuf_printf(printer->out, "step %u: %s", planned->step, op_info[node->op].name);
    for (uint32_t i = 0; i < node->result_count; i++) {
        strbuf_printf(printer->out, "%s%%%u ", i == 0 ? " " : ", ", node_result(node, i).id);
        print_place(printer, scope->place[node_result(node, i).id]);
    }
    if (planned->temporary.kind != PLACE_NONE) {
        strbuf_add(printer->out, ", temporary ");
        print_place(printer, planned->temporary);
    }
    strbuf_add(printer->out, "\n");
    print_copies(printer, "before", &planned->before, depth + 1);
    for (uint32_t i = 0; i < 2; i++)
        if (planned->region[i])
            print_scope(printer, planned->region[i], depth + 1);
}

static void print_scope(const Printer *printer, const PlanScope *scope, uint32_t depth)
{
    for (uint32_t i = 1; i < scope->graph->node_count; i++)
        if (scope->graph->node[i].op != OP_parameter && scope->graph->node[i].op != OP_constant)
            print_node(printer, scope, i, depth);
    print_copies(printer, "after", &scope->after, depth);
}

static void print_buffer(const Printer *printer, uint32_t index)
{
    const PlanBuffer *buffer = &printer->plan->buffer[index];
    strbuf_printf(printer->out, "  buffer %u: steps %u..%u, ", index, buffer->first, buffer->last);
    print_bytes(printer, buffer->bytes);
    if (printer->plan->solved)
        strbuf_printf(printer->out, " at %lld", (long long)buffer->offset);
    strbuf_add(printer->out, "\n");
}

void plan_print(const Plan *plan, StrBuf *out)
{
    const Printer printer = {plan, plan->entry->graph->module, out};
    strbuf_printf(out, "plan %s: %u steps, %u buffers", plan->entry->graph->name, plan->step_count, plan->buffer_count);
    if (plan->solved)
        strbuf_printf(out, ", arena %lld bytes, at most %lld alive", (long long)plan->arena_bytes,
                      (long long)plan->bound_bytes);
    strbuf_add(out, "\n");
    for (uint32_t i = 0; i < plan->buffer_count; i++)
        print_buffer(&printer, i);
    print_scope(&printer, plan->entry, 0);
}
