/* SPDX-License-Identifier: Apache-2.0
 * The table of ONNX ops, searched by name. */
#include "frontend/onnx/onnx_rules.h"

#include <string.h>

static const OnnxRow onnx_row[] = {
#define ONNX(domain, op, first, last, rule, argument, min_inputs, max_inputs)                                          \
    {domain, #op, first, last, import_##rule, argument, min_inputs, max_inputs},
#include "frontend/onnx/onnx_ops.def"
};

const OnnxRow *onnx_row_find(const char *domain, const char *op, int64_t opset, bool *is_known)
{
    *is_known = false;
    for (size_t i = 0; i < sizeof onnx_row / sizeof *onnx_row; i++) {
        const OnnxRow *row = &onnx_row[i];
        if (strcmp(row->op, op) != 0 || strcmp(row->domain, domain) != 0)
            continue;
        *is_known = true;
        if (opset >= row->first && opset <= row->last)
            return row;
    }
    return NULL;
}
