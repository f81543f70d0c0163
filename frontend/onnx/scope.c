/* SPDX-License-Identifier: Apache-2.0
 * Names of an ONNX graph: a hash table a scope, and the outer names a subgraph captures. */
#include <string.h>

#include "frontend/onnx/importer.h"
#include "ir/base/hash.h"
#include "ir/base/vec.h"

bool scope_init(Scope *scope, Importer *importer, Scope *parent, Sheet *sheet)
{
    enum { FIRST_CAPACITY = 64 };
    *scope = (Scope){.parent = parent, .sheet = sheet, .entry_capacity = FIRST_CAPACITY};
    scope->entry = ARENA_NEW(&importer->arena, NameEntry, FIRST_CAPACITY);
    scope->opset = importer->file.model->opset_import;
    scope->opset_count = importer->file.model->n_opset_import;
    if (parent) {
        scope->opset = parent->opset;
        scope->opset_count = parent->opset_count;
        scope->call = parent->call;
        scope->function = parent->function;
    }
    return scope->entry != NULL;
}

/* The entry of that name, or the free one it belongs in. */
static NameEntry *scope_slot(const Scope *scope, const char *name)
{
    const uint32_t mask = scope->entry_capacity - 1;
    uint32_t at = (uint32_t)hash_bytes(0, name, strlen(name)) & mask;
    while (scope->entry[at].name && strcmp(scope->entry[at].name, name) != 0)
        at = (at + 1) & mask;
    return &scope->entry[at];
}

static bool scope_grow(Scope *scope, Importer *importer)
{
    if (scope->entry_count < scope->entry_capacity / 2)
        return true;
    const Scope old = *scope;
    scope->entry_capacity *= 2;
    scope->entry = ARENA_NEW(&importer->arena, NameEntry, scope->entry_capacity);
    if (!scope->entry) {
        *scope = old;
        return false;
    }
    for (uint32_t i = 0; i < old.entry_capacity; i++)
        if (old.entry[i].name)
            *scope_slot(scope, old.entry[i].name) = old.entry[i];
    return true;
}

bool scope_bind(Importer *importer, Scope *scope, const char *name, Value value, const Onnx__TensorProto *initializer)
{
    if (!scope_grow(scope, importer))
        return false;
    NameEntry *entry = scope_slot(scope, name);
    if (entry->name)
        return false;
    *entry = (NameEntry){name, value, initializer, false};
    scope->entry_count++;
    return true;
}

bool scope_bind_absent(Importer *importer, Scope *scope, const char *name)
{
    if (!scope_bind(importer, scope, name, (Value){0}, NULL))
        return false;
    scope_slot(scope, name)->is_absent = true;
    return true;
}

bool scope_has(const Scope *scope, const char *name)
{
    return scope_slot(scope, name)->name != NULL;
}

static void make_constant(Importer *importer, Scope *scope, NameEntry *entry)
{
    const char *where = arena_printf(&importer->arena, "%s: tensor '%s'", importer->file_name, entry->name);
    ConstantId constant;
    if (model_file_constant(&importer->file, entry->initializer, where ? where : "", &constant) == STATUS_OK) {
        Builder builder = {.graph = scope->sheet->graph};
        entry->value = build_constant(&builder, constant);
    } else if (import_recover(importer)) {
        importer->failure_count++;
    }
    entry->initializer = NULL;
}

NameEntry *scope_find(Importer *importer, Scope *scope, const char *name)
{
    for (Scope *at = scope; at; at = at->parent) {
        NameEntry *entry = scope_slot(at, name);
        if (!entry->name)
            continue;
        if (entry->initializer)
            make_constant(importer, at, entry);
        return entry;
    }
    return NULL;
}

int64_t scope_opset(const Scope *scope, const char *domain)
{
    for (size_t i = 0; i < scope->opset_count; i++) {
        const char *name = onnx_text(scope->opset[i]->domain);
        if (strcmp(name, domain) == 0 || (*domain == '\0' && strcmp(name, "ai.onnx") == 0))
            return scope->opset[i]->version;
    }
    return -1;
}

/* ---- captures ---- */

/* Graphs around a name, innermost last: each with the names it has bound so far. */
typedef struct Level {
    const Onnx__GraphProto *graph;
    Scope bound;
    size_t node, attribute, subgraph; /* where the walk is */
} Level;

static bool is_bound(const Level *level, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++)
        if (scope_slot(&level[i].bound, name)->name)
            return true;
    return false;
}

static bool use_name(Importer *importer, const Level *level, uint32_t count, const char *name, Captures *captures)
{
    if (!*name || is_bound(level, count, name))
        return true;
    for (uint32_t i = 0; i < captures->name_count; i++)
        if (strcmp(captures->name[i], name) == 0)
            return true;
    if (!VEC_GROW(&importer->arena, captures, name))
        return false;
    captures->name[captures->name_count++] = name;
    return true;
}

static bool enter_level(Importer *importer, Level *level, const Onnx__GraphProto *graph)
{
    static const Value none = {0};
    *level = (Level){.graph = graph};
    if (!scope_init(&level->bound, importer, NULL, NULL))
        return false;
    for (size_t i = 0; i < graph->n_input; i++)
        scope_bind(importer, &level->bound, onnx_text(graph->input[i]->name), none, NULL);
    for (size_t i = 0; i < graph->n_initializer; i++)
        scope_bind(importer, &level->bound, onnx_text(graph->initializer[i]->name), none, NULL);
    return true;
}

/* The next graph among the attributes of the level's node, or NULL. */
static const Onnx__GraphProto *next_subgraph(Level *level)
{
    const Onnx__NodeProto *node = level->graph->node[level->node];
    for (; level->attribute < node->n_attribute; level->attribute++, level->subgraph = 0) {
        const Onnx__AttributeProto *attribute = node->attribute[level->attribute];
        const size_t single = attribute->g ? 1 : 0;
        if (level->subgraph < single + attribute->n_graphs) {
            const size_t index = level->subgraph++;
            return index < single ? attribute->g : attribute->graphs[index - single];
        }
    }
    return NULL;
}

bool captures_find(Importer *importer, const Onnx__GraphProto *graph, Captures *captures)
{
    static const Value none = {0};
    Level level[MAX_NESTING];
    uint32_t depth = 1;
    if (!enter_level(importer, &level[0], graph))
        return false;
    while (depth) {
        Level *top = &level[depth - 1];
        if (top->node == top->graph->n_node) {
            for (size_t i = 0; i < top->graph->n_output; i++)
                if (!use_name(importer, level, depth, onnx_text(top->graph->output[i]->name), captures))
                    return false;
            depth--;
            continue;
        }
        const Onnx__NodeProto *node = top->graph->node[top->node];
        if (top->attribute == 0 && top->subgraph == 0)
            for (size_t i = 0; i < node->n_input; i++)
                if (!use_name(importer, level, depth, node->input[i], captures))
                    return false;
        const Onnx__GraphProto *inner = next_subgraph(top);
        if (inner) {
            if (depth == MAX_NESTING || !enter_level(importer, &level[depth++], inner))
                return false;
            continue;
        }
        for (size_t i = 0; i < node->n_output; i++)
            scope_bind(importer, &top->bound, node->output[i], none, NULL);
        top->node++;
        top->attribute = top->subgraph = 0;
    }
    return true;
}
