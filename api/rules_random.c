/* SPDX-License-Identifier: Apache-2.0
 * Random numbers as graphs of pointwise ops. The first operand is the key, u32 [2].
 *
 * Numbers are words of Threefry-2x32 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", 2011),
 * laid out as MLX does, found by comparing: of W words, pair i = hash(i, i + H) with H = ceil(W / 2) gives words i and
 * i + H; when W is odd the last pair is hash(H - 1, 0). Narrower numbers are the words' bytes, least significant first.
 *
 * Every number hashes its pair and picks its half: twice the arithmetic of hashing pairs, but what is made of a number
 * is made where it is drawn, so that a draw is one kernel. For the same reason draws are rows, [1, n], as long as
 * parameters are single numbers (the key's words are slices of rows too); they take their shape at the end. */
#include <math.h>

#include "api/rules.h"

/* ---- what is asked for ---- */

typedef struct Shape {
    Dim dim[MAX_RANK];
    uint32_t rank;
    Dim size; /* number of elements */
} Shape;

/* Failures are the module's, so that shapes need none of their own. */
static Shape with_size(RuleCall *call, Shape shape)
{
    shape.size = call_ready(call) ? dim_product(call->b.graph->module, shape.dim, shape.rank) : dim_constant(0);
    return shape;
}

static Shape fixed_shape(RuleCall *call, const int64_t *size, uint32_t rank)
{
    Shape shape = {.rank = rank};
    call_sizes(call, size, rank, shape.dim);
    return with_size(call, shape);
}

/* The integers after the first `from` ones. */
static Shape asked_shape(RuleCall *call, uint32_t from)
{
    return fixed_shape(call, call->request->integer + from, call->request->integer_count - from);
}

static Shape shape_of(RuleCall *call, Value value)
{
    const Type type = call_type(call, value);
    Shape shape = {.rank = type.rank};
    for (uint32_t i = 0; i < type.rank; i++)
        shape.dim[i] = type.dim[i];
    return with_size(call, shape);
}

static Shape common_shape(RuleCall *call, const Shape *a, const Shape *b)
{
    Shape shape = {0};
    shape.rank = build_broadcast_shape(&call->b, a->dim, a->rank, b->dim, b->rank, shape.dim);
    return with_size(call, shape);
}

static Shape insert_axis(RuleCall *call, Shape shape, uint32_t axis, Dim size)
{
    if (shape.rank == MAX_RANK)
        call_fail(call, "too many axes");
    if (!call_ready(call))
        return shape;
    for (uint32_t i = shape.rank++; i > axis; i--)
        shape.dim[i] = shape.dim[i - 1];
    shape.dim[axis] = size;
    return with_size(call, shape);
}

static bool check_key(RuleCall *call)
{
    const Type type = call_type(call, call->in[0]);
    if (type.element != ELEMENT_u32)
        call_fail(call, "Expected key type u32 but received %s.", element_info[type.element].name);
    else if (type.rank != 1 || !dim_is(type.dim[0], 2))
        call_fail(call, "Expected key shape (2).");
    return call_ready(call);
}

static ElementType asked_element(RuleCall *call)
{
    const int64_t element = call->request->integer[0];
    if (element >= 0 && element < ELEMENT_COUNT)
        return (ElementType)element;
    call_fail(call, "no such element type");
    return ELEMENT_f32;
}

static bool check_floating(RuleCall *call, ElementType element)
{
    if (element == ELEMENT_f32 || element == ELEMENT_f16 || element == ELEMENT_bf16)
        return true;
    call_fail(call, "Can only generate numbers of f32, f16 or bf16, not of %s.", element_info[element].name);
    return false;
}

/* ---- bits ---- */

/* One of the key's words, as a row. */
static Value key_word(RuleCall *call, int64_t i, Dim count)
{
    Builder *b = &call->b;
    const Dim shape[] = {dim_constant(2), count};
    const Value wide = build_broadcast(b, call->in[0], shape, 2, (const int64_t[]){0});
    return build_slice_axis(b, wide, 0, dim_constant(i), dim_constant(i + 1));
}

static Value rotate(Builder *b, Value x, int by)
{
    return build_binary(b, OP_or, build_binary_scalar(b, OP_shift_left, x, by),
                        build_binary_scalar(b, OP_shift_right, x, 32 - by));
}

/* Threefry-2x32, 20 rounds, on rows of u32. */
static void threefry(RuleCall *call, Dim count, Value x[2])
{
    static const uint8_t rotation[] = {13, 15, 26, 6, 17, 29, 16, 24};
    Builder *b = &call->b;
    const Value first = key_word(call, 0, count), second = key_word(call, 1, count);
    const Value parity = build_binary_scalar(b, OP_xor, build_binary(b, OP_xor, first, second), 0x1BD11BDA);
    const Value key[] = {first, second, parity};
    x[0] = build_binary(b, OP_add, x[0], first);
    x[1] = build_binary(b, OP_add, x[1], second);
    for (int round = 0; round < 20; round++) {
        x[0] = build_binary(b, OP_add, x[0], x[1]);
        x[1] = build_binary(b, OP_xor, rotate(b, x[1], rotation[round % 8]), x[0]);
        if (round % 4 != 3)
            continue;
        const int block = round / 4 + 1;
        x[0] = build_binary(b, OP_add, x[0], key[block % 3]);
        x[1] = build_binary(b, OP_add, x[1], build_binary_scalar(b, OP_add, key[(block + 1) % 3], block));
    }
}

static Value size_value(RuleCall *call, Dim size)
{
    return build_cast(&call->b, build_dimension(&call->b, size), ELEMENT_u32);
}

/* The words of these indices (u32), of `count` words. */
static Value words(RuleCall *call, Value index, Dim count)
{
    Builder *b = &call->b;
    const Dim half_count = dim_ceil_div(b->graph->module, count, dim_constant(2));
    const Value half = size_value(call, half_count);
    const Value is_second = build_binary(b, OP_greater_equal, index, half);
    const Value pair = build_select(b, is_second, build_binary(b, OP_sub, index, half), index);
    const Value partner = build_binary(b, OP_add, pair, half);
    const bool is_even = dim_equal(dim_mul(b->graph->module, half_count, dim_constant(2)), count);
    Value x[2] = {pair, partner};
    if (!is_even)
        x[1] = build_select(b, build_binary(b, OP_less, partner, size_value(call, count)), partner,
                            build_scalar_i64(b, ELEMENT_u32, 0));
    threefry(call, call_type(call, index).dim[1], x);
    return build_select(b, is_second, x[1], x[0]);
}

/* Numbers of `width` bytes, as a row. */
static Value row_of_bits(RuleCall *call, const Shape *shape, int64_t width)
{
    static const ElementType element[] = {[1] = ELEMENT_u8, [2] = ELEMENT_u16, [4] = ELEMENT_u32};
    Builder *b = &call->b;
    Module *module = b->graph->module;
    const Dim row[] = {dim_constant(1), shape->size};
    if (!call_ready(call) || !check_key(call))
        return (Value){0};
    if (dim_is_constant(shape->size) && shape->size.constant > UINT32_MAX)
        return call_fail(call, "at most 4294967295 numbers can be drawn at once");
    const Value index = build_iota(b, type_make(module, ELEMENT_u32, row, 2), 1);
    const int64_t per_word = 4 / width;
    Value word = width == 4 ? index : build_binary_scalar(b, OP_shift_right, index, width == 2 ? 1 : 2);
    word = words(call, word, dim_ceil_div(module, shape->size, dim_constant(per_word)));
    if (width != 4) {
        const Value place = build_binary_scalar(b, OP_and, index, (double)(per_word - 1));
        const Value shift = build_binary_scalar(b, OP_mul, place, (double)(8 * width));
        word = build_binary_scalar(b, OP_and, build_binary(b, OP_shift_right, word, shift), width == 1 ? 0xFF : 0xFFFF);
    }
    return build_cast(b, word, element[width]);
}

static Value shaped(RuleCall *call, Value x, const Shape *shape)
{
    return build_reshape(&call->b, x, shape->dim, shape->rank);
}

static Value bits(RuleCall *call, const Shape *shape, int64_t width)
{
    return shaped(call, row_of_bits(call, shape, width), shape);
}

/* integers: width, shape */
Value rule_random_bits(RuleCall *call)
{
    const int64_t width = call->request->integer[0];
    const Shape shape = asked_shape(call, 1);
    if (width != 1 && width != 2 && width != 4)
        return call_fail(call, "Bit width must be 1, 2 or 4 bytes but was %lld.", (long long)width);
    return bits(call, &shape, width);
}

/* integers: number of keys */
Value rule_random_split_num(RuleCall *call)
{
    const Shape shape = fixed_shape(call, (const int64_t[]){call->request->integer[0], 2}, 2);
    return bits(call, &shape, 4);
}

Value rule_random_split(RuleCall *call)
{
    Builder *b = &call->b;
    const Shape shape = fixed_shape(call, (const int64_t[]){2, 2}, 2);
    const Value pair = bits(call, &shape, 4);
    Value key[2] = {{0}, {0}};
    for (int64_t i = 0; i < 2 && call_ready(call); i++)
        key[i] = build_squeeze(b, build_slice_axis(b, pair, 0, dim_constant(i), dim_constant(i + 1)), 0);
    call_more(call, key[1]);
    return key[0];
}

/* ---- uniform ---- */

/* Where numbers meet their parameters: in a row while those are single numbers, else in the shape. */
typedef struct Space {
    Shape shape;
    bool is_row;
} Space;

/* Of the operands after the key, which must broadcast to the shape. */
static bool make_space(RuleCall *call, Shape shape, Space *space)
{
    *space = (Space){.shape = shape, .is_row = true};
    for (uint32_t i = 1; i < call->count && call_ready(call); i++) {
        build_broadcast_to(&call->b, call->in[i], shape.dim, shape.rank);
        space->is_row = space->is_row && type_static_size(call_type(call, call->in[i])) == 1;
    }
    return call_ready(call);
}

/* An operand in the space, of the element type. */
static Value in_space(RuleCall *call, const Space *space, uint32_t operand, ElementType element)
{
    const Value x = build_cast(&call->b, call->in[operand], element);
    return space->is_row ? build_reshape(&call->b, x, NULL, 0) : x;
}

/* A row in the space. */
static Value placed(RuleCall *call, const Space *space, Value row)
{
    return space->is_row ? row : shaped(call, row, &space->shape);
}

/* A row in [0, 1): words over 2^32, rounded, but not up to 1. */
static Value unit_row(RuleCall *call, const Shape *shape, ElementType element)
{
    Builder *b = &call->b;
    const double below_one = element == ELEMENT_f16 ? 1 - 0x1p-11 : element == ELEMENT_bf16 ? 1 - 0x1p-8 : 1 - 0x1p-24;
    const Value word = row_of_bits(call, shape, 4);
    if (!call_ready(call))
        return word;
    const Value u = build_binary_scalar(b, OP_mul, build_cast(b, word, ELEMENT_f32), 0x1p-32);
    return build_cast(b, build_binary_scalar(b, OP_min, u, below_one), element);
}

/* low + (high - low) u, all of one element type. */
static Value spread(RuleCall *call, Value u, Value low, Value high)
{
    Builder *b = &call->b;
    const Value range = build_binary(b, OP_sub, high, low);
    return build_binary(b, OP_add, build_binary(b, OP_mul, range, u), low);
}

/* A row of f32 in (-1, 1). */
static Value centered_row(RuleCall *call, const Shape *shape)
{
    Builder *b = &call->b;
    return spread(call, unit_row(call, shape, ELEMENT_f32), build_scalar(b, ELEMENT_f32, -(1 - 0x1p-24)),
                  build_scalar(b, ELEMENT_f32, 1));
}

/* integers: element, shape; operands: key, low, high */
Value rule_random_uniform(RuleCall *call)
{
    Space space;
    const ElementType element = asked_element(call);
    if (!check_floating(call, element) || !make_space(call, asked_shape(call, 1), &space))
        return (Value){0};
    const Value u = placed(call, &space, unit_row(call, &space.shape, element));
    const Value low = in_space(call, &space, 1, element), high = in_space(call, &space, 2, element);
    return shaped(call, spread(call, u, low, high), &space.shape);
}

/* integers: element, shape; operands: key, low, high */
Value rule_random_randint(RuleCall *call)
{
    Space space;
    const ElementType element = asked_element(call);
    if (element_is_floating(element) || element_info[element].kind == KIND_COMPLEX)
        return call_fail(call, "randint only accepts integer types and bool, not %s.", element_info[element].name);
    if (!make_space(call, asked_shape(call, 1), &space))
        return (Value){0};
    const Value u = placed(call, &space, unit_row(call, &space.shape, ELEMENT_f32));
    const Value low = in_space(call, &space, 1, ELEMENT_f32), high = in_space(call, &space, 2, ELEMENT_f32);
    const Value number = build_binary(&call->b, OP_max, spread(call, u, low, high), low);
    return shaped(call, build_cast(&call->b, number, element), &space.shape);
}

/* integers: whether a shape is given, shape; operands: key, p */
Value rule_random_bernoulli(RuleCall *call)
{
    Space space;
    const Value p = call->in[1];
    const ElementType element = promote(ELEMENT_f32, call_element(call, p));
    const Shape shape = call->request->integer[0] != 0 ? asked_shape(call, 1) : shape_of(call, p);
    if (!element_is_floating(call_element(call, p)))
        return call_fail(call, "bernoulli probability `p` must be a float type.");
    if (!make_space(call, shape, &space))
        return (Value){0};
    const Value u = build_cast(&call->b, unit_row(call, &shape, ELEMENT_f32), element);
    const Value limit = in_space(call, &space, 1, element);
    return shaped(call, build_binary(&call->b, OP_less, placed(call, &space, u), limit), &shape);
}

/* ---- distributions ---- */

static bool check_real(RuleCall *call, ElementType element)
{
    return element == ELEMENT_f64 || check_floating(call, element);
}

/* sample scale + loc; parameters of 0 aren't there. */
static Value scaled(RuleCall *call, Value sample, Value scale, Value loc)
{
    Builder *b = &call->b;
    if (scale.id != 0)
        sample = build_binary(b, OP_mul, scale, sample);
    return loc.id == 0 ? sample : build_binary(b, OP_add, sample, loc);
}

/* loc or scale of a request: an operand (integers say which are), else a real, 0 where it is `none`. */
static Value parameter(RuleCall *call, const Space *space, uint32_t i, double none)
{
    const Request *request = call->request;
    const ElementType element = asked_element(call);
    if (request->real_count > i)
        return request->real[i] == none ? (Value){0} : build_scalar(&call->b, element, request->real[i]);
    const bool is_given = request->integer[1 + i] != 0;
    return is_given ? in_space(call, space, i == 1 && request->integer[1] != 0 ? 2 : 1, element) : (Value){0};
}

/* A row of f32, standard normal. */
static Value standard_row(RuleCall *call, const Shape *shape)
{
    Builder *b = &call->b;
    return build_binary(b, OP_mul, build_scalar(b, ELEMENT_f32, (float)M_SQRT2),
                        build_unary(b, OP_erfinv, centered_row(call, shape)));
}

/* sqrt(2) scale erfinv(u) + loc. integers: element, whether loc and scale are operands, shape; reals: loc, scale */
Value rule_random_normal(RuleCall *call)
{
    Space space;
    Builder *b = &call->b;
    const ElementType element = asked_element(call);
    if (!check_real(call, element) || !make_space(call, asked_shape(call, 3), &space))
        return (Value){0};
    const Value loc = parameter(call, &space, 0, 0), scale = parameter(call, &space, 1, 1);
    const Value sample = build_cast(b, build_unary(b, OP_erfinv, centered_row(call, &space.shape)), element);
    Value factor = build_scalar(b, element, (float)M_SQRT2);
    if (scale.id != 0)
        factor = build_binary(b, OP_mul, factor, scale);
    return shaped(call, scaled(call, placed(call, &space, sample), factor, loc), &space.shape);
}

/* The first axes of a value. */
static Shape batch_of(RuleCall *call, Value x, uint32_t rank)
{
    Shape shape = {.rank = rank};
    const Type type = call_type(call, x);
    for (uint32_t i = 0; i < rank; i++)
        shape.dim[i] = type.dim[i];
    return with_size(call, shape);
}

/* The square root U S^1/2 V^T of symmetric matrices. */
static Value matrix_root(RuleCall *call, Value cov)
{
    Value svd[3] = {{0}, {0}, {0}};
    Builder *b = &call->b;
    build_svd(b, cov, false, svd);
    if (!call_ready(call))
        return (Value){0};
    const Value root = build_unary(b, OP_sqrt, svd[1]);
    const Value columns = build_expand_dims(b, root, call_type(call, root).rank - 1);
    return build_matmul(b, build_binary(b, OP_mul, svd[0], columns), svd[2]);
}

static bool check_vectors(RuleCall *call)
{
    const Type mean = call_type(call, call->in[1]), cov = call_type(call, call->in[2]);
    if (asked_element(call) != ELEMENT_f32)
        call_fail(call, "Only f32 is supported.");
    else if (mean.rank < 1)
        call_fail(call, "mean must have at least one dimension.");
    else if (cov.rank < 2)
        call_fail(call, "cov must have at least two dimensions.");
    else if (!dim_equal(cov.dim[cov.rank - 1], cov.dim[cov.rank - 2]))
        call_fail(call, "last two dimensions of cov must be equal.");
    else if (!dim_equal(cov.dim[cov.rank - 1], mean.dim[mean.rank - 1]))
        call_fail(call, "mean and cov must have compatible shapes.");
    return call_ready(call);
}

/* integers: element, shape; operands: key, mean, cov */
Value rule_random_multivariate_normal(RuleCall *call)
{
    Builder *b = &call->b;
    if (!check_vectors(call))
        return (Value){0};
    const Value mean = build_cast(b, call->in[1], ELEMENT_f32), cov = build_cast(b, call->in[2], ELEMENT_f32);
    const uint32_t mean_rank = call_type(call, mean).rank, cov_rank = call_type(call, cov).rank;
    const Shape means = batch_of(call, mean, mean_rank - 1), matrices = batch_of(call, cov, cov_rank - 2);
    const Shape asked = asked_shape(call, 1), batch = common_shape(call, &means, &matrices);
    const Shape whole = common_shape(call, &asked, &batch);
    const Shape shape = insert_axis(call, whole, whole.rank, call_type(call, mean).dim[mean_rank - 1]);
    const Value z = shaped(call, standard_row(call, &shape), &shape);
    if (!call_ready(call))
        return (Value){0};
    const Value row = build_expand_dims(b, z, shape.rank - 1);
    const Value sample = build_squeeze(b, build_matmul(b, row, matrix_root(call, cov)), shape.rank - 1);
    return build_binary(b, OP_add, sample, mean);
}

/* sign(u) log1p(-|u|) scale + loc. integers: element, shape; reals: loc, scale */
Value rule_random_laplace(RuleCall *call)
{
    Space space;
    Builder *b = &call->b;
    const ElementType element = asked_element(call);
    if (!check_real(call, element) || !make_space(call, asked_shape(call, 1), &space))
        return (Value){0};
    const Value u = centered_row(call, &space.shape);
    const Value size = build_unary(b, OP_log1p, build_unary(b, OP_neg, build_unary(b, OP_abs, u)));
    const Value sample = build_cast(b, build_binary(b, OP_mul, build_unary(b, OP_sign, u), size), element);
    const Value loc = parameter(call, &space, 0, 0), scale = parameter(call, &space, 1, 1);
    return shaped(call, scaled(call, sample, scale, loc), &space.shape);
}

/* -log(-log(u)) */
static Value gumbel(RuleCall *call, const Shape *shape, ElementType element)
{
    Builder *b = &call->b;
    const Value u = unit_row(call, shape, element);
    const Value inner = build_unary(b, OP_neg, build_unary(b, OP_log, u));
    return shaped(call, build_unary(b, OP_neg, build_unary(b, OP_log, inner)), shape);
}

/* integers: element, shape */
Value rule_random_gumbel(RuleCall *call)
{
    const Shape shape = asked_shape(call, 1);
    const ElementType element = asked_element(call);
    return check_floating(call, element) ? gumbel(call, &shape, element) : (Value){0};
}

/* sqrt(2) erfinv(u) with u between the erf of the bounds. integers: element, whether a shape is given, shape; operands:
 * key, lower, upper */
Value rule_random_truncated_normal(RuleCall *call)
{
    Space space;
    Builder *b = &call->b;
    const ElementType element = asked_element(call);
    const Shape first = shape_of(call, call->in[1]), second = shape_of(call, call->in[2]);
    const Shape shape = call->request->integer[1] != 0 ? asked_shape(call, 2) : common_shape(call, &first, &second);
    if (!check_floating(call, element) || !make_space(call, shape, &space))
        return (Value){0};
    const Value lower = in_space(call, &space, 1, element), upper = in_space(call, &space, 2, element);
    const Value root = build_scalar(b, element, (float)M_SQRT2);
    const Value low = build_unary(b, OP_erf, build_binary(b, OP_div, lower, root));
    const Value high = build_unary(b, OP_erf, build_binary(b, OP_div, upper, root));
    const Value u = spread(call, placed(call, &space, unit_row(call, &shape, element)), low, high);
    const Value sample = build_binary(b, OP_mul, root, build_unary(b, OP_erfinv, u));
    return shaped(call, build_binary(b, OP_max, build_binary(b, OP_min, sample, upper), lower), &shape);
}

/* ---- choices ---- */

static Value most_likely(RuleCall *call, Value logits, const Shape *shape, uint32_t axis)
{
    Builder *b = &call->b;
    const Value noise = gumbel(call, shape, ELEMENT_f32);
    if (!call_ready(call))
        return noise;
    const ElementType element = promote(ELEMENT_f32, call_element(call, logits));
    const Value sum = build_binary(b, OP_add, build_cast(b, noise, element), build_cast(b, logits, element));
    return build_cast(b, build_arg_reduce(b, OP_argmax, sum, axis, false), ELEMENT_u32);
}

/* The shape asked for has no axis for the categories: it comes in as far from the right as it is in logits. */
static Value categories_of_shape(RuleCall *call, Value logits, uint32_t axis)
{
    const Type type = call_type(call, logits);
    const Shape asked = asked_shape(call, 1);
    if (!call_ready(call))
        return (Value){0};
    if (asked.rank + 1 < type.rank)
        return call_fail(call, "the shape must be one that logits without their axis broadcast to");
    const uint32_t place = asked.rank - (type.rank - 1 - axis);
    const Shape shape = insert_axis(call, asked, place, type.dim[axis]);
    return most_likely(call, build_broadcast_to(&call->b, logits, shape.dim, shape.rank), &shape, place);
}

/* integers: axis, then the shape or the number of samples; operands: key, logits */
Value rule_random_categorical(RuleCall *call)
{
    Builder *b = &call->b;
    Value logits = call->in[1];
    int64_t axis = call->request->integer[0];
    Shape shape = shape_of(call, logits);
    const ptrdiff_t function = call->info - function_info;
    if (element_info[call_element(call, logits)].kind == KIND_COMPLEX)
        return call_fail(call, "logits must be real");
    if (!call_axis(call, &axis, shape.rank))
        return (Value){0};
    if (function == FUNCTION_random_categorical_shape)
        return categories_of_shape(call, logits, (uint32_t)axis);
    if (function == FUNCTION_random_categorical_num_samples) {
        const Shape samples = asked_shape(call, 1);
        shape = insert_axis(call, shape, shape.rank, samples.dim[0]);
        logits = call_ready(call) ? build_expand_dims(b, logits, shape.rank - 1) : logits;
    }
    return most_likely(call, logits, &shape, (uint32_t)axis);
}

/* Indices that sort as many random words. */
static Value shuffled(RuleCall *call, Dim count)
{
    const Shape shape = with_size(call, (Shape){.dim = {count}, .rank = 1});
    const Value word = bits(call, &shape, 4);
    const Attr attr[] = {{.key = ATTR_axis, .integer = 0}, {.key = ATTR_descending, .integer = 0}};
    const NodeSpec spec = {.op = OP_sort, .operand = &word, .operand_count = 1, .attr = attr, .attr_count = 2};
    if (!call_ready(call))
        return word;
    const NodeId node = graph_add(call->b.graph, &spec);
    return node.id == 0 ? (Value){0} : node_result(graph_node(call->b.graph, node), 1);
}

/* integers: axis; operands: key, x */
Value rule_random_permutation(RuleCall *call)
{
    int64_t axis = call->request->integer[0];
    const Type type = call_type(call, call->in[1]);
    if (!call_axis(call, &axis, type.rank))
        return (Value){0};
    const Value order = shuffled(call, type.dim[axis]);
    return build_take(&call->b, call->in[1], order, (uint32_t)axis, "clamp");
}

/* integers: n */
Value rule_random_permutation_arange(RuleCall *call)
{
    const Shape shape = asked_shape(call, 0);
    return call_ready(call) ? build_cast(&call->b, shuffled(call, shape.dim[0]), ELEMENT_u32) : (Value){0};
}
