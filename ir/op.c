/* SPDX-License-Identifier: Apache-2.0
 * The op and attribute tables, expanded from their .def files. */
#include "ir/ir.h"

#include <string.h>

const AttrInfo attr_info[ATTR_COUNT] = {
#define ATTR(name, form, doc) [ATTR_##name] = {#name, FORM_##form, doc},
#include "ir/attrs.def"
};

_Static_assert(ATTR_COUNT <= 64, "an op row holds its attribute keys as a bit mask");

#define KEY(name) (UINT64_C(1) << ATTR_##name)
const OpInfo op_info[OP_COUNT] = {
    [OP_NONE] = {"none", 0, NONE, NONE, 0, "No op."},
#define OP(name, traits, operands, results, attributes, infer, eval, derive, batch, lower, doc)                        \
    [OP_##name] = {#name, traits, operands, results, attributes, doc},
#include "ir/ops.def"
};
#undef KEY

OpKind op_from_name(const char *name, size_t length)
{
    for (uint32_t op = OP_NONE + 1; op < OP_COUNT; op++)
        if (strlen(op_info[op].name) == length && memcmp(op_info[op].name, name, length) == 0)
            return (OpKind)op;
    return OP_NONE;
}
