/* SPDX-License-Identifier: Apache-2.0
 * --wrt and --grad: the entry is replaced by its value and gradients before any pass runs. */
#include <string.h>

#include "driver/driver.h"
#include "passes/transform.h"

static bool find_parameter(const Graph *graph, const char *name, uint32_t *index)
{
    for (*index = 0; *index < graph->parameter_count; ++*index)
        if (strcmp(parameter_name(graph, *index), name) == 0)
            return true;
    return false;
}

static Status unknown_input(const Graph *graph, const char *name, Diag *diag)
{
    StrBuf names = {0};
    for (uint32_t i = 0; i < graph->parameter_count; i++)
        strbuf_printf(&names, "%s%s", i > 0 ? ", " : "", parameter_name(graph, i));
    const Status status =
        diag_fail(diag, STATUS_USAGE, "--wrt", "'%s' is no input of the model; it has %s", name, strbuf_text(&names));
    strbuf_release(&names);
    return status;
}

/* The inputs named by --wrt; without it, all floating ones. */
static Status read_wrt(const Options *options, const Graph *graph, uint32_t *wrt, uint32_t *count, Arena *arena,
                       Diag *diag)
{
    *count = 0;
    for (uint32_t i = 0; i < graph->parameter_count && options->count[OPTION_wrt] == 0; i++)
        if (element_is_floating(value_type(graph, graph->parameter[i]).element))
            wrt[(*count)++] = i;
    for (uint32_t k = 0; k < options->count[OPTION_wrt]; k++) {
        char *text = arena_strdup(arena, options->repeated[OPTION_wrt][k]), *rest = NULL;
        for (char *name = text == NULL ? NULL : strtok_r(text, ",", &rest); name != NULL;
             name = strtok_r(NULL, ",", &rest)) {
            if (*count == graph->parameter_count)
                return diag_fail(diag, STATUS_USAGE, "--wrt", "more names than the model has inputs");
            if (!find_parameter(graph, name, &wrt[*count]))
                return unknown_input(graph, name, diag);
            ++*count;
        }
    }
    return STATUS_OK;
}

/* Puts the last graph first, in place of the entry. */
static void replace_entry(Module *module, Graph *gradient)
{
    gradient->name = module->graph[0]->name;
    module->graph[0] = gradient;
    module->graph_count--;
}

Status model_differentiate(const Options *options, Module *module, Diag *diag)
{
    if (options->count[OPTION_grad] == 0)
        return options->count[OPTION_wrt] == 0 ? STATUS_OK
                                               : diag_fail(diag, STATUS_USAGE, "--wrt",
                                                           "says for what; --grad is missing, which says what to make");
    Arena arena;
    arena_init(&arena);
    uint32_t count = 0, *wrt = ARENA_NEW(&arena, uint32_t, (size_t)module->graph[0]->parameter_count + 1);
    Status status = wrt == NULL ? STATUS_OUT_OF_MEMORY : read_wrt(options, module->graph[0], wrt, &count, &arena, diag);
    if (status == STATUS_OK) {
        Graph *gradient = transform_value_and_grad(module->graph[0], wrt, count);
        status = module->status;
        if (gradient != NULL)
            replace_entry(module, gradient);
    }
    arena_release(&arena);
    return status;
}
