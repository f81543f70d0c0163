/* SPDX-License-Identifier: Apache-2.0
 * A call: checks first, then the entry. Nothing compiled for a newer CPU runs before the CPU was looked at. */
#include "runtime/runtime.h"

#include <stdio.h>
#include <string.h>

static AdzeMessage message_of(const AdzeOptions *options)
{
    return options ? (AdzeMessage){options->message, options->message_bytes} : (AdzeMessage){0};
}

static AdzeStatus fail_cpu(const AdzeModel *model, uint64_t missing, AdzeMessage message)
{
    char names[256];
    size_t length = 0;
    for (; missing; missing &= missing - 1) {
        const char *separator = length > 0 ? ", " : "";
        const int written =
            snprintf(names + length, sizeof names - length, "%s%s", separator, adze_cpu_feature_name(missing));
        if (written < 0 || (size_t)written >= sizeof names - length)
            break;
        length += (size_t)written;
    }
    return adze_fail(message, ADZE_CPU, "'%s' is compiled for %s; this CPU lacks %s", model->name, model->target,
                     names);
}

static AdzeStatus check_cpu(const AdzeModel *model, AdzeMessage message)
{
    const uint64_t missing = model->features & ~adze_cpu_features();
    return missing == 0 ? ADZE_OK : fail_cpu(model, missing, message);
}

static int32_t threads_of(const AdzeOptions *options)
{
    return options && options->threads > 1 ? options->threads : 1;
}

ADZE_RUNTIME AdzeStatus adze_runtime_prepare(const AdzeModel *model, const AdzeOptions *options)
{
    const void *weights;
    const AdzeMessage message = message_of(options);
    AdzeStatus status = check_cpu(model, message);
    if (status == ADZE_OK)
        status = adze_weights_open(model, options ? options->weights_path : NULL, &weights, message);
    if (status == ADZE_OK && threads_of(options) > 1 && !options->pool)
        adze_team_start(threads_of(options));
    return status;
}

/* ---- arrays ---- */

static bool is_empty(const AdzeModel *model, const AdzeArgument *argument, const int64_t *symbol)
{
    for (uint32_t i = 0; i < argument->rank; i++) {
        int64_t size;
        if (adze_dimension_value(model, &argument->dimension[i], symbol, &size) && size == 0)
            return true;
    }
    return false;
}

/* A missing array is only fine when it has no elements. */
static AdzeStatus fill_frame(const AdzeModel *model, const void *const *input, void *const *output,
                             const int64_t *symbol, void **frame, AdzeMessage message)
{
    for (uint32_t i = 0; i < model->input_count; i++) {
        frame[i] = (void *)(uintptr_t)input[i];
        if (!frame[i] && !is_empty(model, &model->input[i], symbol))
            return adze_fail(message, ADZE_ARGUMENT, "input %u '%s' is missing", i, model->input[i].name);
    }
    frame += model->input_count;
    for (uint32_t i = 0; i < model->output_count; i++) {
        frame[i] = output[i];
        if (!frame[i] && adze_runtime_output_bytes(model, i, symbol) != 0)
            return adze_fail(message, ADZE_ARGUMENT, "output %u '%s' is missing", i, model->output[i].name);
    }
    return ADZE_OK;
}

static void report_shapes(const AdzeModel *model, const int64_t *symbol, const AdzeWorkspace *workspace,
                          int64_t *const *shape)
{
    int64_t all[ADZE_SHAPE_SYMBOLS];
    if (model->data_symbol_count > 0) {
        memcpy(all, symbol, symbol ? model->symbol_count * sizeof *symbol : 0);
        memcpy(all + model->symbol_count, workspace->data_symbol, model->data_symbol_count * sizeof *all);
        symbol = all;
    }
    for (uint32_t i = 0; i < model->output_count; i++)
        for (uint32_t k = 0; shape[i] && k < model->output[i].rank; k++)
            (void)adze_dimension_value(model, &model->output[i].dimension[k], symbol, &shape[i][k]);
}

static AdzeStatus explain(const AdzeModel *model, int32_t status, AdzeMessage message)
{
    return adze_fail(message, (AdzeStatus)status, "'%s': %s", model->name, adze_runtime_status_text(status));
}

ADZE_RUNTIME AdzeStatus adze_runtime_run(const AdzeModel *model, const void *const *input, void *const *output,
                                         const int64_t *symbol, void *memory, int64_t bytes, const AdzeOptions *options)
{
    const AdzeMessage message = message_of(options);
    const AdzeContext context = {threads_of(options), options ? options->pool : NULL, model->artifact};
    void *stack_frame[ADZE_FRAME_STACK];
    AdzeWorkspace workspace = {0};
    const void *weights = NULL;
    if ((!input && model->input_count > 0) || (!output && model->output_count > 0))
        return adze_fail(message, ADZE_ARGUMENT, "inputs or outputs are missing");
    AdzeStatus status = check_cpu(model, message);
    if (status == ADZE_OK)
        status = adze_weights_open(model, options ? options->weights_path : NULL, &weights, message);
    if (status == ADZE_OK)
        status = adze_check_symbols(model, symbol, message);
    if (status == ADZE_OK)
        status = adze_workspace_open(model, symbol, memory, bytes, stack_frame, &workspace, message);
    if (status == ADZE_OK)
        status = fill_frame(model, input, output, symbol, workspace.frame, message);
    if (status != ADZE_OK)
        return status;
    void **extra = workspace.frame + model->input_count + model->output_count;
    extra[0] = workspace.arena;
    extra[1] = workspace.offset;
    extra[2] = workspace.data_symbol;
    extra[3] = (void *)(uintptr_t)weights;
    const int32_t result = model->artifact->entry(workspace.frame, symbol, 0, 1, &context);
    if (result != ADZE_OK)
        return explain(model, result, message);
    if (options && options->output_shape)
        report_shapes(model, symbol, &workspace, options->output_shape);
    return ADZE_OK;
}
