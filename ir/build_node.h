/* SPDX-License-Identifier: Apache-2.0
 * What the build*.c files share: attributes as expressions, adding a node, failing; not for other folders. */
#ifndef ADZE_IR_BUILD_NODE_H
#define ADZE_IR_BUILD_NODE_H

#include "ir/build.h"

static inline Attr attr_integer(AttrKey key, int64_t value)
{
    return (Attr){.key = key, .integer = value};
}

static inline Attr attr_integers(AttrKey key, const int64_t *list, uint32_t count)
{
    return (Attr){.key = key, .count = count, .integers = list};
}

static inline Attr attr_dim(AttrKey key, Dim dim)
{
    return (Attr){.key = key, .dim = dim};
}

static inline Attr attr_dims(AttrKey key, const Dim *list, uint32_t count)
{
    return (Attr){.key = key, .count = count, .dims = list};
}

static inline Attr attr_element(AttrKey key, ElementType element)
{
    return (Attr){.key = key, .element = element};
}

static inline Attr attr_string(AttrKey key, const char *text)
{
    return (Attr){.key = key, .string = text};
}

/* One node with one result. */
Value build_node(Builder *b, OpKind op, const Value *operand, uint32_t operand_count, const Attr *attr,
                 uint32_t attr_count);
/* Sticky failure at the builder's location; gives no value. */
Value build_fail(Builder *b, Status status, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Whether x is a value and nothing has failed. */
bool build_is_ready(const Builder *b, Value x);
/* Whether axis is one of x's; else a failure. */
bool build_check_axis(Builder *b, OpKind op, Value x, uint32_t axis);
/* Ascending copy of at most MAX_RANK axes; false and a failure when there are more. */
bool build_sort_axes(Builder *b, OpKind op, const int64_t *axes, uint32_t count, int64_t *sorted);

#endif
