/* SPDX-License-Identifier: Apache-2.0
 * How the functions of adze/functions.def become graphs. A rule (rule_<name>, declared from the table) builds the graph
 * of one function on operands of given types; call_… are what rules share. Failures are the module's, and sticky. */
#ifndef ADZE_API_RULES_H
#define ADZE_API_RULES_H

#include "api/api.h"

typedef enum {
#define ROW(name, rule, op, doc) FUNCTION_##name,
#define UNARY ROW
#define BINARY ROW
#define REDUCTION ROW
#define CUMULATIVE ROW
#define OTHER ROW
#include "adze/functions.def"
    FUNCTION_COUNT
#undef ROW
} FunctionId;

enum { MAX_FUNCTION_RESULTS = 8 };

/* One function being built on `in`. */
typedef struct RuleCall {
    Builder b;
    const struct FunctionInfo *info;
    const Request *request;
    const Value *in;
    uint32_t count;
    Engine *engine;
    Value more[MAX_FUNCTION_RESULTS - 1]; /* results after the one that is returned */
    uint32_t more_count;
} RuleCall;

typedef Value Rule(RuleCall *call);

typedef struct FunctionInfo {
    const char *name;
    Rule *rule;
    OpKind op;
} FunctionInfo;

extern const FunctionInfo function_info[FUNCTION_COUNT];

#define ROW(name, rule, op, doc) Rule rule_##rule;
#define UNARY ROW
#define BINARY ROW
#define REDUCTION ROW
#define CUMULATIVE ROW
#define OTHER ROW
#include "adze/functions.def"
#undef ROW

/* MLX's promotion of two element types. */
ElementType promote(ElementType a, ElementType b);

/* The call fails with this message; operands' types are added to it. Returns no value. */
Value call_fail(RuleCall *call, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool call_ready(const RuleCall *call); /* nothing failed so far */
/* A further result, after the one that the rule returns. */
void call_more(RuleCall *call, Value value);
Type call_type(const RuleCall *call, Value value);
ElementType call_element(const RuleCall *call, Value value);
/* Integers and bools as f32, others as they are. */
Value call_floating(RuleCall *call, Value x);
Value call_logical(RuleCall *call, Value x);
/* The first two operands, in the type they promote to. */
void call_promote(RuleCall *call, Value *x, Value *y);
/* Negative axes count from the end; fails where there is no such axis. */
bool call_axis(RuleCall *call, int64_t *axis, uint32_t rank);
bool call_shape(RuleCall *call, const int64_t *shape, uint32_t rank);
uint32_t call_dims(const int64_t *integer, uint32_t count, Dim *dim);
/* Sizes of a request as dimensions, those of shapeless traces too; false: one is neither a size nor known. */
bool call_sizes(RuleCall *call, const int64_t *integer, uint32_t count, Dim *dim);
/* The size of an axis as a number; false, and the call fails, in a shapeless trace that doesn't know it. */
bool call_size(RuleCall *call, Value x, uint32_t axis, int64_t *size);

typedef struct Axes {
    int64_t axis[MAX_RANK];
    uint32_t count;
    bool keep;
} Axes;

/* The axes of a REDUCTION's request: keepdims, whether all, axes. */
bool call_reduced_axes(RuleCall *call, Axes *axes);
Value call_reduce(RuleCall *call, OpKind op, Value x);

#endif
