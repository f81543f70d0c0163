/* SPDX-License-Identifier: Apache-2.0
 * How the functions of adze/functions.def become graphs. */
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

/* One function being built on `in`. */
typedef struct RuleCall {
    Builder b;
    const struct FunctionInfo *info;
    const Request *request;
    const Value *in;
    uint32_t count;
} RuleCall;

typedef Value Rule(RuleCall *call);

typedef struct FunctionInfo {
    const char *name;
    Rule *rule;
    OpKind op;
} FunctionInfo;

extern const FunctionInfo function_info[FUNCTION_COUNT];

/* MLX's promotion of two element types. */
ElementType promote(ElementType a, ElementType b);

#endif
