/* SPDX-License-Identifier: Apache-2.0
 * How an ONNX graph becomes a graph of the IR; for this folder only.
 *
 *   Importer ── the file, the module, what failed
 *     └─ Scope ── names of one ONNX graph (or function body) and the values they stand for
 *          └─ Sheet ── the IR graph they are added to, and the integers known in it
 *               └─ Site ── one ONNX node being imported: what a rule works on
 *
 * A rule reads operands and attributes of its site, adds nodes through the site's builder and gives results. A rule
 * that can't go on calls site_unsupported or site_invalid once and returns: the node's results are then poisoned, nodes
 * that use them are passed over silently, and the import goes on, so that all reasons are reported in one run. */
#ifndef ADZE_FRONTEND_ONNX_IMPORTER_H
#define ADZE_FRONTEND_ONNX_IMPORTER_H

#include "frontend/frontend.h"
#include "frontend/onnx/model_file.h"
#include "ir/build.h"

/* Integers an array is known to hold while importing: shapes, axes, counts. Row-major; NULL when not known. */
typedef struct Known {
    const Dim *dim;
} Known;

enum { KNOWN_MAX = 256 }; /* elements of an array that is followed */

typedef struct Sheet {
    Graph *graph;
    Known *known; /* indexed by value id, filled up to known_count */
    uint32_t known_count, known_capacity;
} Sheet;

typedef struct NameEntry {
    const char *name;
    Value value;                          /* 0: the node that should give it failed */
    const Onnx__TensorProto *initializer; /* not made a constant yet */
    bool is_absent;                       /* an input that the caller of a function leaves out */
} NameEntry;

typedef struct Scope {
    struct Scope *parent; /* whose names are seen as well; NULL for none */
    Sheet *sheet;
    NameEntry *entry; /* open addressing; name NULL when free */
    uint32_t entry_count, entry_capacity;
    Onnx__OperatorSetIdProto *const *opset;
    size_t opset_count;
    const struct Site *call; /* of a function body: the node that calls it */
    const Onnx__FunctionProto *function;
} Scope;

/* A narrower range of a symbol than its declaration has: the model's computation shows it, or a bound input has that
 * size. */
typedef struct SymbolBound {
    const char *name;
    int64_t min, max;
    struct SymbolBound *next;
} SymbolBound;

typedef struct Importer {
    Module *module;
    Arena arena; /* lives as long as the import */
    ModelFile file;
    const char *file_name; /* without folders */
    const ImportOptions *options;
    uint32_t failure_count;
    bool is_invalid;        /* a failure was the model's fault */
    uint32_t site_count;    /* nodes imported so far, inlined ones too */
    uint32_t depth;         /* of functions and regions being imported */
    uint32_t bind_count;    /* symbols that data bind */
    SymbolBound *bound;     /* known from the start: of earlier attempts, of bound inputs */
    SymbolBound *new_bound; /* of this one: worth another attempt */
} Importer;

enum { MAX_SITES = 1 << 20, MAX_NESTING = 64 };

typedef struct Site {
    Importer *importer;
    Scope *scope;
    Builder builder;
    const Onnx__NodeProto *proto;
    int64_t opset; /* of the op's domain */
    int argument;  /* of the op's row */
    uint32_t input_count, output_count;
    Value *input;  /* 0 where absent */
    Value *output; /* given by the rule */
    bool failed;
} Site;

typedef void OnnxRule(Site *s);

/* ---- failing ---- */

void site_unsupported(Site *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
void site_invalid(Site *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Something failed at this site: return. */
bool site_failed(const Site *s);

/* ---- operands ---- */

bool site_has(const Site *s, uint32_t index);
Value site_input(const Site *s, uint32_t index);
Type site_type(const Site *s, uint32_t index);
uint32_t site_rank(const Site *s, uint32_t index);
Type site_type_of(const Site *s, Value value);
bool site_has_output(const Site *s, uint32_t index);
void site_give(Site *s, uint32_t index, Value value);

/* ---- attributes ---- */

const Onnx__AttributeProto *site_attribute(const Site *s, const char *name);
bool site_has_attribute(const Site *s, const char *name);
int64_t site_integer(const Site *s, const char *name, int64_t otherwise);
double site_real(const Site *s, const char *name, double otherwise);
const char *site_string(const Site *s, const char *name, const char *otherwise);
bool site_string_is(const Site *s, const char *name, const char *otherwise, const char *text);
const int64_t *site_integers(const Site *s, const char *name, uint32_t *count); /* NULL when absent */
const Dim *site_attribute_dims(Site *s, const char *name, uint32_t *count);     /* the same as dimensions */
const float *site_reals(const Site *s, const char *name, uint32_t *count);      /* NULL when absent */
const Onnx__GraphProto *site_graph(const Site *s, const char *name);            /* NULL when absent */
Value site_tensor_attribute(Site *s, const Onnx__TensorProto *tensor);

/* ---- what is known of values while importing ---- */

/* The integers an array holds, or NULL. */
const Dim *site_numbers_of(const Site *s, Value value);
/* Whether its elements can be told, as dimension expressions or numbers. */
bool site_is_known(Site *s, Value value);
/* The same of an input; not knowing them is reported as unsupported. `what` they decide: "the result's shape". */
const Dim *site_numbers(Site *s, uint32_t index, const char *what, uint32_t *count);
/* Plain numbers; symbols among them are unsupported. */
const int64_t *site_integers_of_input(Site *s, uint32_t index, const char *what, uint32_t *count);
/* The elements, of any type, of a value that depends on constants only; false when there is none or it is large. */
bool site_array_of(Site *s, Value value, HostArray *array);
/* Elements of an input as doubles; not knowing them is reported. */
const double *site_reals_of_input(Site *s, uint32_t index, const char *what, uint32_t *count);
/* Integers that are known, and are plain numbers, as an array; false when they aren't. */
bool known_as_array(Site *s, Value value, HostArray *array);
/* Element i of an array as a double. */
double host_array_real(const HostArray *array, int64_t index);

/* The value as a constant when it depends on constants only; else itself. */
Value site_settle(Site *s, Value value);
/* The element type an attribute numbers; reports what there is none for. */
ElementType site_element(Site *s, const char *name, ElementType otherwise);
/* Opsets 1 to 6: y with the axes it is to have when `broadcast` and `axis` align it with x. */
Value site_align_old(Site *s, Value x, Value y);

/* A constant i64 vector, and integers that are dimensions. */
Value site_vector(Site *s, const int64_t *value, uint32_t count);
Value site_dims_vector(Site *s, const Dim *dim, uint32_t count);

/* ---- axes and shapes ---- */

/* `axis` may count from the end; reports when out of range. Gives 0 then. */
uint32_t site_axis(Site *s, int64_t axis, uint32_t rank);
/* Axes of an attribute (any sign) made positive, in order given; a repeated one is reported. */
const int64_t *site_axes(Site *s, const int64_t *axis, uint32_t count, uint32_t rank);
void *site_alloc(Site *s, size_t count, size_t size); /* zeroed, never NULL unless the site has failed */
#define SITE_NEW(s, type, count) ((type *)site_alloc((s), (count), sizeof(type)))
Dim *site_copy_dims(Site *s, const Dim *dim, uint32_t count);
Value site_flatten(Site *s, Value x, uint32_t axis); /* [axes before, axes from there] */
/* Broadcasting under ONNX's rule; reports what doesn't fit. */
bool site_broadcast_shapes(Site *s, Dim *shape, uint32_t *rank, Type type); /* shape has room for MAX_RANK */
bool site_broadcast_all(Site *s, Value *x, uint32_t count);                 /* to their common shape */
Value site_broadcast_to(Site *s, Value x, const Dim *dim, uint32_t rank);   /* one-way */
/* x with dimensions that are said to equal its own: free when that is known, else checked while running. */
Value site_same_shape(Site *s, Value x, const Dim *dim, uint32_t rank);
/* saturate(round(x) + zero point) in the zero point's integer type. */
Value site_requantize(Site *s, Value x, Value zero_point);
/* [B, G, T, D] with each head as often as `heads` share it. */
Value site_repeat_heads(Site *s, Value x, Dim heads);
/* Softmax over the last axis, every step rounded to the element type; rows that are all -inf give 0. */
Value site_masked_softmax(Site *s, Value x);
/* A pointwise op on values that broadcast. */
Value site_binary(Site *s, OpKind op, Value x, Value y);
Value site_select(Site *s, Value condition, Value x, Value y);

/* ---- sizes that inputs' values decide ---- */

/* A symbol for the value of an integer scalar, checked to be min … max when the model runs. */
Dim site_bind_dimension(Site *s, Value scalar, const char *what, int64_t min, int64_t max);
/* The same for each element of an integer input: 0 … the largest that `max` can be. */
Dim *site_bind_dimensions(Site *s, uint32_t index, const char *what, Dim max, uint32_t *count);
/* What a rule gives for the axes in an input (0 … rank - 1, as many as it has elements), when they aren't known. */
/* Gives no value, without failing, for axes that can't be. */
typedef Value AxesRule(Site *s, const int64_t *axes, uint32_t count, const void *context);
Value site_choose_axes(Site *s, uint32_t index, uint32_t rank, AxesRule *rule, const void *context);

/* ---- names, graphs ---- */

bool scope_init(Scope *scope, Importer *importer, Scope *parent, Sheet *sheet);
/* NULL when the name isn't known. Makes a constant of an initializer when it is first asked for. */
NameEntry *scope_find(Importer *importer, Scope *scope, const char *name);
/* Binds a name; false when it is bound already. */
bool scope_bind(Importer *importer, Scope *scope, const char *name, Value value, const Onnx__TensorProto *initializer);
bool scope_bind_absent(Importer *importer, Scope *scope, const char *name);
/* Whether the scope itself has that name. */
bool scope_has(const Scope *scope, const char *name);
int64_t scope_opset(const Scope *scope, const char *domain); /* -1 when the domain isn't imported */
Sheet *sheet_create(Importer *importer, Graph *graph);
/* Computes what is known of the values added since the last time. */
void sheet_update(Importer *importer, Sheet *sheet);
void sheet_set_known(Importer *importer, Sheet *sheet, Value value, const Dim *dim);

void import_initializers(Importer *importer, Scope *scope, const Onnx__GraphProto *graph);
/* Imports the nodes in order. Failures are counted in the importer. */
void import_nodes(Importer *importer, Scope *scope, Onnx__NodeProto *const *node, size_t count);
/* A failure that belongs to no node. */
void import_fail(Importer *importer, Status status, const char *where, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The symbol is found to be `max` at most. */
void import_bound(Importer *importer, const char *name, int64_t max);
/* Forgets a failure of a builder after it was reported, so that the import can go on; false when it can't. */
bool import_recover(Importer *importer);

/* A subgraph's nodes at this place: input[i] for its inputs, its outputs in result. */
bool site_inline(Site *s, const Onnx__GraphProto *proto, const Value *input, Value *result);

/* The body of a model's function in place of the node that calls it. */
void import_function(Site *s, const Onnx__FunctionProto *function);

/* Values of outer scopes that a subgraph uses, in order of first use. */
typedef struct Captures {
    const char **name;
    uint32_t name_count, name_capacity;
} Captures;
bool captures_find(Importer *importer, const Onnx__GraphProto *graph, Captures *captures);

#endif
