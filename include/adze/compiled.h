/* SPDX-License-Identifier: Apache-2.0
 *
 * adze/compiled.h: functions as graphs, and graphs as compiled functions. Part of adze/adze.h.
 *
 *     adze_leaf leaf[] = {{.name = "x", .element = ADZE_F32, .rank = 2, .shape = (int64_t[]){8, 384}},
 *                         {.name = "w", .parameter = true, .value = w}};
 *     adze_compiled *f = adze_compiled_new(c, closure, leaf, 2, NULL);
 *     adze_compiled_call(c, f, &x, 1, &y, 1);
 *     adze_compiled_write(c, f, "f", "f.so");
 *     adze_compiled_free(f);
 *
 * Here w is bound: it becomes a constant of the code, and is no leaf that calls give. f.so computes the same in a
 * process without a compiler.
 *
 * LEAVES are what a call gives, by position. Those that leaf descriptions bind to a value, and arrays that the closure
 * captured, are constants of the function: folded, packed for the kernels that read them, and not given.
 *
 * GRAPHS (adze_capture) are functions as data: they print as text IR, which the `adze` program reads, can be
 * transformed by passes, bound, applied inside other functions, and compiled.
 *
 * SHAPES. A handle made from a closure traces and compiles anew for shapes it hasn't seen, and keeps a bounded number
 * of them. A shapeless one is traced with sizes that stand for any: see adze_shapes. A handle made from a graph takes
 * what the graph says.
 *
 * THREADS. A handle and its leaves may be used by any number of threads at once: each call has a workspace of its own,
 * which the handle keeps for later calls. A graph is used by one thread at a time.
 *
 * THE CACHE. What handles compile is kept in $XDG_CACHE_HOME/adze (~/.cache/adze), so that the next process starts
 * without compiling; entries are found by graph, target, and compiler. See adze_compile_options. */
#ifndef ADZE_COMPILED_H
#define ADZE_COMPILED_H

#include "adze/adze.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct adze_graph adze_graph;
typedef struct adze_compiled adze_compiled;

/* ---------------------------------------------------------------- leaves ---- */

typedef struct adze_leaf {
    const char *name; /* NULL: in0, in1 … */
    bool parameter;   /* a weight, not an input: only said, so that hosts can tell them apart */
    AdzeElement element;
    size_t rank;
    const int64_t *shape;         /* of a description: sizes, or examples of them. Of a function: -1 where unknown */
    const char *const *dimension; /* NULL, or for each axis NULL or the name of a size that calls decide: equal names
                                     are equal sizes. Of a function: the expression, "batch", "2*batch+1" */
    adze_array value; /* {NULL}, or the array it is bound to; element and shape are those of the array then */
} adze_leaf;

/* Description of a leaf like `example`, as long as that lives. */
ADZE_API adze_leaf adze_leaf_like(const char *name, adze_array example);

/* ---------------------------------------------------------------- sizes ---- */

/* While a function is traced for sizes that calls decide, adze_shape gives handles for them: negative numbers that all
 * functions that take shapes know (adze_reshape, adze_broadcast_to, adze_full …). Arithmetic on them is done by these;
 * plain numbers work too. What makes no sense is a handle that fails where it is used. */
ADZE_API int64_t adze_size_add(adze_context *context, int64_t a, int64_t b);
ADZE_API int64_t adze_size_subtract(adze_context *context, int64_t a, int64_t b);
ADZE_API int64_t adze_size_multiply(adze_context *context, int64_t a, int64_t b);
ADZE_API int64_t adze_size_divide(adze_context *context, int64_t a, int64_t b); /* rounds down; b is not 0 */
/* The size of an axis as an i64 scalar, for arithmetic on arrays: x / size. */
ADZE_API adze_array adze_dimension(adze_context *context, adze_array x, int axis);
/* Whether it is a number. */
ADZE_API bool adze_size_is_known(int64_t size);

/* ---------------------------------------------------------------- graphs ---- */

/* Traces the closure on leaves of these types. Results of adze_capture… and adze_graph_… are to be freed; NULL: failed,
 * see adze_message. */
ADZE_API adze_graph *adze_capture(adze_context *context, adze_closure *closure, const adze_leaf *leaf, size_t count);
/* Text IR (docs/text-ir.md). Large constants stand in a text only by their hash: see adze_graph_write. */
ADZE_API adze_graph *adze_graph_parse(adze_context *context, const char *text, size_t length);
/* A file: text IR, with the weights beside it, or ONNX. */
ADZE_API adze_graph *adze_graph_read(adze_context *context, const char *path);
ADZE_API void adze_graph_free(adze_graph *graph);

ADZE_API size_t adze_graph_leaf_count(const adze_graph *graph);
ADZE_API const adze_leaf *adze_graph_leaf(const adze_graph *graph, size_t index); /* as long as the graph */
ADZE_API size_t adze_graph_result_count(const adze_graph *graph);
ADZE_API const adze_leaf *adze_graph_result(const adze_graph *graph, size_t index);
/* Text IR, as long as the graph. */
ADZE_API const char *adze_graph_text(const adze_graph *graph);
/* Runs passes by name, "clean,simplify,fold": see `adze passes`. */
ADZE_API adze_graph *adze_graph_transform(adze_context *context, const adze_graph *graph, const char *passes);
/* Some leaves become constants. */
ADZE_API adze_graph *adze_graph_bind(adze_context *context, const adze_graph *graph, const size_t *leaf,
                                     const adze_array *value, size_t count);
/* The graph as a function, to be applied, transformed or traced as part of another. */
ADZE_API adze_closure *adze_graph_closure(adze_context *context, const adze_graph *graph);
/* As adze_export. NAME.adze gets its large constants beside it, in NAME.adze.weights. */
ADZE_API adze_status adze_graph_write(adze_context *context, const adze_graph *graph, const char *name,
                                      const char *path);

/* ---------------------------------------------------------------- compiled functions ---- */

typedef enum adze_shapes {
    ADZE_SHAPES_CACHED = 0, /* new shapes or element types are traced and compiled when they come */
    ADZE_SHAPES_ANY = 1,    /* shapeless: traced once for all shapes of the same ranks. Where the function needs some
                               sizes to be equal (x + y of two leaves), or numbers (x w with a captured w), it is traced
                               once for each way they are: sizes of last axes, at most all but the first leaf's axis 0,
                               are numbers then. What still can't be told without the sizes is an error */
    ADZE_SHAPES_FIXED = 2   /* others are an error */
} adze_shapes;

/* All zeros (or a NULL pointer) is the default. */
typedef struct adze_compile_options {
    adze_shapes shapes;
    uint32_t shapes_kept;        /* sets of shapes that stay compiled, the last used; 0: 64 */
    int32_t threads;             /* of a call; 0: one */
    bool no_disk_cache;          /* nothing is read from or written to disk; also where ADZE_CACHE=0 is set */
    const char *cache_directory; /* NULL: $XDG_CACHE_HOME/adze, else ~/.cache/adze */
    uint64_t cache_bytes;        /* what the directory may hold: the entries not used for longest go; 0: 1 GiB */
} adze_compile_options;

/* Traced and compiled for the leaves' types. NULL: failed, see adze_message: a failure of the closure comes out with
 * its own message. */
ADZE_API adze_compiled *adze_compiled_new(adze_context *context, adze_closure *closure, const adze_leaf *leaf,
                                          size_t count, const adze_compile_options *options);
ADZE_API adze_compiled *adze_compiled_from_graph(adze_context *context, const adze_graph *graph,
                                                 const adze_compile_options *options);
ADZE_API adze_compiled *adze_compiled_retain(adze_compiled *compiled);
/* The last one frees what the closure holds. */
ADZE_API void adze_compiled_free(adze_compiled *compiled);

/* The leaf order: a call gives exactly these. */
ADZE_API size_t adze_compiled_leaf_count(const adze_compiled *compiled);
ADZE_API const adze_leaf *adze_compiled_leaf(const adze_compiled *compiled, size_t index);
ADZE_API size_t adze_compiled_result_count(const adze_compiled *compiled);
ADZE_API const adze_leaf *adze_compiled_result(const adze_compiled *compiled, size_t index);

/* Computes the results now. Inside a function that is being traced, the handle becomes part of the trace. */
ADZE_API adze_status adze_compiled_call(adze_context *context, const adze_compiled *compiled, const adze_array *in,
                                        size_t count, adze_array *out, size_t out_count);
/* The same on memory, without arrays: row-major elements of each leaf, and its shape (NULL: as in the leaf order; so is
 * `shape`, NULL: all are). Shapes must be known to the handle. `message` (may be NULL) gets why it failed. Once it has
 * been called, memory isn't allocated. */
ADZE_API adze_status adze_compiled_run(const adze_compiled *compiled, const void *const *in,
                                       const int64_t *const *shape, size_t count, void *const *out, size_t out_count,
                                       char *message, size_t message_bytes);
/* Writes it, for the types it was made for, as adze_export does: what is computed are the same bits. */
ADZE_API adze_status adze_compiled_write(adze_context *context, const adze_compiled *compiled, const char *name,
                                         const char *path);

/* What a handle has done so far. */
typedef struct adze_compiled_statistics {
    uint64_t traces;    /* of the closure that became functions */
    uint64_t compiled;  /* functions that the compiler made */
    uint64_t from_disk; /* functions that the cache had */
} adze_compiled_statistics;
ADZE_API adze_compiled_statistics adze_compiled_counts(const adze_compiled *compiled);

/* adze_compile, with options. Shapeless: called on arrays, the function runs at once. */
ADZE_API adze_closure *adze_compile_with(adze_context *context, adze_closure *closure,
                                         const adze_compile_options *options);

#ifdef __cplusplus
}
#endif
#endif
