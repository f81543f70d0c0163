/* SPDX-License-Identifier: Apache-2.0
 * What tests of whole models share: compiling a module the way the driver does, calling through adze/model.h with every
 * array between pages that must not be touched, comparing results. */
#ifndef ADZE_TESTS_MODEL_CALL_H
#define ADZE_TESTS_MODEL_CALL_H

#include "adze/model.h"
#include "codegen/codegen.h"

/* Passes and codegen. The module is changed, and must live as long as the program. */
Status model_program(Module *module, const char *target, const char *name, Program **program, Diag *diag);

/* Inputs of a graph, symbol i being symbol[i]; numbers as random_inputs makes them. */
bool model_inputs(const Graph *graph, const int64_t *symbol, uint64_t seed, HostArray *input, Arena *arena);

/* Memory that ends, or starts, at a page that can't be touched; the other end has such a page within 4 KiB. */
typedef enum { FLUSH_END, FLUSH_START } Flush;
typedef struct GuardedMemory {
    void *map;
    size_t map_bytes;
    void *data;
} GuardedMemory;
bool guarded_allocate(GuardedMemory *memory, size_t bytes, Flush flush);
void guarded_release(GuardedMemory *memory);

enum { MODEL_CALL_ARRAYS = 32, MODEL_CALL_SYMBOLS = 16 };

typedef struct ModelCall {
    const AdzeModel *model;
    int64_t symbol[MODEL_CALL_SYMBOLS];
    GuardedMemory input_memory[MODEL_CALL_ARRAYS], output_memory[MODEL_CALL_ARRAYS], workspace_memory;
    const void *input[MODEL_CALL_ARRAYS];
    void *output[MODEL_CALL_ARRAYS];
    HostArray result[MODEL_CALL_ARRAYS]; /* data in output; dimensions as the call reports them */
    int64_t *result_shape[MODEL_CALL_ARRAYS];
    void *workspace;
    int64_t workspace_bytes;
    char message[256];
} ModelCall;

/* Binds shapes and makes memory; inputs are copied. False with call->message when the model refuses. */
bool model_call_open(ModelCall *call, const AdzeModel *model, const HostArray *input, Flush flush);
/* Fills outputs and workspace with the byte, then runs. Messages are in call->message. */
AdzeStatus model_call_run(ModelCall *call, int32_t threads, int filling);
void model_call_close(ModelCall *call);

/* NULL when the arrays hold the same bits, NaNs being all alike; else what differs, in `text`. */
const char *arrays_differ(const HostArray *found, const HostArray *due, char text[256]);
/* The same within a tolerance for the element type, relative to the larger of 1 and the number. */
const char *arrays_far_apart(const HostArray *found, const HostArray *due, char text[256]);

#endif
