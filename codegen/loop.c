/* SPDX-License-Identifier: Apache-2.0
 * Loop IR's containers: the op table, modules, structural hash and equality, names.
 * A module keeps two open-addressing tables: functions by structure, and names in use. Names are never reused. */
#include "codegen/loop.h"

#include <stdlib.h>
#include <string.h>

#include "ir/base/hash.h"
#include "ir/base/vec.h"

const LoopOpInfo loop_op_info[LOOP_OP_COUNT] = {
    [LOOP_NONE] = {"none", LOOP_FORM_NONE, 0},
#define LOOP_OP(name, form, operands, doc) [LOOP_##name] = {#name, LOOP_FORM_##form, operands},
#include "codegen/loop_ops.def"
};

static const struct {
    const char *name;
    uint32_t bytes;
} kind_info[] = {
    [LOOP_i1] = {"i1", 1},   [LOOP_i8] = {"i8", 1},   [LOOP_i16] = {"i16", 2}, [LOOP_i32] = {"i32", 4},
    [LOOP_i64] = {"i64", 8}, [LOOP_f32] = {"f32", 4}, [LOOP_f64] = {"f64", 8}, [LOOP_ptr] = {"ptr", 8},
};

/* Slots hold 1 + index (functions) or a name; 0 and NULL are free. At most half full. */
typedef struct LoopTable {
    uint32_t *slot;
    uint32_t capacity, count;
    const char **name;
    uint32_t name_capacity, name_count;
} LoopTable;

uint32_t loop_kind_bytes(LoopKind kind)
{
    return kind_info[kind].bytes;
}

const char *loop_kind_name(LoopKind kind)
{
    return kind_info[kind].name;
}

bool loop_has_value(LoopOp op)
{
    switch (op) {
    case LOOP_NONE:
    case LOOP_OP_COUNT:
    case LOOP_store:
    case LOOP_store_lanes:
    case LOOP_copy_bytes:
    case LOOP_zero_bytes:
    case LOOP_prefetch:
    case LOOP_set:
        return false;
    default:
        return op == LOOP_for ||
               (loop_op_info[op].form != LOOP_FORM_CONTROL && loop_op_info[op].form != LOOP_FORM_CALL);
    }
}

LoopType loop_type_of(const LoopFunction *f, Reg reg)
{
    if (reg.id == 0 || reg.id >= f->instr_count || !loop_has_value(f->instr[reg.id].op))
        return (LoopType){0, 0};
    return f->instr[reg.id].op == LOOP_local ? loop_type(LOOP_ptr, 1) : f->instr[reg.id].type;
}

/* ---------------------------------------------------------------- structure ---- */

static uint64_t hash_registers(uint64_t hash, const Reg *reg, uint32_t count)
{
    hash = hash_word(hash, count);
    for (uint32_t i = 0; i < count; i++)
        hash = hash_word(hash, reg[i].id);
    return hash;
}

static uint64_t hash_payload(uint64_t hash, const LoopInstr *instr)
{
    if (instr->op == LOOP_shuffle)
        return hash_bytes(hash, instr->mask, instr->type.lanes);
    if (instr->op == LOOP_call)
        return hash_registers(hash_word(hash, instr->call->function), instr->call->argument,
                              instr->call->argument_count);
    if (instr->op != LOOP_launch)
        return hash_word(hash, (uint64_t)instr->immediate);
    const LoopLaunch *launch = instr->launch;
    hash = hash_word(hash, launch->function);
    hash = hash_registers(hash, launch->buffer, launch->buffer_count);
    hash = hash_registers(hash, launch->size, launch->size_count);
    return hash_word(hash_word(hash, launch->extent.id), launch->work.id);
}

uint64_t loop_instr_hash(uint64_t hash, const LoopInstr *instr)
{
    hash = hash_word(hash, (uint64_t)instr->op << 16 | (uint64_t)instr->type.kind << 8 | instr->type.lanes);
    for (uint32_t k = 0; k < loop_op_info[instr->op].operands; k++)
        hash = hash_word(hash, instr->operand[k].id);
    return hash_payload(hash, instr);
}

uint64_t loop_function_hash(const LoopFunction *function)
{
    uint64_t hash = hash_word(hash_word(0, function->buffer_count), function->size_count);
    for (uint32_t i = 1; i < function->instr_count; i++)
        hash = loop_instr_hash(hash, &function->instr[i]);
    return hash;
}

static bool registers_equal(const Reg *a, const Reg *b, uint32_t count)
{
    return count == 0 || memcmp(a, b, count * sizeof *a) == 0;
}

static bool launch_equal(const LoopLaunch *a, const LoopLaunch *b)
{
    return a->function == b->function && a->buffer_count == b->buffer_count && a->size_count == b->size_count &&
           a->extent.id == b->extent.id && a->work.id == b->work.id &&
           registers_equal(a->buffer, b->buffer, a->buffer_count) && registers_equal(a->size, b->size, a->size_count);
}

static bool call_equal(const LoopCall *a, const LoopCall *b)
{
    return a->function == b->function && a->argument_count == b->argument_count &&
           registers_equal(a->argument, b->argument, a->argument_count);
}

bool loop_instr_equal(const LoopInstr *a, const LoopInstr *b)
{
    if (a->op != b->op || a->type.kind != b->type.kind || a->type.lanes != b->type.lanes ||
        !registers_equal(a->operand, b->operand, loop_op_info[a->op].operands))
        return false;
    if (a->op == LOOP_shuffle)
        return memcmp(a->mask, b->mask, a->type.lanes) == 0;
    if (a->op == LOOP_call)
        return call_equal(a->call, b->call);
    return a->op == LOOP_launch ? launch_equal(a->launch, b->launch) : a->immediate == b->immediate;
}

bool loop_function_equal(const LoopFunction *a, const LoopFunction *b)
{
    if (a->buffer_count != b->buffer_count || a->size_count != b->size_count || a->instr_count != b->instr_count)
        return false;
    for (uint32_t i = 1; i < a->instr_count; i++)
        if (!loop_instr_equal(&a->instr[i], &b->instr[i]))
            return false;
    return true;
}

/* ---------------------------------------------------------------- modules ---- */

LoopModule *loop_module_create(void)
{
    LoopModule *module = calloc(1, sizeof *module);
    if (module == NULL)
        return NULL;
    arena_init(&module->arena);
    module->equal = ARENA_NEW(&module->arena, LoopTable, 1);
    if (module->equal != NULL)
        return module;
    loop_module_destroy(module);
    return NULL;
}

void loop_module_destroy(LoopModule *module)
{
    if (module == NULL)
        return;
    arena_release(&module->arena);
    free(module);
}

LoopFunction *loop_function_create(LoopModule *module, uint32_t buffer_count, uint32_t size_count)
{
    LoopFunction *function = ARENA_NEW(&module->arena, LoopFunction, 1);
    if (function == NULL)
        return NULL;
    function->arena = &module->arena;
    function->name = "";
    function->buffer_count = buffer_count;
    function->size_count = size_count;
    if (!VEC_GROW(&module->arena, function, instr))
        return NULL;
    function->instr[0] = (LoopInstr){.op = LOOP_NONE};
    function->instr_count = 1;
    return function;
}

/* The slot of the name, or the free one where it would go. */
static uint32_t find_name(const LoopTable *table, const char *name)
{
    uint32_t at = (uint32_t)hash_bytes(0, name, strlen(name)) & (table->name_capacity - 1);
    while (table->name[at] != NULL && strcmp(table->name[at], name) != 0)
        at = (at + 1) & (table->name_capacity - 1);
    return at;
}

static bool grow_names(LoopModule *module)
{
    LoopTable *table = module->equal, old = *table;
    if (table->name_count * 2 < table->name_capacity)
        return true;
    const uint32_t capacity = old.name_capacity == 0 ? 64 : old.name_capacity * 2;
    const char **name = ARENA_NEW(&module->arena, const char *, capacity);
    if (name == NULL)
        return false;
    table->name = name;
    table->name_capacity = capacity;
    for (uint32_t i = 0; i < old.name_capacity; i++)
        if (old.name[i] != NULL)
            table->name[find_name(table, old.name[i])] = old.name[i];
    return true;
}

/* Takes the name for good; false when it is taken already or memory is out. */
static bool take_name(LoopModule *module, const char *name)
{
    if (name == NULL || !grow_names(module))
        return false;
    const uint32_t at = find_name(module->equal, name);
    if (module->equal->name[at] != NULL)
        return false;
    module->equal->name[at] = name;
    module->equal->name_count++;
    return true;
}

static char *identifier(Arena *arena, const char *stem)
{
    const bool letter_first = (*stem >= 'a' && *stem <= 'z') || (*stem >= 'A' && *stem <= 'Z') || *stem == '_';
    char *text = arena_printf(arena, "%s%s", letter_first ? "" : "_", stem);
    for (char *c = text; c != NULL && *c != '\0'; c++)
        if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9')))
            *c = '_';
    return text;
}

/* `stem`, or stem_2, stem_3 …: the first that is free. Doubling and then halving the number keeps this short. */
static const char *unique_name(LoopModule *module, const char *stem)
{
    const char *base = identifier(&module->arena, stem);
    if (base == NULL || take_name(module, base))
        return base;
    uint32_t free_number = 2, taken = 1;
    for (;; free_number *= 2) {
        const char *name = arena_printf(&module->arena, "%s_%u", base, (unsigned)free_number);
        if (name == NULL || !grow_names(module))
            return NULL;
        if (module->equal->name[find_name(module->equal, name)] == NULL)
            break;
        taken = free_number;
    }
    while (taken + 1 < free_number) {
        const uint32_t middle = taken + (free_number - taken) / 2;
        const char *name = arena_printf(&module->arena, "%s_%u", base, (unsigned)middle);
        if (name == NULL)
            return NULL;
        if (module->equal->name[find_name(module->equal, name)] == NULL)
            free_number = middle;
        else
            taken = middle;
    }
    const char *name = arena_printf(&module->arena, "%s_%u", base, (unsigned)free_number);
    return take_name(module, name) ? name : NULL;
}

/* The slot of a function equal to this one, or the free one where it would go. */
static uint32_t find_equal(const LoopModule *module, const LoopFunction *function)
{
    const LoopTable *table = module->equal;
    uint32_t at = (uint32_t)loop_function_hash(function) & (table->capacity - 1);
    while (table->slot[at] != 0 && !loop_function_equal(module->function[table->slot[at] - 1], function))
        at = (at + 1) & (table->capacity - 1);
    return at;
}

static bool grow_functions(LoopModule *module)
{
    LoopTable *table = module->equal;
    if (table->count * 2 < table->capacity)
        return true;
    const uint32_t capacity = table->capacity == 0 ? 64 : table->capacity * 2;
    uint32_t *slot = ARENA_NEW(&module->arena, uint32_t, capacity);
    if (slot == NULL)
        return false;
    table->slot = slot;
    table->capacity = capacity;
    for (uint32_t i = 0; i < module->function_count; i++)
        table->slot[find_equal(module, module->function[i])] = i + 1;
    return true;
}

uint32_t loop_module_add(LoopModule *module, LoopFunction *function, const char *stem)
{
    if (function == NULL || function->error != NULL || !grow_functions(module))
        return UINT32_MAX;
    const uint32_t at = find_equal(module, function);
    if (module->equal->slot[at] != 0)
        return module->equal->slot[at] - 1;
    if (!VEC_GROW(&module->arena, module, function))
        return UINT32_MAX;
    function->name = unique_name(module, stem);
    if (function->name == NULL)
        return UINT32_MAX;
    module->function[module->function_count++] = function;
    module->equal->slot[at] = module->function_count;
    module->equal->count++;
    return module->function_count - 1;
}

static const LoopCall *copy_call(Arena *arena, const LoopCall *call)
{
    LoopCall *copy = arena_copy(arena, call, sizeof *call);
    if (copy == NULL)
        return NULL;
    copy->argument = arena_copy(arena, call->argument, call->argument_count * sizeof *call->argument);
    return copy->argument == NULL ? NULL : copy;
}

/* What instructions point to. */
static bool copy_payloads(LoopFunction *function)
{
    for (uint32_t i = 1; i < function->instr_count; i++) {
        LoopInstr *instr = &function->instr[i];
        if (instr->op == LOOP_shuffle &&
            (instr->mask = arena_copy(function->arena, instr->mask, instr->type.lanes)) == NULL)
            return false;
        if (instr->op == LOOP_call && (instr->call = copy_call(function->arena, instr->call)) == NULL)
            return false;
    }
    return true;
}

bool loop_function_stands_alone(const LoopFunction *function)
{
    for (uint32_t i = 1; i < function->instr_count; i++)
        if (function->instr[i].op == LOOP_data || function->instr[i].op == LOOP_launch)
            return false;
    return true;
}

uint32_t loop_module_copy(LoopModule *module, const LoopFunction *function)
{
    LoopFunction *copy = arena_copy(&module->arena, function, sizeof *function);
    if (copy == NULL || !loop_function_stands_alone(function))
        return UINT32_MAX;
    copy->arena = &module->arena;
    copy->instr = arena_copy(&module->arena, function->instr, function->instr_count * sizeof *copy->instr);
    copy->instr_capacity = copy->instr_count;
    return copy->instr == NULL || !copy_payloads(copy) ? UINT32_MAX : loop_module_add(module, copy, function->name);
}

static bool copy_parts(LoopModule *module, LoopData *item)
{
    LoopDataPart *part = ARENA_NEW(&module->arena, LoopDataPart, item->part_count);
    if (part == NULL)
        return false;
    size_t total = 0;
    for (uint32_t i = 0; i < item->part_count; i++) {
        part[i] = item->part[i];
        if (part[i].symbol != NULL) {
            part[i].symbol = arena_strdup(&module->arena, part[i].symbol);
            part[i].bytes = 8;
            if (part[i].symbol == NULL)
                return false;
        }
        if (__builtin_add_overflow(total, part[i].bytes, &total))
            return false;
    }
    item->part = part;
    if (item->path == NULL)
        item->bytes = total;
    return true;
}

uint32_t loop_module_add_data(LoopModule *module, const LoopData *data)
{
    LoopData item = *data;
    if (!VEC_GROW(&module->arena, module, data) || !copy_parts(module, &item))
        return UINT32_MAX;
    if (item.path != NULL && (item.path = arena_strdup(&module->arena, item.path)) == NULL)
        return UINT32_MAX;
    if (item.name == NULL) {
        item.name = unique_name(module, "data");
    } else {
        item.name = arena_strdup(&module->arena, item.name);
        if (!take_name(module, item.name))
            return UINT32_MAX;
    }
    if (item.name == NULL)
        return UINT32_MAX;
    module->data[module->data_count] = item;
    return module->data_count++;
}
