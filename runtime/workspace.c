/* SPDX-License-Identifier: Apache-2.0
 * What lies where in a workspace:
 *
 *     plan | symbols | offsets | data symbols | frame | (to 64) | arena
 *
 * Models whose sizes are all numbers have no plan, symbols and offsets; a frame is only there when the entry has too
 * many buffers for the stack. A plan is good for a call when the symbols it was made for are the call's, and its hash
 * says that nobody wrote over it. While planning, the arena's memory is the scratch. */
#include "runtime/runtime.h"

#include <stdlib.h>
#include <string.h>

typedef struct WorkspacePlan {
    uint64_t hash;  /* of all that follows, up to the last offset */
    uint64_t model; /* the artifact's address */
    int64_t arena_bytes;
} WorkspacePlan;

typedef struct WorkspaceLayout { /* offsets in bytes */
    int64_t symbols, offsets, data_symbols, frame, arena;
    int64_t scratch; /* bytes from arena on that planning needs */
} WorkspaceLayout;

enum { WORD = sizeof(int64_t) };

static int64_t round_up(int64_t bytes)
{
    return (bytes + ADZE_ALIGNMENT - 1) & -(int64_t)ADZE_ALIGNMENT;
}

static uint32_t frame_count(const AdzeModel *model)
{
    return model->input_count + model->output_count + ADZE_ENTRY_EXTRA_BUFFERS;
}

/* Whether sizes decide anything: else there is nothing to plan or check. */
static bool is_planned(const AdzeModel *model)
{
    return model->symbol_count > 0 && (model->artifact->buffer_count > 0 || model->artifact->check_count > 0);
}

static WorkspaceLayout lay_out(const AdzeModel *model)
{
    WorkspaceLayout layout = {0};
    const bool planned = is_planned(model);
    const int64_t buffers = planned ? (int64_t)model->artifact->buffer_count : 0;
    layout.symbols = planned ? (int64_t)sizeof(WorkspacePlan) : 0;
    layout.offsets = layout.symbols + (planned ? (int64_t)model->symbol_count * WORD : 0);
    layout.data_symbols = layout.offsets + buffers * WORD;
    layout.frame = layout.data_symbols + (int64_t)model->data_symbol_count * WORD;
    layout.arena =
        round_up(layout.frame + (frame_count(model) > ADZE_FRAME_STACK ? (int64_t)frame_count(model) * WORD : 0));
    layout.scratch = buffers * WORD + (int64_t)adze_plan_scratch_bytes((uint32_t)buffers);
    return layout;
}

/* ---- planning ---- */

static bool fill_bytes(const AdzeModel *model, const int64_t *symbol, int64_t *bytes)
{
    const AdzeArtifact *artifact = model->artifact;
    int64_t sum = 0;
    for (uint32_t i = 0; i < artifact->buffer_count; i++) {
        bytes[i] = artifact->buffer[i].bytes;
        if (bytes[i] < 0 && !adze_program_run(artifact->program + artifact->buffer[i].program, symbol, &bytes[i]))
            return false;
        if (bytes[i] < 0 || bytes[i] > INT64_MAX / 4)
            return false;
        bytes[i] = round_up(bytes[i]);
        if (__builtin_add_overflow(sum, bytes[i], &sum) || sum > INT64_MAX / 4)
            return false;
    }
    return true;
}

static bool check_dimensions(const AdzeModel *model, const int64_t *symbol)
{
    const AdzeArtifact *artifact = model->artifact;
    for (uint32_t i = 0; i < artifact->check_count; i++) {
        int64_t value;
        if (!adze_program_run(artifact->program + artifact->check[i], symbol, &value) || value < 0)
            return false;
    }
    return true;
}

/* Bytes of the arena; -1 when a size overflows or is negative. scratch: layout.scratch bytes; offset: one a buffer. */
static int64_t plan(const AdzeModel *model, const int64_t *symbol, void *scratch, int64_t *offset, int64_t *bound)
{
    const AdzeArtifact *artifact = model->artifact;
    int64_t *bytes = scratch;
    if (!check_dimensions(model, symbol) || !fill_bytes(model, symbol, bytes))
        return -1;
    return adze_plan_offsets(artifact->buffer, artifact->buffer_count, bytes, offset, bytes + artifact->buffer_count,
                             bound);
}

/* The arena's bytes and bound, planned in memory of its own. */
static int64_t measure(const AdzeModel *model, const int64_t *symbol, int64_t *bound)
{
    const WorkspaceLayout layout = lay_out(model);
    const size_t offsets = (size_t)model->artifact->buffer_count * WORD;
    if (adze_check_symbols(model, symbol, (AdzeMessage){0}) != ADZE_OK)
        return -1;
    if (!is_planned(model)) {
        *bound = model->artifact->arena_bound;
        return model->artifact->arena_bytes;
    }
    char *memory = malloc((size_t)layout.scratch + offsets + 1);
    if (!memory)
        return -1;
    const int64_t arena = plan(model, symbol, memory + offsets, (int64_t *)memory, bound);
    free(memory);
    return arena >= 0 && arena < layout.scratch ? round_up(layout.scratch) : arena;
}

ADZE_RUNTIME int64_t adze_runtime_workspace_bytes(const AdzeModel *model, const int64_t *symbol)
{
    int64_t bound = 0;
    const int64_t arena = measure(model, symbol, &bound);
    return arena < 0 ? -1 : lay_out(model).arena + arena;
}

ADZE_RUNTIME int64_t adze_workspace_bound(const AdzeModel *model, const int64_t *symbol)
{
    int64_t bound = 0;
    return measure(model, symbol, &bound) < 0 ? -1 : bound;
}

/* ---- opening ---- */

static uint64_t hash_words(const uint64_t *word, size_t count)
{
    uint64_t hash = count;
    for (size_t i = 0; i < count; i++)
        hash = (hash ^ word[i]) * 0x9E3779B97F4A7C15u + (hash >> 29);
    return hash;
}

static uint64_t plan_hash(const WorkspacePlan *made, const WorkspaceLayout *layout)
{
    return hash_words(&made->model, (size_t)(layout->data_symbols - WORD) / WORD);
}

static bool plan_is_good(const AdzeModel *model, const WorkspacePlan *made, const WorkspaceLayout *layout,
                         const int64_t *symbol)
{
    const char *symbols = (const char *)made + layout->symbols;
    return made->model == (uint64_t)(uintptr_t)model->artifact &&
           memcmp(symbols, symbol, model->symbol_count * sizeof *symbol) == 0 && made->hash == plan_hash(made, layout);
}

static AdzeStatus make_plan(const AdzeModel *model, const WorkspaceLayout *layout, const int64_t *symbol, char *memory,
                            AdzeMessage message)
{
    WorkspacePlan *made = (WorkspacePlan *)memory;
    int64_t *offset = (int64_t *)(memory + layout->offsets), bound;
    made->model = (uint64_t)(uintptr_t)model->artifact;
    made->arena_bytes = plan(model, symbol, memory + layout->arena, offset, &bound);
    if (made->arena_bytes < 0)
        return adze_fail(message, ADZE_SHAPE,
                         "a size inside the model is negative or overflows for these input shapes");
    memcpy(memory + layout->symbols, symbol, model->symbol_count * sizeof *symbol);
    made->hash = plan_hash(made, layout);
    return ADZE_OK;
}

static AdzeStatus too_small(AdzeMessage message, int64_t bytes, int64_t due)
{
    return adze_fail(message, ADZE_WORKSPACE, "the workspace has %lld bytes, %lld are due", (long long)bytes,
                     (long long)due);
}

static AdzeStatus use_plan(const AdzeModel *model, const WorkspaceLayout *layout, const int64_t *symbol, char *memory,
                           int64_t bytes, AdzeMessage message)
{
    if (bytes < layout->arena + layout->scratch)
        return too_small(message, bytes, layout->arena + layout->scratch);
    if (!plan_is_good(model, (WorkspacePlan *)memory, layout, symbol)) {
        const AdzeStatus status = make_plan(model, layout, symbol, memory, message);
        if (status != ADZE_OK)
            return status;
    }
    const int64_t due = layout->arena + ((WorkspacePlan *)memory)->arena_bytes;
    return bytes < due ? too_small(message, bytes, due) : ADZE_OK;
}

ADZE_RUNTIME AdzeStatus adze_workspace_open(const AdzeModel *model, const int64_t *symbol, void *memory, int64_t bytes,
                                            void **frame, AdzeWorkspace *workspace, AdzeMessage message)
{
    const WorkspaceLayout layout = lay_out(model);
    const bool planned = is_planned(model);
    const int64_t least = layout.arena + (planned ? 0 : model->artifact->arena_bytes);
    if (bytes < least)
        return too_small(message, bytes, least);
    if ((least > 0 && !memory) || (uintptr_t)memory % ADZE_ALIGNMENT != 0)
        return adze_fail(message, ADZE_WORKSPACE, "the workspace is %s",
                         memory ? "not aligned to 64 bytes" : "missing");
    if (planned) {
        const AdzeStatus status = use_plan(model, &layout, symbol, memory, bytes, message);
        if (status != ADZE_OK)
            return status;
    }
    char *base = memory;
    workspace->arena = base ? base + layout.arena : NULL;
    workspace->offset = planned ? (int64_t *)(base + layout.offsets) : NULL;
    workspace->data_symbol = model->data_symbol_count > 0 ? (int64_t *)(base + layout.data_symbols) : NULL;
    workspace->frame = frame_count(model) <= ADZE_FRAME_STACK ? frame : (void **)(base + layout.frame);
    return ADZE_OK;
}
