/* SPDX-License-Identifier: Apache-2.0
 * Batching of data movement and of what works along axes: the op itself, one axis further. */
#include "passes/batch/batch.h"

/* Every operand is mapped, every axis one further. */
#define SHIFTED(name)                                                                                                  \
    void batch_##name(BatchRule *r)                                                                                    \
    {                                                                                                                  \
        batch_shift(r, batch_operands(r));                                                                             \
    }

SHIFTED(reshape)
SHIFTED(transpose)
SHIFTED(slice)
SHIFTED(concatenate)
SHIFTED(reverse)
SHIFTED(view)
SHIFTED(scatter)
SHIFTED(take_along)
SHIFTED(put_along)
SHIFTED(reduce_sum)
SHIFTED(reduce_prod)
SHIFTED(reduce_max)
SHIFTED(reduce_min)
SHIFTED(argmax)
SHIFTED(argmin)
SHIFTED(cumulative_sum)
SHIFTED(cumulative_prod)
SHIFTED(cumulative_max)
SHIFTED(cumulative_min)
SHIFTED(softmax)
SHIFTED(log_softmax)
SHIFTED(sort)

void batch_broadcast(BatchRule *r)
{
    uint32_t count;
    const int64_t *axis = node_integers(r->node, ATTR_axes, &count);
    const Type type = mapped_type(r->lanes->batching, batch_result_type(r, 0));
    int64_t axes[MAX_RANK + 1] = {0};
    for (uint32_t i = 0; i < count; i++)
        axes[i + 1] = axis[i] + 1;
    if (r->lanes->batching->module->status == STATUS_OK)
        r->y[0] = build_broadcast(&r->b, r->x[0], type.dim, type.rank, axes);
}

/* Where the operand comes to lie: true. */
static Value pad_inside(BatchRule *r)
{
    uint32_t count;
    const int64_t *interior = node_integers(r->node, ATTR_interior, &count);
    Type type = batch_operand_type(r, 0);
    type.element = ELEMENT_bool;
    return build_pad(&r->b, build_full(&r->b, type, 1), build_scalar(&r->b, ELEMENT_bool, 0),
                     node_dims(r->node, ATTR_low, &count), node_dims(r->node, ATTR_high, &count), interior);
}

/* A padding that differs from lane to lane is put in afterwards. */
void batch_pad(BatchRule *r)
{
    if (!r->mapped[1]) {
        batch_shift(r, (const Value[]){batch_operand(r, 0), r->x[1]});
        return;
    }
    const Type type = mapped_type(r->lanes->batching, batch_result_type(r, 0));
    batch_shift(r, (const Value[]){batch_operand(r, 0), build_scalar(&r->b, type.element, 0)});
    if (r->lanes->batching->module->status != STATUS_OK)
        return;
    const Value padding = build_broadcast(&r->b, r->x[1], type.dim, type.rank, (const int64_t[]){0});
    const Value inside = build_mapped(&r->b, r->lanes->batching, pad_inside(r));
    r->y[0] = build_select(&r->b, inside, r->y[0], padding);
}

/* An operand that all lanes share isn't repeated: the lanes are more lookups. */
void batch_gather(BatchRule *r)
{
    if (!r->mapped[0] && node_integer(r->node, ATTR_batch_count) == 0)
        batch_add(r, r->x, r->node->attr, r->node->attr_count, NULL);
    else
        batch_shift(r, batch_operands(r));
}

/* The lanes' axis is taken whole. */
static Value lead_start(BatchRule *r, Value starts)
{
    const Value zero = build_reshape(&r->b, build_scalar_i64(&r->b, ELEMENT_i64, 0), (const Dim[]){dim_constant(1)}, 1);
    return build_concatenate(&r->b, (const Value[]){zero, starts}, 2, 0);
}

void batch_dynamic_slice(BatchRule *r)
{
    if (r->mapped[1])
        batch_one_by_one(r);
    else
        batch_shift(r, (const Value[]){r->x[0], lead_start(r, r->x[1])});
}

void batch_dynamic_update(BatchRule *r)
{
    if (r->mapped[2])
        batch_one_by_one(r);
    else
        batch_shift(r, (const Value[]){batch_operand(r, 0), batch_operand(r, 1), lead_start(r, r->x[2])});
}
