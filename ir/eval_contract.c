/* SPDX-License-Identifier: Apache-2.0
 * Eval rules of contractions: dot, packed_dot, attention. Products of floats accumulate in f64 in order of the
 * contracted index, integers wrap; each result is rounded once. */
#include "ir/eval_contract.h"

#include <math.h>
#include <string.h>

/* ---- numbers ---- */

Status contracts_reals(const EvalContext *c, bool *real)
{
    *real = element_is_floating(c->result->element);
    for (uint32_t i = 0; i < c->node->operand_count; i++) {
        if (element_info[c->operand[i].element].kind == KIND_COMPLEX)
            return eval_fail(c, STATUS_UNSUPPORTED, "the interpreter has no rule for complex elements");
        *real = *real || element_is_floating(c->operand[i].element);
    }
    return STATUS_OK;
}

Status numbers_allocate(const EvalContext *c, bool real, int64_t count, Numbers *numbers)
{
    *numbers = (Numbers){0};
    if (real)
        numbers->real = eval_scratch(c, count, sizeof *numbers->real);
    else
        numbers->integer = eval_scratch(c, count, sizeof *numbers->integer);
    return numbers->real == NULL && numbers->integer == NULL ? STATUS_OUT_OF_MEMORY : STATUS_OK;
}

Status numbers_load(const EvalContext *c, bool real, const HostArray *array, Numbers *numbers)
{
    *numbers = (Numbers){0};
    if (real)
        numbers->real = load_all_doubles(c, array);
    else
        numbers->integer = load_all_integers(c, array);
    return numbers->real == NULL && numbers->integer == NULL ? STATUS_OUT_OF_MEMORY : STATUS_OK;
}

void numbers_clear(const Numbers *numbers, int64_t count)
{
    memset(numbers->real != NULL ? (void *)numbers->real : (void *)numbers->integer, 0, (size_t)count * sizeof(double));
}

void numbers_accumulate(const Numbers *sum, const Numbers *x, int64_t at, const Numbers *row, int64_t start,
                        int64_t count)
{
    if (sum->real != NULL) {
        double *to = sum->real;
        const double factor = x->real[at], *from = row->real + start;
        for (int64_t i = 0; i < count; i++)
            to[i] += factor * from[i];
    } else {
        int64_t *to = sum->integer;
        const int64_t *from = row->integer + start;
        const uint64_t factor = (uint64_t)x->integer[at];
        for (int64_t i = 0; i < count; i++)
            to[i] = (int64_t)((uint64_t)to[i] + factor * (uint64_t)from[i]);
    }
}

void numbers_store(const Numbers *numbers, const HostArray *array, int64_t start, int64_t count)
{
    if (numbers->real != NULL)
        store_doubles(array, start, count, numbers->real);
    else
        store_integers(array, start, count, numbers->integer);
}

/* ---- dot ---- */

/* Axes of one operand in the order its numbers are wanted, and the sizes of the three parts. */
typedef struct DotSide {
    uint32_t axis[MAX_RANK], axis_count;
    int64_t batch, free, contract;
} DotSide;

static Status add_axes(const EvalContext *c, const HostArray *x, AttrKey key, DotSide *side, int64_t *size)
{
    uint32_t count;
    const int64_t *axis = node_integers(c->node, key, &count);
    *size = 1;
    for (uint32_t i = 0; i < count; i++) {
        bool is_new = axis[i] >= 0 && axis[i] < x->rank;
        for (uint32_t k = 0; k < side->axis_count; k++)
            is_new = is_new && side->axis[k] != axis[i];
        if (!is_new)
            return eval_fail(c, STATUS_INVALID, "%s: axis %lld is no axis of the operand, or named twice",
                             attr_info[key].name, (long long)axis[i]);
        side->axis[side->axis_count++] = (uint32_t)axis[i];
        *size *= x->dim[axis[i]];
    }
    return STATUS_OK;
}

static void add_free_axes(const HostArray *x, DotSide *side)
{
    const uint32_t named = side->axis_count;
    side->free = 1;
    for (uint32_t i = 0; i < x->rank; i++) {
        bool is_free = true;
        for (uint32_t k = 0; k < named; k++)
            is_free = is_free && side->axis[k] != i;
        if (is_free) {
            side->axis[side->axis_count++] = i;
            side->free *= x->dim[i];
        }
    }
}

/* Axes in the order batch, contract, free. */
static Status read_side(const EvalContext *c, uint32_t operand, AttrKey batch, AttrKey contract, DotSide *side)
{
    *side = (DotSide){0};
    TRY(add_axes(c, &c->operand[operand], batch, side, &side->batch));
    TRY(add_axes(c, &c->operand[operand], contract, side, &side->contract));
    add_free_axes(&c->operand[operand], side);
    return STATUS_OK;
}

/* The numbers of an operand with its axes in the side's order. */
static Status load_side(const EvalContext *c, bool real, const HostArray *x, const DotSide *side, Numbers *ordered)
{
    Numbers given;
    int64_t stride[MAX_RANK];
    CopyPlan plan = {.rank = x->rank, .bytes = sizeof(double)};
    TRY(numbers_load(c, real, x, &given));
    TRY(numbers_allocate(c, real, host_array_size(x), ordered));
    row_major_strides(x->rank, x->dim, sizeof(double), stride);
    for (uint32_t i = 0; i < x->rank; i++) {
        plan.dim[i] = x->dim[side->axis[i]];
        plan.from_stride[i] = stride[side->axis[i]];
    }
    row_major_strides(plan.rank, plan.dim, plan.bytes, plan.to_stride);
    copy_plan(&plan);
    if (real)
        copy_run(&plan, (char *)ordered->real, (const char *)given.real);
    else
        copy_run(&plan, (char *)ordered->integer, (const char *)given.integer);
    return STATUS_OK;
}

Status eval_dot(EvalContext *c)
{
    DotSide left, right;
    Numbers x, y, sum;
    bool real;
    TRY(contracts_reals(c, &real));
    TRY(read_side(c, 0, ATTR_lhs_batch, ATTR_lhs_contract, &left));
    TRY(read_side(c, 1, ATTR_rhs_batch, ATTR_rhs_contract, &right));
    if (left.batch != right.batch || left.contract != right.contract ||
        left.batch * left.free * right.free != host_array_size(c->result))
        return eval_fail(c, STATUS_INVALID, "operands and result don't fit each other");
    if (host_array_size(c->result) == 0)
        return STATUS_OK;
    TRY(load_side(c, real, &c->operand[0], &left, &x));
    TRY(load_side(c, real, &c->operand[1], &right, &y));
    TRY(numbers_allocate(c, real, right.free, &sum));
    for (int64_t b = 0; b < left.batch; b++)
        for (int64_t m = 0; m < left.free; m++) {
            numbers_clear(&sum, right.free);
            for (int64_t k = 0; k < left.contract; k++)
                numbers_accumulate(&sum, &x, (b * left.contract + k) * left.free + m, &y,
                                   (b * left.contract + k) * right.free, right.free);
            numbers_store(&sum, c->result, (b * left.free + m) * right.free, right.free);
        }
    return STATUS_OK;
}

/* ---- packed dot ---- */

typedef struct PackedShape {
    uint32_t batch_rank;
    int64_t batch_dim[MAX_RANK], batch_stride[MAX_RANK]; /* of rhs, in elements; 0 where it is broadcast */
    int64_t rows, depth, columns, panels, width;
} PackedShape;

static bool read_packed_shape(const EvalContext *c, PackedShape *shape)
{
    const HostArray *x = &c->operand[0], *w = &c->operand[1], *result = c->result;
    if (x->rank < 2 || w->rank < 3 || result->rank != x->rank || w->rank - 3 > x->rank - 2)
        return false;
    *shape = (PackedShape){.batch_rank = x->rank - 2};
    shape->rows = x->dim[x->rank - 2];
    shape->depth = x->dim[x->rank - 1];
    shape->columns = result->dim[x->rank - 1];
    shape->panels = w->dim[w->rank - 3];
    shape->width = w->dim[w->rank - 1];
    int64_t step = shape->panels * shape->depth * shape->width;
    for (uint32_t i = shape->batch_rank, k = w->rank - 3; i-- > 0;) {
        const int64_t own = k > 0 ? w->dim[--k] : 1;
        if (x->dim[i] != result->dim[i] || (own != 1 && own != x->dim[i]))
            return false;
        shape->batch_dim[i] = x->dim[i];
        shape->batch_stride[i] = own == 1 ? 0 : step;
        step *= own;
    }
    return w->dim[w->rank - 2] == shape->depth && result->dim[x->rank - 2] == shape->rows &&
           shape->panels * shape->width >= shape->columns;
}

/* One row of the result from row number `row` of x and the panels starting at `panel`. */
static void packed_row(const EvalContext *c, const PackedShape *shape, const Numbers *x, const Numbers *w,
                       const Numbers *sum, int64_t row, int64_t panel)
{
    for (int64_t column = 0; column < shape->columns; column += shape->width) {
        const int64_t left = shape->columns - column, count = left < shape->width ? left : shape->width;
        numbers_clear(sum, count);
        for (int64_t k = 0; k < shape->depth; k++)
            numbers_accumulate(sum, x, row * shape->depth + k, w, panel + k * shape->width, count);
        numbers_store(sum, c->result, row * shape->columns + column, count);
        panel += shape->depth * shape->width;
    }
}

Status eval_packed_dot(EvalContext *c)
{
    PackedShape shape;
    Numbers x, w, sum;
    bool real;
    TRY(contracts_reals(c, &real));
    if (!read_packed_shape(c, &shape))
        return eval_fail(c, STATUS_INVALID, "operands and result don't fit each other");
    if (host_array_size(c->result) == 0)
        return STATUS_OK;
    TRY(numbers_load(c, real, &c->operand[0], &x));
    TRY(numbers_load(c, real, &c->operand[1], &w));
    TRY(numbers_allocate(c, real, shape.width, &sum));
    int64_t index[MAX_RANK] = {0}, row = 0;
    do {
        int64_t panel = 0;
        for (uint32_t i = 0; i < shape.batch_rank; i++)
            panel += index[i] * shape.batch_stride[i];
        for (int64_t m = 0; m < shape.rows; m++)
            packed_row(c, &shape, &x, &w, &sum, row++, panel);
    } while (index_step(shape.batch_rank, shape.batch_dim, index));
    return STATUS_OK;
}

/* ---- attention ---- */

typedef struct Attention {
    const double *q, *k, *v, *mask;
    int64_t heads, groups, queries, keys, depth, width; /* q [., heads, queries, depth], v [., groups, keys, width] */
    int64_t mask_stride[4];
    double scale;
    bool causal;
    double *score, *sum;
} Attention;

static Status read_mask(const EvalContext *c, const int64_t *full, Attention *a)
{
    if (c->node->operand_count < 4)
        return STATUS_OK;
    const HostArray *mask = &c->operand[3];
    int64_t step = 1;
    if (mask->rank > 4)
        return eval_fail(c, STATUS_INVALID, "the mask has %u axes", mask->rank);
    for (uint32_t i = 4, k = mask->rank; k > 0; i--, k--) {
        if (mask->dim[k - 1] != 1 && mask->dim[k - 1] != full[i - 1])
            return eval_fail(c, STATUS_INVALID, "the mask can't be broadcast to the scores");
        a->mask_stride[i - 1] = mask->dim[k - 1] == 1 ? 0 : step;
        step *= mask->dim[k - 1];
    }
    a->mask = load_all_doubles(c, mask);
    return a->mask == NULL ? STATUS_OUT_OF_MEMORY : STATUS_OK;
}

static Status read_attention(const EvalContext *c, Attention *a)
{
    const HostArray *q = &c->operand[0], *k = &c->operand[1], *v = &c->operand[2];
    bool real;
    TRY(contracts_reals(c, &real));
    if (q->rank != 4 || k->rank != 4 || v->rank != 4 || q->dim[0] != k->dim[0] || q->dim[0] != v->dim[0] ||
        k->dim[1] != v->dim[1] || k->dim[2] != v->dim[2] || q->dim[3] != k->dim[3] || k->dim[1] == 0 ||
        q->dim[1] % k->dim[1] != 0)
        return eval_fail(c, STATUS_INVALID, "q, k and v don't fit each other");
    *a = (Attention){.heads = q->dim[1],
                     .groups = k->dim[1],
                     .queries = q->dim[2],
                     .keys = k->dim[2],
                     .depth = q->dim[3],
                     .width = v->dim[3],
                     .scale = node_real(c->node, ATTR_scale),
                     .causal = node_integer(c->node, ATTR_causal) != 0};
    TRY(read_mask(c, (const int64_t[]){q->dim[0], a->heads, a->queries, a->keys}, a));
    a->q = load_all_doubles(c, q);
    a->k = load_all_doubles(c, k);
    a->v = load_all_doubles(c, v);
    a->score = eval_scratch(c, a->keys, sizeof(double));
    a->sum = eval_scratch(c, a->width, sizeof(double));
    const bool done = a->q != NULL && a->k != NULL && a->v != NULL && a->score != NULL && a->sum != NULL;
    return done ? STATUS_OK : STATUS_OUT_OF_MEMORY;
}

/* Scores of one query against all keys; returns the largest. `mask` is the offset of its row. */
static double attention_scores(const Attention *a, const double *q, const double *k, int64_t query, int64_t mask)
{
    const int64_t last = a->causal ? query + a->keys - a->queries : a->keys;
    double largest = -(double)INFINITY;
    for (int64_t t = 0; t < a->keys; t++) {
        double score = 0;
        for (int64_t d = 0; d < a->depth; d++)
            score += q[d] * k[t * a->depth + d];
        score *= a->scale;
        if (a->mask != NULL)
            score += a->mask[mask + t * a->mask_stride[3]];
        a->score[t] = t > last ? -(double)INFINITY : score;
        largest = combine_doubles(OP_max, largest, a->score[t]);
    }
    return largest;
}

static void attention_row(const EvalContext *c, const Attention *a, int64_t batch, int64_t head, int64_t query)
{
    const int64_t row = (batch * a->heads + head) * a->queries + query;
    const int64_t group = batch * a->groups + head / (a->heads / a->groups);
    const double *v = a->v + group * a->keys * a->width;
    const int64_t mask = batch * a->mask_stride[0] + head * a->mask_stride[1] + query * a->mask_stride[2];
    const double largest = attention_scores(a, a->q + row * a->depth, a->k + group * a->keys * a->depth, query, mask);
    double total = 0;
    memset(a->sum, 0, (size_t)a->width * sizeof *a->sum);
    for (int64_t t = 0; t < a->keys && largest != -(double)INFINITY; t++) {
        const double weight = exp(a->score[t] - largest);
        total += weight;
        for (int64_t i = 0; i < a->width; i++)
            a->sum[i] += weight * v[t * a->width + i];
    }
    for (int64_t i = 0; i < a->width && total != 0; i++)
        a->sum[i] /= total;
    store_doubles(c->result, row * a->width, a->width, a->sum);
}

Status eval_attention(EvalContext *c)
{
    Attention a = {0};
    TRY(read_attention(c, &a));
    if (host_array_size(c->result) != c->operand[0].dim[0] * a.heads * a.queries * a.width)
        return eval_fail(c, STATUS_INVALID, "the result has the wrong shape");
    for (int64_t batch = 0; batch < c->operand[0].dim[0]; batch++)
        for (int64_t head = 0; head < a.heads; head++)
            for (int64_t query = 0; query < a.queries; query++)
                attention_row(c, &a, batch, head, query);
    return STATUS_OK;
}
