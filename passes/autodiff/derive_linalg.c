/* SPDX-License-Identifier: Apache-2.0
 * Derivatives of linear algebra (Giles 2008, "Collected matrix derivative results"; Murray 2016, "Differentiation of
 * the Cholesky decomposition"; Seeger et al. 2017, "Auto-differentiating linear algebra"). For the factorizations the
 * tangents of the results are one linear map of the operand's tangent, which is written once; reverse mode transposes
 * it: the map becomes a graph, a frame of which is pulled.
 *
 * Symmetric operands: the derivative is that for symmetric changes, so cotangents are symmetric. Vectors of equal
 * eigenvalues (singular values; those of value 0 of a matrix that isn't square) are no functions of the matrix:
 * derivatives through them are infinite or NaN there, those of the values alone are right. What `full` adds to the
 * singular vectors is taken as turning no more than it must. */
#include "passes/autodiff/autodiff.h"

/* A factorization and a tangent of its operand. */
typedef struct Linear {
    Builder *b;
    const Node *node;
    const Value *y; /* results */
    Value t;
    Value out[3]; /* to be set: tangents of results */
} Linear;

typedef void LinearMap(Linear *l);

static void forward_linear(Rule *r, LinearMap *map)
{
    Linear l = {.b = &r->b, .node = r->node, .y = r->y, .t = r->given[0]};
    map(&l);
    for (uint32_t i = 0; i < r->node->result_count; i++)
        r->taken[i] = l.out[i];
}

/* (results, tangent) → tangents of the results that have a cotangent. */
static Graph *linear_graph(Rule *r, LinearMap *map)
{
    Graph *graph = graph_create(r->b.graph->module, "");
    Value y[3], like[3];
    if (graph == NULL)
        return NULL;
    Builder b = {graph, r->b.location, 0};
    Linear l = {.b = &b, .node = r->node, .y = y};
    for (uint32_t i = 0; i < r->node->result_count; i++)
        like[i] = node_result(r->node, i);
    add_parameters(graph, "y", r->frame->from, like, r->node->result_count, y);
    add_parameters(graph, "t", r->frame->from, r->node->operand, 1, &l.t);
    map(&l);
    for (uint32_t i = 0; i < r->node->result_count; i++)
        if (r->given[i].id != 0)
            graph_add_result(graph, l.out[i], "");
    return graph->module->status == STATUS_OK ? graph : NULL;
}

static void pull_linear(Rule *r, const Graph *graph)
{
    const uint32_t results = r->node->result_count;
    Value argument[4];
    bool varied[4] = {false}, useful[3] = {true, true, true};
    for (uint32_t i = 0; i < results; i++)
        argument[i] = r->y[i];
    argument[results] = build_zeros(&r->b, type_of_operand(r, 0));
    varied[results] = true;
    Frame *frame = frame_create(r->frame->d, graph, r->b.graph, argument, varied, useful, r->frame->clone);
    if (frame == NULL)
        return;
    frame_record(frame);
    uint32_t at = 0;
    for (uint32_t i = 0; i < results; i++)
        if (r->given[i].id != 0)
            frame_add_gradient(frame, graph->result[at++], r->given[i]);
    frame_pull(frame);
    r->taken[0] = frame_gradient(frame, graph->parameter[results]);
}

static void reverse_linear(Rule *r, LinearMap *map)
{
    if (!r->wanted[0] || !derivation_enter(r->frame->d, r->node->location))
        return;
    const Graph *graph = linear_graph(r, map);
    if (graph != NULL)
        pull_linear(r, graph);
    r->frame->d->depth--;
}

/* ---- matrices ---- */

static Value mul(Builder *b, Value x, Value y)
{
    return build_binary(b, OP_mul, x, y);
}

static Value add(Builder *b, Value x, Value y)
{
    return build_binary(b, OP_add, x, y);
}

static Value sub(Builder *b, Value x, Value y)
{
    return build_binary(b, OP_sub, x, y);
}

static Value turned(Builder *b, Value x)
{
    return build_matrix_transpose(b, x);
}

static Value product(Builder *b, Value x, Value y)
{
    return build_matmul(b, x, y);
}

static Value symmetric(Builder *b, Value x)
{
    return build_binary_scalar(b, OP_mul, add(b, x, turned(b, x)), 0.5);
}

/* x U^-1 */
static Value divide_by_upper(Builder *b, Value x, Value u)
{
    return turned(b, build_triangular_solve(b, u, turned(b, x), false, true, false));
}

static bool is_ready(const Linear *l)
{
    return l->b->graph->module->status == STATUS_OK;
}

static Type type_of(const Linear *l, Value value)
{
    return value_type(l->b->graph, value);
}

static Dim rows_of(Type type)
{
    return type.dim[type.rank - 2];
}

static Dim columns_of(Type type)
{
    return type.dim[type.rank - 1];
}

static Value slice_columns(Linear *l, Value x, Dim start, Dim limit)
{
    return build_slice_axis(l->b, x, type_of(l, x).rank - 1, start, limit);
}

static Value slice_rows(Linear *l, Value x, Dim start, Dim limit)
{
    return build_slice_axis(l->b, x, type_of(l, x).rank - 2, start, limit);
}

/* x [..., n] as every row, or every column, of a matrix of n columns (rows). */
static Value as_rows(Linear *l, Value x)
{
    return build_expand_dims(l->b, x, type_of(l, x).rank - 1);
}

static Value as_columns(Linear *l, Value x)
{
    return build_expand_dims(l->b, x, type_of(l, x).rank);
}

/* 1 / x off the diagonal, 0 on it. */
static Value inverse_apart(Linear *l, Value x)
{
    const Type type = type_of(l, x);
    const Value self = build_binary_scalar(l->b, OP_not_equal, build_identity(l->b, type), 0);
    const Value safe = build_select(l->b, self, build_full(l->b, type, 1), x);
    return build_select(l->b, self, build_zeros(l->b, type), build_unary(l->b, OP_reciprocal, safe));
}

/* ---- cholesky: dL = L Φ(L^-1 dA L^-T), Φ the lower half ---- */

/* Below the diagonal x, on it half of x. */
static Value lower_half(Builder *b, Value x)
{
    const Value below = build_lower_part(b, x, -1);
    return add(b, below, build_binary_scalar(b, OP_mul, sub(b, build_lower_part(b, x, 0), below), 0.5));
}

static void map_cholesky(Linear *l)
{
    Builder *b = l->b;
    const Value half = build_triangular_solve(b, l->y[0], symmetric(b, l->t), true, false, false);
    const Value inner = build_triangular_solve(b, l->y[0], turned(b, half), true, false, false);
    l->out[0] = product(b, l->y[0], lower_half(b, inner));
}

/* ---- lu: dL = L low(L^-1 P dA U^-1), dU = up(…) U, where a factor that isn't square has an identity added ---- */

static Value pad_square(Linear *l, Value x, Dim size)
{
    const Type type = type_of(l, x);
    Module *module = l->b->graph->module;
    Dim low[MAX_RANK], high[MAX_RANK], dim[MAX_RANK];
    for (uint32_t i = 0; i < type.rank; i++) {
        low[i] = high[i] = dim_constant(0);
        dim[i] = i + 2 < type.rank ? type.dim[i] : size;
        if (i + 2 >= type.rank)
            high[i] = dim_sub(module, size, type.dim[i]);
    }
    const Value padded = build_pad(l->b, x, build_scalar(l->b, type.element, 0), low, high, NULL);
    return build_reshape(l->b, padded, dim, type.rank);
}

/* U with ones on the diagonal after its own: x + (identity where row >= least). */
static Value pad_upper(Linear *l, Value u, Dim size)
{
    const Value square = pad_square(l, u, size);
    if (!is_ready(l))
        return square;
    const Type type = type_of(l, square), places = {ELEMENT_i64, type.rank, type.dim};
    const Value least = build_dimension(l->b, rows_of(type_of(l, u)));
    const Value beyond = build_binary(l->b, OP_greater_equal, build_iota(l->b, places, type.rank - 2), least);
    return build_select(l->b, beyond, build_identity(l->b, type), square);
}

static void map_lu(Linear *l)
{
    Builder *b = l->b;
    if (!is_ready(l))
        return;
    const Type type = type_of(l, l->y[0]);
    const Dim rows = rows_of(type), columns = columns_of(type), least = dim_min(b->graph->module, rows, columns);
    const Dim zero = dim_constant(0);
    const Value below = build_lower_part(b, slice_columns(l, l->y[0], zero, least), -1);
    if (!is_ready(l))
        return;
    const Value lower = pad_square(l, below, rows); /* its diagonal is never read */
    const Value u = build_upper_part(b, slice_rows(l, l->y[0], zero, least), 0);
    if (!is_ready(l))
        return;
    const Value upper = pad_upper(l, u, columns);
    const Value left = build_triangular_solve(b, lower, build_take_rows(b, l->t, l->y[2]), true, false, true);
    const Value inner = divide_by_upper(b, left, upper), low = build_lower_part(b, inner, -1);
    const Value lower_tangent = add(b, product(b, lower, low), low);
    l->out[0] = add(b, lower_tangent, product(b, build_upper_part(b, inner, 0), upper));
}

/* ---- qr: with C = dA R^-1, M = Q^T C, Ω = low(M) - low(M)^T: dQ = Q (Ω - M) + C, dR = (M - Ω) R. A wide matrix is
 * [X Y] with X = Q U, and Y changes R alone: Q^T (dY - dQ Q^T Y) ---- */

/* Whether a <= b for all values of symbols. */
static bool is_at_most(Linear *l, Dim a, Dim b)
{
    int64_t least, most;
    dim_bounds(l->b->graph->module, dim_sub(l->b->graph->module, b, a), &least, &most);
    return least >= 0;
}

static void map_qr(Linear *l)
{
    Builder *b = l->b;
    if (!is_ready(l))
        return;
    const Type a = type_of(l, l->t);
    const Dim rows = rows_of(a), columns = columns_of(a), zero = dim_constant(0);
    const bool is_tall = is_at_most(l, columns, rows);
    if (!is_tall && !is_at_most(l, rows, columns)) {
        module_fail(b->graph->module, STATUS_UNSUPPORTED, location_text(b->graph->module, b->location),
                    "qr: its derivative needs to know which are more, rows or columns");
        return;
    }
    const Value q = l->y[0], u = is_tall ? l->y[1] : slice_columns(l, l->y[1], zero, rows);
    const Value c = divide_by_upper(b, is_tall ? l->t : slice_columns(l, l->t, zero, rows), u);
    const Value m = product(b, turned(b, q), c), low = build_lower_part(b, m, -1);
    const Value rest = sub(b, sub(b, low, turned(b, low)), m);
    l->out[0] = add(b, product(b, q, rest), c);
    l->out[1] = build_unary(b, OP_neg, product(b, rest, u));
    if (is_tall || !is_ready(l))
        return;
    const Value moved = product(b, l->out[0], slice_columns(l, l->y[1], rows, columns));
    const Value right = product(b, turned(b, q), sub(b, slice_columns(l, l->t, rows, columns), moved));
    l->out[1] = build_concatenate(b, (const Value[]){l->out[1], right}, 2, a.rank - 1);
}

/* ---- eigh: with S = V^T dA V: dw = diag S, dV = V (S / (w_j - w_i)) ---- */

static void map_eigh(Linear *l)
{
    Builder *b = l->b;
    const Value w = l->y[0], v = l->y[1];
    const Value s = product(b, turned(b, v), product(b, symmetric(b, l->t), v));
    if (!is_ready(l))
        return;
    const Value apart = sub(b, as_rows(l, w), as_columns(l, w));
    if (!is_ready(l))
        return;
    l->out[0] = build_diagonal(b, s);
    l->out[1] = product(b, v, mul(b, s, inverse_apart(l, apart)));
}

/* ---- svd: with D = U^T dA V, F_ij = 1 / (s_j² - s_i²): ds = diag D,
 *   dU = U (F (D S + S D^T)) + (dA V - U D) S^-1      dV = V (F (S D + D^T S)) + (dA^T U - V D^T) S^-1
 * the last terms being 0 where U (V) is square. What full adds: dU₂ = -U dU^T U₂ ---- */

/* x (F (y + y^T)) + (change - x inner) / s */
static Value svd_side(Linear *l, Value x, Value y, Value f, Value change, Value inner, bool is_square)
{
    Builder *b = l->b;
    const Value turn = product(b, x, mul(b, f, add(b, y, turned(b, y))));
    if (is_square || !is_ready(l))
        return turn;
    const Value outside = sub(b, change, product(b, x, inner));
    return add(b, turn, build_binary(b, OP_div, outside, as_rows(l, l->y[1])));
}

/* [dx, -x dx^T rest] for the columns of all = [x, rest]. */
static Value complete(Linear *l, Value all, Value x, Value tangent)
{
    Builder *b = l->b;
    if (!is_ready(l))
        return tangent;
    const Type whole = type_of(l, all);
    const Dim count = columns_of(type_of(l, x));
    if (dim_equal(columns_of(whole), count))
        return tangent;
    const Value rest = slice_columns(l, all, count, columns_of(whole));
    const Value turn = build_unary(b, OP_neg, product(b, x, product(b, turned(b, tangent), rest)));
    return build_concatenate(b, (const Value[]){tangent, turn}, 2, whole.rank - 1);
}

static void map_svd(Linear *l)
{
    Builder *b = l->b;
    if (!is_ready(l))
        return;
    const Type a = type_of(l, l->t);
    const Dim rows = rows_of(a), columns = columns_of(a), least = dim_min(b->graph->module, rows, columns);
    const Value s = l->y[1], all_v = turned(b, l->y[2]), u = slice_columns(l, l->y[0], dim_constant(0), least);
    const Value v = is_ready(l) ? slice_columns(l, all_v, dim_constant(0), least) : all_v;
    const Value to_left = product(b, l->t, v), d = product(b, turned(b, u), to_left);
    if (!is_ready(l))
        return;
    const Value columnwise = as_rows(l, s), rowwise = as_columns(l, s);
    const Value apart = mul(b, sub(b, columnwise, rowwise), add(b, columnwise, rowwise));
    if (!is_ready(l))
        return;
    const Value f = inverse_apart(l, apart);
    l->out[1] = build_diagonal(b, d);
    const Value left = svd_side(l, u, mul(b, d, columnwise), f, to_left, d, is_at_most(l, rows, columns));
    const Value right = svd_side(l, v, mul(b, rowwise, d), f, product(b, turned(b, l->t), u), turned(b, d),
                                 is_at_most(l, columns, rows));
    l->out[0] = complete(l, l->y[0], u, left);
    l->out[2] = turned(b, complete(l, all_v, v, right));
}

/* ---- the rules ---- */

#define LINEAR(name)                                                                                                   \
    void forward_##name(Rule *r)                                                                                       \
    {                                                                                                                  \
        forward_linear(r, map_##name);                                                                                 \
    }                                                                                                                  \
    void reverse_##name(Rule *r)                                                                                       \
    {                                                                                                                  \
        reverse_linear(r, map_##name);                                                                                 \
    }
LINEAR(cholesky)
LINEAR(lu)
LINEAR(qr)
LINEAR(eigh)
LINEAR(svd)

/* ---- triangular_solve: dX = A^-1 (dB - dA X); Ḃ = A^-T X̄, Ȧ = -Ḃ X^T in the triangle; A^T in place of A ---- */

typedef struct Solve {
    bool lower, transposed, unit;
} Solve;

static Solve solve_of(const Rule *r)
{
    return (Solve){node_integer(r->node, ATTR_lower) != 0, node_integer(r->node, ATTR_transposed) != 0,
                   node_integer(r->node, ATTR_unit_diagonal) != 0};
}

/* What of a matrix the op reads. */
static Value triangle(Rule *r, const Solve *s, Value x)
{
    return s->lower ? build_lower_part(&r->b, x, s->unit ? -1 : 0) : build_upper_part(&r->b, x, s->unit ? 1 : 0);
}

void forward_triangular_solve(Rule *r)
{
    Builder *b = &r->b;
    const Solve s = solve_of(r);
    Value change = r->given[1];
    if (r->given[0].id != 0) {
        const Value matrix = triangle(r, &s, r->given[0]);
        const Value moved = product(b, s.transposed ? turned(b, matrix) : matrix, r->y[0]);
        change = change.id == 0 ? build_unary(b, OP_neg, moved) : sub(b, change, moved);
    }
    r->taken[0] = build_triangular_solve(b, r->x[0], change, s.lower, s.transposed, s.unit);
}

void reverse_triangular_solve(Rule *r)
{
    Builder *b = &r->b;
    const Solve s = solve_of(r);
    const Value right = build_triangular_solve(b, r->x[0], r->given[0], s.lower, !s.transposed, s.unit);
    if (r->wanted[1])
        r->taken[1] = right;
    if (!r->wanted[0])
        return;
    const Value outer = s.transposed ? product(b, r->y[0], turned(b, right)) : product(b, right, turned(b, r->y[0]));
    r->taken[0] = triangle(r, &s, build_unary(b, OP_neg, outer));
}
