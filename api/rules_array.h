/* SPDX-License-Identifier: Apache-2.0
 * What the rules of family "array" share. */
#ifndef ADZE_API_RULES_ARRAY_H
#define ADZE_API_RULES_ARRAY_H

#include "api/rules.h"

/* Negative axes count from the end; fails in MLX's words where there is no such axis. */
bool array_axis(RuleCall *call, int64_t *axis, uint32_t rank);
/* Several of them; fails where one is named twice. `axis` gets count entries, at most MAX_RANK. */
bool array_axes(RuleCall *call, const int64_t *given, uint32_t count, uint32_t rank, int64_t *axis);
Value array_flat(RuleCall *call, Value x);
/* x and the axis meant: of the flattened array where axis is ADZE_FLATTENED. */
bool array_flat_axis(RuleCall *call, Value *x, int64_t *axis);
/* Indices as i64; fails for types that aren't integers. */
Value array_indices(RuleCall *call, Value indices);
/* x with one axis of another size: the same type otherwise. */
Type array_resized(RuleCall *call, Type type, uint32_t axis, Dim size);
/* iota along axis plus a number, i64. */
Value array_positions(RuleCall *call, const Dim *dim, uint32_t rank, uint32_t axis, int64_t from);

#endif
