/* SPDX-License-Identifier: Apache-2.0
 * Functions of arrays: shapes, indexing, sorting. Part of adze/adze.h.
 *
 * Names, argument order, results and failures are those of MLX (mlx.core, and mlx-c's function of the same name) where
 * nothing else is said. Results have the element type of x unless said otherwise. Negative axes count from the end. A
 * function fails, as all do, by giving arrays that carry a message: no such axis, sizes that don't fit, a wrong type.
 * All work in traces, have the derivatives MLX's have, and map.
 *
 * INDICES are arrays of any integer type but bool; negative ones count from the end. Those that name no place at all,
 * which MLX leaves undefined, are defined here: reading takes the nearest place, writing there does nothing.
 * ADZE_FLATTENED in place of an axis: the array is flattened first, as MLX does without an axis. */
#ifndef ADZE_ARRAY_H
#define ADZE_ARRAY_H

#include "adze/adze.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { ADZE_FLATTENED = -2147483647 - 1 };

/* ---- making arrays ---- */

ADZE_API adze_array adze_zeros(adze_context *context, const int64_t *shape, size_t rank, AdzeElement element);
ADZE_API adze_array adze_ones(adze_context *context, const int64_t *shape, size_t rank, AdzeElement element);
/* value, converted to element, in every place of an array of x's shape; value broadcasts. */
ADZE_API adze_array adze_full_like(adze_context *context, adze_array x, adze_array value, AdzeElement element);
/* [n, m] with ones at [i, i + k], zeros elsewhere; n and m are positive. */
ADZE_API adze_array adze_eye(adze_context *context, int64_t n, int64_t m, int k, AdzeElement element);
ADZE_API adze_array adze_identity(adze_context *context, int64_t n, AdzeElement element);
/* [n, m] with ones at [i, j] for j <= i + k. */
ADZE_API adze_array adze_tri(adze_context *context, int64_t n, int64_t m, int k, AdzeElement element);
/* The last two axes' elements with j <= i + k (tril) or j >= i + k (triu), zeros elsewhere; at least two axes. */
ADZE_API adze_array adze_tril(adze_context *context, adze_array x, int k);
ADZE_API adze_array adze_triu(adze_context *context, adze_array x, int k);

/* ---- diagonals ---- */

/* x of one axis of size n: a matrix of size n + |k| with x on its kth diagonal. Of two axes: its kth diagonal. */
ADZE_API adze_array adze_diag(adze_context *context, adze_array x, int k);
/* x without axis1 and axis2, and as new last axis the elements [i, i + offset] of those two. */
ADZE_API adze_array adze_diagonal(adze_context *context, adze_array x, int offset, int axis1, int axis2);
/* The sum of the diagonal, converted to element first; types shorter than 32 bits are summed in 32 bits, as by sum. */
ADZE_API adze_array adze_trace(adze_context *context, adze_array x, int offset, int axis1, int axis2,
                               AdzeElement element);

/* ---- the same elements otherwise ---- */

/* x: arrays are always contiguous in row-major order; allow_col_major (the flag of MLX) changes nothing. */
ADZE_API adze_array adze_contiguous(adze_context *context, adze_array x, bool allow_col_major);
/* out[i] is x[i]; where one of the dependencies carries an error, all of out do. There are no effects to be ordered, so
 * nothing else depends on them. `out` holds count arrays. */
ADZE_API void adze_depends(adze_context *context, const adze_array *x, size_t count, const adze_array *dependency,
                           size_t dependency_count, adze_array *out);
/* The product of the sizes of axes, or 1 / it (inverted), as a scalar of that type. Known when x's sizes are, also in
 * shapeless functions. */
ADZE_API adze_array adze_number_of_elements(adze_context *context, adze_array x, const int *axes, size_t count,
                                            bool inverted, AdzeElement element);
/* Element [i, j, ...] is number offset + i strides[0] + j strides[1] + ... of x in row-major order. strides NULL: those
 * of row-major order. Unlike in MLX, places outside x are an error. */
ADZE_API adze_array adze_as_strided(adze_context *context, adze_array x, const int64_t *shape, const int64_t *strides,
                                    size_t rank, int64_t offset);
/* Axes start_axis to end_axis, both included, as one. Axes beyond the ends are the ends; a scalar becomes [1]. */
ADZE_API adze_array adze_flatten(adze_context *context, adze_array x, int start_axis, int end_axis);
/* An axis as several of these sizes, one of which may be -1. */
ADZE_API adze_array adze_unflatten(adze_context *context, adze_array x, int axis, const int64_t *shape, size_t rank);
/* New axes of size 1: axes are those of the result. MLX: expand_dims with several axes. */
ADZE_API adze_array adze_expand_dims_axes(adze_context *context, adze_array x, const int *axes, size_t count);
/* Drops axes of size 1. axes NULL: all of them. MLX: squeeze with several or no axes. */
ADZE_API adze_array adze_squeeze_axes(adze_context *context, adze_array x, const int *axes, size_t count);
ADZE_API adze_array adze_moveaxis(adze_context *context, adze_array x, int source, int destination);
ADZE_API adze_array adze_swapaxes(adze_context *context, adze_array x, int axis1, int axis2);

/* ---- several arrays ---- */

/* out[i]: x[i] broadcast to the shape they have together. `out` holds count arrays. */
ADZE_API void adze_broadcast_arrays(adze_context *context, const adze_array *x, size_t count, adze_array *out);
/* Each x is flattened and laid along an axis of its own: the ith along axis i where indexing is "ij"; "xy" exchanges
 * the first two; NULL is "xy". sparse: the other axes have size 1, else those of the others. `out` holds count arrays.
 */
ADZE_API void adze_meshgrid(adze_context *context, const adze_array *x, size_t count, bool sparse, const char *indexing,
                            adze_array *out);
/* Arrays of one shape along a new axis, which is `axis` of the result, in the type they promote to. */
ADZE_API adze_array adze_stack(adze_context *context, const adze_array *x, size_t count, int axis);
/* num_splits equal parts, at least 1. `out` holds num_splits arrays. */
ADZE_API void adze_split(adze_context *context, adze_array x, int num_splits, int axis, adze_array *out);
/* Part i goes from indices[i - 1] to indices[i]; the first starts at 0, the last ends at the end. Indices are read as
 * by slice. `out` holds count + 1 arrays. */
ADZE_API void adze_split_sections(adze_context *context, adze_array x, const int64_t *indices, size_t count, int axis,
                                  adze_array *out);

/* ---- more elements, other places ---- */

/* Each element `repeats` times along axis (or ADZE_FLATTENED); 0 gives an axis of size 0, as in NumPy. */
ADZE_API adze_array adze_repeat(adze_context *context, adze_array x, int64_t repeats, int axis);
/* The whole repeats[i] times along axis i, aligned at the right; x gets new axes in front where there are more. */
ADZE_API adze_array adze_tile(adze_context *context, adze_array x, const int64_t *repeats, size_t count);
/* Element i goes to i + shift. axes NULL: of the flattened array, by the sum of shifts. One axis and several shifts: by
 * their sum. Otherwise axis i by shift[i]; there must be as many at least. */
ADZE_API adze_array adze_roll(adze_context *context, adze_array x, const int64_t *shift, size_t shift_count,
                              const int *axes, size_t axes_count);
/* low_pad[i] elements before and high_pad[i] after axes[i], not negative. mode "constant": `value`, a scalar that is
 * converted to x's type; "edge": the nearest element of x. NULL is "constant". */
ADZE_API adze_array adze_pad(adze_context *context, adze_array x, const int *axes, const int64_t *low_pad,
                             const int64_t *high_pad, size_t count, adze_array value, const char *mode);
/* The same by pad_width at both ends of every axis. */
ADZE_API adze_array adze_pad_symmetric(adze_context *context, adze_array x, int64_t pad_width, adze_array value,
                                       const char *mode);

/* ---- order ---- */

/* Along axis (or ADZE_FLATTENED). Sorts are stable; NaN counts as largest. */
ADZE_API adze_array adze_sort(adze_context *context, adze_array x, int axis);
/* u32. */
ADZE_API adze_array adze_argsort(adze_context *context, adze_array x, int axis);
/* Element kth (negative: from the end) is the one of the sorted array; none before it is larger, none after it smaller.
 * Here they are in order too. */
ADZE_API adze_array adze_partition(adze_context *context, adze_array x, int64_t kth, int axis);
/* u32. */
ADZE_API adze_array adze_argpartition(adze_context *context, adze_array x, int64_t kth, int axis);
/* The k largest; here in ascending order. */
ADZE_API adze_array adze_topk(adze_context *context, adze_array x, int64_t k, int axis);

/* ---- along an axis, by indices ---- */

/* Result [.., i, ..] is x[.., indices[.., i, ..], ..]. Indices have x's rank (one axis when it is flattened); the other
 * axes broadcast. */
ADZE_API adze_array adze_take_along_axis(adze_context *context, adze_array x, adze_array indices, int axis);
/* x with values at those places, converted to x's type. Values broadcast to indices, whose other axes broadcast to x's.
 * Of several values at one place the last counts. */
ADZE_API adze_array adze_put_along_axis(adze_context *context, adze_array x, adze_array indices, adze_array values,
                                        int axis);
/* The same, added. */
ADZE_API adze_array adze_scatter_add_axis(adze_context *context, adze_array x, adze_array indices, adze_array values,
                                          int axis);

/* ---- blocks, by indices ---- */

/* count indices arrays, one for each of axes; they broadcast to a shape I. The result has shape [I..., slice_sizes...]:
 * for each place of I the block of x of slice_sizes (rank of x; at most x's sizes) that starts where the indices say on
 * axes, and at 0 on the others. A block that would reach beyond the end starts earlier. */
ADZE_API adze_array adze_gather(adze_context *context, adze_array x, const adze_array *indices, const int *axes,
                                size_t count, const int64_t *slice_sizes, size_t rank);
/* The same with one axis. */
ADZE_API adze_array adze_gather_single(adze_context *context, adze_array x, adze_array indices, int axis,
                                       const int64_t *slice_sizes, size_t rank);
/* x with blocks combined into it at the places gather would read. updates: [I..., block...] as gather's result,
 * converted to x's type. Where blocks meet, they are combined one after the other in row-major order of I: of scatter
 * the last counts. A block that reaches outside isn't written at all. Derivatives: of max and min, whoever equals the
 * result has all of it; prod has them too, which MLX lacks. */
ADZE_API adze_array adze_scatter(adze_context *context, adze_array x, const adze_array *indices, adze_array updates,
                                 const int *axes, size_t count);
ADZE_API adze_array adze_scatter_add(adze_context *context, adze_array x, const adze_array *indices, adze_array updates,
                                     const int *axes, size_t count);
ADZE_API adze_array adze_scatter_max(adze_context *context, adze_array x, const adze_array *indices, adze_array updates,
                                     const int *axes, size_t count);
ADZE_API adze_array adze_scatter_min(adze_context *context, adze_array x, const adze_array *indices, adze_array updates,
                                     const int *axes, size_t count);
ADZE_API adze_array adze_scatter_prod(adze_context *context, adze_array x, const adze_array *indices,
                                      adze_array updates, const int *axes, size_t count);
/* The same with one axis. */
ADZE_API adze_array adze_scatter_single(adze_context *context, adze_array x, adze_array indices, adze_array updates,
                                        int axis);
ADZE_API adze_array adze_scatter_add_single(adze_context *context, adze_array x, adze_array indices, adze_array updates,
                                            int axis);
ADZE_API adze_array adze_scatter_max_single(adze_context *context, adze_array x, adze_array indices, adze_array updates,
                                            int axis);
ADZE_API adze_array adze_scatter_min_single(adze_context *context, adze_array x, adze_array indices, adze_array updates,
                                            int axis);
ADZE_API adze_array adze_scatter_prod_single(adze_context *context, adze_array x, adze_array indices,
                                             adze_array updates, int axis);
/* x with the elements of source, one after the other, where mask (bool, of the shape x begins with) is true. Source has
 * as many elements as that takes, or more; too few are an error when it is computed. */
ADZE_API adze_array adze_masked_scatter(adze_context *context, adze_array x, adze_array mask, adze_array source);

/* ---- slices ---- */

/* x with the elements that slice would take replaced by, increased by, ... update, which broadcasts to the slice and is
 * converted to x's type. Bounds as of adze_slice. */
ADZE_API adze_array adze_slice_update(adze_context *context, adze_array x, adze_array update, const int64_t *start,
                                      const int64_t *stop, const int64_t *strides, size_t rank);
ADZE_API adze_array adze_slice_update_add(adze_context *context, adze_array x, adze_array update, const int64_t *start,
                                          const int64_t *stop, const int64_t *strides, size_t rank);
ADZE_API adze_array adze_slice_update_max(adze_context *context, adze_array x, adze_array update, const int64_t *start,
                                          const int64_t *stop, const int64_t *strides, size_t rank);
ADZE_API adze_array adze_slice_update_min(adze_context *context, adze_array x, adze_array update, const int64_t *start,
                                          const int64_t *stop, const int64_t *strides, size_t rank);
ADZE_API adze_array adze_slice_update_prod(adze_context *context, adze_array x, adze_array update, const int64_t *start,
                                           const int64_t *stop, const int64_t *strides, size_t rank);
/* The block of slice_size (one entry for each axis of x) that starts at `start`, an integer array of one element for
 * each of axes; at 0 on the others. Starts are clamped so that the block fits. */
ADZE_API adze_array adze_slice_dynamic(adze_context *context, adze_array x, adze_array start, const int *axes,
                                       size_t count, const int64_t *slice_size, size_t rank);
/* x with update, of at most x's sizes, in place of that block. Axes that update lacks in front have size 1 where they
 * are among axes, else x's. */
ADZE_API adze_array adze_slice_update_dynamic(adze_context *context, adze_array x, adze_array update, adze_array start,
                                              const int *axes, size_t count);

#ifdef __cplusplus
}
#endif
#endif
