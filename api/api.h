/* SPDX-License-Identifier: Apache-2.0
 * Arrays, closures and evaluation from the inside.
 *
 *     ArrayNode ─ buffer                 concrete: its elements are here
 *               ├ placeholder            stands for an input of a function that is being traced
 *               └ Call (fragment, inputs), result index
 *     Fragment: a small closed graph in a module of its own; equal ones are found again in the engine
 *
 * There is no trace stack. A function is traced by calling it with placeholders; what its results are made of becomes a
 * graph. Every trace has a serial number; a node knows the newest trace it depends on, so that a trace takes nodes of
 * its own serial into its graph, and all older ones as captured operands.
 *
 * Nodes, calls, fragments and buffers are reference counted and may be released by any thread. Marks, slots and calls
 * of nodes are read and changed only under the engine's mutex. */
#ifndef ADZE_API_API_H
#define ADZE_API_API_H

#include <pthread.h>
#include <stdatomic.h>

#include "adze/adze.h"
#include "api/memory.h"
#include "codegen/target.h"
#include "ir/build.h"
#include "passes/passes.h"

/* ---------------------------------------------------------------- types and storage ---- */

typedef struct ArrayType {
    ElementType element;
    uint32_t rank;
    int64_t dim[MAX_RANK]; /* in shapeless traces, negative handles of sizes: see shapeless.h */
} ArrayType;

int64_t array_type_size(const ArrayType *type); /* elements; -1 when the number overflows */
/* A caller's shape and element type. What is wrong with them, in text; NULL: nothing, and *type and *bytes are set. */
const char *array_type_make(const int64_t *shape, size_t rank, AdzeElement element, ArrayType *type, size_t *bytes,
                            char text[128]);
bool array_type_equal(const ArrayType *a, const ArrayType *b);
/* f32[2,3] */
void array_type_print(const ArrayType *type, StrBuf *out);

typedef struct Engine Engine;

typedef struct Buffer {
    atomic_uint refs;
    Engine *engine; /* whose memory it is; NULL for memory of others */
    void *data;
    size_t bytes;
    Block block;                    /* of the engine */
    void (*release)(void *payload); /* of memory of others; may be NULL */
    void *payload;
} Buffer;

Buffer *buffer_new(Engine *engine, size_t bytes);
Buffer *buffer_adopt(void *data, size_t bytes, void (*release)(void *payload), void *payload);
Buffer *buffer_retain(Buffer *buffer);
void buffer_release(Buffer *buffer);

typedef struct Fragment {
    atomic_uint refs;
    uint64_t hash[2];
    Diag diag;
    Module *module;
    const Graph *graph;
    uint32_t result_count;
    ArrayType *result;
    void *key; /* of interned ones */
    size_t key_bytes;
    struct Fragment *next; /* in the engine's table */
    size_t bytes;          /* as counted there */
    bool used;             /* since fragments were last forgotten */
} Fragment;

typedef struct ArrayNode ArrayNode;

typedef struct Call {
    atomic_uint refs;
    Fragment *fragment;
    Buffer **value; /* of the results once they were computed, else NULL */
    uint64_t mark;
    uint32_t first_value; /* of the results, in the walk that set mark */
    uint32_t pending;     /* tasks of the worker that will compute it */
    uint32_t input_count;
    ArrayNode *input[];
} Call;

struct ArrayNode {
    atomic_uint refs;
    ArrayType type;
    uint64_t serial;                       /* newest trace it depends on; 0: none */
    _Atomic(Buffer *) buffer;              /* NULL: not computed yet */
    Call *call;                            /* NULL: concrete, placeholder or error */
    uint32_t result;                       /* of the call */
    ArrayNode *value;                      /* a placeholder's, where the function is traced on real arrays */
    char *error;                           /* the first cause, for arrays that failed */
    _Atomic(const struct Engine *) family; /* of the contexts it has a handle from; only compared */
    bool ended;                            /* of a placeholder: its trace is over */
    uint64_t mark;
    uint32_t slot;
};

ArrayNode *node_retain(ArrayNode *node);
/* Also what becomes free with it, without recursion. NULL is fine. */
void node_release(ArrayNode *node);
void call_release(Call *call);
bool node_is_placeholder(const ArrayNode *node);
/* NULL when memory is out. */
ArrayNode *node_concrete(const ArrayType *type, Buffer *buffer); /* takes the buffer */
ArrayNode *node_placeholder(const ArrayType *type, uint64_t serial, ArrayNode *value);
ArrayNode *node_error(const char *text);

/* ---------------------------------------------------------------- engine: what contexts share ---- */

typedef struct ModelCache ModelCache; /* model_cache.h */
typedef struct Worker Worker;         /* eval_async.c */

enum { FRAGMENT_BUCKETS = 1024, MAX_FRAGMENTS = 4096, MAX_FRAGMENT_BYTES = 64 << 20 };

struct Engine {
    atomic_uint refs;
    pthread_mutex_t mutex;
    Target target;
    atomic_ullong serial; /* of traces */
    uint64_t mark;        /* of walks */
    Fragment *fragment[FRAGMENT_BUCKETS];
    uint32_t fragment_count;
    size_t fragment_bytes;
    ModelCache *models;
    Worker *worker;
    atomic_uint contexts;
    Memory memory;
    ArrayNode *no_memory;    /* the error that needs no memory */
    struct SizeTable *sizes; /* that traces don't know: see shapeless.h */
};

Engine *engine_new(void);
Engine *engine_retain(Engine *engine);
void engine_release(Engine *engine);
PassOptions engine_pass_options(const Engine *engine);

/* ---------------------------------------------------------------- contexts and lists ---- */

typedef struct NodeList {
    ArrayNode **node;
    size_t count, capacity;
} NodeList;

/* Adds a reference of its own. */
bool node_list_add(NodeList *list, ArrayNode *node);
void node_list_release(NodeList *list);

struct adze_context {
    Engine *engine;
    NodeList owned;
    StrBuf message, trail; /* what went wrong; the transforms it came through */
    StrBuf shown, printed;
    adze_status status;
};

struct adze_results {
    NodeList list;
    bool has_empty; /* an empty handle was given */
};

/* A context of the family; NULL when memory is out. */
adze_context *context_of_engine(Engine *engine);
/* Takes the reference; the handle lives as long as the context. NULL becomes the error of memory that is out. */
adze_array context_own(adze_context *context, ArrayNode *node);
adze_status context_fail(adze_context *context, adze_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Fails with the error an array carries. */
adze_status context_fail_node(adze_context *context, const ArrayNode *node);
/* Hands a failure of a scope to its parent, naming the transform it came through. */
adze_status context_pass_on(adze_context *context, const adze_context *scope, const char *transform);
/* What is wrong with a handle, whatever it stands for: "is an empty handle …"; NULL: nothing. */
const char *handle_fault(const Engine *engine, adze_array array);
/* Fails with "[name] what i …" for the first handle that has a fault. */
adze_status check_handles(adze_context *context, const char *name, const char *what, const adze_array *array,
                          size_t count);
/* Where the elements are, computed if need be; the array's. NULL on failure. */
Buffer *context_buffer(adze_context *context, adze_array array);
static inline ArrayNode *node_of(adze_array array)
{
    return (ArrayNode *)array.node;
}

/* ---------------------------------------------------------------- fragments ---- */

/* What a function of the table is asked for, besides its arrays. */
typedef struct Request {
    uint32_t function; /* row */
    uint32_t integer_count;
    const int64_t *integer;
    uint32_t real_count;
    const double *real;
} Request;

/* Takes the module and what diag holds; NULL when memory is out. */
Fragment *fragment_of_graph(Engine *engine, Module *module, Diag *diag, const Graph *graph);
Fragment *fragment_retain(Fragment *fragment);
void fragment_release(Fragment *fragment);
/* The fragment of a function on operands of these types; NULL and *error (malloc) when they don't fit. */
Fragment *fragment_find(Engine *engine, const Request *request, ArrayNode *const *input, uint32_t count, char **error);
/* Applies a fragment; `result` gets result_count new nodes (false: memory was out, none made). */
bool fragment_apply(Fragment *fragment, ArrayNode *const *input, uint32_t count, ArrayNode **result);

/* A function of the table with result_count results on arrays: never NULL, errors stick to the results. */
void request_nodes(Engine *engine, const Request *request, ArrayNode *const *input, uint32_t count, ArrayNode **result,
                   uint32_t result_count);
/* The same for one result. */
ArrayNode *request_node(Engine *engine, const Request *request, ArrayNode *const *input, uint32_t count);

/* ---------------------------------------------------------------- graphs ---- */

/* Copies a graph of another module to the end of `to`; its parameters are `argument`, symbols among their dimensions
 * are what the arguments have there. Sticky errors in to's module. */
void graph_import(const Graph *from, Graph *to, const Value *argument, Value *result);
/* The same as a region of its own. */
Graph *region_import(const Graph *from, Module *module);

/* What some arrays are made of, operands before users. Under the engine's mutex. */
typedef struct Walk {
    Engine *engine;
    uint64_t serial; /* of the trace; 0: evaluation */
    uint64_t mark;
    Call **call;
    size_t call_count, call_capacity;
    ArrayNode **leaf; /* what is given from outside */
    size_t leaf_count, leaf_capacity;
    uint32_t *operand; /* words of the calls' inputs, one call after the other */
    size_t operand_count, operand_capacity;
    uint32_t value_count;
    bool waits, found_pending; /* it stops at what the worker is about to compute; and did so */
    Fragment **fragment;       /* of the calls, once they are held */
    const char *error;         /* why it can't be */
} Walk;

bool walk_from(Walk *walk, Engine *engine, uint64_t serial, ArrayNode *const *given, size_t given_count,
               ArrayNode *const *root, size_t root_count);
/* Holds fragments and leaves, so that walk_build needs the mutex no more. false: memory is out. */
bool walk_hold(Walk *walk);
/* Without the mutex, if the walk was held: nodes are released. */
void walk_release(Walk *walk);
/* The node whose elements or call stand for it. */
ArrayNode *walk_resolve(const Walk *walk, ArrayNode *node);
/* The walk as a graph: one parameter a leaf, one result a root. */
Graph *walk_graph(const Walk *walk, Module *module, const char *name, ArrayNode *const *root, size_t root_count);

/* What stands for a node of the walk: its leaf doubled, or its value doubled plus one. */
uint32_t walk_word(const Walk *walk, ArrayNode *node);
/* The same with words as roots. */
Graph *walk_build(const Walk *walk, Module *module, const char *name, const uint32_t *root, size_t root_count);

/* Computes them; NULL, or why not, until evaluation_error_free. Waits for those that the worker is computing. */
const char *engine_evaluate(Engine *engine, ArrayNode *const *node, size_t count);
void evaluation_error_free(const char *error);

/* ---- the worker: a thread, made when it is first needed ---- */
/* Asks for them. false: memory is out, or there can't be a thread. */
bool worker_ask(Engine *engine, ArrayNode *const *node, size_t count);
/* Whether this thread waits for what is pending: there is a worker, and it is another thread. Under the mutex. */
bool worker_waits(const Engine *engine);
/* Waits until another task is done. Under the mutex. */
void worker_wait(Engine *engine);
/* Forgets the tasks that haven't begun and waits for the one that has. */
void worker_drain(Engine *engine);
/* Ends the thread. Nobody may ask any more. */
void worker_destroy(Worker *worker);

/* ---------------------------------------------------------------- closures ---- */

struct adze_closure {
    atomic_uint refs;
    adze_function *function;
    void *payload;
    void (*destroy)(void *payload);
};

/* A function as a graph. Parameters: one for each argument, then one for each captured array. */
typedef struct Trace {
    Engine *engine;
    Diag diag;
    Module *module;
    Graph *graph;
    NodeList captured;
    uint32_t argument_count, result_count;
} Trace;

enum TraceMode { TRACE_ABSTRACT, TRACE_ON_VALUES };

/* Calls the closure on placeholders of the inputs' types. */
adze_status trace_closure(adze_context *context, adze_closure *closure, ArrayNode *const *input, size_t count,
                          enum TraceMode mode, const char *transform, Trace *trace);
void trace_release(Trace *trace);
/* Where a failure in a module happened when it is one of a closure that was called: its message stays as it is. */
#define CLOSURE_WORDS "closure"
/* The first failure of the trace's module as the context's. */
adze_status trace_failed(adze_context *context, const Trace *trace, const char *transform);
/* Makes `graph` of the trace's module a fragment (which takes the module) and applies it to arguments, captured arrays
 * and then more; the results are added to the list. */
adze_status trace_apply(adze_context *context, Trace *trace, const Graph *graph, ArrayNode *const *argument,
                        ArrayNode *const *more, size_t more_count, NodeList *results);

/* ---------------------------------------------------------------- transforms ---- */

/* Results: the function's (when values), then the gradients of the first with respect to argnum (checked). */
adze_status derive_gradient(adze_context *context, adze_closure *closure, ArrayNode *const *in, size_t count,
                            const uint32_t *argnum, size_t argnum_count, bool values, NodeList *results);
/* Results: the function's, then a cotangent for each primal. *result_count: of the function. */
adze_status derive_vjp(adze_context *context, adze_closure *closure, ArrayNode *const *primal, size_t primal_count,
                       ArrayNode *const *cotangent, size_t cotangent_count, NodeList *results, size_t *result_count);
/* Results: the function's, then a tangent for each. */
adze_status derive_jvp(adze_context *context, adze_closure *closure, ArrayNode *const *primal,
                       ArrayNode *const *tangent, size_t primal_count, NodeList *results, size_t *result_count);

#endif
