/* SPDX-License-Identifier: Apache-2.0
 * Functions of arrays: statistics, contractions, convolutions, what MLX calls fast, activations, losses. Part of
 * adze/adze.h; those of one or two arrays and nothing else are declared by the table, adze/functions_compute.def.
 *
 * Unless said otherwise a function is MLX's of the same name (activations: mlx.nn, losses: mlx.nn.losses), operands
 * promote as MLX's do, integers become f32 where the result is no integer, shapes broadcast as NumPy's, and f16 and
 * bf16 are summed in f32. An argument that can be left out is NULL; an array that can be left out is ADZE_NO_ARRAY.
 * Errors stick to the result, as everywhere: "[name] what came, what was due". */
#ifndef ADZE_COMPUTE_H
#define ADZE_COMPUTE_H

#include "adze/adze.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Stands for an array that isn't given. */
#ifdef __cplusplus
#define ADZE_NO_ARRAY (adze_array{0})
#else
#define ADZE_NO_ARRAY ((adze_array){0})
#endif

/* ---------------------------------------------------------------- statistics ---- */

/* Sum of squares about the mean over axes (NULL: all), divided by max(n - ddof, 0). Floating. */
ADZE_API adze_array adze_var(adze_context *context, adze_array x, const int *axes, size_t count, bool keepdims,
                             int ddof);
/* The square root of the variance. */
ADZE_API adze_array adze_std(adze_context *context, adze_array x, const int *axes, size_t count, bool keepdims,
                             int ddof);
/* softmax over several axes together (NULL: all; none: ones). precise: narrow floats are computed in f32. */
ADZE_API adze_array adze_softmax_axes(adze_context *context, adze_array x, const int *axes, size_t count, bool precise);
/* Along an axis, as mlx.nn's. */
ADZE_API adze_array adze_log_softmax(adze_context *context, adze_array x, int axis);
ADZE_API adze_array adze_softmin(adze_context *context, adze_array x, int axis);

/* ---------------------------------------------------------------- comparisons and conversions ---- */

/* |x - y| <= atol + rtol |y|, a bool for each element. Infinities are close to themselves; NaN is with equal_nan. MLX's
 * defaults are rtol 1e-5, atol 1e-8. */
ADZE_API adze_array adze_isclose(adze_context *context, adze_array x, adze_array y, double rtol, double atol,
                                 bool equal_nan);
/* Whether that holds for all: a bool scalar. */
ADZE_API adze_array adze_allclose(adze_context *context, adze_array x, adze_array y, double rtol, double atol,
                                  bool equal_nan);
/* A bool scalar; false where shapes differ. Element types are promoted. */
ADZE_API adze_array adze_array_equal(adze_context *context, adze_array x, adze_array y, bool equal_nan);
/* min(max(x, low), high); one of the bounds may be ADZE_NO_ARRAY. NaN stays. */
ADZE_API adze_array adze_clip(adze_context *context, adze_array x, adze_array low, adze_array high);
/* Floats with NaN replaced, infinities too: posinf, neginf NULL are the largest and the lowest number. */
ADZE_API adze_array adze_nan_to_num(adze_context *context, adze_array x, double nan, const double *posinf,
                                    const double *neginf);
/* out[0]: x / y rounded towards zero; out[1]: what remains, with the sign of x. */
ADZE_API void adze_divmod(adze_context *context, adze_array x, adze_array y, adze_array *out);
/* Numbers of the given floating type from u8 codes as adze_to_fp8 makes them (e4m3; there is no NaN). */
ADZE_API adze_array adze_from_fp8(adze_context *context, adze_array x, AdzeElement element);

/* ---------------------------------------------------------------- sources ---- */

/* count numbers from start to stop, both included. Integer types: rounded towards zero. */
ADZE_API adze_array adze_linspace(adze_context *context, double start, double stop, int count, AdzeElement element);
/* Windows of `points` points, f32 [points]; of 1 point: 1, of none or less: empty. */
ADZE_API adze_array adze_bartlett(adze_context *context, int points);
ADZE_API adze_array adze_blackman(adze_context *context, int points);
ADZE_API adze_array adze_hamming(adze_context *context, int points);
ADZE_API adze_array adze_hanning(adze_context *context, int points);

/* The order of elements reversed along axes (NULL: all); NumPy's. Any element type. */
ADZE_API adze_array adze_flip(adze_context *context, adze_array x, const int *axes, size_t count);

/* ---------------------------------------------------------------- contractions ---- */

/* beta c + alpha (a b): matmul's shapes, c broadcasts to the product's. */
ADZE_API adze_array adze_addmm(adze_context *context, adze_array c, adze_array a, adze_array b, double alpha,
                               double beta);
/* Sum over pairs of axes of equal size: axes_x[i] with axes_y[i]. The result has x's other axes, then y's. Both NULL:
 * the last `count` axes of x with the first of y. */
ADZE_API adze_array adze_tensordot(adze_context *context, adze_array x, adze_array y, const int *axes_x,
                                   const int *axes_y, size_t count);
/* The contraction of XLA: batch_x[i] and batch_y[i] are the same axis of both, and of the result the first ones;
 * contract_x[i] and contract_y[i] are summed over. Then x's other axes, then y's. No axis twice. */
ADZE_API adze_array adze_dot_general(adze_context *context, adze_array x, adze_array y, const int *batch_x,
                                     const int *batch_y, size_t batch_count, const int *contract_x,
                                     const int *contract_y, size_t contract_count);
/* Einstein summation: "ij,jk->ik", "...ii->...i", spaces ignored; without "->" the result has the letters that occur
 * once, in order, after what an ellipsis stands for. Sizes of 1 broadcast. Operands are contracted two by two, those
 * first that shrink what is held most. Unlike MLX integers may be contracted too. */
ADZE_API adze_array adze_einsum(adze_context *context, const char *subscripts, const adze_array *operands,
                                size_t count);
/* matmul of matrices that indices name: lhs_indices into those of a [..., M, K] (counted along all but the last two
 * axes), rhs_indices into those of b [..., K, N]; the shapes of the indices broadcast. ADZE_NO_ARRAY: all matrices as
 * they are. sorted_indices promises that rhs_indices ascend; the result doesn't depend on it. */
ADZE_API adze_array adze_gather_mm(adze_context *context, adze_array a, adze_array b, adze_array lhs_indices,
                                   adze_array rhs_indices, bool sorted_indices);
/* (mask_lhs a) (mask_rhs b) mask_out, one element of a mask (any may be ADZE_NO_ARRAY) for each block of block_size x
 * block_size: false hides a block, numbers are factors. */
ADZE_API adze_array adze_block_masked_mm(adze_context *context, adze_array a, adze_array b, int block_size,
                                         adze_array mask_out, adze_array mask_lhs, adze_array mask_rhs);
/* a [M, K], b [K, N], segments [..., 2] of integers -> [..., M, N]: the product over k from segments[.., 0] up to, not
 * including, segments[.., 1]. */
ADZE_API adze_array adze_segmented_mm(adze_context *context, adze_array a, adze_array b, adze_array segments);
/* scale H x along the last axis, of size m 2^k for m 1, 12, 20 or 28. scale NULL: 1 / sqrt(size). */
ADZE_API adze_array adze_hadamard_transform(adze_context *context, adze_array x, const double *scale);

/* ---------------------------------------------------------------- convolutions and pooling ---- */

/* Channels last: input [N, spatial..., C], weight [O, window..., C / groups] -> [N, spatial..., O]. Correlation, zeros
 * around. stride, padding, dilation have one entry a spatial axis; NULL: ones (padding: zeros). Floating. */
ADZE_API adze_array adze_conv1d(adze_context *context, adze_array input, adze_array weight, int stride, int padding,
                                int dilation, int groups);
ADZE_API adze_array adze_conv2d(adze_context *context, adze_array input, adze_array weight, const int *stride,
                                const int *padding, const int *dilation, int groups);
ADZE_API adze_array adze_conv3d(adze_context *context, adze_array input, adze_array weight, const int *stride,
                                const int *padding, const int *dilation, int groups);
/* `count` spatial axes, one to three. input_dilation spreads the input, negative padding crops what it was spread to
 * (MLX crops before), flip turns the window round. */
ADZE_API adze_array adze_conv_general(adze_context *context, adze_array input, adze_array weight, const int *stride,
                                      const int *padding_low, const int *padding_high, const int *kernel_dilation,
                                      const int *input_dilation, size_t count, int groups, bool flip);
/* Transposed, also where padding is larger than the window: (size - 1) stride - 2 padding + dilation (window - 1) +
 * output_padding + 1 places. */
ADZE_API adze_array adze_conv_transpose1d(adze_context *context, adze_array input, adze_array weight, int stride,
                                          int padding, int dilation, int output_padding, int groups);
ADZE_API adze_array adze_conv_transpose2d(adze_context *context, adze_array input, adze_array weight, const int *stride,
                                          const int *padding, const int *dilation, const int *output_padding,
                                          int groups);
ADZE_API adze_array adze_conv_transpose3d(adze_context *context, adze_array input, adze_array weight, const int *stride,
                                          const int *padding, const int *dilation, const int *output_padding,
                                          int groups);

/* Windows over `count` spatial axes of x [N, spatial..., C], one entry an axis. stride NULL: the window; padding NULL:
 * none. As mlx.nn's MaxPool and AvgPool: padding never is the largest, and counts as zeros in a mean. */
ADZE_API adze_array adze_max_pool(adze_context *context, adze_array x, const int *window, const int *stride,
                                  const int *padding, size_t count);
ADZE_API adze_array adze_avg_pool(adze_context *context, adze_array x, const int *window, const int *stride,
                                  const int *padding, size_t count);
ADZE_API adze_array adze_sum_pool(adze_context *context, adze_array x, const int *window, const int *stride,
                                  const int *padding, size_t count);
/* Where max_pool's elements are: u32, the row-major index over the spatial axes of x, the first of equals. */
ADZE_API adze_array adze_argmax_pool(adze_context *context, adze_array x, const int *window, const int *stride,
                                     const int *padding, size_t count);

/* ---------------------------------------------------------------- fast ---- */

/* (x - mean) / sqrt(var + eps) weight + bias over the last axis; weight and bias [last] may be ADZE_NO_ARRAY. The
 * element type is what all promote to, floating. */
ADZE_API adze_array adze_fast_layer_norm(adze_context *context, adze_array x, adze_array weight, adze_array bias,
                                         double eps);
/* x / sqrt(mean(x^2) + eps) weight; weight may be ADZE_NO_ARRAY. */
ADZE_API adze_array adze_fast_rms_norm(adze_context *context, adze_array x, adze_array weight, double eps);
/* Rotary positions for x [B, ..., T, D], floating, of the first `dims` (even) features: pairs, two neighbours when
 * traditional, else one of each half, are turned by scale (offset + t) base^(-i / (dims / 2)). Instead of base (NULL)
 * freqs [dims / 2] may be given: then the angle is scale (offset + t) / freqs[i]; one of both is ADZE_NO_ARRAY or NULL.
 */
ADZE_API adze_array adze_fast_rope(adze_context *context, adze_array x, int dims, bool traditional, const double *base,
                                   double scale, int offset, adze_array freqs);
/* offset: an integer array, a scalar or one element for each of B. */
ADZE_API adze_array adze_fast_rope_dynamic(adze_context *context, adze_array x, int dims, bool traditional,
                                           const double *base, double scale, adze_array offset, adze_array freqs);
/* softmax(scale q k^T + mask) v for queries [B, H, S, D], keys [B, G, T, D], values [B, G, T, E], H a multiple of G:
 * H / G heads of queries share one of keys. mask_mode "" or "array": mask (or ADZE_NO_ARRAY) broadcasts to [B, H, S,
 * T], a bool that is true where a key is seen, or a number that is added (its type must promote to the result's).
 * "causal": query i sees keys up to i + T - S; no mask then. Where nothing is seen, the result is the mean of all
 * values. sinks [H] (or ADZE_NO_ARRAY): one more score a head that takes weight and gives nothing. */
ADZE_API adze_array adze_fast_scaled_dot_product_attention(adze_context *context, adze_array queries, adze_array keys,
                                                           adze_array values, double scale, const char *mask_mode,
                                                           adze_array mask, adze_array sinks);

/* ---------------------------------------------------------------- activations ---- */

/* max(negative_slope x, x); mlx.nn's default is 0.01. */
ADZE_API adze_array adze_leaky_relu(adze_context *context, adze_array x, double negative_slope);
ADZE_API adze_array adze_elu(adze_context *context, adze_array x, double alpha);
ADZE_API adze_array adze_celu(adze_context *context, adze_array x, double alpha);
/* min(max(x, low), high); mlx.nn's defaults are -1 and 1. */
ADZE_API adze_array adze_hard_tanh(adze_context *context, adze_array x, double low, double high);
/* x where |x| > lambda, else 0; mlx.nn's default is 0.5. */
ADZE_API adze_array adze_hard_shrink(adze_context *context, adze_array x, double lambda);
/* x - sign(x) lambda where |x| > lambda, else 0. */
ADZE_API adze_array adze_softshrink(adze_context *context, adze_array x, double lambda);
/* first half * sigmoid(second half) of an axis of even size. */
ADZE_API adze_array adze_glu(adze_context *context, adze_array x, int axis);
/* 1 where x > threshold, else 0, an i32. */
ADZE_API adze_array adze_step(adze_context *context, adze_array x, double threshold);

/* ---------------------------------------------------------------- losses ---- */

/* What becomes of a loss for each element: kept, or the mean or sum of all, a scalar. */
typedef enum adze_reduction { ADZE_REDUCE_NONE, ADZE_REDUCE_MEAN, ADZE_REDUCE_SUM } adze_reduction;

/* logsumexp(logits) - the target's logit, along an axis. targets: integers with one axis less, or as many probabilities
 * as there are logits. weights (or ADZE_NO_ARRAY): of the shape of the loss. label_smoothing in [0, 1). */
ADZE_API adze_array adze_cross_entropy(adze_context *context, adze_array logits, adze_array targets, adze_array weights,
                                       int axis, double label_smoothing, adze_reduction reduction);
/* Of inputs that are logits, or probabilities (whose logarithms are at least -100). All of one shape. */
ADZE_API adze_array adze_binary_cross_entropy(adze_context *context, adze_array inputs, adze_array targets,
                                              adze_array weights, bool with_logits, adze_reduction reduction);
ADZE_API adze_array adze_l1_loss(adze_context *context, adze_array predictions, adze_array targets,
                                 adze_reduction reduction);
ADZE_API adze_array adze_mse_loss(adze_context *context, adze_array predictions, adze_array targets,
                                  adze_reduction reduction);
/* Minus the input at the target; targets: integers with one axis less. */
ADZE_API adze_array adze_nll_loss(adze_context *context, adze_array inputs, adze_array targets, int axis,
                                  adze_reduction reduction);
/* sum(exp(targets) (targets - inputs)) along an axis: both are logarithms of probabilities. */
ADZE_API adze_array adze_kl_div_loss(adze_context *context, adze_array inputs, adze_array targets, int axis,
                                     adze_reduction reduction);
/* d^2 / (2 beta) for |d| < beta, else |d| - beta / 2. */
ADZE_API adze_array adze_smooth_l1_loss(adze_context *context, adze_array predictions, adze_array targets, double beta,
                                        adze_reduction reduction);
/* d^2 / 2 for |d| <= delta, else delta (|d| - delta / 2). */
ADZE_API adze_array adze_huber_loss(adze_context *context, adze_array inputs, adze_array targets, double delta,
                                    adze_reduction reduction);
/* max(1 - inputs targets, 0). */
ADZE_API adze_array adze_hinge_loss(adze_context *context, adze_array inputs, adze_array targets,
                                    adze_reduction reduction);
ADZE_API adze_array adze_log_cosh_loss(adze_context *context, adze_array inputs, adze_array targets,
                                       adze_reduction reduction);
/* x y / max(|x| |y|, eps) of the vectors along an axis. */
ADZE_API adze_array adze_cosine_similarity_loss(adze_context *context, adze_array x1, adze_array x2, int axis,
                                                double eps, adze_reduction reduction);
/* max(d(anchors, positives) - d(anchors, negatives) + margin, 0) for d = sqrt(sum((x - y)^p) + eps) along an axis. */
ADZE_API adze_array adze_triplet_loss(adze_context *context, adze_array anchors, adze_array positives,
                                      adze_array negatives, int axis, int p, double margin, double eps,
                                      adze_reduction reduction);
/* max(margin - targets (inputs1 - inputs2), 0). */
ADZE_API adze_array adze_margin_ranking_loss(adze_context *context, adze_array inputs1, adze_array inputs2,
                                             adze_array targets, double margin, adze_reduction reduction);
/* (log(v) + (targets - inputs)^2 / v) / 2 for v = max(variances, eps); full: and log(2 pi) / 2. */
ADZE_API adze_array adze_gaussian_nll_loss(adze_context *context, adze_array inputs, adze_array targets,
                                           adze_array variances, bool full, double eps, adze_reduction reduction);

#ifdef __cplusplus
}
#endif
#endif
