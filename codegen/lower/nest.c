/* SPDX-License-Identifier: Apache-2.0
 * Loop nests: lane loops, linear items, the beginning and end of kernels. */
#include "codegen/lower/nest.h"

uint32_t op_cost(OpKind op)
{
    switch (op) {
    case OP_exp:
    case OP_exp2:
    case OP_expm1:
    case OP_log:
    case OP_log2:
    case OP_log10:
    case OP_log1p:
    case OP_sin:
    case OP_cos:
    case OP_tanh:
    case OP_erf:
    case OP_sigmoid:
    case OP_silu:
    case OP_softplus:
    case OP_gelu:
    case OP_gelu_tanh:
        return 20;
    case OP_div:
    case OP_sqrt:
    case OP_reciprocal:
        return 4;
    case OP_rsqrt:
    case OP_remainder:
    case OP_fmod:
        return 10;
    case OP_broadcast:
    case OP_reshape:
    case OP_parameter:
    case OP_constant:
        return 0;
    default:
        break;
    }
    const bool is_function =
        (op >= OP_cbrt && op <= OP_digamma && op != OP_reciprocal) || op == OP_pow || op == OP_atan2;
    return is_function ? 40 : 1;
}

uint32_t region_cost(const Graph *region)
{
    uint32_t cost = 1;
    for (uint32_t i = 1; i < region->node_count; i++)
        cost += op_cost(region->node[i].op);
    return cost;
}

int64_t dim_estimate(const Module *module, Dim dim)
{
    int64_t least, most;
    dim_bounds(module, dim, &least, &most);
    const int64_t guess = 128;
    return guess < least ? least : guess > most ? most : guess;
}

/* ---------------------------------------------------------------- kernels ---- */

bool kernel_begin(const LowerContext *context, const Graph *region, uint32_t more, LoopFunction **function,
                  Expression **expression)
{
    *function = loop_function_create(context->loops, region->parameter_count + region->result_count + more, 0);
    *expression = *function == NULL ? NULL : expression_create(context, region, *function);
    return *expression != NULL;
}

/* Where a region's messages point to: its last node with a known location. */
static const char *region_place(const Graph *region)
{
    for (uint32_t i = region->node_count; i-- > 1;)
        if (region->node[i].location.id != 0)
            return location_text(region->module, region->node[i].location);
    return "group";
}

Status kernel_end(const LowerContext *context, Expression *e, Dim extent, Dim work, LoweredGroup *lowered)
{
    if (e->f->error != NULL)
        return diag_fail(context->diag, STATUS_UNSUPPORTED, region_place(e->region), "%s", e->f->error);
    if (lowered->kernel_count == MAX_KERNELS)
        return diag_fail(context->diag, STATUS_FAILED, region_place(e->region), "more than %d kernels",
                         (int)MAX_KERNELS);
    Kernel *kernel = &lowered->kernel[lowered->kernel_count++];
    *kernel = (Kernel){.function = e->f, .extent = extent, .work = work};
    kernel->size = expression_sizes(e, &kernel->size_count);
    return STATUS_OK;
}

/* ---------------------------------------------------------------- loops ---- */

void split_index(Expression *e, Reg linear, const Dim *dim, uint32_t count, AxisIndex *index)
{
    for (uint32_t i = count; i-- > 1;) {
        const Reg size = expression_dim(e, dim[i]);
        index[i] = axis_uniform(index_op(e, LOOP_rem_unsigned, linear, size));
        linear = index_op(e, LOOP_div_unsigned, linear, size);
    }
    if (count > 0)
        index[0] = axis_uniform(linear);
}

static void lane_block(Expression *e, Reg base, Reg active, LaneBody *body, void *data)
{
    const uint32_t mark = expression_mark(e);
    body(data, base, active);
    expression_release(e, mark);
    loop_close(e->f);
}

void lane_loop(Expression *e, Reg from, Reg to, uint32_t lanes, bool has_rest, LaneBody *body, void *data)
{
    LoopFunction *f = e->f;
    const Reg none = {0};
    int64_t first, last, whole;
    const Reg end = has_rest && lanes > 1 ? index_op(e, LOOP_and, to, index_constant(e, -(int64_t)lanes)) : to;
    const bool is_known = loop_known(f, from, &first) && loop_known(f, to, &last) && loop_known(f, end, &whole);
    if (!is_known || first < whole)
        lane_block(e, loop_for(f, from, end, index_constant(e, lanes)), none, body, data);
    if (!has_rest || lanes == 1 || (is_known && whole == last))
        return;
    const Reg start = is_known ? end : index_op(e, LOOP_max, from, end);
    const Reg is_left = loop_compare(f, LOOP_less, start, to), active = index_op(e, LOOP_sub, to, start);
    loop_if(f, is_left);
    lane_block(e, start, active, body, data);
}

bool dim_has_rest(Module *module, Dim dim, uint32_t lanes)
{
    return !dim_is(dim_mod(module, dim, dim_constant(lanes)), 0);
}

void hoist(Expression *e, const Value *value, uint32_t count, const Site *site)
{
    e->hoisting = true;
    for (uint32_t i = 0; i < count; i++)
        (void)evaluate(e, value[i], site);
    e->hoisting = false;
}

uint64_t find_in_place(const Expression *e)
{
    const Graph *region = e->region;
    const Type result = value_type(region, region->result[0]);
    uint64_t operands = 0;
    for (uint32_t i = 0; i < region->parameter_count && i < 64; i++) {
        const Type type = value_type(region, region->parameter[i]);
        const bool fits = element_info[type.element].bytes == element_info[result.element].bytes &&
                          dim_equal(type_size(e->module, type), type_size(e->module, result));
        operands |= (uint64_t)(fits && !(e->elsewhere >> i & 1)) << i;
    }
    return operands;
}
