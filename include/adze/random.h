/* SPDX-License-Identifier: Apache-2.0
 * Functions of arrays: random numbers. Part of adze/adze.h.
 *
 *     adze_array key = adze_random_key(c, 42), now, later;
 *     adze_random_split(c, key, &now, &later);
 *     adze_array x = adze_random_normal(c, (int64_t[]){2, 3}, 2, ADZE_F32, 0, 1, now);
 *
 * There is no hidden state: what is drawn is a function of the key, a u32 array of shape [2], and of nothing else. Use
 * a key once; split it for more. Keys are arrays like others: a function of a key can be traced, compiled, exported and
 * mapped over many keys, always with the same numbers. The generator is Threefry-2x32 with 20 rounds (Salmon et al.
 * 2011). For equal keys, bits and uniform numbers are those of MLX 0.31 (mlx.core.random) bit for bit, and so is what
 * compares or counts them (randint, bernoulli, permutation, split); other draws agree to the rounding of log and
 * erfinv.
 *
 * shape, rank: of the result. element: of the result, a floating type unless said otherwise. Every draw takes at most
 * 2^32 - 1 numbers. Derivatives flow to low, high, loc, scale, lower, upper, mean; not to keys, counts and choices. */
#ifndef ADZE_RANDOM_H
#define ADZE_RANDOM_H

#include "adze/adze.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The key of a seed: [seed / 2^32, seed mod 2^32]. */
ADZE_API adze_array adze_random_key(adze_context *context, uint64_t seed);
ADZE_API void adze_random_split(adze_context *context, adze_array key, adze_array *first, adze_array *second);
/* [num, 2]: one key a row. */
ADZE_API adze_array adze_random_split_num(adze_context *context, adze_array key, int num);

/* width: bytes of one number, 1, 2 or 4; the result is u8, u16 or u32. */
ADZE_API adze_array adze_random_bits(adze_context *context, const int64_t *shape, size_t rank, int width,
                                     adze_array key);
/* low + (high - low) u with u in [0, 1), of f32, f16 or bf16; low and high broadcast to the shape. */
ADZE_API adze_array adze_random_uniform(adze_context *context, adze_array low, adze_array high, const int64_t *shape,
                                        size_t rank, AdzeElement element, adze_array key);
/* Mean loc, standard deviation scale. */
ADZE_API adze_array adze_random_normal(adze_context *context, const int64_t *shape, size_t rank, AdzeElement element,
                                       float loc, float scale, adze_array key);
/* The same with arrays that broadcast to the shape; {NULL} stands for 0 and 1. */
ADZE_API adze_array adze_random_normal_broadcast(adze_context *context, const int64_t *shape, size_t rank,
                                                 AdzeElement element, adze_array loc, adze_array scale, adze_array key);
/* Vectors with mean [..., n] and covariance [..., n, n], positive semi-definite: mean + z U S^1/2 V^T with z standard
 * normal and U S V^T the covariance. [..., n], where ... is what shape and the batch axes of both broadcast to. f32. */
ADZE_API adze_array adze_random_multivariate_normal(adze_context *context, adze_array mean, adze_array cov,
                                                    const int64_t *shape, size_t rank, AdzeElement element,
                                                    adze_array key);
ADZE_API adze_array adze_random_laplace(adze_context *context, const int64_t *shape, size_t rank, AdzeElement element,
                                        float loc, float scale, adze_array key);
/* -log(-log(u)), of f32, f16 or bf16. */
ADZE_API adze_array adze_random_gumbel(adze_context *context, const int64_t *shape, size_t rank, AdzeElement element,
                                       adze_array key);
/* Standard normal given that it is between lower and upper, which broadcast to the shape; shape NULL: the one they have
 * together. f32, f16 or bf16. */
ADZE_API adze_array adze_random_truncated_normal(adze_context *context, adze_array lower, adze_array upper,
                                                 const int64_t *shape, size_t rank, AdzeElement element,
                                                 adze_array key);
/* low + floor((high - low) u), an integer type or bool, made of 24 random bits: wide intervals have gaps, as in MLX.
 * low and high broadcast to the shape. */
ADZE_API adze_array adze_random_randint(adze_context *context, adze_array low, adze_array high, const int64_t *shape,
                                        size_t rank, AdzeElement element, adze_array key);
/* bool: true with probability p (floating), which broadcasts to the shape; shape NULL: p's. */
ADZE_API adze_array adze_random_bernoulli(adze_context *context, adze_array p, const int64_t *shape, size_t rank,
                                          adze_array key);
/* u32 indices along axis, drawn with probabilities softmax(logits): the shape of logits without axis. */
ADZE_API adze_array adze_random_categorical(adze_context *context, adze_array logits, int axis, adze_array key);
/* The same of a shape that logits' shape without axis broadcasts to. */
ADZE_API adze_array adze_random_categorical_shape(adze_context *context, adze_array logits, int axis,
                                                  const int64_t *shape, size_t rank, adze_array key);
/* num_samples of each, as a new last axis. */
ADZE_API adze_array adze_random_categorical_num_samples(adze_context *context, adze_array logits, int axis,
                                                        int num_samples, adze_array key);
/* The slices of x along axis, in random order. */
ADZE_API adze_array adze_random_permutation(adze_context *context, adze_array x, int axis, adze_array key);
/* u32 [n]: 0 ... n - 1 in random order. */
ADZE_API adze_array adze_random_permutation_arange(adze_context *context, int n, adze_array key);

#ifdef __cplusplus
}
#endif
#endif
