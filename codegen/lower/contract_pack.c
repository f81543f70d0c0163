/* SPDX-License-Identifier: Apache-2.0
 * Packing: operands that a product can't read where they are (arithmetic before it, layouts without a stride, types
 * other than the accumulator's) are written to the temporary once, by a kernel of their own that runs before it. */
#include "codegen/lower/contract.h"

uint32_t temporary_buffer(const Graph *region)
{
    return region->parameter_count + region->result_count;
}

Expression *contract_kernel_begin(const LowerContext *context, const Graph *region, Kernel *kernel)
{
    *kernel = (Kernel){.function = loop_function_create(context->loops, temporary_buffer(region) + 1, 0)};
    return kernel->function == NULL ? NULL : expression_create(context, region, kernel->function);
}

Status contract_kernel_end(const LowerContext *context, Expression *expression, Kernel *kernel, LoweredGroup *lowered)
{
    if (kernel->function->error != NULL)
        return diag_fail(context->diag, STATUS_UNSUPPORTED, "lowering a product", "%s", kernel->function->error);
    if (lowered->kernel_count == MAX_KERNELS)
        return diag_fail(context->diag, STATUS_FAILED, "lowering a product", "it takes more than %d kernels",
                         MAX_KERNELS);
    kernel->size = expression_sizes(expression, &kernel->size_count);
    lowered->kernel[lowered->kernel_count++] = *kernel;
    return STATUS_OK;
}

Axes axes_none(void)
{
    return (Axes){.size = dim_constant(1)};
}

void axes_add(Module *module, Axes *axes, Type type, uint32_t axis)
{
    axes->size = dim_mul(module, axes->size, type.dim[axis]);
    axes->axis[axes->count] = axis;
    axes->dim[axes->count++] = type.dim[axis];
}

typedef struct Packer {
    const Packing *packing;
    const LowerContext *context;
    Expression *expression;
    LoopFunction *f;
    Reg to; /* the temporary */
    LoopKind kind;
    uint32_t lanes;
} Packer;

/* Indices of `axes` from a linear one, as axes of a place. */
static void set_axes(const Packer *p, const Axes *axes, Reg linear, Point *point)
{
    Reg index[MAX_RANK];
    index_split(p->expression, p->f, linear, axes->dim, axes->count, index);
    for (uint32_t i = 0; i < axes->count; i++)
        point->axis[axes->axis[i]] = (AxisIndex){.base = index[i]};
}

/* The same for lanes that are neighbours from `linear` on. */
static void set_lane_axes(const Packer *p, const Axes *axes, Reg linear, Point *point)
{
    Reg index[MAX_RANK];
    LoopFunction *f = p->f;
    if (axes->count == 1) {
        point->axis[axes->axis[0]] = (AxisIndex){.base = linear, .step = 1};
        return;
    }
    const Reg all =
        loop_binary(f, LOOP_add, loop_splat(f, linear, p->lanes), loop_lane_index(f, loop_type(LOOP_i64, p->lanes)));
    index_split(p->expression, f, all, axes->dim, axes->count, index);
    for (uint32_t i = 0; i < axes->count; i++)
        point->axis[axes->axis[i]] = (AxisIndex){.base = loop_extract(f, index[i], 0), .lanes = index[i]};
}

/* Writes one vector: `index` in the temporary's elements. */
static void put(const Packer *p, const Point *point, Reg index)
{
    const Packing *packing = p->packing;
    const uint32_t mark = expression_mark(p->expression);
    const Reg value = expression_at(p->expression, packing->value, point);
    const Reg sum = to_accumulator(p->f, value, packing->element, p->kind);
    /* whole panels are written, lanes past the last column as whatever the expression makes of them */
    const Reg active = packing->width != 0 ? (Reg){0} : point->active;
    expression_store_at(p->expression, packing->element, p->to, index,
                        expression_splat(p->expression, sum, point->lanes), point->lanes, active);
    expression_release(p->expression, mark);
}

/* One vector at lanes `linear` … of `axes`, masked by their number when it may not be whole. */
static void put_lanes(const Packer *p, const Axes *axes, Reg linear, Point *point, Reg index)
{
    const Reg size = dim_register(p->expression, axes->size);
    const bool whole = dim_is_constant(axes->size) && axes->size.constant % p->lanes == 0;
    set_lane_axes(p, axes, linear, point);
    point->lanes = p->lanes;
    point->active = (Reg){0};
    if (whole) {
        put(p, point, index);
        return;
    }
    const Reg left = loop_sub(p->f, size, linear), lanes = loop_index(p->f, p->lanes);
    loop_if(p->f, loop_compare(p->f, LOOP_less_equal, lanes, left));
    put(p, point, index);
    loop_else(p->f);
    point->active = left;
    put(p, point, index);
    loop_close(p->f);
}

/* Row item = batch * outer + o: its inner elements, contiguous. */
static void pack_row(const Packer *p, Reg item)
{
    const Packing *packing = p->packing;
    LoopFunction *f = p->f;
    const Reg outer = dim_register(p->expression, packing->outer.size);
    const Reg inner = dim_register(p->expression, packing->inner.size);
    const Reg start = loop_mul(f, item, inner);
    const Reg batch = index_divide(f, item, outer), row = index_remainder(f, item, outer);
    const Reg k = loop_for(f, loop_index(f, 0), inner, loop_index(f, p->lanes));
    Point point = {.rank = packing->batch.count + packing->outer.count + packing->inner.count};
    set_axes(p, &packing->batch, batch, &point);
    set_axes(p, &packing->outer, row, &point);
    put_lanes(p, &packing->inner, k, &point, loop_add(f, start, k));
    loop_close(f);
}

/* Panel item = batch * panels + panel: [inner][width]. */
static void pack_panel(const Packer *p, Reg item, Reg panels)
{
    const Packing *packing = p->packing;
    LoopFunction *f = p->f;
    const Reg inner = dim_register(p->expression, packing->inner.size), width = loop_index(f, packing->width);
    const Reg columns = dim_register(p->expression, packing->outer.size);
    const Reg start = loop_mul(f, item, loop_mul(f, inner, width));
    const Reg batch = index_divide(f, item, panels);
    const Reg first = loop_mul(f, index_remainder(f, item, panels), width);
    const Reg k = loop_for(f, loop_index(f, 0), inner, loop_index(f, 1));
    const Reg vector = loop_for(f, loop_index(f, 0), width, loop_index(f, p->lanes));
    const Reg column = loop_add(f, first, vector);
    Point point = {.rank = packing->batch.count + packing->outer.count + packing->inner.count};
    loop_if(f, loop_compare(f, LOOP_less, column, columns));
    set_axes(p, &packing->batch, batch, &point);
    set_axes(p, &packing->inner, k, &point);
    put_lanes(p, &packing->outer, column, &point, loop_add(f, loop_add(f, start, loop_mul(f, k, width)), vector));
    loop_close(f);
    loop_close(f);
    loop_close(f);
}

static Dim item_count(Module *module, const Packing *packing)
{
    const Dim outer = packing->width == 0 ? packing->outer.size
                                          : dim_ceil_div(module, packing->outer.size, dim_constant(packing->width));
    return dim_mul(module, packing->batch.size, outer);
}

Status pack_operand(const LowerContext *context, const Graph *region, const Packing *packing, LoweredGroup *lowered)
{
    Module *module = region->module;
    const LoopKind kind = expression_kind(packing->element);
    Kernel kernel;
    Expression *expression = contract_kernel_begin(context, region, &kernel);
    if (expression == NULL)
        return diag_fail(context->diag, STATUS_OUT_OF_MEMORY, "", "packing an operand");
    LoopFunction *f = kernel.function;
    Packer packer = {.packing = packing,
                     .context = context,
                     .expression = expression,
                     .f = f,
                     .kind = kind,
                     .lanes = target_lanes(context->target, loop_kind_bytes(kind))};
    packer.to =
        loop_pointer_add(f, loop_buffer(f, temporary_buffer(region)), dim_register(expression, packing->offset));
    const Reg panels =
        packing->width == 0
            ? (Reg){0}
            : dim_register(expression, dim_ceil_div(module, packing->outer.size, dim_constant(packing->width)));
    const Reg item = loop_for(f, loop_item_begin(f), loop_item_end(f), loop_index(f, 1));
    if (packing->width == 0)
        pack_row(&packer, item);
    else
        pack_panel(&packer, item, panels);
    loop_close(f);
    kernel.extent = item_count(module, packing);
    kernel.work = dim_mul(module, dim_constant(4), type_size(module, value_type(region, packing->value)));
    return contract_kernel_end(context, expression, &kernel, lowered);
}
