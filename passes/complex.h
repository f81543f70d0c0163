/* SPDX-License-Identifier: Apache-2.0
 * Complex numbers as pairs of real ones (complex.c). */
#ifndef ADZE_PASSES_COMPLEX_H
#define ADZE_PASSES_COMPLEX_H

#include "ir/ir.h"

/* The function with everything inside computed on parts: what is left of complex numbers are its parameters and
 * results, ops `real` and `imag` of the former and `complex` that makes the latter. The function itself when it has
 * none; NULL when it fails (sticky in the module). */
const Graph *graph_split_complex(const Graph *function);

#endif
