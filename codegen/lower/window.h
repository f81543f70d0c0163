/* SPDX-License-Identifier: Apache-2.0
 * Windows that slide over the trailing axes of [N, C, spatial…], a row of the output at a time: what pooling and direct
 * convolutions share.
 *
 *     columns whose windows lie within the input: vectors of columns, all taps of the last axis
 *     columns at both edges: one at a time, the taps that meet an input element
 *
 * On the other axes the taps that meet one are a range, the same for the whole row. */
#ifndef ADZE_CODEGEN_LOWER_WINDOW_H
#define ADZE_CODEGEN_LOWER_WINDOW_H

#include "codegen/lower/contract.h"

enum { MAX_SPATIAL = MAX_RANK - 2 };

/* Tap t of output o is at o * stride + t * dilation - low of the input. */
typedef struct WindowAxis {
    int64_t window, stride, dilation;
    Dim low, in, out;
} WindowAxis;

/* The taps of an axis that meet the input. */
typedef struct Taps {
    Reg from, to;
    Reg start; /* input index of tap 0, may be negative */
} Taps;

/* Some neighbouring columns of a row of the output. */
typedef struct WindowColumns {
    Reg row;            /* linear over all axes but the last */
    Reg image, channel; /* of the output */
    Reg column, active; /* first; how many (none: all) */
    uint32_t lanes;
    bool whole; /* all taps of the last axis meet the input */
    Taps taps[MAX_SPATIAL];
} WindowColumns;

typedef struct WindowRows {
    Expression *expression;
    LoopFunction *f;
    uint32_t spatial, lanes;
    WindowAxis axis[MAX_SPATIAL];
    Dim channels; /* of the output */
    void (*emit)(void *data, const WindowColumns *columns);
    void *data;
} WindowRows;

/* Attributes window, strides, dilation, low of a node over these shapes. */
void window_read(const Node *node, const Type *in, const Type *out, WindowAxis *axis);

/* All columns of row number `row` of the output. */
void window_row(const WindowRows *w, Reg row);

/* Calls `take` for every tap from axis `number` on, in row-major order, the point's spatial axes set to what it meets.
 * The last axis is unrolled where it is whole and short. `tap`: its number on every axis. */
typedef void TakeTap(void *data, const WindowColumns *columns, const Point *point, const Reg *tap);
void window_walk(const WindowRows *w, const WindowColumns *columns, Point *point, TakeTap *take, void *data);

#endif
