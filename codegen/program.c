/* SPDX-License-Identifier: Apache-2.0
 * Builds a Program: plan, offsets, kernels, entry. Groups are lowered when the plan asks about them; equal kernels, and
 * those that differ in sizes alone, become one function in the loop module. */
#include "codegen/program.h"

#include "codegen/share.h"

#include <stdlib.h>
#include <string.h>

#include "ir/base/hash.h"
#include "ir/base/vec.h"
#include "runtime/runtime.h"

static Status out_of_memory(Diag *diag)
{
    return diag_fail(diag, STATUS_OUT_OF_MEMORY, "codegen", "out of memory");
}

/* ---------------------------------------------------------------- groups ---- */

static uint32_t find_slot(const Program *program, const Graph *graph, NodeId node)
{
    const uint64_t hash = hash_word(hash_word(0, (uint64_t)(uintptr_t)graph), node.id);
    uint32_t at = (uint32_t)hash & (program->group_capacity - 1);
    while (program->group[at] && (program->group[at]->graph != graph || program->group[at]->node.id != node.id))
        at = (at + 1) & (program->group_capacity - 1);
    return at;
}

static bool grow_groups(Program *program)
{
    ProgramGroup **old = program->group;
    const uint32_t old_capacity = program->group_capacity;
    if (program->group_count * 2 < old_capacity)
        return true;
    program->group_capacity = old_capacity == 0 ? 64 : 2 * old_capacity;
    program->group = ARENA_NEW(&program->arena, ProgramGroup *, program->group_capacity);
    for (uint32_t i = 0; program->group && i < old_capacity; i++)
        if (old[i])
            program->group[find_slot(program, old[i]->graph, old[i]->node)] = old[i];
    return program->group != NULL;
}

static const char *kernel_stem(const ProgramGroup *group)
{
    const char *kind = node_string(graph_node(group->graph, group->node), ATTR_kind);
    return kind[0] ? kind : "kernel";
}

static Status check_kernels(const ProgramGroup *group, const char *where, Diag *diag)
{
    for (uint32_t i = 0; i < group->lowered.kernel_count; i++) {
        const LoopFunction *function = group->lowered.kernel[i].function;
        if (!function)
            return out_of_memory(diag);
        if (function->error)
            return diag_fail(diag, STATUS_FAILED, where, "%s: %s", kernel_stem(group), function->error);
    }
    return STATUS_OK;
}

static Status lower(Program *program, ProgramGroup *group, Diag *diag)
{
    Module *module = group->graph->module;
    const char *where = location_text(module, graph_node(group->graph, group->node)->location);
    const LowerContext context = {&program->options.target, program->loops, &program->arena, diag};
    TRY(lower_group(&context, group->graph, group->node, &group->lowered));
    TRY(module->status);
    return check_kernels(group, where, diag);
}

static Status lower_new(Program *program, ProgramGroup *group, uint64_t hash, Diag *diag)
{
    if (!VEC_GROW(&program->arena, program, lowered))
        return out_of_memory(diag);
    TRY(lower(program, group, diag));
    program->lowered[program->lowered_count++] = group;
    return intern_add(&program->known, &program->arena, hash, program->lowered_count) ? STATUS_OK : out_of_memory(diag);
}

typedef struct GroupQuery {
    const Program *program;
    const Node *node;
} GroupQuery;

static bool same_group(const void *context, uint32_t id)
{
    const GroupQuery *asked = context;
    const ProgramGroup *known = asked->program->lowered[id - 1];
    const Node *node = graph_node(known->graph, known->node);
    return strcmp(node_string(node, ATTR_kind), node_string(asked->node, ATTR_kind)) == 0 && node->region_count == 1 &&
           graph_structure_equal(node->region[0], asked->node->region[0]);
}

/* A group that wasn't seen: lowered, unless one like it was. */
static Status add_group(Program *program, uint32_t at, const Graph *graph, NodeId node, Diag *diag)
{
    const GroupQuery asked = {program, graph_node(graph, node)};
    ProgramGroup *group = ARENA_NEW(&program->arena, ProgramGroup, 1);
    if (!group)
        return out_of_memory(diag);
    group->graph = graph;
    group->node = node;
    const uint64_t hash = asked.node->region_count == 1 ? graph_structure_hash(asked.node->region[0]) : 0;
    const uint32_t known = asked.node->region_count == 1 ? intern_find(&program->known, hash, same_group, &asked) : 0;
    if (known != 0)
        group->same = program->lowered[known - 1];
    else
        TRY(lower_new(program, group, hash, diag));
    program->group[at] = group;
    program->group_count++;
    return STATUS_OK;
}

const ProgramGroup *program_group(const Program *program, const Graph *graph, NodeId node)
{
    const ProgramGroup *group = program->group[find_slot(program, graph, node)];
    return group->same ? group->same : group;
}

/* All kernels join the module: those that differ in sizes alone as one function. */
static Status add_kernels(Program *program, Diag *diag)
{
    uint32_t count = 0;
    Kernel **kernel = ARENA_NEW(&program->arena, Kernel *, (size_t)program->lowered_count * MAX_KERNELS);
    if (!kernel)
        return out_of_memory(diag);
    for (uint32_t i = 0; i < program->lowered_count; i++)
        for (uint32_t k = 0; k < program->lowered[i]->lowered.kernel_count; k++)
            kernel[count++] = &program->lowered[i]->lowered.kernel[k];
    if (!share_kernels(kernel, count, &program->arena))
        return out_of_memory(diag);
    for (uint32_t i = 0; i < program->lowered_count; i++) {
        ProgramGroup *group = program->lowered[i];
        for (uint32_t k = 0; k < group->lowered.kernel_count; k++) {
            group->function[k] = loop_module_add(program->loops, group->lowered.kernel[k].function, kernel_stem(group));
            if (group->function[k] == UINT32_MAX)
                return out_of_memory(diag);
        }
    }
    return STATUS_OK;
}

typedef struct QueryContext {
    Program *program;
    Diag *diag;
} QueryContext;

static Status query(void *user, const Graph *graph, NodeId node, PlanGroup *info)
{
    const QueryContext *context = user;
    Program *program = context->program;
    if (!grow_groups(program))
        return out_of_memory(context->diag);
    const uint32_t at = find_slot(program, graph, node);
    if (!program->group[at])
        TRY(add_group(program, at, graph, node, context->diag));
    const ProgramGroup *group = program_group(program, graph, node);
    *info = (PlanGroup){group->lowered.temporary_bytes, group->lowered.in_place};
    return STATUS_OK;
}

/* ---------------------------------------------------------------- offsets ---- */

static int64_t round_up(int64_t bytes)
{
    return (bytes + ADZE_ALIGNMENT - 1) & -(int64_t)ADZE_ALIGNMENT;
}

static Status fill_sizes(const Plan *plan, AdzeBuffer *buffer, int64_t *bytes, Diag *diag)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < plan->buffer_count; i++) {
        const PlanBuffer *planned = &plan->buffer[i];
        if (!dim_is_constant(planned->bytes))
            return diag_fail(diag, STATUS_INVALID, "codegen", "a size isn't bound by any input dimension");
        const bool sane = planned->bytes.constant >= 0 && planned->bytes.constant < INT64_MAX / 4;
        bytes[i] = sane ? round_up(planned->bytes.constant) : 0;
        if (!sane || __builtin_add_overflow(sum, bytes[i], &sum) || sum > INT64_MAX / 4)
            return diag_fail(diag, STATUS_UNSUPPORTED, "codegen", "the sizes of intermediate results overflow");
        buffer[i] = (AdzeBuffer){.first = planned->first, .last = planned->last};
    }
    return STATUS_OK;
}

static Status solve_in(Plan *plan, Arena *scratch, Diag *diag)
{
    const uint32_t count = plan->buffer_count;
    AdzeBuffer *buffer = ARENA_NEW(scratch, AdzeBuffer, count);
    int64_t *bytes = ARENA_NEW(scratch, int64_t, count), *offset = ARENA_NEW(scratch, int64_t, count);
    void *planner = arena_alloc(scratch, adze_plan_scratch_bytes(count));
    if (!buffer || !bytes || !offset || !planner)
        return out_of_memory(diag);
    TRY(fill_sizes(plan, buffer, bytes, diag));
    plan->arena_bytes = adze_plan_offsets(buffer, count, bytes, offset, planner, &plan->bound_bytes);
    for (uint32_t i = 0; i < count; i++)
        plan->buffer[i].offset = offset[i];
    plan->solved = true;
    return STATUS_OK;
}

static Status solve(Plan *plan, Diag *diag)
{
    Arena scratch;
    arena_init(&scratch);
    const Status status = solve_in(plan, &scratch, diag);
    arena_release(&scratch);
    return status;
}

/* ---------------------------------------------------------------- building ---- */

/* The workspace of a model without symbols, as the runtime will answer. */
static int64_t static_workspace_bytes(const Program *program)
{
    const AdzeArtifact artifact = {.arena_bytes = program->plan.arena_bytes};
    const AdzeModel model = {
        .input_count = program->graph->parameter_count,
        .output_count = program->graph->result_count,
        .data_symbol_count = program->symbols.data_count,
        .artifact = &artifact,
    };
    return adze_runtime_workspace_bytes(&model, NULL);
}

static void fill_info(Program *program)
{
    enum { EMBED_LIMIT = 64 << 20 };
    ProgramInfo *info = &program->info;
    const WeightsPlace place = program->options.weights;
    info->kernel_count = program->loops->function_count - 1;
    info->workspace_bytes = program->plan.solved ? static_workspace_bytes(program) : -1;
    info->workspace_bound = program->plan.solved ? program->plan.bound_bytes : -1;
    info->weight_bytes = program->weights.bytes;
    info->weights_beside = info->weight_bytes > 0 &&
                           (place == WEIGHTS_SIDE || (place == WEIGHTS_AUTOMATIC && info->weight_bytes > EMBED_LIMIT));
}

static Status build(Program *program, Diag *diag)
{
    QueryContext context = {program, diag};
    TRY(program_find_symbols(program, diag));
    TRY(plan_build(program->graph, query, &context, &program->arena, &program->plan));
    TRY(add_kernels(program, diag));
    if (program->symbols.input_count == 0)
        TRY(solve(&program->plan, diag));
    TRY(program_lay_out_weights(program, diag));
    TRY(program_write_entry(program, diag));
    fill_info(program);
    return STATUS_OK;
}

static bool copy_options(Program *program, const CodegenOptions *options)
{
    Arena *arena = &program->arena;
    program->options = *options;
    program->options.name = arena_strdup(arena, options->name);
    program->options.weights_file = options->weights_file ? arena_strdup(arena, options->weights_file)
                                                          : arena_printf(arena, "%s.weights", options->name);
    return program->options.name && program->options.weights_file;
}

static bool is_identifier(const char *name)
{
    for (const char *c = name; *c; c++) {
        const bool letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || *c == '_';
        if (!letter && (c == name || *c < '0' || *c > '9'))
            return false;
    }
    return name[0] != '\0';
}

Status codegen_build(const Graph *graph, const CodegenOptions *options, Program **result, Diag *diag)
{
    *result = NULL;
    if (!is_identifier(options->name))
        return diag_fail(diag, STATUS_USAGE, "codegen", "the model's name '%s' is no C identifier", options->name);
    Program *program = calloc(1, sizeof *program);
    if (!program)
        return out_of_memory(diag);
    arena_init(&program->arena);
    program->graph = graph;
    program->loops = loop_module_create();
    const bool ready = program->loops && copy_options(program, options);
    const Status status = ready ? build(program, diag) : out_of_memory(diag);
    if (status == STATUS_OK)
        *result = program;
    else
        program_destroy(program);
    return status;
}

void program_destroy(Program *program)
{
    if (!program)
        return;
    loop_module_destroy(program->loops);
    arena_release(&program->arena);
    free(program);
}

const ProgramInfo *program_info(const Program *program)
{
    return &program->info;
}

const LoopModule *program_loops(const Program *program)
{
    return program->loops;
}

void program_print_plan(const Program *program, StrBuf *out)
{
    plan_print(&program->plan, out);
}
