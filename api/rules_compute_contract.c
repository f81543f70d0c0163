/* SPDX-License-Identifier: Apache-2.0
 * Contractions: tensordot, addmm, matrix products of chosen, masked and segmented matrices, Kronecker products,
 * Hadamard transforms. */
#include "api/rules_compute.h"

/* Up to as many rows, products with matrices that indices name are bound by reading those. */
enum { FEW_ROWS = 4 };

/* ---- tensordot ---- */

/* Axes of x and of y that belong together, from the request on: counted from the start. */
static bool paired_axes(RuleCall *call, Value x, Value y, uint32_t first, uint32_t count, int64_t *x_axis,
                        int64_t *y_axis)
{
    for (uint32_t i = 0; i < count; i++) {
        x_axis[i] = request_integer(call, first + i);
        y_axis[i] = request_integer(call, first + count + i);
        if (!call_axis(call, &x_axis[i], call_rank(call, x)) || !call_axis(call, &y_axis[i], call_rank(call, y)))
            return false;
    }
    return true;
}

/* integers: how many axes are contracted, those of x, those of y. */
Value rule_tensordot(RuleCall *call)
{
    Value x, y;
    int64_t x_axis[MAX_RANK], y_axis[MAX_RANK];
    const uint32_t count = (uint32_t)request_integer(call, 0);
    call_promote(call, &x, &y);
    x = call_floating(call, x);
    y = call_floating(call, y);
    if (!paired_axes(call, x, y, 1, count, x_axis, y_axis))
        return (Value){0};
    for (uint32_t i = 0; i < count; i++)
        if (!dim_equal(dim_of(call, x, (uint32_t)x_axis[i]), dim_of(call, y, (uint32_t)y_axis[i])))
            return call_fail(call, "a and b must have the same shape on the contracted axes.");
    return build_dot(&call->b, x, y, NULL, NULL, 0, x_axis, y_axis, count, call_element(call, x));
}

/* integers: how many batch axes, contracted axes; the batch axes of x, of y, the contracted ones of x, of y. */
Value rule_dot_general(RuleCall *call)
{
    Value x, y;
    int64_t batch_x[MAX_RANK], batch_y[MAX_RANK], x_axis[MAX_RANK], y_axis[MAX_RANK];
    const uint32_t batch = (uint32_t)request_integer(call, 0), count = (uint32_t)request_integer(call, 1);
    call_promote(call, &x, &y);
    if (!paired_axes(call, x, y, 2, batch, batch_x, batch_y) ||
        !paired_axes(call, x, y, 2 + 2 * batch, count, x_axis, y_axis))
        return (Value){0};
    return build_dot(&call->b, x, y, batch_x, batch_y, batch, x_axis, y_axis, count, call_element(call, x));
}

/* ---- products of matrices ---- */

/* operands: c, a, b; reals: alpha, beta */
Value rule_addmm(RuleCall *call)
{
    const ElementType element = call_promoted_floating(call);
    const double alpha = request_real(call, 0), beta = request_real(call, 1);
    Value c = cast(call, call->in[0], element);
    Value product = build_matmul(&call->b, cast(call, call->in[1], element), cast(call, call->in[2], element));
    if (!call_ready(call))
        return product;
    if (alpha != 1)
        product = by_number(call, OP_mul, product, alpha);
    if (beta != 1)
        c = by_number(call, OP_mul, c, beta);
    const Type due = call_type(call, product);
    return add(call, product, build_broadcast_to(&call->b, c, due.dim, due.rank));
}

/* [batch…, rows, columns] as [all of the batch, rows, columns] */
static Value flat_batch(RuleCall *call, Value x)
{
    const uint32_t rank = call_rank(call, x);
    int64_t size[3] = {1, size_of(call, x, rank - 2), size_of(call, x, rank - 1)};
    for (uint32_t i = 0; i + 2 < rank; i++)
        size[0] *= size_of(call, x, i);
    return call_reshape_from(call, x, 0, size, 3);
}

/* The next operand as indices of matrices. */
static Value next_indices(RuleCall *call, uint32_t *next, const char *side)
{
    const Value indices = call->in[(*next)++];
    if (!element_is_integer(call_element(call, indices)))
        return call_fail(call, "Got %s_indices with invalid dtype. Indices must be integral.", side);
    return cast(call, indices, ELEMENT_i64);
}

static Value take_matrices(RuleCall *call, Value x, Value indices)
{
    return build_take(&call->b, flat_batch(call, x), indices, 0, "clamp");
}

/* As sums of products: the matrices that indices name are read where they are, once for each of few rows, and no copy
 * of them is made for a contraction to pack. */
static Value sum_of_products(RuleCall *call, Value x, Value y, Value indices)
{
    ElementType own;
    const uint32_t x_rank = call_rank(call, x), rank = call_rank(call, indices);
    x = call_wide(call, build_expand_dims(&call->b, x, x_rank), &own);
    y = take_matrices(call, y, build_expand_dims(&call->b, indices, rank)); /* [indices…, 1 for the rows, K, N] */
    const int64_t axis = (x_rank > rank + 2 ? x_rank : rank + 2) - 1;
    const Value product = multiply(call, x, cast(call, y, call_element(call, x)));
    return cast(call, build_reduce(&call->b, OP_reduce_sum, product, &axis, 1, false), own);
}

static bool has_few_rows(RuleCall *call, Value x, Value y)
{
    const uint32_t rank = call_rank(call, x);
    const Dim rows = dim_of(call, x, rank - 2);
    return dim_is_constant(rows) && rows.constant <= FEW_ROWS && rank < MAX_RANK &&
           dim_equal(dim_of(call, x, rank - 1), dim_of(call, y, call_rank(call, y) - 2));
}

/* integers: whether there are left indices, right indices; the operands follow a and b. */
Value rule_gather_mm(RuleCall *call)
{
    Value x, y;
    uint32_t next = 2;
    call_promote(call, &x, &y);
    x = call_floating(call, x);
    y = call_floating(call, y);
    if (call_rank(call, x) < 2 || call_rank(call, y) < 2)
        return call_fail(call, "Both arrays must have at least 2 dimensions.");
    if (request_integer(call, 0) != 0)
        x = take_matrices(call, x, next_indices(call, &next, "lhs"));
    if (request_integer(call, 1) == 0 || !call_ready(call))
        return build_matmul(&call->b, x, y);
    const Value indices = next_indices(call, &next, "rhs");
    return call_ready(call) && has_few_rows(call, x, y) ? sum_of_products(call, x, y, indices)
                                                        : build_matmul(&call->b, x, take_matrices(call, y, indices));
}

/* Each element of a mask [batch…, row blocks, column blocks] as a block of x, the last ones cut off. */
static Value blocks_of_mask(RuleCall *call, Value mask, Value x, int64_t block)
{
    const uint32_t rank = call_rank(call, mask), x_rank = call_rank(call, x);
    if (rank < 2)
        return call_fail(call, "a mask must have at least 2 dimensions.");
    const int64_t rows = size_of(call, x, x_rank - 2), columns = size_of(call, x, x_rank - 1);
    const int64_t row_blocks = (rows + block - 1) / block, column_blocks = (columns + block - 1) / block;
    if (size_of(call, mask, rank - 2) != row_blocks || size_of(call, mask, rank - 1) != column_blocks)
        return call_fail(call, "a mask of %lld x %lld blocks is due", (long long)row_blocks, (long long)column_blocks);
    const Type type = call_type(call, mask);
    Dim dim[MAX_RANK];
    int64_t axes[MAX_RANK];
    if (rank + 2 > MAX_RANK)
        return call_fail(call, "too many axes");
    for (uint32_t i = 0; i < rank; i++) {
        axes[i] = i == rank - 1 ? rank : i;
        dim[axes[i]] = type.dim[i];
    }
    dim[rank - 1] = dim[rank + 1] = dim_constant(block);
    const Value spread = build_broadcast(&call->b, mask, dim, rank + 2, axes);
    const Value whole =
        call_reshape_from(call, spread, rank - 2, (const int64_t[]){row_blocks * block, column_blocks * block}, 2);
    return call_part(call, call_part(call, whole, rank - 2, 0, rows), rank - 1, 0, columns);
}

/* Blocks a bool mask hides become 0; others are multiplied. */
static Value masked(RuleCall *call, Value x, Value mask, int64_t block)
{
    const Value blocks = blocks_of_mask(call, mask, x, block);
    if (!call_ready(call))
        return blocks;
    return call_element(call, blocks) == ELEMENT_bool ? choose_number(call, blocks, x, 0)
                                                      : multiply(call, x, cast(call, blocks, call_element(call, x)));
}

/* operands: a, b, then the masks integers say there are (of the result, a, b); integers: block size, these three. */
Value rule_block_masked_mm(RuleCall *call)
{
    Value side[2], out_mask = {0};
    uint32_t next = 2;
    const int64_t block = request_integer(call, 0);
    call_promote(call, &side[0], &side[1]);
    if (block < 1 || block > INT32_MAX)
        return call_fail(call, "block_size must be positive");
    if (call_rank(call, side[0]) < 2 || call_rank(call, side[1]) < 2)
        return call_fail(call, "Both arrays must have at least 2 dimensions.");
    if (request_integer(call, 1) != 0)
        out_mask = call->in[next++];
    for (uint32_t i = 0; i < 2 && call_ready(call); i++) {
        side[i] = call_floating(call, side[i]);
        if (request_integer(call, 2 + i) != 0)
            side[i] = masked(call, side[i], call->in[next++], block);
    }
    const Value product = build_matmul(&call->b, side[0], side[1]);
    return out_mask.id != 0 && call_ready(call) ? masked(call, product, out_mask, block) : product;
}

/* Whether an index along K lies in a segment: [segments, K]. */
static Value in_segment(RuleCall *call, Value segments, int64_t count, int64_t length)
{
    Builder *b = &call->b;
    const int64_t shape[] = {count, length};
    const Value index = build_iota(b, type_make_static(b->graph->module, ELEMENT_i64, shape, 2), 1);
    const Value from = call_part(call, segments, 1, 0, 1), to = call_part(call, segments, 1, 1, 2);
    return build_binary(b, OP_and, build_binary(b, OP_greater_equal, index, from), build_binary(b, OP_less, index, to));
}

/* operands: a [M, K], b [K, N], segments [..., 2]: what lies outside a segment is 0 on both sides, so that no NaN of
 * one segment gets into another. */
Value rule_segmented_mm(RuleCall *call)
{
    Builder *b = &call->b;
    Value x, y, segments = call->in[2];
    call_promote(call, &x, &y);
    const uint32_t rank = call_rank(call, segments);
    if (!element_is_integer(call_element(call, segments)))
        return call_fail(call, "Got segments with invalid dtype. Segments must be integral.");
    if (rank < 1 || size_of(call, segments, rank - 1) != 2 || rank + 1 > MAX_RANK)
        return call_fail(call, "The segments should have shape (..., 2).");
    if (call_rank(call, x) != 2 || call_rank(call, y) != 2)
        return call_fail(call, "Batched matmul not supported");
    const Type type = call_type(call, segments);
    const int64_t count = type_static_size(type) / 2, rows = size_of(call, x, 0), inner = size_of(call, x, 1);
    if (size_of(call, y, 0) != inner)
        return call_fail(call, "Last dimension of first input must match second to last dimension of second input.");
    segments = call_reshape_from(call, cast(call, segments, ELEMENT_i64), 0, (const int64_t[]){count, 2}, 2);
    const Value inside = in_segment(call, segments, count, inner);
    x = choose_number(call, build_expand_dims(b, inside, 1), call_floating(call, x), 0);
    y = choose_number(call, build_expand_dims(b, inside, 2), call_floating(call, y), 0);
    const Value product = build_matmul(b, x, y);
    Dim dim[MAX_RANK];
    for (uint32_t i = 0; i + 1 < rank; i++)
        dim[i] = type.dim[i];
    dim[rank - 1] = dim_constant(rows);
    dim[rank] = dim_constant(size_of(call, call->in[1], 1));
    return build_reshape(b, product, dim, rank + 1);
}

/* ---- Kronecker products ---- */

/* Ones between the axes, before each (at 0) or after each (at 1). */
static Value interleaved(RuleCall *call, Value x, uint32_t rank, uint32_t at)
{
    int64_t size[MAX_RANK];
    const uint32_t own = call_rank(call, x);
    for (uint32_t i = 0; i < rank; i++) {
        size[2 * i + at] = i + own < rank ? 1 : size_of(call, x, i + own - rank);
        size[2 * i + 1 - at] = 1;
    }
    return call_reshape_from(call, x, 0, size, 2 * rank);
}

Value rule_kron(RuleCall *call)
{
    Value x, y;
    int64_t size[MAX_RANK];
    call_promote(call, &x, &y);
    const uint32_t x_rank = call_rank(call, x), y_rank = call_rank(call, y);
    const uint32_t rank = x_rank > y_rank ? x_rank : y_rank;
    if (2 * rank > MAX_RANK)
        return call_fail(call, "more than %d axes", MAX_RANK / 2);
    const Value product = multiply(call, interleaved(call, x, rank, 0), interleaved(call, y, rank, 1));
    if (!call_ready(call))
        return product;
    for (uint32_t i = 0; i < rank; i++)
        size[i] = size_of(call, product, 2 * i) * size_of(call, product, 2 * i + 1);
    return call_reshape_from(call, product, 0, size, rank);
}

/* ---- Hadamard transforms ---- */

enum { MAX_HADAMARD = 64 };

/* Hadamard matrices of orders that are no power of two, as N. J. A. Sloane's tables have them: bit j of row i is set
 * where the element is 1, else it is -1. */
typedef struct HadamardTable {
    uint32_t order;
    uint32_t row[28];
} HadamardTable;

static const HadamardTable hadamard_table[] = {
    {12, {0xffd, 0x554, 0xc37, 0x691, 0xdf, 0xa45, 0x373, 0x919, 0xdc3, 0x469, 0x70f, 0x1a5}},
    {20, {0x933c1, 0x2e3a2, 0x54764, 0xa0ee8, 0x499f0, 0x63421, 0xc6842, 0x8d484, 0x1ad08, 0x35a10,
          0x8653,  0x108a7, 0x2114e, 0x4229c, 0x84139, 0xfa6d,  0x174fa, 0x26dd5, 0x45f8b, 0x83f36}},
    {28, {0xcd69e01, 0x9ad7c02, 0x37ab884, 0x6d57188, 0xd8ae390, 0xb3587a0, 0x66b4f40, 0xb4640c3, 0x6ac8107, 0xd59020e,
          0xab2441c, 0x564c838, 0xac99070, 0x5b32061, 0x8607325, 0xe0a6ca,  0x1c10d95, 0x3821b2a, 0x7043654, 0xe082ca9,
          0xc3019d2, 0x2f1299,  0x5e2532,  0x9c4ae4,  0x118d549, 0x211ea13, 0x403d4a6, 0x807a94c}},
};

static float hadamard_sign(const HadamardTable *table, uint32_t row, uint32_t column)
{
    const bool is_one =
        table == NULL ? __builtin_popcount(row & column) % 2 == 0 : (table->row[row] >> column & 1) != 0;
    return is_one ? 1 : -1;
}

/* The matrix of a table, or Sylvester's. */
static Value hadamard_matrix(RuleCall *call, const HadamardTable *table, uint32_t order, ElementType element)
{
    float sign[MAX_HADAMARD * MAX_HADAMARD];
    Module *module = call->b.graph->module;
    for (uint32_t i = 0; i < order; i++)
        for (uint32_t k = 0; k < order; k++)
            sign[i * order + k] = hadamard_sign(table, i, k);
    const Type type = type_make_static(module, ELEMENT_f32, (const int64_t[]){order, order}, 2);
    return cast(call, build_constant(&call->b, constant_copy(module, type, sign)), element);
}

/* order 2^k: order 1 has no table, and k is what remains. False for other numbers. */
static bool split_order(int64_t size, const HadamardTable **table)
{
    *table = NULL;
    if (size > 0 && (size & (size - 1)) == 0)
        return true;
    for (size_t i = 0; i < sizeof hadamard_table / sizeof *hadamard_table; i++)
        if (size > 0 && size % hadamard_table[i].order == 0) {
            const int64_t rest = size / hadamard_table[i].order;
            *table = &hadamard_table[i];
            if ((rest & (rest - 1)) == 0)
                return true;
        }
    return false;
}

/* reals: scale. The matrix is a Kronecker product of small ones: the last axis is split in theirs, each contraction of
 * the first of them puts the result's axis last, and after all of them they are in order again. */
Value rule_hadamard_transform(RuleCall *call)
{
    ElementType own;
    const HadamardTable *table;
    int64_t size[MAX_RANK];
    uint32_t count = 0;
    Value x = call_wide(call, call->in[0], &own);
    const uint32_t rank = call_rank(call, x);
    if (rank == 0)
        return cast(call, by_number(call, OP_mul, x, request_real(call, 0)), own);
    const int64_t whole = size_of(call, x, rank - 1);
    if (!split_order(whole, &table))
        return call_fail(call, "Only supports n = m*2^k where m in (1, 12, 20, 28).");
    if (table != NULL)
        size[count++] = table->order;
    for (int64_t rest = table == NULL ? whole : whole / table->order; rest > 1; rest /= size[count++])
        size[count] = rest < MAX_HADAMARD ? rest : MAX_HADAMARD;
    const ElementType element = call_element(call, x);
    x = call_reshape_from(call, x, rank - 1, size, count);
    for (uint32_t i = 0; i < count && call_ready(call); i++) {
        const HadamardTable *own_table = i == 0 ? table : NULL;
        x = call_contract(call, x, rank - 1, hadamard_matrix(call, own_table, (uint32_t)size[i], element), 0);
    }
    x = call_reshape_from(call, x, rank - 1, &whole, 1);
    return cast(call, by_number(call, OP_mul, x, request_real(call, 0)), own);
}
