/* SPDX-License-Identifier: Apache-2.0
 * Family linalg: matrices of a batch are tasks' items, and how their operands, results and memory are found. */
#include "codegen/lower/linalg.h"

enum { TASKS = 64, WORDS = 16 };

static const struct {
    OpKind op;
    LinalgOp *emit;
} ops[] = {
    {OP_cholesky, linalg_cholesky},
    {OP_triangular_solve, linalg_triangular_solve},
    {OP_lu, linalg_lu},
    {OP_qr, linalg_qr},
    {OP_eigh, linalg_eigh},
    {OP_svd, linalg_svd},
};

LoopType linalg_scalar(const Linalg *l)
{
    return loop_type(l->kind, 1);
}

Reg linalg_real(const Linalg *l, double value)
{
    return loop_real(l->f, linalg_scalar(l), value);
}

Reg linalg_dim(Linalg *l, Dim dim)
{
    return expression_dim(l->e, dim);
}

/* ---- memory ---- */

Reg linalg_room(Linalg *l, Dim bytes)
{
    Module *module = l->e->module;
    const Dim line = dim_constant(64), whole = dim_mul(module, dim_ceil_div(module, bytes, line), line);
    const Graph *region = l->e->region;
    l->has_room = true;
    const Reg temporary = loop_buffer(l->f, region->parameter_count + region->result_count);
    const Reg at = loop_add(l->f, linalg_dim(l, l->room), loop_mul(l->f, l->task, linalg_dim(l, whole)));
    l->room = dim_add(module, l->room, dim_mul(module, l->tasks, whole));
    return loop_pointer_add(l->f, temporary, at);
}

static Reg part_of(Linalg *l, Reg buffer, Dim size, uint32_t bytes)
{
    const Reg each = loop_mul(l->f, linalg_dim(l, size), loop_index(l->f, bytes));
    return loop_pointer_add(l->f, buffer, loop_mul(l->f, l->number, each));
}

static Dim operand_size(const Linalg *l, uint32_t index, Dim *rows, Dim *columns)
{
    const Type type = value_type(l->e->region, l->node->operand[index]);
    *rows = type.dim[type.rank - 2];
    *columns = type.dim[type.rank - 1];
    return dim_mul(l->e->module, *rows, *columns);
}

typedef struct Copy {
    Linalg *l;
    Value value;
    Dim rows, columns;
    Reg row, to, start; /* start: of the row in `to` */
} Copy;

static void copy_lanes(void *data, Reg base, Reg active)
{
    const Copy *c = data;
    Linalg *l = c->l;
    Site site = {.lanes = l->lanes, .active = active};
    site_append(&site, l->batch, axis_uniform(l->number));
    site_append(&site, c->rows, axis_uniform(c->row));
    site_append(&site, c->columns, (AxisIndex){.base = base, .step = l->lanes > 1});
    const Reg value = widen(l->e, evaluate(l->e, c->value, &site), l->lanes);
    const Reg at = loop_add(l->f, c->start, base);
    if (l->f->error != NULL)
        return;
    if (active.id != 0)
        loop_store_lanes(l->f, c->to, at, value, active);
    else
        loop_store(l->f, c->to, at, value);
}

void linalg_copy_operand(Linalg *l, uint32_t index, Reg to)
{
    Copy c = {.l = l, .value = l->node->operand[index], .to = to};
    operand_size(l, index, &c.rows, &c.columns);
    const Reg rows = linalg_dim(l, c.rows), columns = linalg_dim(l, c.columns);
    c.row = loop_for(l->f, loop_index(l->f, 0), rows, loop_index(l->f, 1));
    const uint32_t mark = expression_mark(l->e);
    c.start = loop_mul(l->f, c.row, columns);
    lane_loop(l->e, index_constant(l->e, 0), columns, l->lanes, dim_has_rest(l->e->module, c.columns, l->lanes),
              copy_lanes, &c);
    expression_release(l->e, mark);
    loop_close(l->f);
}

Reg linalg_operand(Linalg *l, uint32_t index)
{
    Dim rows, columns;
    const Dim size = operand_size(l, index, &rows, &columns);
    const int32_t parameter = find_parameter(l->e->region, l->node->operand[index]);
    if (parameter >= 0)
        return part_of(l, l->e->buffer[parameter], size, l->bytes);
    const Reg room = linalg_room(l, dim_mul(l->e->module, size, dim_constant(l->bytes)));
    linalg_copy_operand(l, index, room);
    return room;
}

/* The region's result that the op's is; -1: none. */
static int32_t find_result(const Linalg *l, uint32_t index)
{
    const Graph *region = l->e->region;
    for (uint32_t i = 0; i < region->result_count; i++)
        if (value_equal(region->result[i], node_result(l->node, index)))
            return (int32_t)i;
    return -1;
}

bool linalg_is_wanted(const Linalg *l, uint32_t index)
{
    return find_result(l, index) >= 0;
}

Reg linalg_result(Linalg *l, uint32_t index, Dim size)
{
    const int32_t result = find_result(l, index);
    const ElementType element = value_type(l->e->region, node_result(l->node, index)).element;
    if (result < 0)
        return linalg_room(l, dim_mul(l->e->module, size, dim_constant(element_info[element].bytes)));
    return part_of(l, l->e->buffer[l->e->region->parameter_count + (uint32_t)result], size,
                   element_info[element].bytes);
}

/* ---- the family ---- */

static LinalgOp *find_op(OpKind op)
{
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (ops[i].op == op)
            return ops[i].emit;
    return NULL;
}

static LinalgOp *read_node(Linalg *l, const LowerContext *context, const Graph *region)
{
    Module *module = region->module;
    l->context = context;
    l->node = region_root(region);
    LinalgOp *emit = find_op(l->node->op);
    if (emit == NULL)
        return NULL;
    const Type type = value_type(region, l->node->operand[0]);
    l->element = type.element;
    l->kind = expression_kind(type.element);
    l->bytes = loop_kind_bytes(l->kind);
    l->lanes = target_lanes(context->target, l->bytes);
    l->rows = type.dim[type.rank - 2];
    l->columns = type.dim[type.rank - 1];
    l->batch = dim_product(module, type.dim, type.rank - 2);
    l->tasks = dim_max(module, dim_min(module, l->batch, dim_constant(TASKS)), dim_constant(1));
    l->room = dim_constant(0);
    return emit;
}

/* Multiply-adds of all matrices, times a number about right for all ops. */
static Dim work_of(const Linalg *l)
{
    Module *module = l->e->module;
    const Dim least = dim_min(module, l->rows, l->columns);
    return dim_mul(module, dim_mul(module, l->batch, dim_mul(module, l->rows, l->columns)), least);
}

static void emit_task(Linalg *l, LinalgOp *emit)
{
    l->number = loop_for(l->f, l->task, linalg_dim(l, l->batch), linalg_dim(l, l->tasks));
    const uint32_t mark = expression_mark(l->e);
    emit(l);
    expression_release(l->e, mark);
    loop_close(l->f);
}

Status lower_linalg(const LowerContext *context, const Graph *region, LoweredGroup *lowered)
{
    Linalg l = {0};
    LinalgOp *emit = read_node(&l, context, region);
    if (emit == NULL)
        return diag_fail(context->diag, STATUS_UNSUPPORTED, location_text(region->module, l.node->location),
                         "no kernel is made for %s", op_info[l.node->op].name);
    if (!kernel_begin(context, region, 1, &l.f, &l.e))
        return lower_out_of_memory(context);
    l.panel = linalg_panel(l.f, l.kind, l.lanes);
    l.words = loop_local(l.f, LOOP_i32, WORDS);
    l.task = loop_for(l.f, loop_item_begin(l.f), loop_item_end(l.f), loop_index(l.f, 1));
    const uint32_t mark = expression_mark(l.e);
    emit_task(&l, emit);
    expression_release(l.e, mark);
    loop_close(l.f);
    TRY(kernel_end(context, l.e, l.tasks, work_of(&l), lowered));
    /* never 0 where the buffer is used, even for matrices of nothing */
    lowered->temporary_bytes = l.has_room ? dim_add(region->module, l.room, dim_constant(64)) : l.room;
    return STATUS_OK;
}
