/* SPDX-License-Identifier: Apache-2.0
 * The steps of random programs: each function of adze/functions.def and its families. Those of regular form come from
 * the table; the others have a row each, which says what they are given. */
#include <stdlib.h>
#include <string.h>

#include "tests/random_draw.h"

typedef adze_array Step(Draw *d);

/* ---------------------------------------------------------------- regular ones ---- */

static const struct {
    const char *name;
    double low, high;
} domain[] = {
    {"sqrt", 0.3, 2},      {"rsqrt", 0.3, 2},      {"log", 0.3, 2},     {"log2", 0.3, 2},       {"log10", 0.3, 2},
    {"log1p", -0.6, 2},    {"arcsin", -0.8, 0.8},  {"arccos", -.8, .8}, {"arccosh", 1.2, 3},    {"arctanh", -0.8, 0.8},
    {"erfinv", -0.8, 0.8}, {"reciprocal", 0.5, 2}, {"tan", -1, 1},      {"lgamma", 0.4, 3},     {"digamma", 0.4, 3},
    {"power", 0.5, 2},     {"divide", 0.5, 2},     {"remainder", 1, 2}, {"floor_divide", 1, 2}, {"fmod", 1, 2},
    {"arctan2", 0.3, 2},   {"cbrt", 0.3, 2},       {"prod", 0.5, 1.5},  {"cumprod", 0.5, 1.5},
};

static adze_array in_domain(Draw *d, const char *name, adze_array x)
{
    for (size_t i = 0; i < sizeof domain / sizeof *domain; i++)
        if (strcmp(domain[i].name, name) == 0)
            return draw_between(d, x, domain[i].low, domain[i].high);
    return x;
}

static bool is_matrix_function(const char *name)
{
    return strncmp(name, "linalg", 6) == 0;
}

static const struct {
    const char *name;
    adze_array (*run)(adze_context *, adze_array);
} unary[] = {
#define UNARY(name, rule, op, doc) {#name, adze_##name},
#define BINARY(name, rule, op, doc)
#define REDUCTION(name, rule, op, doc)
#define CUMULATIVE(name, rule, op, doc)
#define OTHER(name, rule, op, doc)
#include "adze/functions.def"
};

static const struct {
    const char *name;
    adze_array (*run)(adze_context *, adze_array, adze_array);
} binary[] = {
#define UNARY(name, rule, op, doc)
#define BINARY(name, rule, op, doc) {#name, adze_##name},
#define REDUCTION(name, rule, op, doc)
#define CUMULATIVE(name, rule, op, doc)
#define OTHER(name, rule, op, doc)
#include "adze/functions.def"
};

static const struct {
    const char *name;
    adze_array (*run)(adze_context *, adze_array, const int *, size_t, bool);
} reduction[] = {
#define UNARY(name, rule, op, doc)
#define BINARY(name, rule, op, doc)
#define REDUCTION(name, rule, op, doc) {#name, adze_##name},
#define CUMULATIVE(name, rule, op, doc)
#define OTHER(name, rule, op, doc)
#include "adze/functions.def"
};

static const struct {
    const char *name;
    adze_array (*run)(adze_context *, adze_array, int, bool, bool);
} cumulative[] = {
#define UNARY(name, rule, op, doc)
#define BINARY(name, rule, op, doc)
#define REDUCTION(name, rule, op, doc)
#define CUMULATIVE(name, rule, op, doc) {#name, adze_##name},
#define OTHER(name, rule, op, doc)
#include "adze/functions.def"
};

#define COUNT(rows) ((uint32_t)(sizeof(rows) / sizeof *(rows)))

static adze_array step_unary(Draw *d, const char **name)
{
    const uint32_t i = draw_below(d, COUNT(unary));
    *name = unary[i].name;
    /* Not constants for finite differences; codes of 8 bits. */
    if (strcmp(*name, "stop_gradient") == 0 && d->options.element == ADZE_F64)
        return draw_any(d);
    if (is_matrix_function(*name))
        return unary[i].run(d->c, draw_matrix(d, false));
    return unary[i].run(d->c, in_domain(d, *name, draw_any(d)));
}

static adze_array step_binary(Draw *d, const char **name)
{
    const uint32_t i = draw_below(d, COUNT(binary));
    *name = binary[i].name;
    if (is_matrix_function(*name))
        return binary[i].run(d->c, draw_matrix(d, false), draw_shaped(d, 3, 2, 0));
    if (strcmp(*name, "complex") == 0 && d->options.element == ADZE_F64)
        return draw_any(d);
    if (strcmp(*name, "matmul") == 0 && draw_below(d, 2) == 0)
        return adze_matmul(d->c, draw_shaped(d, 2, 3, 4), draw_shaped(d, 4, 2, 0));
    const adze_array x = in_domain(d, *name, draw_any(d)),
                     y = in_domain(d, *name, draw_below(d, 2) == 0 ? draw_any(d) : draw_like(d, x));
    return binary[i].run(d->c, x, y);
}

static int any_axis(Draw *d, adze_array x)
{
    const uint32_t rank = (uint32_t)adze_rank(x);
    return rank == 0 ? 0 : (int)draw_below(d, 2 * rank) - (int)rank;
}

static adze_array step_reduction(Draw *d, const char **name)
{
    const uint32_t i = draw_below(d, COUNT(reduction));
    *name = reduction[i].name;
    const adze_array x = in_domain(d, *name, draw_any(d));
    const int axis = any_axis(d, x);
    return reduction[i].run(d->c, x, adze_rank(x) == 0 || draw_below(d, 3) == 0 ? NULL : &axis, 1, draw_below(d, 2));
}

static adze_array step_cumulative(Draw *d, const char **name)
{
    const uint32_t i = draw_below(d, COUNT(cumulative));
    *name = cumulative[i].name;
    const adze_array x = in_domain(d, *name, draw_any(d));
    return cumulative[i].run(d->c, x, any_axis(d, x), draw_below(d, 2), draw_below(d, 3) > 0);
}

/* ---------------------------------------------------------------- others ---- */

#define C d->c
#define X draw_any(d)
#define V(n) draw_shaped(d, n, 0, 0)
#define M(n, m) draw_shaped(d, n, m, 0)
#define T(n, m, k) draw_shaped(d, n, m, k)
#define R(low, high) ((int)draw_below(d, (high) - (low) + 1) + (low))
#define K(x) draw_constant(d, x)
#define INTS(...) ((const int[]){__VA_ARGS__})
#define SIZES(...) ((const int64_t[]){__VA_ARGS__})
#define LIKE(x) draw_like(d, x)

/* Integers in 0 … limit - 1 that depend on data, of the shape of x. */
static adze_array indices(Draw *d, adze_array x, int limit)
{
    const adze_array scaled = adze_multiply(C, adze_sigmoid(C, adze_multiply(C, x, K(3))), K(limit));
    return adze_clip(C, adze_astype(C, scaled, ADZE_I32), adze_scalar_i32(C, 0), adze_scalar_i32(C, limit - 1));
}

/* [2, 3], all elements different: deviations have no derivative where they are 0. */
static adze_array apart(Draw *d, adze_array x)
{
    const adze_array number = adze_reshape(C, adze_arange(C, 0, 6, 1, d->options.element), SIZES(2, 3), 2);
    return adze_add(C, adze_tanh(C, x), adze_multiply(C, number, K(2.5)));
}

static adze_array positive(Draw *d, adze_array x)
{
    return draw_between(d, x, 0.3, 1.5);
}

static adze_array mask(Draw *d, adze_array x)
{
    return adze_greater(C, x, K(0.1));
}

static adze_array key(Draw *d)
{
    return adze_random_key(C, draw_below(d, 1000));
}

static adze_array not_here(Draw *d)
{
    return adze_reshape(C, K(0), SIZES(2), 1);
}

/* Results of functions that give several. */
static adze_array run_split(Draw *d)
{
    adze_array out[2];
    adze_split(C, M(4, 3), 2, 0, out);
    return adze_subtract(C, out[0], out[1]);
}

static adze_array run_split_sections(Draw *d)
{
    adze_array out[3];
    adze_split_sections(C, M(2, 5), SIZES(1, 3), 2, 1, out);
    return adze_matmul(C, adze_transpose(C, out[1], NULL, 0), out[2]);
}

static adze_array run_meshgrid(Draw *d)
{
    adze_array out[2];
    adze_meshgrid(C, (const adze_array[]){V(3), V(4)}, 2, R(0, 1), R(0, 1) ? "xy" : "ij", out);
    return adze_multiply(C, out[0], out[1]);
}

static adze_array run_broadcast_arrays(Draw *d)
{
    adze_array out[2];
    adze_broadcast_arrays(C, (const adze_array[]){M(3, 1), M(1, 4)}, 2, out);
    return adze_subtract(C, out[0], out[1]);
}

static adze_array run_divmod(Draw *d)
{
    adze_array out[2];
    const adze_array x = X;
    adze_divmod(C, x, positive(d, LIKE(x)), out);
    return adze_add(C, out[0], out[1]);
}

static adze_array run_depends(Draw *d)
{
    adze_array x = X, y = X, out;
    adze_depends(C, &x, 1, &y, 1, &out);
    return out;
}

static adze_array run_gather(Draw *d)
{
    const adze_array index[] = {indices(d, V(3), 4), indices(d, V(3), 2)};
    return adze_gather(C, T(4, 3, 3), index, INTS(0, 2), 2, SIZES(1, 2, 2), 3);
}

typedef adze_array Scatter(adze_context *, adze_array, const adze_array *, adze_array, const int *, size_t);
static adze_array run_scatter(Draw *d, Scatter *function)
{
    const adze_array index = indices(d, V(3), 4);
    return function(C, M(4, 3), &index, positive(d, T(3, 1, 3)), INTS(0), 1);
}

static adze_array run_scatter_once(Draw *d)
{
    const int32_t place[] = {2, 0};
    const adze_array index = adze_from(C, place, SIZES(2), 1, ADZE_I32);
    return adze_scatter(C, M(4, 3), &index, T(2, 1, 3), INTS(0), 1);
}

static adze_array run_lu(Draw *d)
{
    adze_array p, l, u;
    adze_linalg_lu(C, draw_matrix(d, false), &p, &l, &u);
    return adze_add(C, l, u);
}

static adze_array run_qr(Draw *d)
{
    adze_array q, r;
    adze_linalg_qr(C, draw_matrix(d, false), &q, &r);
    return adze_add(C, q, r);
}

static adze_array run_eigh(Draw *d)
{
    adze_array values, vectors;
    adze_linalg_eigh(C, draw_matrix(d, true), R(0, 1), &values, &vectors);
    return adze_multiply(C, values, adze_square(C, vectors));
}

static adze_array run_svd(Draw *d)
{
    adze_array u, s, vt;
    adze_linalg_svd(C, draw_matrix(d, false), R(0, 1), &u, &s, &vt);
    return adze_matmul(C, adze_multiply(C, u, adze_sqrt(C, s)), vt);
}

static adze_array run_slogdet(Draw *d)
{
    adze_array sign, logarithm;
    adze_linalg_slogdet(C, draw_matrix(d, false), &sign, &logarithm);
    return adze_multiply(C, sign, logarithm);
}

static adze_array run_fft(Draw *d)
{
    const adze_array x = M(3, 4);
    if (d->options.element == ADZE_F64)
        return not_here(d);
    switch (R(0, 5)) {
    case 0:
        return adze_fft(C, x, 0, R(-2, 1), ADZE_FFT_ORTHO);
    case 1:
        return adze_ifft(C, adze_complex(C, x, LIKE(x)), R(3, 5), 1, ADZE_FFT_BACKWARD);
    case 2:
        return adze_rfft(C, x, 0, R(0, 1), ADZE_FFT_ORTHO);
    case 3:
        return adze_irfft(C, adze_complex(C, x, LIKE(x)), R(4, 6), 1, ADZE_FFT_ORTHO);
    case 4:
        return adze_irfftn(C, adze_rfftn(C, x, NULL, NULL, 0, ADZE_FFT_ORTHO), NULL, NULL, 0, ADZE_FFT_ORTHO);
    default:
        return adze_abs(C, adze_add(C, adze_fft2(C, x, NULL, INTS(0, 1), 2, ADZE_FFT_ORTHO), K(20)));
    }
}

static adze_array run_pool(Draw *d)
{
    const adze_array x = T(2, 7, 2);
    static adze_array (*const pool[])(adze_context *, adze_array, const int *, const int *, const int *,
                                      size_t) = {adze_max_pool, adze_avg_pool, adze_sum_pool, adze_argmax_pool};
    return pool[R(0, 3)](C, x, INTS(R(1, 3)), INTS(R(1, 3)), INTS(0), 1);
}

static adze_array run_attention(Draw *d)
{
    const adze_array q = draw_fit(d, X, SIZES(1, 2, 3, 4), 4), k = draw_fit(d, X, SIZES(1, 1, 3, 4), 4),
                     v = draw_fit(d, X, SIZES(1, 1, 3, 4), 4), none = {NULL};
    const int way = R(0, 2);
    return adze_fast_scaled_dot_product_attention(C, q, k, v, 0.5,
                                                  way == 0   ? "causal"
                                                  : way == 1 ? "array"
                                                             : "",
                                                  way == 1 ? M(3, 3) : none, none);
}

static adze_array run_norm(Draw *d)
{
    const adze_array x = positive(d, M(3, 4));
    const int axis = R(0, 1);
    switch (R(0, 3)) {
    case 0:
        return adze_linalg_norm(C, x, 1 + R(0, 3), &axis, 1, R(0, 1));
    case 1:
        return adze_linalg_norm_l2(C, x, NULL, 0, false);
    case 2:
        return adze_linalg_norm_matrix(C, x, "fro", INTS(0, 1), 2, R(0, 1));
    default:
        return adze_linalg_norm_l2(C, x, &axis, 1, R(0, 1));
    }
}

static adze_array run_loss(Draw *d)
{
    const adze_array x = M(3, 4), y = LIKE(x), none = {NULL};
    const adze_reduction how = (adze_reduction)R(0, 2);
    switch (R(0, 9)) {
    case 0:
        return adze_cross_entropy(C, x, indices(d, V(3), 4), none, -1, 0.1, how);
    case 1:
        return adze_binary_cross_entropy(C, x, draw_between(d, y, 0.1, 0.9), none, true, how);
    case 2:
        return adze_nll_loss(C, x, indices(d, V(3), 4), -1, how);
    case 3:
        return adze_kl_div_loss(C, adze_log_softmax(C, x, 1), adze_log_softmax(C, y, 1), 1, how);
    case 4:
        return adze_huber_loss(C, x, y, 0.7, how);
    case 5:
        return adze_smooth_l1_loss(C, x, y, 0.5, how);
    case 6:
        return adze_log_cosh_loss(C, x, y, how);
    case 7:
        return adze_cosine_similarity_loss(C, adze_add(C, x, K(1.5)), adze_add(C, y, K(1.5)), 1, 1e-8, how);
    case 8:
        return adze_triplet_loss(C, x, y, LIKE(x), -1, 2, 1, 1e-2, how);
    default:
        return adze_gaussian_nll_loss(C, x, y, positive(d, LIKE(x)), R(0, 1), 1e-6, how);
    }
}

#define STARTS SIZES(1, 0), SIZES(4, 3), SIZES(2, 1), 2
#define AXES(x, axis) (adze_rank(x) == 0 ? NULL : &axis)

/* name, what is declared, the call */
#define STEPS(S)                                                                                                       \
    S(astype, , adze_astype(C, adze_multiply(C, X, K(4)), ADZE_I32))                                                   \
    S(transpose, , adze_transpose(C, T(2, 3, 2), INTS(2, 0, 1), 3))                                                    \
    S(broadcast_to, , adze_broadcast_to(C, M(3, 1), SIZES(2, 3, 4), 3))                                                \
    S(concatenate, adze_array x = M(2, 3), adze_concatenate(C, (const adze_array[]){x, M(1, 3), x}, 3, 0))             \
    S(slice, , adze_slice(C, M(5, 4), SIZES(1, 0), SIZES(5, R(1, 4)), SIZES(2, 1), 2))                                 \
    S(take, , adze_take(C, M(4, 3), indices(d, M(2, 2), 3), 1))                                                        \
    S(where, adze_array x = X, adze_where(C, mask(d, LIKE(x)), x, LIKE(x)))                                            \
    S(softmax, adze_array x = X, adze_softmax(C, x, any_axis(d, x)))                                                   \
    S(argmax, adze_array x = X, adze_argmax(C, x, any_axis(d, x), R(0, 1)))                                            \
    S(argmin, adze_array x = X, adze_argmin(C, x, any_axis(d, x), R(0, 1)))                                            \
    S(full_like, adze_array x = X, adze_full_like(C, x, V(1), adze_element_of(x)))                                     \
    S(eye, , adze_multiply(C, adze_eye(C, 3, 4, R(-1, 1), d->options.element), V(4)))                                  \
    S(tri, , adze_multiply(C, adze_tri(C, 3, 4, R(-1, 1), d->options.element), V(4)))                                  \
    S(tril, , adze_tril(C, M(3, 4), R(-1, 1)))                                                                         \
    S(triu, , adze_triu(C, T(2, 3, 4), R(-1, 1)))                                                                      \
    S(diag, , adze_diag(C, R(0, 1) ? V(3) : M(3, 4), R(-1, 1)))                                                        \
    S(diagonal, , adze_diagonal(C, T(3, 2, 3), R(-1, 1), 0, 2))                                                        \
    S(trace, , adze_trace(C, T(2, 3, 3), R(-1, 1), 1, 2, d->options.element))                                          \
    S(as_strided, , adze_as_strided(C, V(9), SIZES(3, 4), SIZES(2, 1), 2, 1))                                          \
    S(unflatten, , adze_unflatten(C, M(6, 2), 0, SIZES(2, -1), 2))                                                     \
    S(moveaxis, , adze_moveaxis(C, T(2, 3, 4), 0, -1))                                                                 \
    S(swapaxes, , adze_swapaxes(C, T(2, 3, 4), 0, 2))                                                                  \
    S(stack, adze_array x = X, adze_stack(C, (const adze_array[]){x, LIKE(x)}, 2, R(0, 1)))                            \
    S(split, , run_split(d))                                                                                           \
    S(split_sections, , run_split_sections(d))                                                                         \
    S(meshgrid, , run_meshgrid(d))                                                                                     \
    S(broadcast_arrays, , run_broadcast_arrays(d))                                                                     \
    S(divmod, , run_divmod(d))                                                                                         \
    S(depends, , run_depends(d))                                                                                       \
    S(repeat, adze_array x = X, adze_repeat(C, x, 2, any_axis(d, x)))                                                  \
    S(tile, , adze_tile(C, M(2, 3), SIZES(2, 1, 2), 3))                                                                \
    S(roll, adze_array x = X; const int axis = any_axis(d, x), adze_roll(C, x, SIZES(R(-2, 2)), 1, &axis, 1))          \
    S(pad, , adze_pad(C, M(3, 2), INTS(0, 1), SIZES(1, 0), SIZES(0, 2), 2, K(0.3), R(0, 1) ? "edge" : "constant"))     \
    S(pad_symmetric, , adze_pad_symmetric(C, V(3), 1, K(0), "constant"))                                               \
    S(flip, adze_array x = X; const int axis = any_axis(d, x), adze_flip(C, x, AXES(x, axis), 1))                      \
    S(sort, adze_array x = X, adze_sort(C, x, any_axis(d, x)))                                                         \
    S(argsort, adze_array x = X, adze_argsort(C, x, any_axis(d, x)))                                                   \
    S(partition, , adze_partition(C, M(2, 5), R(0, 4), 1))                                                             \
    S(topk, , adze_topk(C, M(2, 5), R(1, 5), 1))                                                                       \
    S(take_along_axis, adze_array x = M(3, 4), adze_take_along_axis(C, x, adze_argsort(C, LIKE(x), 1), 1))             \
    S(put_along_axis, adze_array x = M(3, 4), adze_put_along_axis(C, x, adze_argsort(C, LIKE(x), 1), LIKE(x), 1))      \
    S(scatter_add_axis, adze_array x = M(3, 4), adze_scatter_add_axis(C, x, indices(d, LIKE(x), 4), LIKE(x), 1))       \
    S(gather, , run_gather(d))                                                                                         \
    S(gather_single, , adze_gather_single(C, M(4, 3), indices(d, V(2), 4), 0, SIZES(1, 2), 2))                         \
    S(scatter, , run_scatter_once(d))                                                                                  \
    S(scatter_add, , run_scatter(d, adze_scatter_add))                                                                 \
    S(scatter_max, , run_scatter(d, adze_scatter_max))                                                                 \
    S(scatter_min, , run_scatter(d, adze_scatter_min))                                                                 \
    S(scatter_prod, , run_scatter(d, adze_scatter_prod))                                                               \
    S(masked_scatter, adze_array x = M(3, 4), adze_masked_scatter(C, x, mask(d, LIKE(x)), V(12)))                      \
    S(slice_update, , adze_slice_update(C, M(4, 3), M(2, 3), STARTS))                                                  \
    S(slice_update_add, , adze_slice_update_add(C, M(4, 3), M(2, 3), STARTS))                                          \
    S(slice_update_max, , adze_slice_update_max(C, M(4, 3), M(2, 3), STARTS))                                          \
    S(slice_update_min, , adze_slice_update_min(C, M(4, 3), M(2, 3), STARTS))                                          \
    S(slice_update_prod, , adze_slice_update_prod(C, M(4, 3), M(2, 3), STARTS))                                        \
    S(slice_dynamic, , adze_slice_dynamic(C, M(4, 5), indices(d, V(1), 4), INTS(R(0, 1)), 1, SIZES(2, 2), 2))          \
    S(slice_update_dynamic, , adze_slice_update_dynamic(C, M(4, 5), M(2, 3), indices(d, V(2), 4), INTS(0, 1), 2))      \
    S(var, adze_array x = T(2, 3, 2); const int axis = R(0, 2), adze_var(C, x, &axis, 1, R(0, 1), 0))                  \
    S(std, adze_array x = apart(d, M(2, 3)), adze_std(C, x, NULL, 0, R(0, 1), 1))                                      \
    S(softmax_axes, adze_array x = T(2, 3, 2), adze_softmax_axes(C, x, INTS(0, 2), 2, false))                          \
    S(log_softmax, adze_array x = X, adze_log_softmax(C, x, any_axis(d, x)))                                           \
    S(softmin, adze_array x = X, adze_softmin(C, x, any_axis(d, x)))                                                   \
    S(isclose, adze_array x = X, adze_isclose(C, x, LIKE(x), 0.1, 0.3, false))                                         \
    S(clip, adze_array x = X, adze_clip(C, x, K(-0.5), positive(d, LIKE(x))))                                          \
    S(nan_to_num, , adze_nan_to_num(C, X, 0.5, NULL, NULL))                                                            \
    S(linspace, , adze_multiply(C, V(4), adze_linspace(C, 0, 1, 4, d->options.element)))                               \
    S(addmm, , adze_addmm(C, V(2), M(3, 4), M(4, 2), 0.5, -1.5))                                                       \
    S(tensordot, , adze_tensordot(C, T(2, 3, 4), T(4, 2, 3), INTS(0, 2), INTS(1, 0), 2))                               \
    S(dot_general, , adze_dot_general(C, T(2, 3, 4), T(2, 4, 3), INTS(0), INTS(0), 1, INTS(2), INTS(1), 1))            \
    S(einsum, , adze_einsum(C, "ij,jk,k->ik", (const adze_array[]){M(2, 3), M(3, 4), V(4)}, 3))                        \
    S(einsum_trace, , adze_einsum(C, "iij,j->i", (const adze_array[]){T(3, 3, 2), V(2)}, 2))                           \
    S(gather_mm, , adze_gather_mm(C, T(2, 3, 4), T(3, 4, 2), indices(d, V(3), 2), indices(d, V(3), 3), false))         \
    S(hadamard_transform, , adze_hadamard_transform(C, M(2, 4), NULL))                                                 \
    S(conv1d, , adze_conv1d(C, T(2, 6, 2), T(3, 2, 2), R(1, 2), R(0, 2), R(1, 2), 1))                                  \
    S(conv1d_groups, , adze_conv1d(C, T(1, 5, 4), T(4, 2, 2), 1, 1, 1, 2))                                             \
    S(conv_transpose1d, , adze_conv_transpose1d(C, T(2, 4, 2), T(3, 2, 2), R(1, 2), R(0, 1), 1, 0, 1))                 \
    S(pool, , run_pool(d))                                                                                             \
    S(layer_norm, , adze_fast_layer_norm(C, M(3, 4), V(4), V(4), 1e-2))                                                \
    S(rms_norm, , adze_fast_rms_norm(C, T(2, 3, 4), V(4), 1e-2))                                                       \
    S(rope, const double base = 100, adze_fast_rope(C, T(2, 3, 4), 4, R(0, 1), &base, 1, R(0, 3), (adze_array){NULL})) \
    S(attention, , run_attention(d))                                                                                   \
    S(leaky_relu, , adze_leaky_relu(C, X, 0.1))                                                                        \
    S(elu, , adze_elu(C, X, 0.7))                                                                                      \
    S(celu, , adze_celu(C, X, 0.7))                                                                                    \
    S(hard_tanh, , adze_hard_tanh(C, X, -0.5, 0.8))                                                                    \
    S(hard_shrink, , adze_hard_shrink(C, X, 0.3))                                                                      \
    S(softshrink, , adze_softshrink(C, X, 0.3))                                                                        \
    S(glu, , adze_glu(C, M(3, 4), 1))                                                                                  \
    S(step, , adze_step(C, X, 0.1))                                                                                    \
    S(loss, , run_loss(d))                                                                                             \
    S(cholesky, , adze_linalg_cholesky(C, draw_matrix(d, true), R(0, 1)))                                              \
    S(tri_inv, , adze_linalg_tri_inv(C, draw_matrix(d, false), R(0, 1)))                                               \
    S(cholesky_inv, , adze_linalg_cholesky_inv(C, adze_tril(C, draw_matrix(d, false), 0), false))                      \
    S(solve_triangular, , adze_linalg_solve_triangular(C, draw_matrix(d, false), M(3, 2), R(0, 1)))                    \
    S(cross, , adze_linalg_cross(C, M(4, 3), M(4, 3), -1))                                                             \
    S(lu, , run_lu(d))                                                                                                 \
    S(qr, , run_qr(d))                                                                                                 \
    S(eigh, , run_eigh(d))                                                                                             \
    S(eigvalsh, , adze_linalg_eigvalsh(C, draw_matrix(d, true), R(0, 1)))                                              \
    S(svd, , run_svd(d))                                                                                               \
    S(slogdet, , run_slogdet(d))                                                                                       \
    S(norm, , run_norm(d))                                                                                             \
    S(fft, , run_fft(d))                                                                                               \
    S(fftshift, , adze_fftshift(C, M(3, 4), NULL, 0))                                                                  \
    S(random_normal, ,                                                                                                 \
      adze_multiply(C, V(5),                                                                                           \
                    adze_astype(C, adze_random_normal(C, SIZES(5), 1, ADZE_F32, 0, 1, key(d)), d->options.element)))   \
    S(random_uniform, adze_array x = X,                                                                                \
      d->options.element == ADZE_F64                                                                                   \
          ? not_here(d)                                                                                                \
          : adze_random_uniform(C, x, adze_add(C, x, K(1)), adze_shape(x), adze_rank(x), ADZE_F32, key(d)))            \
    S(random_bernoulli, , adze_random_bernoulli(C, draw_between(d, X, 0.1, 0.9), NULL, 0, key(d)))                     \
    S(random_categorical, , adze_random_categorical(C, M(3, 4), -1, key(d)))                                           \
    S(random_permutation, , adze_random_permutation(C, M(4, 2), 0, key(d)))                                            \
    S(random_randint, ,                                                                                                \
      adze_random_randint(C, adze_scalar_i32(C, 0), indices(d, V(3), 9), SIZES(3), 1, ADZE_I32, key(d)))

#define DEFINE(name, declared, call)                                                                                   \
    static adze_array step_##name(Draw *d)                                                                             \
    {                                                                                                                  \
        declared;                                                                                                      \
        return call;                                                                                                   \
    }
STEPS(DEFINE)

static const struct {
    const char *name;
    Step *run;
} others[] = {
#define ROW(name, declared, call) {#name, step_##name},
    STEPS(ROW)};

adze_array draw_step(Draw *d, const char **name)
{
    const uint32_t kind = draw_below(d, 10);
    if (kind < 2)
        return step_unary(d, name);
    if (kind < 4)
        return step_binary(d, name);
    if (kind < 5)
        return draw_below(d, 2) == 0 ? step_reduction(d, name) : step_cumulative(d, name);
    const uint32_t i = draw_below(d, COUNT(others));
    *name = others[i].name;
    return others[i].run(d);
}
