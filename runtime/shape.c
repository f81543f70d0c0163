/* SPDX-License-Identifier: Apache-2.0
 * Sizes known late: programs that compute dimensions from symbols, and how input shapes bind the symbols.
 * A symbol is bound by the first input dimension that is exactly it; then every input dimension must agree. */
#include "runtime/runtime.h"

static bool floor_divide(int64_t a, int64_t b, int64_t *result)
{
    if (b == 0 || (a == INT64_MIN && b == -1))
        return false;
    *result = a / b - (a % b != 0 && (a < 0) != (b < 0));
    return true;
}

static bool floor_modulo(int64_t a, int64_t b, int64_t *result)
{
    int64_t quotient;
    if (!floor_divide(a, b, &quotient))
        return false;
    *result = a - quotient * b;
    return true;
}

static bool apply(AdzeProgramOp op, int64_t a, int64_t b, int64_t *result)
{
    switch (op) {
    case ADZE_PROGRAM_ADD:
        return !__builtin_add_overflow(a, b, result);
    case ADZE_PROGRAM_MUL:
        return !__builtin_mul_overflow(a, b, result);
    case ADZE_PROGRAM_FLOOR_DIV:
        return floor_divide(a, b, result);
    case ADZE_PROGRAM_MOD:
        return floor_modulo(a, b, result);
    case ADZE_PROGRAM_MAX:
        *result = a > b ? a : b;
        return true;
    case ADZE_PROGRAM_MIN:
        *result = a < b ? a : b;
        return true;
    default:
        return false;
    }
}

ADZE_RUNTIME bool adze_program_run(const int64_t *program, const int64_t *symbol, int64_t *result)
{
    int64_t stack[ADZE_PROGRAM_DEPTH] = {0};
    uint32_t depth = 0;
    for (;; program++) {
        const AdzeProgramOp op = (AdzeProgramOp)*program;
        if (op == ADZE_PROGRAM_END) {
            *result = stack[0];
            return depth == 1;
        }
        if (op == ADZE_PROGRAM_NUMBER || op == ADZE_PROGRAM_SYMBOL) {
            if (depth == ADZE_PROGRAM_DEPTH)
                return false;
            program++;
            stack[depth++] = op == ADZE_PROGRAM_NUMBER ? *program : symbol[*program];
            continue;
        }
        if (depth < 2 || !apply(op, stack[depth - 2], stack[depth - 1], &stack[depth - 2]))
            return false;
        depth--;
    }
}

ADZE_RUNTIME bool adze_dimension_value(const AdzeModel *model, const AdzeDimension *dimension, const int64_t *symbol,
                                       int64_t *value)
{
    if (dimension->size >= 0) {
        *value = dimension->size;
        return true;
    }
    return adze_program_run(model->artifact->program + dimension->program, symbol, value) && *value >= 0;
}

ADZE_RUNTIME AdzeStatus adze_check_symbols(const AdzeModel *model, const int64_t *symbol, AdzeMessage message)
{
    if (model->symbol_count > 0 && !symbol)
        return adze_fail(message, ADZE_ARGUMENT, "symbol values are missing");
    for (uint32_t i = 0; i < model->symbol_count; i++) {
        const AdzeSymbol *range = &model->symbol[i];
        if (symbol[i] < range->min || symbol[i] > range->max)
            return adze_fail(message, ADZE_SHAPE, "'%s' is %lld, the model takes %lld to %lld", range->name,
                             (long long)symbol[i], (long long)range->min, (long long)range->max);
    }
    return ADZE_OK;
}

/* ---- binding ---- */

typedef struct SymbolSource { /* the input dimension that binds a symbol */
    uint32_t input, axis;
} SymbolSource;

static bool find_source(const AdzeModel *model, uint32_t symbol, SymbolSource *source)
{
    for (uint32_t i = 0; i < model->input_count; i++)
        for (uint32_t k = 0; k < model->input[i].rank; k++)
            if (model->input[i].dimension[k].symbol == (int32_t)symbol) {
                *source = (SymbolSource){i, k};
                return true;
            }
    return false;
}

static AdzeStatus bind_symbol(const AdzeModel *model, uint32_t index, const int64_t *const *input_shape,
                              int64_t *symbol, AdzeMessage message)
{
    const AdzeSymbol *range = &model->symbol[index];
    SymbolSource source;
    if (!find_source(model, index, &source))
        return adze_fail(message, ADZE_SHAPE, "no input dimension is '%s': give its value", range->name);
    if (!input_shape[source.input] && model->input[source.input].rank > 0)
        return adze_fail(message, ADZE_ARGUMENT, "input %u '%s': its shape is missing", source.input,
                         model->input[source.input].name);
    const int64_t value = input_shape[source.input][source.axis];
    if (value < range->min || value > range->max)
        return adze_fail(message, ADZE_SHAPE,
                         "input %u '%s': dimension %u ('%s') is %lld, the model takes %lld to %lld", source.input,
                         model->input[source.input].name, source.axis, range->name, (long long)value,
                         (long long)range->min, (long long)range->max);
    symbol[index] = value;
    return ADZE_OK;
}

static AdzeStatus check_input(const AdzeModel *model, uint32_t index, const int64_t *shape, const int64_t *symbol,
                              AdzeMessage message)
{
    const AdzeArgument *input = &model->input[index];
    if (!shape && input->rank > 0)
        return adze_fail(message, ADZE_ARGUMENT, "input %u '%s': its shape is missing", index, input->name);
    for (uint32_t i = 0; i < input->rank; i++) {
        const AdzeDimension *dimension = &input->dimension[i];
        int64_t due;
        SymbolSource source;
        if (!adze_dimension_value(model, dimension, symbol, &due))
            return adze_fail(message, ADZE_SHAPE, "input %u '%s': dimension %u, %s, is negative or overflows", index,
                             input->name, i, dimension->text);
        if (shape[i] == due)
            continue;
        if (dimension->symbol >= 0 && find_source(model, (uint32_t)dimension->symbol, &source))
            return adze_fail(message, ADZE_SHAPE,
                             "input %u '%s': dimension %u is %lld, but '%s' is %lld in input %u '%s'", index,
                             input->name, i, (long long)shape[i], dimension->text, (long long)due, source.input,
                             model->input[source.input].name);
        return adze_fail(message, ADZE_SHAPE, "input %u '%s': dimension %u is %lld, due is %lld%s%s%s", index,
                         input->name, i, (long long)shape[i], (long long)due, dimension->size < 0 ? " (" : "",
                         dimension->size < 0 ? dimension->text : "", dimension->size < 0 ? ")" : "");
    }
    return ADZE_OK;
}

ADZE_RUNTIME AdzeStatus adze_runtime_bind(const AdzeModel *model, const int64_t *const *input_shape, int64_t *symbol,
                                          char *text, size_t text_bytes)
{
    const AdzeMessage message = {text, text_bytes};
    if (!input_shape && model->input_count > 0)
        return adze_fail(message, ADZE_ARGUMENT, "input shapes are missing");
    if (!symbol && model->symbol_count > 0)
        return adze_fail(message, ADZE_ARGUMENT, "no room for symbol values");
    AdzeStatus status = ADZE_OK;
    for (uint32_t i = 0; i < model->symbol_count && status == ADZE_OK; i++)
        status = bind_symbol(model, i, input_shape, symbol, message);
    for (uint32_t i = 0; i < model->input_count && status == ADZE_OK; i++)
        status = check_input(model, i, input_shape[i], symbol, message);
    return status;
}

/* ---- outputs ---- */

/* Data symbols don't have values before a call: their bound stands in, in `all`, which holds the symbols of both kinds.
 */

static const int64_t *with_bounds(const AdzeModel *model, const int64_t *symbol, int64_t all[ADZE_SHAPE_SYMBOLS])
{
    if (model->data_symbol_count == 0)
        return symbol;
    for (uint32_t i = 0; i < model->symbol_count; i++)
        all[i] = symbol[i];
    for (uint32_t i = 0; i < model->data_symbol_count; i++)
        all[model->symbol_count + i] = model->artifact->data_symbol_max[i];
    return all;
}

ADZE_RUNTIME AdzeStatus adze_runtime_output_shape(const AdzeModel *model, uint32_t output, const int64_t *symbol,
                                                  int64_t *shape)
{
    int64_t all[ADZE_SHAPE_SYMBOLS];
    if (output >= model->output_count || (!shape && model->output[output].rank > 0))
        return ADZE_ARGUMENT;
    const AdzeStatus status = adze_check_symbols(model, symbol, (AdzeMessage){0});
    if (status != ADZE_OK)
        return status;
    symbol = with_bounds(model, symbol, all);
    for (uint32_t i = 0; i < model->output[output].rank; i++)
        if (!adze_dimension_value(model, &model->output[output].dimension[i], symbol, &shape[i]))
            return ADZE_SHAPE;
    return ADZE_OK;
}

ADZE_RUNTIME int64_t adze_runtime_output_bytes(const AdzeModel *model, uint32_t output, const int64_t *symbol)
{
    int64_t bytes;
    if (output >= model->output_count || adze_check_symbols(model, symbol, (AdzeMessage){0}) != ADZE_OK)
        return -1;
    const int64_t *program = model->artifact->program + model->artifact->capacity[output];
    return adze_program_run(program, symbol, &bytes) && bytes >= 0 ? bytes : -1;
}
