/* SPDX-License-Identifier: Apache-2.0
 * Small loop IR functions for the tests of the emitters: one for every op, kind and lane count that the builder
 * accepts, and the data they run on. All have the same arguments: buffers 0, 1, 2 are read, 3 is written; an item is
 * one vector. */
#ifndef ADZE_TESTS_LOOP_CASES_H
#define ADZE_TESTS_LOOP_CASES_H

#include "codegen/loop.h"

enum { CASE_ITEMS = 24, CASE_BUFFERS = 4, CASE_BUFFER_BYTES = CASE_ITEMS * 16 * 8 };

/* Adds the functions of every computing op to the module; gives how many. Without `with_fma` those with fma are left
 * out. */
uint32_t loop_cases_add(LoopModule *module, bool with_fma);

/* Fills buffer number `index`: ordinary numbers and special ones of every kind. */
void loop_cases_fill(uint8_t *buffer, uint32_t index);

/* Whether two results are the same bits; NaNs of the kind that was stored count as one. */
bool loop_cases_equal(LoopKind stored, const void *a, const void *b, size_t bytes);

/* The kind of the elements that the function stores into buffer 3. */
LoopKind loop_cases_stored(const LoopFunction *function);

#endif
