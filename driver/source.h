/* SPDX-License-Identifier: Apache-2.0
 * Inside libadze_compiler.so: programs of source models, and the commands it serves. */
#ifndef ADZE_DRIVER_SOURCE_H
#define ADZE_DRIVER_SOURCE_H

#include "codegen/codegen.h"
#include "driver/compiler.h"

/* Imports, optimizes and builds a program of a source model; *program stays NULL when --stop-after ended it before. */
Status program_make(const Options *options, const char *name, Module **module, Program **program, Diag *diag);

CommandFunction source_compile, source_dump, list_ops, list_targets, list_passes;

#endif
