/* SPDX-License-Identifier: Apache-2.0
 * Type rules of ops with regions. A region is a closed graph: its parameters take the operands, its results are given.
 */
#include "ir/infer.h"

#include <string.h>

#include "ir/module.h"

static Status check_region_count(Inference *c, uint32_t least, uint32_t most)
{
    const uint32_t count = c->spec->region_count;
    if (count >= least && count <= most)
        return STATUS_OK;
    return infer_fail(c, "has %u regions, should have %u", count, count < least ? least : most);
}

static Type parameter_type(const Graph *region, uint32_t i)
{
    return value_type(region, region->parameter[i]);
}

static Type result_type(const Graph *region, uint32_t i)
{
    return value_type(region, region->result[i]);
}

static Status check_parameter_count(Inference *c, const char *region_name, const Graph *region, uint32_t due)
{
    if (region->parameter_count == due)
        return STATUS_OK;
    return infer_fail(c, "%s has %u parameters, should have %u", region_name, region->parameter_count, due);
}

static Status check_result_count(Inference *c, const char *region_name, const Graph *region, uint32_t least)
{
    if (region->result_count == least)
        return STATUS_OK;
    return infer_fail(c, "%s has %u results, should have %u", region_name, region->result_count, least);
}

static Status check_type(Inference *c, const char *region_name, const char *what, uint32_t i, Type came, Type due)
{
    if (type_equal(came, due))
        return STATUS_OK;
    return infer_fail(c, "%s: %s %u is %s, should be %s", region_name, what, i, type_text(c, came), type_text(c, due));
}

/* The region's parameters are the operands from `first` on. */
static Status check_parameters(Inference *c, const char *region_name, const Graph *region, uint32_t first)
{
    TRY(check_parameter_count(c, region_name, region, c->spec->operand_count - first));
    for (uint32_t i = 0; i < region->parameter_count; i++)
        TRY(check_type(c, region_name, "parameter", i, parameter_type(region, i), operand_type(c, first + i)));
    return STATUS_OK;
}

static Status check_scalar_bool(Inference *c, const char *what, Type type)
{
    if (type.element == ELEMENT_bool && type.rank == 0)
        return STATUS_OK;
    return infer_fail(c, "%s is %s, should be bool[]", what, type_text(c, type));
}

static Status give_results(Inference *c, const Graph *region)
{
    Type *result = ARENA_NEW(&c->module->arena, Type, region->result_count);
    if (result == NULL)
        return module_out_of_memory(c->module);
    for (uint32_t i = 0; i < region->result_count; i++)
        result[i] = result_type(region, i);
    c->result = result;
    c->result_count = region->result_count;
    return STATUS_OK;
}

Status infer_if(Inference *c)
{
    TRY(check_region_count(c, 2, 2));
    if (c->spec->operand_count == 0)
        return infer_fail(c, "has no condition");
    TRY(check_scalar_bool(c, "the condition", operand_type(c, 0)));
    const Graph *then_region = c->spec->region[0], *else_region = c->spec->region[1];
    TRY(check_parameters(c, "then", then_region, 1));
    TRY(check_parameters(c, "else", else_region, 1));
    TRY(check_result_count(c, "else", else_region, then_region->result_count));
    for (uint32_t i = 0; i < else_region->result_count; i++)
        TRY(check_type(c, "else", "result", i, result_type(else_region, i), result_type(then_region, i)));
    return give_results(c, then_region);
}

/* A count attribute within 0 … most. */
static Status read_count(Inference *c, AttrKey key, uint32_t most, uint32_t *count)
{
    const int64_t value = spec_integer(c, key);
    if (value < 0 || value > (int64_t)most)
        return infer_fail(c, "'%s' is %lld, should be 0 to %u", attr_info[key].name, (long long)value, most);
    *count = (uint32_t)value;
    return STATUS_OK;
}

Status infer_while(Inference *c)
{
    uint32_t carried = 0;
    TRY(check_region_count(c, 2, 2));
    TRY(read_count(c, ATTR_carry_count, c->spec->operand_count, &carried));
    const Dim bound = spec_dim(c, ATTR_bound);
    if (dim_is_constant(bound) && bound.constant < 0)
        return infer_fail(c, "the bound is %lld", (long long)bound.constant);
    const Graph *condition = c->spec->region[0], *body = c->spec->region[1];
    TRY(check_parameters(c, "condition", condition, 0));
    TRY(check_parameters(c, "body", body, 0));
    TRY(check_result_count(c, "condition", condition, 1));
    TRY(check_scalar_bool(c, "the condition's result", result_type(condition, 0)));
    TRY(check_result_count(c, "body", body, carried));
    for (uint32_t i = 0; i < carried; i++)
        TRY(check_type(c, "body", "result", i, result_type(body, i), operand_type(c, i)));
    return give_results(c, body);
}

/* An input's type without axis 0, which has length `size`. */
static Status slice_type(Inference *c, uint32_t operand, Dim size, Type *slice)
{
    const Type type = operand_type(c, operand);
    if (type.rank == 0)
        return infer_fail(c, "operand %u is a scalar, should be sliced along axis 0", operand);
    if (!dim_equal(type.dim[0], size))
        return infer_fail(c, "operand %u: dimension 0 is %s, should be %s", operand, dim_text(c, type.dim[0]),
                          dim_text(c, size));
    *slice = (Type){type.element, type.rank - 1, type.dim + 1};
    return STATUS_OK;
}

static Status check_scan_parameters(Inference *c, const Graph *body, uint32_t carried, uint32_t inputs, Dim size)
{
    TRY(check_parameter_count(c, "body", body, c->spec->operand_count));
    for (uint32_t i = 0; i < c->spec->operand_count; i++) {
        Type due = operand_type(c, i);
        if (i >= carried && i < carried + inputs)
            TRY(slice_type(c, i, size, &due));
        TRY(check_type(c, "body", "parameter", i, parameter_type(body, i), due));
    }
    return STATUS_OK;
}

static Status stack_results(Inference *c, uint32_t carried, Dim size)
{
    for (uint32_t i = carried; i < c->result_count; i++) {
        const Type slice = c->result[i];
        Dim dim[MAX_RANK + 1] = {size};
        if (slice.rank == MAX_RANK)
            return infer_fail_as(c, STATUS_UNSUPPORTED, "result %u has more than %d axes", i, MAX_RANK);
        for (uint32_t k = 0; k < slice.rank; k++)
            dim[k + 1] = slice.dim[k];
        c->result[i] = type_make(c->module, slice.element, dim, slice.rank + 1);
    }
    return c->module->status;
}

Status infer_scan(Inference *c)
{
    uint32_t carried = 0, inputs = 0;
    const Dim size = spec_dim(c, ATTR_size);
    TRY(check_region_count(c, 1, 1));
    TRY(check_flag(c, ATTR_reverse));
    TRY(read_count(c, ATTR_carry_count, c->spec->operand_count, &carried));
    TRY(read_count(c, ATTR_input_count, c->spec->operand_count - carried, &inputs));
    if (dim_is_constant(size) && size.constant < 0)
        return infer_fail(c, "the length is %lld", (long long)size.constant);
    const Graph *body = c->spec->region[0];
    TRY(check_scan_parameters(c, body, carried, inputs, size));
    if (body->result_count < carried)
        return infer_fail(c, "body has %u results, should have at least %u", body->result_count, carried);
    for (uint32_t i = 0; i < carried; i++)
        TRY(check_type(c, "body", "result", i, result_type(body, i), operand_type(c, i)));
    TRY(give_results(c, body));
    return stack_results(c, carried, size);
}

Status infer_call(Inference *c)
{
    const Graph *callee = spec_attr(c, ATTR_callee)->graph;
    TRY(check_region_count(c, 0, 0));
    if (callee == NULL || callee->module != c->module || callee->name[0] == 0)
        return infer_fail(c, "the callee isn't a named graph of the module");
    if (callee == c->graph)
        return infer_fail(c, "'%s' calls itself", callee->name);
    TRY(check_parameters(c, callee->name, callee, 0));
    return give_results(c, callee);
}

Status infer_region(Inference *c)
{
    TRY(check_region_count(c, 1, 1));
    TRY(check_parameters(c, "region", c->spec->region[0], 0));
    return give_results(c, c->spec->region[0]);
}

/* vjp: (operands, cotangents, results) → operand cotangents. */
static Status check_vjp(Inference *c, const Graph *forward, const Graph *vjp)
{
    const uint32_t operands = c->spec->operand_count, results = forward->result_count;
    TRY(check_parameter_count(c, "vjp", vjp, operands + 2 * results));
    TRY(check_result_count(c, "vjp", vjp, operands));
    for (uint32_t i = 0; i < operands; i++) {
        TRY(check_type(c, "vjp", "parameter", i, parameter_type(vjp, i), operand_type(c, i)));
        TRY(check_type(c, "vjp", "result", i, result_type(vjp, i), operand_type(c, i)));
    }
    for (uint32_t i = 0; i < 2 * results; i++)
        TRY(check_type(c, "vjp", "parameter", operands + i, parameter_type(vjp, operands + i),
                       result_type(forward, i % results)));
    return STATUS_OK;
}

/* jvp: (operands, tangents of all of them) → result tangents. */
static Status check_jvp(Inference *c, const Graph *forward, const Graph *jvp)
{
    const uint32_t operands = c->spec->operand_count, results = forward->result_count;
    TRY(check_parameter_count(c, "jvp", jvp, 2 * operands));
    TRY(check_result_count(c, "jvp", jvp, results));
    for (uint32_t i = 0; i < 2 * operands; i++)
        TRY(check_type(c, "jvp", "parameter", i, parameter_type(jvp, i), operand_type(c, i % operands)));
    for (uint32_t i = 0; i < results; i++)
        TRY(check_type(c, "jvp", "result", i, result_type(jvp, i), result_type(forward, i)));
    return STATUS_OK;
}

/* The rules that the regions after the first are. */
static Status check_rules(Inference *c, const Graph *forward)
{
    const bool named = spec_attr(c, ATTR_rules) != NULL;
    const char *rules = named ? spec_string(c, ATTR_rules) : "vjp";
    const uint32_t count = strcmp(rules, "vjp,jvp") == 0 ? 2 : 1;
    if (count == 1 && strcmp(rules, "vjp") != 0 && strcmp(rules, "jvp") != 0)
        return infer_fail(c, "'rules' is \"%s\", should be \"vjp\", \"jvp\" or \"vjp,jvp\"", rules);
    TRY(check_region_count(c, named ? 1 + count : 1, 1 + count));
    for (uint32_t i = 1; i < c->spec->region_count; i++) {
        const bool is_jvp = i == 2 || strcmp(rules, "jvp") == 0;
        TRY((is_jvp ? check_jvp : check_vjp)(c, forward, c->spec->region[i]));
    }
    return STATUS_OK;
}

Status infer_custom(Inference *c)
{
    const int64_t source = spec_integer(c, ATTR_source);
    if (c->spec->region_count == 0)
        return infer_fail(c, "has no region, should have at least the function itself");
    const Graph *forward = c->spec->region[0];
    TRY(check_parameters(c, "forward", forward, 0));
    TRY(check_rules(c, forward));
    if (source != 0 && module_source(c->module, source) == NULL)
        return infer_fail(c, "the module has no batch source %lld", (long long)source);
    return give_results(c, forward);
}
