/* SPDX-License-Identifier: Apache-2.0
 * Batching of linear algebra: ops on the last two axes, so lanes are one batch axis more. */
#include "passes/batch/batch.h"

#define MATRICES(name)                                                                                                 \
    void batch_##name(BatchRule *r)                                                                                    \
    {                                                                                                                  \
        const Value *operand = batch_operands(r);                                                                      \
        if (operand != NULL)                                                                                           \
            batch_add(r, operand, r->node->attr, r->node->attr_count, NULL);                                           \
    }

MATRICES(cholesky)
MATRICES(lu)
MATRICES(qr)
MATRICES(eigh)
MATRICES(svd)

/* [lanes, batch…, n, m] → [batch…, n, lanes m], or back when `type` is that of all lanes. */
static Value lanes_to_columns(BatchRule *r, Value x, Type lane)
{
    Dim dim[MAX_RANK + 1];
    const Value moved = build_move_axis(&r->b, x, 0, lane.rank - 1);
    for (uint32_t i = 0; i < lane.rank; i++)
        dim[i] = lane.dim[i];
    dim[lane.rank - 1] = dim_mul(r->lanes->batching->module, r->lanes->batching->size, lane.dim[lane.rank - 1]);
    return build_reshape(&r->b, moved, dim, lane.rank);
}

static Value columns_to_lanes(BatchRule *r, Value x, Type lane)
{
    Dim dim[MAX_RANK + 1];
    for (uint32_t i = 0; i + 1 < lane.rank; i++)
        dim[i] = lane.dim[i];
    dim[lane.rank - 1] = r->lanes->batching->size;
    dim[lane.rank] = lane.dim[lane.rank - 1];
    return build_move_axis(&r->b, build_reshape(&r->b, x, dim, lane.rank + 1), lane.rank - 1, 0);
}

/* Lanes that share a matrix are more right-hand sides. */
void batch_triangular_solve(BatchRule *r)
{
    const Type lane = batch_operand_type(r, 1);
    const Value *operand = r->mapped[0] ? batch_operands(r) : NULL;
    if (operand != NULL) {
        batch_add(r, operand, r->node->attr, r->node->attr_count, NULL);
    } else if (!r->mapped[0]) {
        batch_add(r, (const Value[]){r->x[0], lanes_to_columns(r, r->x[1], lane)}, r->node->attr, r->node->attr_count,
                  NULL);
        r->y[0] = columns_to_lanes(r, r->y[0], lane);
    }
}
