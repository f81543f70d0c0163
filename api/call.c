/* SPDX-License-Identifier: Apache-2.0
 * Requests made of handles. */
#include "api/call.h"

#include <stdio.h>
#include <stdlib.h>

/* All results carry the message. */
static void refuse_handle(adze_context *context, FunctionId function, uint32_t argument, const char *fault,
                          adze_array *result, uint32_t result_count)
{
    char text[256];
    snprintf(text, sizeof text, "argument %u %s", argument, fault);
    for (uint32_t i = 0; i < result_count; i++)
        result[i] = call_refuse(context, function, text);
}

void call_request(adze_context *context, const Request *request, const adze_array *x, uint32_t count,
                  adze_array *result, uint32_t result_count)
{
    ArrayNode *small[4], **input = count <= 4 ? small : calloc(count, sizeof *input);
    ArrayNode *node[MAX_FUNCTION_RESULTS] = {NULL};
    for (uint32_t i = 0; i < count; i++) {
        const char *fault = handle_fault(context->engine, x[i]);
        if (fault != NULL) {
            refuse_handle(context, (FunctionId)request->function, i, fault, result, result_count);
            if (input != small)
                free(input);
            return;
        }
        if (input != NULL)
            input[i] = node_of(x[i]);
    }
    if (input != NULL)
        request_nodes(context->engine, request, input, count, node, result_count);
    if (input != small)
        free(input);
    for (uint32_t i = 0; i < result_count; i++)
        result[i] = context_own(context, node[i]);
}

adze_array call_function(adze_context *context, FunctionId function, const adze_array *x, uint32_t count,
                         const int64_t *integer, uint32_t integer_count)
{
    adze_array result;
    const Request request = {.function = function, .integer = integer, .integer_count = integer_count};
    call_request(context, &request, x, count, &result, 1);
    return result;
}

adze_array call_refuse(adze_context *context, FunctionId function, const char *what)
{
    StrBuf text = {0};
    strbuf_printf(&text, "[%s] %s", function_info[function].name, what);
    ArrayNode *node = text.failed ? NULL : node_error(strbuf_text(&text));
    strbuf_release(&text);
    return context_own(context, node);
}
