/* SPDX-License-Identifier: Apache-2.0
 * Finds passes by name and runs them in order over the graphs of a module, verifying, dumping and timing between. */
#include "passes/passes.h"

#include <string.h>
#include <time.h>

#define PASS(name, doc) Pass pass_##name;
#include "passes/passes.def"

const PassInfo pass_info[PASS_COUNT] = {
#define PASS(name, doc) [PASS_##name] = {#name, pass_##name, doc},
#include "passes/passes.def"
};

const char *const default_pipeline = "complex,simplify,fold,simplify,fold,layout,fold,group,collapse,clean";

PassOptions pass_options_default(void)
{
    PassOptions options = {.fold_limit = 1 << 20};
#ifdef ADZE_DEBUG
    options.verify = true;
#endif
    return options;
}

static const PassInfo *find_pass(const char *name, size_t length)
{
    for (uint32_t i = 0; i < PASS_COUNT; i++)
        if (strlen(pass_info[i].name) == length && memcmp(pass_info[i].name, name, length) == 0)
            return &pass_info[i];
    return NULL;
}

static Status unknown_pass(const char *name, size_t length, Diag *diag)
{
    StrBuf names = {0};
    for (uint32_t i = 0; i < PASS_COUNT; i++)
        strbuf_printf(&names, "%s%s", i == 0 ? "" : ", ", pass_info[i].name);
    diag_fail(diag, STATUS_USAGE, "passes", "no pass is called '%.*s'", (int)length, name);
    diag_hint(diag, "passes are: %s", strbuf_text(&names));
    strbuf_release(&names);
    return STATUS_USAGE;
}

static double now_ms(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec * 1e-6;
}

/* A copy of a pass's result without what nobody uses: rules leave the nodes they looked through behind. */
static Status drop_dead_nodes(PassContext *context, const Graph *graph, Graph **result)
{
    Graph *clean = graph_create(graph->module, "");
    if (clean == NULL)
        return module_fail(graph->module, STATUS_OUT_OF_MEMORY, "passes", "out of memory");
    clean->name = graph->name;
    TRY(pass_clean(context, graph, clean));
    *result = clean;
    return STATUS_OK;
}

/* Replaces every named graph by what the pass makes of it; calls are redirected to the new graphs by the rewriter. */
static Status run_on_graphs(const PassInfo *pass, PassContext *context, Module *module)
{
    for (uint32_t i = module->graph_count; i-- > 0;) {
        Graph *out = graph_create(module, "");
        if (out == NULL)
            return module_fail(module, STATUS_OUT_OF_MEMORY, pass->name, "out of memory");
        out->name = module->graph[i]->name;
        TRY(pass->run(context, module->graph[i], out));
        TRY(module->status);
        TRY(drop_dead_nodes(context, out, &module->graph[i]));
    }
    return STATUS_OK;
}

static uint32_t count_nodes(const Module *module)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < module->graph_count; i++)
        count += module->graph[i]->node_count - 1;
    return count;
}

static void report_failure(const PassOptions *options, const char *pass, const Module *module)
{
    if (options->failed == NULL)
        return;
    StrBuf text = {0};
    module_print(module, &text);
    options->failed(options->user, pass, strbuf_text(&text));
    strbuf_release(&text);
}

static void dump(const PassOptions *options, const char *pass, const Module *module)
{
    const bool wanted = options->dump_after != NULL &&
                        (strcmp(options->dump_after, "all") == 0 || strcmp(options->dump_after, pass) == 0);
    if (!wanted || options->dump == NULL)
        return;
    StrBuf text = {0};
    module_print(module, &text);
    options->dump(options->user, pass, strbuf_text(&text));
    strbuf_release(&text);
}

static Status run_pass(const PassInfo *pass, const PassOptions *options, Module *module, Diag *diag)
{
    Arena scratch;
    arena_init(&scratch);
    PassContext context = {diag, &scratch, options};
    const double start = now_ms();
    Status status = run_on_graphs(pass, &context, module);
    arena_release(&scratch);
    if (options->timed != NULL)
        options->timed(options->user, pass->name, now_ms() - start, count_nodes(module));
    if (status == STATUS_OK && options->verify)
        status = module_verify(module);
    if (status != STATUS_OK)
        report_failure(options, pass->name, module);
    else
        dump(options, pass->name, module);
    return status;
}

Status pipeline_run(const PassOptions *options, const char *pipeline, Module *module, Diag *diag)
{
    for (const char *at = pipeline; *at != 0;) {
        const size_t length = strcspn(at, ",");
        const PassInfo *pass = find_pass(at, length);
        if (pass == NULL)
            return unknown_pass(at, length, diag);
        TRY(run_pass(pass, options, module, diag));
        if (options->stop_after != NULL && strcmp(options->stop_after, pass->name) == 0)
            return STATUS_OK;
        at += length + (at[length] == ',');
    }
    return STATUS_OK;
}
