/* SPDX-License-Identifier: Apache-2.0
 * Family sort: lines sorted along an axis, stably, or the front of that (slices in the region say how much). Elements
 * become unsigned keys in the same order (turned around when descending; -0 is 0, all NaN are one largest key), keys
 * are sorted with their indices, and the indices pick the elements.
 *
 *     few are wanted   a sorted list of the first ones so far, that others are inserted into
 *     many             radix: one pass for each byte of the key in which keys differ, from the lowest
 *
 * An item is a task with memory of its own for two arrays of keys and two of indices; tasks take lines in turn. */
#include "codegen/lower/combine.h"

enum { FEW = 64, TASKS = 64, BUCKETS = 256 };

typedef struct Sort {
    Expression *e;
    LoopFunction *f;
    const Node *node;
    ElementType element;
    bool descending;
    Lines lines;
    Dim wanted; /* of a line's elements, from the first */
    LoopKind key_kind, index_kind;
    uint32_t digits;                 /* bytes of a key that count */
    Dim room, tasks, task_bytes;     /* room: keys that a task has memory for */
    Reg histogram;                   /* digits × BUCKETS of i64, on the stack */
    Reg count, limit, keys, indices; /* of a task; limit: how many are wanted */
    Reg outer, inner;
} Sort;

/* ---------------------------------------------------------------- keys ---- */

static Reg key_constant(const Sort *s, int64_t value)
{
    return loop_int(s->f, loop_type(s->key_kind, 1), value);
}

/* An integer that is ordered as the float is. */
static Reg ordered_bits(const Sort *s, Reg value)
{
    LoopFunction *f = s->f;
    const int64_t sign = s->key_kind == LOOP_i32 ? INT32_MIN : INT64_MIN;
    const Reg bits = loop_convert(f, LOOP_bitcast, value, s->key_kind);
    const Reg turned = loop_binary(f, LOOP_sub, key_constant(s, sign), bits);
    const Reg ordered = loop_select(f, loop_compare(f, LOOP_less, bits, key_constant(s, 0)), turned, bits);
    return loop_select(f, loop_compare(f, LOOP_equal, value, value), ordered, key_constant(s, ~sign));
}

static Reg make_key(const Sort *s, Reg value)
{
    LoopFunction *f = s->f;
    const bool is_floating = element_is_floating(s->element);
    const bool is_signed = element_info[s->element].kind == KIND_SIGNED || is_floating;
    const uint32_t bits = 8 * s->digits, register_bits = 8 * loop_kind_bytes(s->key_kind);
    Reg key = is_floating ? ordered_bits(s, value)
                          : loop_convert(f, is_signed ? LOOP_sign_extend : LOOP_zero_extend, value, s->key_kind);
    if (is_signed)
        key = loop_binary(f, LOOP_xor, key, key_constant(s, (int64_t)(UINT64_C(1) << (bits - 1))));
    if (s->descending)
        key = loop_unary(f, LOOP_not, key);
    if (bits < register_bits && (is_signed || s->descending))
        key = loop_binary(f, LOOP_and, key, key_constant(s, (int64_t)((UINT64_C(1) << bits) - 1)));
    return key;
}

static Site line_site(const Sort *s, Reg place)
{
    return lines_site(&s->lines, axis_uniform(s->outer), axis_uniform(place), axis_uniform(s->inner), 1, (Reg){0});
}

static Reg load_key(const Sort *s, Reg at)
{
    return loop_load(s->f, loop_type(s->key_kind, 1), s->keys, at);
}

static Reg load_index(const Sort *s, Reg at)
{
    return loop_load(s->f, loop_type(s->index_kind, 1), s->indices, at);
}

static Reg digit_of(const Sort *s, Reg key, Reg shift)
{
    LoopFunction *f = s->f;
    const Reg shifted = loop_binary(f, LOOP_shift_right_zero, key, shift);
    const Reg digit = loop_binary(f, LOOP_and, shifted, key_constant(s, BUCKETS - 1));
    return loop_convert(f, LOOP_zero_extend, digit, LOOP_i64);
}

static Reg load_bucket(const Sort *s, Reg bucket)
{
    return loop_load(s->f, loop_type(LOOP_i64, 1), s->histogram, bucket);
}

static void count_digits(const Sort *s, Reg key)
{
    for (uint32_t digit = 0; digit < s->digits; digit++) {
        const Reg bucket =
            loop_add(s->f, digit_of(s, key, key_constant(s, 8 * digit)), loop_index(s->f, digit * BUCKETS));
        loop_store(s->f, s->histogram, bucket, loop_add(s->f, load_bucket(s, bucket), loop_index(s->f, 1)));
    }
}

static Reg narrow_index(const Sort *s, Reg index)
{
    return s->index_kind == LOOP_i64 ? index : loop_convert(s->f, LOOP_truncate, index, s->index_kind);
}

static void store_pair(const Sort *s, Reg at, Reg key, Reg index)
{
    loop_store(s->f, s->keys, at, key);
    loop_store(s->f, s->indices, at, index);
}

static Reg element_key(const Sort *s, Reg at)
{
    const Site site = line_site(s, at);
    const Reg value = evaluate(s->e, s->node->operand[0], &site);
    return s->f->error == NULL ? make_key(s, value) : (Reg){0};
}

/* ---------------------------------------------------------------- few ---- */

/* Moves what is larger than the key up by one, from the place `last` down, and puts it there. */
static void insert(const Sort *s, Reg last, Reg key, Reg index)
{
    LoopFunction *f = s->f;
    const Reg one = loop_index(f, 1), to = loop_variable(f, last);
    loop_repeat(f);
    const Reg now = loop_get(f, to), below = loop_sub(f, now, one);
    loop_break_if(f, loop_compare(f, LOOP_less, now, one));
    const Reg other = load_key(s, below);
    loop_break_if(f, loop_compare(f, LOOP_less_equal_unsigned, other, key));
    store_pair(s, now, other, load_index(s, below));
    loop_set(f, to, below);
    loop_close(f);
    store_pair(s, loop_get(f, to), key, index);
}

/* The list grows until it has as many as are wanted; from then on what goes in pushes the last one out. */
static void sort_few(const Sort *s)
{
    Expression *e = s->e;
    LoopFunction *f = s->f;
    const Reg last = index_op(e, LOOP_max, loop_sub(f, s->limit, loop_index(f, 1)), loop_index(f, 0));
    const Reg at = loop_for(f, loop_index(f, 0), s->count, loop_index(f, 1));
    const uint32_t mark = expression_mark(e);
    const Reg key = element_key(s, at);
    const Reg grows = loop_compare(f, LOOP_less, at, s->limit);
    const Reg is_before = loop_compare(f, LOOP_less_unsigned, key, load_key(s, last));
    loop_if(f, loop_binary(f, LOOP_or, grows, is_before));
    insert(s, loop_index_min(f, at, last), key, narrow_index(s, at));
    loop_close(f);
    expression_release(e, mark);
    loop_close(f);
}

/* ---------------------------------------------------------------- radix ---- */

/* Counts become places: bucket i begins where those before it end. */
static void add_up(const Sort *s, Reg first)
{
    LoopFunction *f = s->f;
    const Reg sum = loop_variable(f, loop_index(f, 0));
    const Reg number = loop_for(f, loop_index(f, 0), loop_index(f, BUCKETS), loop_index(f, 1));
    const Reg bucket = loop_add(f, first, number), before = loop_get(f, sum);
    loop_set(f, sum, loop_add(f, before, load_bucket(s, bucket)));
    loop_store(f, s->histogram, bucket, before);
    loop_close(f);
}

/* Moves all to their buckets, from the half of the arrays at `front` to the one at `back`. */
static void distribute(const Sort *s, Reg first, Reg shift, Reg front, Reg back)
{
    LoopFunction *f = s->f;
    const Reg at = loop_add(f, front, loop_for(f, loop_index(f, 0), s->count, loop_index(f, 1)));
    const Reg key = load_key(s, at), index = load_index(s, at);
    const Reg bucket = loop_add(f, first, digit_of(s, key, shift)), place = load_bucket(s, bucket);
    loop_store(f, s->histogram, bucket, loop_add(f, place, loop_index(f, 1)));
    const Reg to = loop_add(f, back, place);
    store_pair(s, to, key, index);
    loop_close(f);
}

/* Keys and indices of a line; digits are counted. */
static void fill(const Sort *s)
{
    Expression *e = s->e;
    LoopFunction *f = s->f;
    const Reg at = loop_for(f, loop_index(f, 0), s->count, loop_index(f, 1));
    const uint32_t mark = expression_mark(e);
    const Reg key = element_key(s, at);
    store_pair(s, at, key, narrow_index(s, at));
    count_digits(s, key);
    expression_release(e, mark);
    loop_close(f);
}

/* One pass for each digit that isn't the same in all keys. Gives where the sorted half begins, a variable. */
static Reg sort_many(const Sort *s)
{
    LoopFunction *f = s->f;
    loop_zero_bytes(f, s->histogram, loop_index(f, (int64_t)s->digits * BUCKETS * 8));
    fill(s);
    const Reg front = loop_variable(f, loop_index(f, 0));
    const Reg digit = loop_for(f, loop_index(f, 0), loop_index(f, s->digits), loop_index(f, 1));
    const Reg bits = loop_mul(f, digit, loop_index(f, 8)), first = loop_mul(f, digit, loop_index(f, BUCKETS));
    const Reg shift = s->key_kind == LOOP_i64 ? bits : loop_convert(f, LOOP_truncate, bits, s->key_kind);
    const Reg from = loop_get(f, front), to = loop_sub(f, s->count, from);
    const Reg of_first = load_bucket(s, loop_add(f, first, digit_of(s, load_key(s, from), shift)));
    loop_if(f, loop_compare(f, LOOP_less, of_first, s->count));
    add_up(s, first);
    distribute(s, first, shift, from, to);
    loop_set(f, front, to);
    loop_close(f);
    loop_close(f);
    return front;
}

/* ---------------------------------------------------------------- the kernel ---- */

/* The sort's result that a result of the region is, or is a slice of: 0 the elements, 1 their indices. */
static uint32_t sort_result(const Graph *region, Value result)
{
    const Node *node = graph_definition(region, result);
    return region->value[(node->op == OP_slice ? node->operand[0] : result).id].index;
}

static void write_line(const Sort *s, Reg front)
{
    Expression *e = s->e;
    const Graph *region = e->region;
    LoopFunction *f = s->f;
    const Reg at = loop_for(f, loop_index(f, 0), s->limit, loop_index(f, 1));
    const uint32_t mark = expression_mark(e);
    const Reg narrow = load_index(s, loop_add(f, front, at));
    const Reg index = s->index_kind == LOOP_i64 ? narrow : loop_convert(f, LOOP_sign_extend, narrow, LOOP_i64);
    const Lines wanted = {s->lines.outer, s->wanted, s->lines.inner};
    const Site from = line_site(s, index);
    const Site to = lines_site(&wanted, axis_uniform(s->outer), axis_uniform(at), axis_uniform(s->inner), 1, (Reg){0});
    for (uint32_t i = 0; i < region->result_count; i++) {
        const bool is_index = sort_result(region, region->result[i]) == 1;
        const Reg result = is_index ? index : evaluate(e, s->node->operand[0], &from);
        site_store(e, is_index ? ELEMENT_i64 : s->element, e->buffer[region->parameter_count + i], &to, result);
    }
    expression_release(e, mark);
    loop_close(f);
}

static void sort_line(const Sort *s)
{
    LoopFunction *f = s->f;
    const Module *module = s->e->module;
    if (dim_most(module, s->wanted) <= FEW) {
        sort_few(s);
        write_line(s, loop_index(f, 0));
        return;
    }
    if (dim_least(module, s->wanted) > FEW) {
        write_line(s, loop_get(f, sort_many(s)));
        return;
    }
    const Reg front = loop_variable(f, loop_index(f, 0));
    loop_if(f, loop_compare(f, LOOP_less_equal, s->limit, loop_index(f, FEW)));
    sort_few(s);
    loop_else(f);
    loop_set(f, front, loop_get(f, sort_many(s)));
    loop_close(f);
    write_line(s, loop_get(f, front));
}

static void emit_task(Sort *s, Reg task)
{
    Expression *e = s->e;
    LoopFunction *f = s->f;
    const Graph *region = e->region;
    const Dim lines = dim_mul(e->module, s->lines.outer, s->lines.inner);
    const Reg room = loop_mul(f, task, expression_dim(e, s->task_bytes));
    const Reg key_bytes = loop_mul(f, expression_dim(e, s->room), loop_index(f, loop_kind_bytes(s->key_kind)));
    s->keys = loop_pointer_add(f, loop_buffer(f, region->parameter_count + region->result_count), room);
    s->indices = loop_pointer_add(f, s->keys, key_bytes);
    const Reg line = loop_for(f, task, expression_dim(e, lines), expression_dim(e, s->tasks));
    const uint32_t mark = expression_mark(e);
    const Dim dim[] = {s->lines.outer, s->lines.inner};
    AxisIndex index[2];
    split_index(e, line, dim, 2, index);
    s->outer = index[0].base;
    s->inner = index[1].base;
    sort_line(s);
    expression_release(e, mark);
    loop_close(f);
}

static uint32_t key_digits(ElementType element)
{
    return element_is_floating(element) ? loop_kind_bytes(expression_kind(element)) : element_info[element].bytes;
}

static void plan_tasks(Sort *s, Module *module)
{
    const Dim lines = dim_mul(module, s->lines.outer, s->lines.inner), line = dim_constant(64);
    const Dim pair = dim_constant(loop_kind_bytes(s->key_kind) + loop_kind_bytes(s->index_kind));
    const bool is_few = dim_most(module, s->wanted) <= FEW;
    s->room = is_few ? dim_constant(FEW) : dim_mul(module, s->lines.count, dim_constant(2));
    s->tasks = dim_max(module, dim_min(module, lines, dim_constant(TASKS)), dim_constant(1));
    s->task_bytes = dim_mul(module, dim_ceil_div(module, dim_mul(module, s->room, pair), line), line);
}

static Status read_node(Sort *s, const LowerContext *context, const Graph *region)
{
    Module *module = region->module;
    const Node *root = region_root(region);
    s->node = root->op == OP_slice ? graph_definition(region, root->operand[0]) : root;
    if (s->node->op != OP_sort)
        return diag_fail(context->diag, STATUS_INVALID, "group", "a sort group without sort");
    const Type type = value_type(region, s->node->operand[0]);
    if (element_info[type.element].kind == KIND_COMPLEX)
        return diag_fail(context->diag, STATUS_UNSUPPORTED, location_text(module, s->node->location),
                         "complex numbers are not supported in kernels");
    const uint32_t axis = (uint32_t)node_integer(s->node, ATTR_axis);
    s->element = type.element;
    s->descending = node_integer(s->node, ATTR_descending) != 0;
    s->lines = lines_of(module, type, axis);
    s->wanted = value_type(region, region->result[0]).dim[axis];
    s->digits = key_digits(type.element);
    s->key_kind = s->digits <= 4 ? LOOP_i32 : LOOP_i64;
    s->index_kind = index_kind(module, s->lines.count);
    plan_tasks(s, module);
    return STATUS_OK;
}

Status lower_sort(const LowerContext *context, const Graph *region, LoweredGroup *lowered)
{
    Sort s = {0};
    Module *module = region->module;
    TRY(read_node(&s, context, region));
    if (!kernel_begin(context, region, 1, &s.f, &s.e))
        return lower_out_of_memory(context);
    const bool is_few = dim_most(module, s.wanted) <= FEW;
    if (!is_few)
        s.histogram = loop_local(s.f, LOOP_i64, (int64_t)s.digits * BUCKETS);
    s.count = expression_dim(s.e, s.lines.count);
    s.limit = expression_dim(s.e, s.wanted);
    const Reg task = loop_for(s.f, loop_item_begin(s.f), loop_item_end(s.f), loop_index(s.f, 1));
    const uint32_t mark = expression_mark(s.e);
    emit_task(&s, task);
    expression_release(s.e, mark);
    loop_close(s.f);
    const Dim elements = type_size(module, value_type(region, s.node->operand[0]));
    TRY(kernel_end(context, s.e, s.tasks, dim_mul(module, elements, dim_constant(is_few ? 10 : 40)), lowered));
    /* never 0: the buffer is an argument in any case */
    lowered->temporary_bytes = dim_add(module, dim_mul(module, s.tasks, s.task_bytes), dim_constant(64));
    return STATUS_OK;
}
