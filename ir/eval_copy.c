/* SPDX-License-Identifier: Apache-2.0
 * Strided copies: the one loop nest behind all data movement. A plan is first made canonical (axes of size 1 dropped,
 * neighbours merged, a contiguous innermost axis folded into the element), so that most copies become long memcpy runs.
 * A transpose is the case where source and target are contiguous along different axes: it goes in square tiles. */
#include "ir/eval.h"

#include <string.h>

enum { TILE = 32 };

void row_major_strides(uint32_t rank, const int64_t *dim, size_t bytes, int64_t *stride)
{
    int64_t step = (int64_t)bytes;
    for (uint32_t i = rank; i-- > 0;) {
        stride[i] = step;
        step *= dim[i] == 0 ? 1 : dim[i];
    }
}

bool index_step(uint32_t rank, const int64_t *dim, int64_t *index)
{
    for (uint32_t i = rank; i-- > 0;) {
        if (++index[i] < dim[i])
            return true;
        index[i] = 0;
    }
    return false;
}

/* Appends an axis on the inside, merging it with the last one where both layouts allow. */
static void push_axis(CopyPlan *plan, int64_t dim, int64_t to, int64_t from)
{
    if (plan->rank > 0) {
        const uint32_t last = plan->rank - 1;
        if (plan->to_stride[last] == dim * to && plan->from_stride[last] == dim * from) {
            plan->dim[last] *= dim;
            plan->to_stride[last] = to;
            plan->from_stride[last] = from;
            return;
        }
    }
    plan->dim[plan->rank] = dim;
    plan->to_stride[plan->rank] = to;
    plan->from_stride[plan->rank] = from;
    plan->rank++;
}

void copy_plan(CopyPlan *plan)
{
    const CopyPlan given = *plan;
    plan->rank = 0;
    for (uint32_t i = 0; i < given.rank; i++) {
        if (given.dim[i] == 0) {
            *plan = (CopyPlan){.rank = 1, .bytes = given.bytes};
            return;
        }
        if (given.dim[i] != 1)
            push_axis(plan, given.dim[i], given.to_stride[i], given.from_stride[i]);
    }
    if (plan->rank == 0)
        return;
    const uint32_t last = plan->rank - 1;
    const int64_t bytes = (int64_t)plan->bytes;
    if (plan->to_stride[last] == bytes && plan->from_stride[last] == bytes) {
        plan->bytes *= (size_t)plan->dim[last];
        plan->rank--;
    }
}

#define COPY_ROW(type)                                                                                                 \
    for (int64_t i = 0; i < count; i++) {                                                                              \
        type element;                                                                                                  \
        memcpy(&element, from + i * from_stride, sizeof element);                                                      \
        memcpy(to + i * to_stride, &element, sizeof element);                                                          \
    }

static void copy_row(int64_t count, size_t bytes, char *to, int64_t to_stride, const char *from, int64_t from_stride)
{
    switch (bytes) {
    case 1:
        COPY_ROW(uint8_t)
        break;
    case 2:
        COPY_ROW(uint16_t)
        break;
    case 4:
        COPY_ROW(uint32_t)
        break;
    case 8:
        COPY_ROW(uint64_t)
        break;
    default:
        for (int64_t i = 0; i < count; i++)
            memcpy(to + i * to_stride, from + i * from_stride, bytes);
    }
}

/* The outer axis (below last) along which the source is contiguous while the last axis isn't; rank when there is none.
 */
static uint32_t transposed_axis(const CopyPlan *plan)
{
    const uint32_t last = plan->rank - 1;
    if (plan->bytes > 8 || plan->from_stride[last] == (int64_t)plan->bytes)
        return plan->rank;
    for (uint32_t i = 0; i < last; i++)
        if (plan->from_stride[i] == (int64_t)plan->bytes)
            return i;
    return plan->rank;
}

static void copy_tile(const CopyPlan *plan, uint32_t axis, int64_t rows, int64_t columns, char *to, const char *from)
{
    const uint32_t last = plan->rank - 1;
    for (int64_t i = 0; i < rows; i++)
        copy_row(columns, plan->bytes, to + i * plan->to_stride[axis], plan->to_stride[last],
                 from + i * plan->from_stride[axis], plan->from_stride[last]);
}

/* The plane of axis and the last axis, tile by tile. */
static void copy_plane(const CopyPlan *plan, uint32_t axis, char *to, const char *from)
{
    const uint32_t last = plan->rank - 1;
    for (int64_t i = 0; i < plan->dim[axis]; i += TILE)
        for (int64_t j = 0; j < plan->dim[last]; j += TILE) {
            const int64_t rows = plan->dim[axis] - i < TILE ? plan->dim[axis] - i : TILE;
            const int64_t columns = plan->dim[last] - j < TILE ? plan->dim[last] - j : TILE;
            copy_tile(plan, axis, rows, columns, to + i * plan->to_stride[axis] + j * plan->to_stride[last],
                      from + i * plan->from_stride[axis] + j * plan->from_stride[last]);
        }
}

void copy_run(const CopyPlan *plan, char *to, const char *from)
{
    if (plan->rank == 0) {
        memcpy(to, from, plan->bytes);
        return;
    }
    if (plan->dim[0] == 0)
        return;
    const uint32_t last = plan->rank - 1, axis = transposed_axis(plan);
    int64_t outer[MAX_RANK], index[MAX_RANK] = {0};
    memcpy(outer, plan->dim, sizeof outer);
    if (axis < plan->rank)
        outer[axis] = 1;
    do {
        int64_t to_offset = 0, from_offset = 0;
        for (uint32_t i = 0; i < last; i++) {
            to_offset += index[i] * plan->to_stride[i];
            from_offset += index[i] * plan->from_stride[i];
        }
        if (axis < plan->rank)
            copy_plane(plan, axis, to + to_offset, from + from_offset);
        else
            copy_row(plan->dim[last], plan->bytes, to + to_offset, plan->to_stride[last], from + from_offset,
                     plan->from_stride[last]);
    } while (index_step(last, outer, index));
}
