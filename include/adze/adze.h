/* SPDX-License-Identifier: Apache-2.0
 *
 * adze/adze.h: functions over arrays, and functions that transform such functions.
 *
 *     adze_context *c = adze_context_new();
 *     adze_array x = adze_scalar(c, 3), y;
 *     adze_closure *square = adze_closure_new(my_square, NULL, NULL);      // a C function over arrays
 *     adze_closure *derivative = adze_grad(c, square, NULL, 0);            // 0 argnums by NULL: the first argument
 *     if (adze_apply(c, derivative, &x, 1, &y, 1)) puts(adze_message(c));
 *     printf("%g\n", adze_item(c, y));                                     // 6
 *
 * CONTEXTS own arrays: a handle is valid until the context it was made with is freed, and need not be freed itself.
 * A scope is a context for a while; its arrays go with it, its caches are its parent's. A callback gets a scope of its
 * own. A context is used by one thread at a time; contexts of one family may be used by several threads at once.
 *
 * ARRAYS are lazy: functions check types and shapes at once, and compute when elements are asked for (adze_read,
 * adze_item, adze_eval). ERRORS stick: a function that fails gives an array that carries the message; what is made from
 * it carries the same one; it comes out where the array is used.
 *
 * CLOSURES are C functions with a payload. They are counted: adze_closure_free gives up one hold, and transforms hold
 * the closures they are made from.
 *
 * TRANSFORMS trace a closure: they call it with arrays that stand for its inputs. Arrays it uses from outside are
 * captured, and are constants for derivatives. There is no global state: a failure is the failure of that call. */
#ifndef ADZE_ADZE_H
#define ADZE_ADZE_H

#include <stdbool.h>

#include "adze/model.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifndef ADZE_API
#define ADZE_API __attribute__((visibility("default")))
#endif

typedef enum adze_status {
    ADZE_DONE = 0,
    ADZE_FAILED = 1,
    ADZE_NO_MEMORY = 2,
    ADZE_INVALID = 3,
    ADZE_UNSUPPORTED = 4,
    ADZE_USAGE = 5
} adze_status;

typedef struct adze_context adze_context;
typedef struct adze_closure adze_closure;
typedef struct adze_results adze_results;
typedef struct adze_array {
    void *node;
} adze_array;

/* ---------------------------------------------------------------- contexts ---- */

ADZE_API adze_context *adze_context_new(void);                  /* NULL when memory is out */
ADZE_API adze_context *adze_scope(const adze_context *context); /* its arrays die with it; the caches are shared */
ADZE_API void adze_context_free(adze_context *context);
/* Keeps an array of another context of the family as long as this one. */
ADZE_API adze_array adze_keep(adze_context *context, adze_array array);
/* Why the last failed call of this context failed, and the transforms it came through; "" after none. */
ADZE_API const char *adze_message(adze_context *context);
/* Fails with a message: for callbacks. Returns status. */
ADZE_API adze_status adze_failure(adze_context *context, adze_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Memory of arrays, in bytes, of all contexts of the family. Adopted memory isn't counted.
 *   active  in use by arrays and by evaluation
 *   peak    the most that was active since the first context or the last reset, which makes it 0
 *   cache   kept for arrays to come; at most the cache limit (1 GiB; 0: nothing is kept)
 *   limit   active memory stays below it: what would go beyond fails with a message. SIZE_MAX, the default: none
 * Setting a limit gives the one before. MLX's memory.h, but for the limit of a context in place of the process. */
ADZE_API size_t adze_get_active_memory(const adze_context *context);
ADZE_API size_t adze_get_peak_memory(const adze_context *context);
ADZE_API void adze_reset_peak_memory(adze_context *context);
ADZE_API size_t adze_get_cache_memory(const adze_context *context);
ADZE_API size_t adze_get_memory_limit(const adze_context *context);
ADZE_API size_t adze_set_memory_limit(adze_context *context, size_t bytes);
ADZE_API size_t adze_set_cache_limit(adze_context *context, size_t bytes);
ADZE_API void adze_clear_cache(adze_context *context);

/* ---------------------------------------------------------------- arrays ---- */

/* From memory, row-major: copied. */
ADZE_API adze_array adze_from(adze_context *context, const void *data, const int64_t *shape, size_t rank,
                              AdzeElement element);
/* Not copied: the memory is used in place, must not change, and release(payload) is called once it isn't needed, also
 * when this fails. */
ADZE_API adze_array adze_adopt(adze_context *context, void *data, const int64_t *shape, size_t rank,
                               AdzeElement element, void (*release)(void *payload), void *payload);
ADZE_API adze_array adze_scalar(adze_context *context, float value);
ADZE_API adze_array adze_scalar_i32(adze_context *context, int32_t value);

ADZE_API size_t adze_rank(adze_array array); /* of an array that carries an error: 0 */
/* While a function is traced for any shapes, sizes it doesn't know are handles, not numbers (see adze/compiled.h), and
 * adze_size is SIZE_MAX. */
ADZE_API const int64_t *adze_shape(adze_array array);
ADZE_API size_t adze_size(adze_array array);
ADZE_API AdzeElement adze_element_of(adze_array array);
/* The message an array carries, or NULL. */
ADZE_API const char *adze_error_of(adze_array array);

/* Computes several together: what they share once. */
ADZE_API adze_status adze_eval(adze_context *context, const adze_array *array, size_t count);
/* Asks for them and returns before they are computed: a thread of the family's own does it, one task after the other.
 * Reading one of the arrays waits for it; what goes wrong comes out there, with its message. */
ADZE_API adze_status adze_async_eval(adze_context *context, const adze_array *array, size_t count);
/* The elements, row-major, computed if need be; valid as long as the array. NULL on failure. */
ADZE_API const void *adze_data(adze_context *context, adze_array array);
/* Copies the elements; `bytes` must be their size. */
ADZE_API adze_status adze_read(adze_context *context, adze_array array, void *data, size_t bytes);
/* The one element as a number; NaN on failure. */
ADZE_API double adze_item(adze_context *context, adze_array array);

/* The elements as MLX prints them: array([1, 2, 3], dtype=int32); of an axis longer than six the first and last three.
 * The text is the context's, until its next call of this. NULL on failure. */
ADZE_API const char *adze_array_tostring(adze_context *context, adze_array array);
/* The same into text[size], cut to fit and ended by 0; gives the whole length as snprintf does, -1 on failure. */
ADZE_API int64_t adze_array_tostring_into(adze_context *context, adze_array array, char *text, size_t size);

/* ---------------------------------------------------------------- functions ---- */

#define UNARY(name, rule, op, doc) ADZE_API adze_array adze_##name(adze_context *context, adze_array x);
#define BINARY(name, rule, op, doc) ADZE_API adze_array adze_##name(adze_context *context, adze_array x, adze_array y);
#define REDUCTION(name, rule, op, doc)                                                                                 \
    ADZE_API adze_array adze_##name(adze_context *context, adze_array x, const int *axes, size_t count, bool keepdims);
#define CUMULATIVE(name, rule, op, doc)                                                                                \
    ADZE_API adze_array adze_##name(adze_context *context, adze_array x, int axis, bool reverse, bool inclusive);
#define OTHER(name, rule, op, doc)
#include "adze/functions.def"

/* Reductions: axes NULL are all of them. Negative axes count from the end, everywhere. */
ADZE_API adze_array adze_full(adze_context *context, const int64_t *shape, size_t rank, adze_array value,
                              AdzeElement element);
ADZE_API adze_array adze_arange(adze_context *context, double start, double stop, double step, AdzeElement element);
ADZE_API adze_array adze_astype(adze_context *context, adze_array x, AdzeElement element);
ADZE_API adze_array adze_reshape(adze_context *context, adze_array x, const int64_t *shape, size_t rank);
/* axes NULL: all reversed. */
ADZE_API adze_array adze_transpose(adze_context *context, adze_array x, const int *axes, size_t count);
ADZE_API adze_array adze_broadcast_to(adze_context *context, adze_array x, const int64_t *shape, size_t rank);
ADZE_API adze_array adze_expand_dims(adze_context *context, adze_array x, int axis);
ADZE_API adze_array adze_squeeze(adze_context *context, adze_array x, int axis);
ADZE_API adze_array adze_concatenate(adze_context *context, const adze_array *x, size_t count, int axis);
/* One entry an axis; strides NULL: ones. */
ADZE_API adze_array adze_slice(adze_context *context, adze_array x, const int64_t *start, const int64_t *stop,
                               const int64_t *strides, size_t rank);
ADZE_API adze_array adze_take(adze_context *context, adze_array x, adze_array indices, int axis);
ADZE_API adze_array adze_where(adze_context *context, adze_array condition, adze_array x, adze_array y);
ADZE_API adze_array adze_softmax(adze_context *context, adze_array x, int axis);
ADZE_API adze_array adze_argmax(adze_context *context, adze_array x, int axis, bool keepdims);
ADZE_API adze_array adze_argmin(adze_context *context, adze_array x, int axis, bool keepdims);

/* ---------------------------------------------------------------- closures ---- */

/* A function over arrays. `in` are the caller's, arrays made with `context` are dropped when it returns, except those
 * given as results by adze_give. */
typedef adze_status adze_function(adze_context *context, const adze_array *in, size_t count, adze_results *results,
                                  void *payload);

/* destroy(payload) (may be NULL) runs once, when the last holder lets go, also when this fails (NULL). */
ADZE_API adze_closure *adze_closure_new(adze_function *function, void *payload, void (*destroy)(void *payload));
ADZE_API adze_closure *adze_closure_retain(adze_closure *closure);
ADZE_API void adze_closure_free(adze_closure *closure);
/* The next result of a function. */
ADZE_API adze_status adze_give(adze_results *results, adze_array array);
/* Calls it; exactly out_count results are due. */
ADZE_API adze_status adze_apply(adze_context *context, adze_closure *closure, const adze_array *in, size_t count,
                                adze_array *out, size_t out_count);
/* Calls it inside another function, whose results the results become. */
ADZE_API adze_status adze_apply_into(adze_context *context, adze_closure *closure, const adze_array *in, size_t count,
                                     adze_results *results);

/* ---------------------------------------------------------------- transforms ---- */

/* Results: those of the function, then one gradient of the first (a scalar) for each of argnums, in this order.
 * NULL and a message when argnums are empty or name one twice. */
ADZE_API adze_closure *adze_value_and_grad(adze_context *context, adze_closure *closure, const int *argnums,
                                           size_t count);
/* The gradients alone. argnums NULL: the first argument. */
ADZE_API adze_closure *adze_grad(adze_context *context, adze_closure *closure, const int *argnums, size_t count);
/* Arguments: primals, then one cotangent for each result. Results: the function's, then one cotangent a primal. */
ADZE_API adze_status adze_vjp(adze_context *context, adze_closure *closure, const adze_array *primal,
                              size_t primal_count, const adze_array *cotangent, size_t cotangent_count, adze_array *out,
                              adze_array *primal_cotangent);
/* out and tangent_out: one for each of cotangent_count (out_count) results. */
ADZE_API adze_status adze_jvp(adze_context *context, adze_closure *closure, const adze_array *primal,
                              const adze_array *tangent, size_t primal_count, adze_array *out, adze_array *tangent_out,
                              size_t out_count);
/* The same values and gradients; nothing computed inside is kept for the backward pass. */
ADZE_API adze_closure *adze_checkpoint(adze_context *context, adze_closure *closure);
/* Maps over an axis of each input (negative: it is the same for all) and gives each result a new axis. NULL: axis 0 of
 * all. */
ADZE_API adze_closure *adze_vmap(adze_context *context, adze_closure *closure, const int *in_axes, size_t in_count,
                                 const int *out_axes, size_t out_count);
/* Traced once for each set of input types; later calls replay what was traced. */
ADZE_API adze_closure *adze_compile(adze_context *context, adze_closure *closure);

/* Writes the function for inputs of the types of `in`, ahead of time; the kind is told by the suffix: .so .o .c .h .ll
 * .bc .s (code, under the C identifier `name`: see adze/model.h), .adze (the graph as text, for `adze compile`),
 * .loops. Captured arrays become constants. */
ADZE_API adze_status adze_export(adze_context *context, adze_closure *closure, const adze_array *in, size_t count,
                                 const char *name, const char *path);

#ifdef __cplusplus
}
#endif

/* The families: each header is part of this one. */
#include "adze/array.h"
#include "adze/compiled.h"
#include "adze/compute.h"
#include "adze/control.h"
#include "adze/dlpack.h"
#include "adze/fft.h"
#include "adze/io.h"
#include "adze/linalg.h"
#include "adze/random.h"
#endif
