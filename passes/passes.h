/* SPDX-License-Identifier: Apache-2.0
 * Passes: graph in, graph out. The one door of this folder.
 *
 * A pass reads one graph and builds another in the same module; what it doesn't copy is dead. Passes are rows of
 * passes.def, pipelines are strings of their names: "simplify,fold,simplify,layout,group,collapse". Between passes the
 * verifier runs (debug builds, or when asked), a dump may be taken and time is measured; when a pass fails, its input
 * graph is kept as text. */
#ifndef ADZE_PASSES_PASSES_H
#define ADZE_PASSES_PASSES_H

#include "ir/ir.h"

/* What passes must know of the target and of the user's wishes. Numbers come from codegen, so passes don't depend on
 * it. */
typedef struct PassOptions {
    uint32_t dot_panel_width[ELEMENT_COUNT]; /* columns in a packed panel of a contraction, by element type of the right
                                                operand; 0: not packed */
    uint32_t convolution_panel_width; /* output channels in a packed panel of f32 convolution weights; 0: not packed */
    size_t fold_limit; /* bytes: results of folding that are larger, and larger than their operands, stay unfolded */
    bool verify;       /* run the verifier after every pass */
    const char *dump_after; /* a pass name or "all": text goes to dump(); NULL: none */
    const char *stop_after; /* leave the pipeline after that pass; NULL: run all */
    void (*dump)(void *user, const char *pass, const char *text);
    void (*timed)(void *user, const char *pass, double milliseconds, uint32_t node_count); /* NULL: not asked for */
    void (*failed)(void *user, const char *pass,
                   const char *input_text); /* a pass failed on this graph; NULL: not asked for */
    void *user;
} PassOptions;

typedef struct PassContext {
    Diag *diag;
    Arena *scratch; /* emptied after each pass */
    const PassOptions *options;
} PassContext;

typedef Status Pass(PassContext *context, const Graph *in, Graph *out);

typedef struct PassInfo {
    const char *name;
    Pass *run;
    const char *doc;
} PassInfo;

typedef enum {
#define PASS(name, doc) PASS_##name,
#include "passes/passes.def"
    PASS_COUNT
} PassKind;

extern const PassInfo pass_info[PASS_COUNT];

/* Options with nothing asked for, verification in debug builds. */
PassOptions pass_options_default(void);

/* What `adze compile` runs before planning. */
extern const char *const default_pipeline;

/* Runs the pipeline on every named graph of the module (regions are done with their graphs). The graphs in
 * module->graph are replaced by the results. An unknown pass name fails with the list of names. */
Status pipeline_run(const PassOptions *options, const char *pipeline, Module *module, Diag *diag);

#endif
