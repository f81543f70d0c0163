/* SPDX-License-Identifier: Apache-2.0
 * Arrays in .npy files: little-endian, C order. The file's dtype is a function of the element type:
 *   f16 f32 f64, bool, i8 … u64 as NumPy writes them; bf16 as <u2, float8 kinds and f4e2m1 as |u1, raw bits;
 *   i4 i2 as |i1 and u4 u2 as |u1, one element a byte; c64 as <c8. */
#ifndef ADZE_FRONTEND_NPY_H
#define ADZE_FRONTEND_NPY_H

#include "ir/ir.h"

/* The element type the file has when nothing else is known: that of the dtype in NumPy. */
Status npy_read(const char *path, HostArray *array, Arena *arena, Diag *diag);
/* Reads an array that is known to have elements of that type; another dtype than its own is an error. */
Status npy_read_as(const char *path, ElementType element, HostArray *array, Arena *arena, Diag *diag);
/* The same from memory; `name` is for messages. element ELEMENT_COUNT: whatever the file has. Untrusted input. */
Status npy_parse(const char *name, const void *bytes, size_t length, ElementType element, HostArray *array,
                 Arena *arena, Diag *diag);

/* Writes format 1.0. */
Status npy_write(const char *path, const HostArray *array, Diag *diag);

#endif
