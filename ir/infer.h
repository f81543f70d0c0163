/* SPDX-License-Identifier: Apache-2.0
 * Type rules: what the infer_*.c files share; not for other folders.
 * A rule reads operands and attributes through an Inference, checks all of them, and sets the results. infer_node has
 * checked before: arity, that all required attributes are there and none is foreign, that operands are values.
 * After the rule it checks that the result types are possible (type_check). */
#ifndef ADZE_IR_INFER_H
#define ADZE_IR_INFER_H

#include "ir/ir.h"

typedef struct Inference {
    Graph *graph;
    Module *module;
    const NodeSpec *spec;
    Type *result;
    uint32_t result_count;
} Inference;

typedef Status InferRule(Inference *c);

#define OP(name, traits, operands, results, attributes, infer, ...) InferRule infer_##infer;
#include "ir/ops.def"

/* "WHERE: op: …". INVALID: can't be right; UNSUPPORTED: could be right, but can't be shown when compiling. */
Status infer_fail(Inference *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
Status infer_fail_as(Inference *c, Status status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Texts for messages, in the module's arena. */
const char *dim_text(const Inference *c, Dim dim);
const char *type_text(const Inference *c, Type type);

/* Operands and attributes. Missing attributes read as 0, "", empty. */
Type operand_type(const Inference *c, uint32_t i);
const Attr *spec_attr(const Inference *c, AttrKey key);
int64_t spec_integer(const Inference *c, AttrKey key);
const char *spec_string(const Inference *c, AttrKey key);
Dim spec_dim(const Inference *c, AttrKey key);
ElementType spec_element(const Inference *c, AttrKey key);
/* Lists of a given length. */
Status spec_integers(Inference *c, AttrKey key, uint32_t count, const int64_t **list);
Status spec_dims(Inference *c, AttrKey key, uint32_t count, const Dim **list);

/* Results. `dim` is copied unless it is an operand's (result_like). */
Status result_set(Inference *c, ElementType element, const Dim *dim, uint32_t rank);
Status result_like(Inference *c, ElementType element, Type type);

/* Checks. */
Status check_rank(Inference *c, uint32_t operand, uint32_t least, uint32_t most);
Status check_axis(Inference *c, AttrKey key, int64_t axis, uint32_t rank);
Status check_axes(Inference *c, AttrKey key, uint32_t rank, bool ascending, const int64_t **axes, uint32_t *count);
Status check_flag(Inference *c, AttrKey key);
Status check_least(Inference *c, AttrKey key, const int64_t *list, uint32_t count, int64_t least);
Status check_choice(Inference *c, AttrKey key, const char *const *choice);
Status check_same_element(Inference *c, uint32_t a, uint32_t b);
/* Dimensions must be equal; `what` names the place: "dimension 1 of operand 0". */
Status check_dim(Inference *c, Dim came, Dim due, const char *what, uint32_t index);
Status check_same_shape(Inference *c, uint32_t operand, Type due);
/* a <= b, shown from ranges. */
Status check_at_most(Inference *c, Dim a, Dim b, const char *what, uint32_t index);

bool element_is_numeric(ElementType element); /* not bool */
bool element_is_ordered(ElementType element); /* not complex */

#endif
