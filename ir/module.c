/* SPDX-License-Identifier: Apache-2.0
 * Modules: what all graphs share, the sticky status, interned locations, named graphs. */
#include "ir/module.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/base/hash.h"
#include "ir/base/vec.h"
#include "ir/dim_table.h"

typedef struct NameTable {
    Intern locations, graphs; /* ids of graphs are their index + 1 */
} NameTable;

static bool module_init(Module *module)
{
    module->names = ARENA_NEW(&module->arena, NameTable, 1);
    module->constants = constant_table_create(&module->arena);
    module->constant_count = 1;
    module->location_count = 1;
    if (module->names == NULL || module->constants == NULL || !dim_table_create(module) ||
        !vec_reserve(&module->arena, (void **)&module->constant, &module->constant_capacity, 1, sizeof(Constant)) ||
        !vec_reserve(&module->arena, (void **)&module->location, &module->location_capacity, 1, sizeof(char *)))
        return false;
    module->location[0] = "";
    return true;
}

Module *module_create(Diag *diag)
{
    Module *module = calloc(1, sizeof *module);
    if (module == NULL)
        return NULL;
    arena_init(&module->arena);
    module->diag = diag;
    if (module_init(module))
        return module;
    module_destroy(module);
    return NULL;
}

void module_destroy(Module *module)
{
    if (module == NULL)
        return;
    for (uint32_t i = 0; i < module->blob_count; i++)
        if (module->blob[i].release != NULL)
            module->blob[i].release(&module->blob[i]);
    for (uint32_t i = 0; i < module->source_count; i++)
        module->source[i]->release(module->source[i]);
    arena_release(&module->arena);
    free(module);
}

Status module_fail(Module *module, Status status, const char *where, const char *format, ...)
{
    if (module->status != STATUS_OK)
        return status;
    char text[2048];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    module->status = status;
    return diag_fail(module->diag, status, where, "%s", text);
}

Status module_out_of_memory(Module *module)
{
    return module_fail(module, STATUS_OUT_OF_MEMORY, "", "out of memory");
}

/* ---- sources of batched graphs ---- */

uint32_t module_add_source(Module *module, BatchSource *source)
{
    if (module->takes_no_source || source == NULL)
        return 0;
    for (uint32_t i = 0; i < module->source_count; i++)
        if (module->source[i] == source)
            return i + 1;
    if (!VEC_GROW(&module->arena, module, source)) {
        module_out_of_memory(module);
        return 0;
    }
    source->retain(source);
    module->source[module->source_count++] = source;
    return module->source_count;
}

BatchSource *module_source(const Module *module, int64_t number)
{
    return number > 0 && number <= (int64_t)module->source_count ? module->source[number - 1] : NULL;
}

void module_refuse_sources(Module *module)
{
    module->takes_no_source = true;
}

/* ---- locations ---- */

typedef struct Query {
    const Module *module;
    const char *text;
} Query;

static bool location_equal(const void *context, uint32_t id)
{
    const Query *query = context;
    return strcmp(query->module->location[id], query->text) == 0;
}

Location module_location(Module *module, const char *text)
{
    const uint64_t hash = hash_bytes(0, text, strlen(text));
    if (text[0] == 0)
        return (Location){0};
    const uint32_t id = intern_find(&module->names->locations, hash, location_equal, &(Query){module, text});
    if (id != 0)
        return (Location){id};
    const char *copy = arena_strdup(&module->arena, text);
    if (copy == NULL || !VEC_GROW(&module->arena, module, location) ||
        !intern_add(&module->names->locations, &module->arena, hash, module->location_count)) {
        module_out_of_memory(module);
        return (Location){0};
    }
    module->location[module->location_count] = copy;
    return (Location){module->location_count++};
}

const char *location_text(const Module *module, Location location)
{
    return location.id < module->location_count ? module->location[location.id] : "";
}

/* ---- named graphs ---- */

static bool graph_name_equal(const void *context, uint32_t id)
{
    const Query *query = context;
    return strcmp(query->module->graph[id - 1]->name, query->text) == 0;
}

Graph *module_find_graph(const Module *module, const char *name)
{
    const uint64_t hash = hash_bytes(0, name, strlen(name));
    const uint32_t id = intern_find(&module->names->graphs, hash, graph_name_equal, &(Query){module, name});
    return id == 0 ? NULL : module->graph[id - 1];
}

Status module_add_graph(Module *module, Graph *graph)
{
    if (module_find_graph(module, graph->name) != NULL)
        return module_fail(module, STATUS_INVALID, graph->name, "there already is a graph of that name");
    const uint64_t hash = hash_bytes(0, graph->name, strlen(graph->name));
    if (!VEC_GROW(&module->arena, module, graph) ||
        !intern_add(&module->names->graphs, &module->arena, hash, module->graph_count + 1))
        return module_out_of_memory(module);
    module->graph[module->graph_count++] = graph;
    return STATUS_OK;
}
