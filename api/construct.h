/* SPDX-License-Identifier: Apache-2.0
 * One control construct (cond, switch, while, scan) being made of closures: arguments are collected, closures traced on
 * arrays like them, a graph with one node is built and applied. Steps go on while the status is good; construct_end
 * releases everything and hands failures to `out`. */
#ifndef ADZE_API_CONSTRUCT_H
#define ADZE_API_CONSTRUCT_H

#include "api/region.h"

typedef struct Construct {
    adze_context *context;
    const char *name;  /* for messages */
    NodeList argument; /* of the node */
    Trace *part;       /* closures, traced; has room for part_capacity */
    size_t part_count, part_capacity;
    Trace whole;
    bool begun;
} Construct;

adze_status construct_begin(Construct *c, adze_context *context, const char *name, size_t part_capacity);
/* More arguments; `what` one of them is called. */
adze_status construct_add(Construct *c, const adze_array *array, size_t count, const char *what);
/* Traces the next part, on arrays like these. */
adze_status construct_trace(Construct *c, adze_closure *closure, const NodeList *like, const char *what);
/* All parts are there: what they captured is collected, graphs can be built in c->whole. */
adze_status construct_ready(Construct *c);
/* Applies the graph (NULL: it failed); its results from `first` on go to out. */
adze_status construct_apply(Construct *c, const Graph *graph, size_t first, adze_array *out, size_t out_count);
adze_status construct_end(Construct *c, adze_status status, adze_array *out, size_t out_count);

/* ---- for building ---- */

/* Room for so many values in the module's arena. */
Value *construct_values(const Construct *c, size_t count);
/* The graph with these results; NULL when anything has failed. */
Graph *construct_give(const Construct *c, Graph *graph, const Value *result, size_t count);
/* x as bool: whether it isn't 0. */
Value build_truth(Builder *b, Value x);
/* The list from an entry on; borrowed. */
NodeList list_from(const NodeList *list, size_t first);

#endif
