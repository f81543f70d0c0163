/* SPDX-License-Identifier: Apache-2.0
 * Frontends: source -> graph. The one door of this folder; depends on ir only.
 * A frontend gives a module whose first graph is the model, or NULL with messages in `diag`. Files are untrusted. */
#ifndef ADZE_FRONTEND_FRONTEND_H
#define ADZE_FRONTEND_FRONTEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ir/ir.h"

/* Range for a named dimension of the model's inputs; min == max makes it that number. */
typedef struct DimensionRange {
    const char *name;
    int64_t min, max;
} DimensionRange;

/* An input that is a constant from now on, and no input of the graph any more. */
typedef struct InputBinding {
    const char *name;
    HostArray value;
} InputBinding;

typedef struct ImportOptions {
    const DimensionRange *dimension;
    uint32_t dimension_count;
    const InputBinding *binding;
    uint32_t binding_count;
} ImportOptions;

/* Imports an ONNX file. Weights stay in the file, which is mapped for as long as the module lives. `options` may be
 * NULL. All nodes that aren't supported are reported, one STATUS_UNSUPPORTED message each. */
Module *onnx_import(const char *path, const ImportOptions *options, Diag *diag);

/* Reads a file of text IR, and the files beside it that hold its large constants. */
Module *text_import(const char *path, Diag *diag);

/* Whether the bytes (the first few hundred of a file are enough) look like an ONNX model. */
bool onnx_probe(const uint8_t *bytes, size_t count);

#endif
