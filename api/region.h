/* SPDX-License-Identifier: Apache-2.0
 * Nodes with regions that are made of closures. Each closure is traced on its own; what any of them captured becomes an
 * operand of the node, after its arguments, and a parameter of every region: regions are closed.
 *
 *     whole   the module of the result; captured: what the parts captured, each array once
 *     part    the trace of one closure, in a module of its own */
#ifndef ADZE_API_REGION_H
#define ADZE_API_REGION_H

#include "api/shapeless.h"

/* An empty module for a node with argument_count arguments. Released by trace_release, also when this fails. */
adze_status whole_begin(adze_context *context, Trace *whole, size_t argument_count);
/* Adds what a part captured; all parts come before the first region. */
bool whole_capture(Trace *whole, const Trace *part);
/* A graph whose parameters have the types of `like`, then those of what was captured. */
Graph *whole_graph(Trace *whole, const char *name, const NodeList *like);
/* Adds the part's nodes to a graph whose parameters for what was captured begin at `captured`; `argument` are the
 * part's arguments there. *result gets its results. */
void whole_import(Trace *whole, const Trace *part, Graph *graph, size_t captured, const Value *argument, Value *result);
/* Both, as a region: the part's arguments are parameters `first` and on. NULL when it fails. */
Graph *whole_region(Trace *whole, const Trace *part, const NodeList *like, size_t first);

/* Adds a node whose results are the graph's. NULL when it fails. */
Graph *whole_give_node(Graph *graph, const NodeSpec *spec);

/* The type of a part's result as array type. */
ArrayType trace_result_type(const Trace *trace, uint32_t index);
/* An array of that type that stands for nothing, added to the list. */
bool add_stand_in(NodeList *list, const ArrayType *type);
/* Fails: "<what the format says> is <came>, should be <due><why>". */
adze_status fail_types(adze_context *context, const ArrayType *came, const ArrayType *due, const char *why,
                       const char *format, ...) __attribute__((format(printf, 5, 6)));
/* "[name] closure is NULL …" unless it is there. */
adze_status check_closure(adze_context *context, const adze_closure *closure, const char *name, const char *what);

#endif
