/* SPDX-License-Identifier: Apache-2.0
 * The table of ONNX ops: which rule imports (domain, op, opset). */
#ifndef ADZE_FRONTEND_ONNX_ONNX_RULES_H
#define ADZE_FRONTEND_ONNX_ONNX_RULES_H

#include "frontend/onnx/importer.h"

enum { LATEST = INT32_MAX, MANY = INT32_MAX, NEWEST_OPSET = 28 };

typedef struct OnnxRow {
    const char *domain, *op;
    int64_t first, last; /* opsets of the domain it holds for */
    OnnxRule *rule;
    int argument;
    uint32_t min_inputs, max_inputs;
} OnnxRow;

/* NULL when there is none for that opset. *is_known: some opset has one. */
const OnnxRow *onnx_row_find(const char *domain, const char *op, int64_t opset, bool *is_known);

#define ONNX(domain, op, first, last, rule, argument, min_inputs, max_inputs) OnnxRule import_##rule;
#include "frontend/onnx/onnx_ops.def"

#endif
