/* SPDX-License-Identifier: Apache-2.0
 * A model that can be called: a compiled library, or a source model compiled in place; and calls of it on host arrays.
 */
#ifndef ADZE_DRIVER_SESSION_H
#define ADZE_DRIVER_SESSION_H

#include "adze/model.h"
#include "driver/driver.h"

typedef struct Session {
    const AdzeModel *model;
    void *library;                          /* NULL for source models */
    struct Source *source;                  /* of a model compiled in place: the compiler's */
    void (*close)(struct Session *session); /* gives source back; NULL when there is none */
} Session;

Status session_open(const Options *options, Session *session, Diag *diag);
void session_close(Session *session);

/* One call, prepared: shapes bound, outputs and workspace allocated in `arena`. */
typedef struct Call {
    const AdzeModel *model;
    int64_t *symbol;
    const void **input;
    void **output;
    HostArray *result;      /* output_count, data in output */
    int64_t **result_shape; /* output dimensions the call reports */
    void *workspace;
    int64_t workspace_bytes;
    AdzeOptions options;
    char message[512];
} Call;

Status call_prepare(const AdzeModel *model, const HostArray *input, uint32_t input_count, int32_t threads, Arena *arena,
                    Call *call, Diag *diag);
/* Runs it; results are in call->result. */
Status call_run(Call *call, Diag *diag);

/* Reads the arrays of --input, checking their number; element[i] is what input i should hold. */
Status read_inputs(const Options *options, const ElementType *element, uint32_t input_count, HostArray *input,
                   Arena *arena, Diag *diag);
/* The same for a model that can be called. */
Status read_model_inputs(const Options *options, const AdzeModel *model, HostArray *input, Arena *arena, Diag *diag);

/* Writes DIR/0.npy … when --output-dir was given. */
Status write_results(const Options *options, const HostArray *result, uint32_t count, Diag *diag);

#endif
