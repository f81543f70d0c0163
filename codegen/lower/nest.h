/* SPDX-License-Identifier: Apache-2.0
 * Loop nests: the pieces that families build kernels of. */
#ifndef ADZE_CODEGEN_LOWER_NEST_H
#define ADZE_CODEGEN_LOWER_NEST_H

#include "codegen/lower/site.h"

/* A rough number of scalar operations for one element of the value, operands in the region included once. */
uint32_t region_cost(const Graph *region);
uint32_t op_cost(OpKind op);

/* What a dimension is likely to be: decides about schedules only. */
int64_t dim_estimate(const Module *module, Dim dim);

/* A function with the region's buffers and `more` further ones, and its expression. False: out of memory. */
bool kernel_begin(const LowerContext *context, const Graph *region, uint32_t more, LoopFunction **function,
                  Expression **expression);
/* Adds the finished kernel to the group; a failure recorded in the function is reported. */
Status kernel_end(const LowerContext *context, Expression *expression, Dim extent, Dim work, LoweredGroup *lowered);

/* Indices along dims of a linear index, row-major. */
void split_index(Expression *e, Reg linear, const Dim *dim, uint32_t count, AxisIndex *index);

/* for i in from … to - 1 in vectors of `lanes`, then a masked rest where there may be one. from is a multiple of lanes.
 */
typedef void LaneBody(void *data, Reg base, Reg active);
void lane_loop(Expression *e, Reg from, Reg to, uint32_t lanes, bool has_rest, LaneBody *body, void *data);
/* Whether a loop over the dimension in vectors may have a rest. */
bool dim_has_rest(Module *module, Dim dim, uint32_t lanes);

/* Evaluates results with what isn't known yet left out: what only depends on the known axes is computed here, once. */
void hoist(Expression *e, const Value *value, uint32_t count, const Site *site);

/* Operands (bits) that the first result may take the place of: as many elements of the same bytes, read only where they
 * are written. Call when the kernel is complete. */
uint64_t find_in_place(const Expression *e);

#endif
