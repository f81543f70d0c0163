/* SPDX-License-Identifier: Apache-2.0
 * Windows over spatial axes: what convolutions and pools of ONNX share. */
#ifndef ADZE_FRONTEND_ONNX_ONNX_WINDOW_H
#define ADZE_FRONTEND_ONNX_ONNX_WINDOW_H

#include "frontend/onnx/importer.h"

typedef struct Window {
    uint32_t rank; /* spatial axes: 2 … of the input */
    int64_t size[MAX_RANK];
    int64_t strides[MAX_RANK];
    int64_t dilation[MAX_RANK];
    Dim low[MAX_RANK], high[MAX_RANK]; /* padding; of ceil_mode too */
    Dim given_high[MAX_RANK];          /* without what ceil_mode adds */
} Window;

/* Reads kernel_shape (or `size`, when not NULL), strides, dilations, pads, auto_pad, ceil_mode. False: reported. */
bool onnx_window_read(Site *s, Type input, const int64_t *size, Window *window);
/* As the builder takes it. */
WindowSpec window_spec(const Window *window);
/* Elements of a window from its first to its last. */
int64_t window_extent(const Window *window, uint32_t axis);
/* x plus a vector along axis 1. */
Value site_add_channels(Site *s, Value x, Value bias);

#endif
