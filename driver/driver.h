/* SPDX-License-Identifier: Apache-2.0
 * The adze program: options, messages, and one function for each subcommand. Only this folder prints. */
#ifndef ADZE_DRIVER_DRIVER_H
#define ADZE_DRIVER_DRIVER_H

#include <stdbool.h>

#include "codegen/target.h"
#include "frontend/frontend.h"
#include "ir/base/diag.h"
#include "passes/passes.h"

enum OptionCommands { COMPILE = 1, RUN = 2, DUMP = 4, BENCH = 8, OPS = 16, ALL = 255 };

typedef enum {
#define OPTION(name, label, letter, argument, commands, help) OPTION_##name,
#include "driver/options.def"
    OPTION_COUNT
} OptionKind;

enum { MAX_REPEATED = 128 };

/* What the command line said. Texts are the program's arguments. */
typedef struct Options {
    const char *file;                                 /* MODEL or LIB.so; NULL when none was given */
    uint32_t count[OPTION_COUNT];                     /* how often an option was given */
    const char *value[OPTION_COUNT];                  /* its last argument; NULL when it wasn't given */
    const char *repeated[OPTION_COUNT][MAX_REPEATED]; /* all of them */
} Options;

typedef Status CommandFunction(const Options *options, Diag *diag);

typedef struct CommandInfo {
    const char *name;
    const char *argument; /* "MODEL" or "" */
    uint32_t bit;         /* of OptionCommands; 0: takes no options but --help */
    CommandFunction *run;
    const char *help;
} CommandInfo;

CommandFunction command_compile, command_run, command_dump, command_bench, command_ops, command_targets, command_passes,
    command_version;

/* ---- options.c ---- */
/* Reads the arguments after the command's name. */
Status options_parse(const CommandInfo *command, int count, char **argument, Options *options, Diag *diag);
void options_print_help(const CommandInfo *command);
/* A whole number in an option; `otherwise` when it wasn't given. */
Status option_integer(const Options *options, OptionKind option, int64_t min, int64_t max, int64_t otherwise,
                      int64_t *value, Diag *diag);

/* ---- model.c ---- */
/* Reads a model of any source format; free with module_destroy. Applies --dim, --bind, --wrt and --grad. */
Status model_import(const Options *options, Module **module, Diag *diag);
/* Runs --passes (or the default ones) for the target, with the dumps and timings asked for. */
Status model_optimize(const Options *options, const Target *target, const char *dump_after, const char *stop_after,
                      Module *module, Diag *diag);
/* --wrt and --grad (differentiate.c). */
Status model_differentiate(const Options *options, Module *module, Diag *diag);
Status model_target(const Options *options, Target *target, Diag *diag);

#endif
