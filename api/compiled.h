/* SPDX-License-Identifier: Apache-2.0
 * Graphs and compiled functions from the inside.
 *
 *     closure ─ Leaves ─► Trace ─ graph_of_trace ─► adze_graph (a module of its own, and its text)
 *                                                     └─ native_new ─► Native: JIT code, or a library of the disk cache
 *
 * A graph's text is how it is copied (the compiler changes the module it works on), hashed and found on disk; its large
 * constants are blobs that copies share. */
#ifndef ADZE_API_COMPILED_H
#define ADZE_API_COMPILED_H

#include "api/shapeless.h"
#include "codegen/codegen.h"

/* ---------------------------------------------------------------- leaves ---- */

typedef struct Leaf {
    const char *name;
    bool parameter;
    ArrayType type;         /* numbers: sizes, or examples of them */
    const char **dimension; /* by axis: NULL or a name */
    ArrayNode *value;       /* NULL: not bound */
} Leaf;

/* Checked descriptions, with memory of their own. */
typedef struct Leaves {
    Arena arena;
    Leaf *leaf;
    size_t count;
} Leaves;

adze_status leaves_init(adze_context *context, const char *what, const adze_leaf *leaf, size_t count, Leaves *leaves);
void leaves_release(Leaves *leaves);
/* Types of all, in the leaves' arena. */
ArrayType *leaves_types(Leaves *leaves);

/* ---------------------------------------------------------------- signatures ---- */

enum { SIZE_GIVEN = UINT32_MAX };

/* The types a trace was made for: sizes are numbers, or symbols (handles); equal symbols want equal sizes. */
typedef struct Signature {
    uint32_t count;
    ArrayType *type;
    uint32_t *first; /* by leaf and axis (leaf * MAX_RANK + axis): where its symbol stands first, or SIZE_GIVEN */
    int64_t *symbol; /* acquired ones, until the trace has ended */
    uint32_t symbol_count;
} Signature;

/* Which sizes are symbols. Those that have a name always are, 0 never. */
typedef enum {
    SIZES_EXACT, /* no others */
    SIZES_OPEN,  /* all */
    SIZES_ALIKE, /* all but 1; equal sizes are one symbol, in the next two as well */
    SIZES_INNER, /* nor are sizes of last axes (features), on whatever axis */
    SIZES_BATCH, /* only the size of the first leaf's axis 0, on whatever axis */
    SIZES_PLANS
} SizesPlan;

/* `leaves` may be NULL: no names. */
bool signature_init(Signature *signature, Engine *engine, const ArrayType *type, const Leaves *leaves, uint32_t count,
                    SizesPlan plan);
/* The trace has ended: its symbols are free for others. What they were compared by stays. */
void signature_close(Signature *signature, Engine *engine);
void signature_release(Signature *signature);
bool signature_fits(const Signature *signature, const ArrayType *const *given, uint32_t count);
bool signature_is_static(const Signature *signature);

/* Traces for these types; with ADZE_SHAPES_ANY, for as many others as can be. On success the signature is to be
 * released. */
adze_status trace_for(adze_context *context, adze_closure *closure, const ArrayType *type, const Leaves *leaves,
                      uint32_t count, adze_shapes shapes, const char *what, Signature *signature, Trace *trace);

/* ---------------------------------------------------------------- graphs ---- */

struct adze_graph {
    atomic_uint refs;
    Engine *engine;
    Diag diag;
    Module *module;
    const Graph *graph;
    adze_graph *owner; /* of memory that blobs point to; may be NULL */
    adze_leaf *leaf, *result;
    StrBuf text;
};

/* Without a module; NULL: the context has failed. */
adze_graph *graph_new(adze_context *context);
/* A graph whose module is made; NULL (the graph is freed) when that failed: "[what] where: message". */
adze_graph *graph_done(adze_context *context, adze_graph *graph, const char *what, const char *where);
adze_graph *graph_retain(const adze_graph *graph);
/* Captured arrays and bound leaves become constants. */
adze_graph *graph_of_trace(adze_context *context, const Trace *trace, const Leaves *leaves, const char *what);
adze_graph *graph_capture(adze_context *context, adze_closure *closure, const adze_leaf *leaf, size_t count,
                          const char *what);
/* A module to be changed; its constants live as long as the graph. NULL: see diag. */
Module *graph_copy(const adze_graph *graph, Diag *diag);
/* Fails with the first message, "[what] where: message". */
adze_status context_fail_diag(adze_context *context, const char *what, const char *where, const Diag *diag);

/* Whether the path's suffix says what to write; if not, the context fails. */
bool output_is_known(adze_context *context, const char *what, const char *path);

/* The types a graph takes. */
bool signature_of_graph(Signature *signature, const adze_graph *graph);

typedef enum { CHECK_COUNT, CHECK_RANKS, CHECK_TYPES } LeafCheck;

/* Whether a call gives what the graph takes: as many; elements and ranks too; sizes too. */
adze_status graph_check(adze_context *context, const char *what, const adze_graph *graph, const ArrayType *const *given,
                        uint32_t count, LeafCheck check);
/* Applies a graph, over symbols maybe, to arrays of fitting types: as part of what is computed lazily. */
adze_status graph_apply(adze_context *context, const Graph *graph, ArrayNode *const *in, size_t count, const char *what,
                        NodeList *results);
/* The same with a fragment for exactly these types. */
adze_status fragment_give(adze_context *context, Fragment *fragment, ArrayNode *const *in, size_t count,
                          NodeList *results);

/* Options with memory of their own (*directory, to be freed), nothing left to choose. */
void compile_options_copy(const adze_compile_options *from, adze_compile_options *to, char **directory);

/* ---------------------------------------------------------------- native code ---- */

typedef struct Slot Slot;     /* of a call: workspace and scratch memory */
typedef struct Native Native; /* a graph as machine code; counted */

/* NULL: see diag. *from_disk: the cache had it. */
Native *native_new(const adze_graph *graph, const adze_compile_options *options, Diag *diag, bool *from_disk);
Native *native_retain(Native *native);
void native_release(Native *native);

/* A call: begin binds the sizes, outputs are asked for, run computes, end gives the slot back. shape[i] may be NULL
 * where the model knows the shape. message has NATIVE_MESSAGE bytes. */
enum { NATIVE_MESSAGE = 512 };
adze_status native_begin(Native *native, const int64_t *const *shape, Slot **slot, char *message);
bool native_output(Native *native, const Slot *slot, uint32_t index, ArrayType *type, size_t *bytes);
adze_status native_run(Native *native, Slot *slot, const void *const *input, void *const *output, int32_t threads,
                       char *message);
/* The type of an output after the run, where data decide sizes. */
void native_result(const Native *native, const Slot *slot, uint32_t index, ArrayType *type);
void native_end(Native *native, Slot *slot);

/* Computes on arrays; results are added to the list. */
adze_status native_call(adze_context *context, Native *native, ArrayNode *const *in, size_t count, int32_t threads,
                        const char *what, NodeList *results);

/* ---------------------------------------------------------------- the disk cache ---- */

typedef struct DiskKey {
    uint64_t word[2];
} DiskKey;

/* Whether these options and the environment ask for it. */
bool disk_cache_is_on(const adze_compile_options *options);
/* Of a graph for a target, by this compiler; false: nothing tells this compiler from others. */
bool disk_key(const adze_graph *graph, const Target *target, DiskKey *key);
/* The library of that key, checked; NULL: there is none. */
void *disk_cache_open(const adze_compile_options *options, const DiskKey *key);
/* Writes the program as the library of that key and opens it; NULL: it can't be kept. */
void *disk_cache_add(const adze_compile_options *options, const DiskKey *key, const Program *program);

#endif
