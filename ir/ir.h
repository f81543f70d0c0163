/* SPDX-License-Identifier: Apache-2.0
 * The IR: what a tensor program is. The one door of this folder; depends on libc only.
 *
 *   Module ── symbols, dimension expressions, constants, locations (interned, shared by all graphs)
 *     └─ Graph ── parameters, nodes in topological order, results
 *          └─ Node ── op, operands (values), attributes, results (values), regions (closed graphs)
 *
 * Values and nodes are two id spaces: a node may give several values. Ids are never 0 for something real.
 * A graph is append-only; operands precede users. Equal pure nodes are shared when built, per graph.
 * A region is a graph of its own and is closed: what it uses from outside is an operand of its node and a parameter of
 * it.
 *
 * Errors are sticky: a failed builder call writes one message to the module's Diag, sets module->status and returns an
 * id of 0; calls given an id of 0 then do nothing. So rules read like mathematics, and the status is checked once.
 * A module and its graphs belong to one thread at a time. */
#ifndef ADZE_IR_IR_H
#define ADZE_IR_IR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ir/base/arena.h"
#include "ir/base/diag.h"
#include "ir/base/status.h"
#include "ir/base/strbuf.h"

/* ---------------------------------------------------------------- element types ---- */

typedef enum {
#define DTYPE(name, bytes, kind, c_type) ELEMENT_##name,
#include "ir/dtypes.def"
    ELEMENT_COUNT
} ElementType;

typedef enum { KIND_BOOLEAN, KIND_UNSIGNED, KIND_SIGNED, KIND_FLOATING, KIND_COMPLEX } ElementKind;

typedef struct ElementInfo {
    const char *name;
    uint32_t bytes; /* of one element in memory */
    ElementKind kind;
    const char *c_type;
} ElementInfo;

extern const ElementInfo element_info[ELEMENT_COUNT];

bool element_is_floating(ElementType element);
bool element_is_differentiable(ElementType element); /* floating or complex */
bool element_is_integer(ElementType element);        /* signed or unsigned, not bool */
/* False when no element type has that name. */
bool element_from_name(const char *name, size_t length, ElementType *element);

/* ---------------------------------------------------------------- dimensions ---- */

typedef struct Module Module;
typedef struct Graph Graph;

/* A dimension, or any integer that sizes decide: a number, or an expression over symbols in canonical form (a
 * polynomial with integer coefficients whose atoms are symbols, floor_div, mod, max and min). Equal expressions have
 * equal ids, so dim_equal is exact for what the canonical form can tell. Belongs to a module. */
typedef struct Dim {
    int64_t constant;    /* the number, when expression is 0 */
    uint32_t expression; /* id in the module, 0 for a number */
} Dim;

typedef enum {
    SYMBOL_INPUT, /* bound by a dimension of an input */
    SYMBOL_VALUE  /* bound while running, by bind_dimension */
} SymbolKind;

typedef struct Symbol {
    const char *name;
    int64_t min, max; /* range, inclusive; max INT64_MAX when open */
    SymbolKind kind;
} Symbol;

enum { MAX_RANK = 16 };

Dim dim_constant(int64_t value);
/* The symbol of that name, made when new; a known one has its range intersected. */
Dim dim_symbol(Module *module, const char *name, int64_t min, int64_t max, SymbolKind kind);
Dim dim_add(Module *module, Dim a, Dim b);
Dim dim_sub(Module *module, Dim a, Dim b);
Dim dim_mul(Module *module, Dim a, Dim b);
/* Rounds towards minus infinity; exact divisions of polynomials are carried out. Divisor must not be the number 0. */
Dim dim_floor_div(Module *module, Dim a, Dim b);
Dim dim_ceil_div(Module *module, Dim a, Dim b);
Dim dim_mod(Module *module, Dim a, Dim b); /* the divisor's sign */
Dim dim_max(Module *module, Dim a, Dim b);
Dim dim_min(Module *module, Dim a, Dim b);
Dim dim_product(Module *module, const Dim *dim, uint32_t count);

bool dim_is_constant(Dim dim);
bool dim_equal(Dim a, Dim b);
bool dim_is(Dim dim, int64_t value);
/* Whether a is b times some expression; which goes to *quotient (may be NULL). */
bool dim_divides(Module *module, Dim a, Dim b, Dim *quotient);
/* Interval that holds the dimension for all symbol values in range; INT64_MIN / INT64_MAX where open. */
void dim_bounds(const Module *module, Dim dim, int64_t *min, int64_t *max);
/* The value where symbol[i] is the value of module->symbol[i]. */
int64_t dim_evaluate(const Module *module, Dim dim, const int64_t *symbol);
/* The expression with symbol i replaced by replacement[i]. */
Dim dim_substitute(Module *module, Dim dim, const Dim *replacement);
/* The same in another module: replacement[i], of `to`, stands for symbol i of `from`. */
Dim dim_import(const Module *from, Dim dim, Module *to, const Dim *replacement);
/* Whether it is exactly a symbol; which one. */
bool dim_is_symbol(const Module *module, Dim dim, uint32_t *symbol);
/* Sets used[i] for every symbol i the dimension names. */
void dim_mark_symbols(const Module *module, Dim dim, bool *used);
/* Text as in text IR: 4, batch, 2*batch+1, floor_div(n,2), max(a,b). */
void dim_print(const Module *module, Dim dim, StrBuf *out);
/* Parses such text (whole string); unknown symbols fail. Sticky error. */
Dim dim_parse(Module *module, const char *text, size_t length);

/* How an expression is made, for those who emit code for it (the shape program). */
typedef enum { DIM_NUMBER, DIM_SYMBOL, DIM_SUM, DIM_PRODUCT, DIM_FLOOR_DIV, DIM_MOD, DIM_MAX, DIM_MIN } DimForm;
typedef struct DimView {
    DimForm form;
    int64_t number;  /* DIM_NUMBER */
    uint32_t symbol; /* DIM_SYMBOL: index in module->symbol */
    const Dim *part; /* others: parts, two for FLOOR_DIV, MOD, MAX, MIN */
    uint32_t part_count;
} DimView;
/* Parts are in the module's arena. */
DimView dim_view(Module *module, Dim dim);

/* ---------------------------------------------------------------- types ---- */

typedef struct Type {
    ElementType element;
    uint32_t rank;
    const Dim *dim; /* rank of them, in the module's arena */
} Type;

bool type_equal(Type a, Type b);
/* Same dimensions, whatever the element types. */
bool type_same_shape(Type a, Type b);
/* All dimensions are numbers. */
bool type_is_static(Type type);
/* Number of elements. */
Dim type_size(Module *module, Type type);
/* Number of elements of a static type; -1 for others. */
int64_t type_static_size(Type type);
/* A type whose dimensions are copied into the module. */
Type type_make(Module *module, ElementType element, const Dim *dim, uint32_t rank);
Type type_make_static(Module *module, ElementType element, const int64_t *dim, uint32_t rank);
Type type_scalar(ElementType element);
void type_print(const Module *module, Type type, StrBuf *out); /* f32[batch,128] */

/* ---------------------------------------------------------------- constants ---- */

typedef struct Blob {
    const char *path; /* file it is mapped from, "" when in memory */
    const uint8_t *data;
    size_t bytes;
    void (*release)(const struct Blob *blob); /* called by module_destroy; NULL: somebody else's memory */
    bool absent; /* the text named it but didn't hold it: zeros stand in, constants keep the hash stated, evaluating
                    fails */
} Blob;

/* Elements in row-major order, little-endian, at offset of a blob. The type is static. */
typedef struct Constant {
    uint32_t blob; /* index in module->blob */
    size_t offset, bytes;
    Type type;
    uint64_t hash; /* of type and bytes */
} Constant;

typedef struct {
    uint32_t id;
} ConstantId;

/* Registers memory that outlives the module (a mapped file). */
uint32_t module_add_blob(Module *module, const char *path, const uint8_t *data, size_t bytes);
/* A constant inside a blob; fails when it doesn't fit. Equal ones share an id. */
ConstantId constant_in_blob(Module *module, Type type, uint32_t blob, size_t offset);
/* A constant whose bytes are copied into the module. */
ConstantId constant_copy(Module *module, Type type, const void *data);
/* Scalars of any element type, rounded or wrapped into it. */
ConstantId constant_scalar(Module *module, ElementType element, double value);
ConstantId constant_scalar_i64(Module *module, ElementType element, int64_t value);
const Constant *constant_get(const Module *module, ConstantId constant);
const void *constant_data(const Module *module, ConstantId constant);
/* Whether all elements are the same bytes; *element (element_info[].bytes long) gets it. Looks at most at 2^16
 * elements, false beyond. */
bool constant_is_splat(const Module *module, ConstantId constant, void *element);

/* ---------------------------------------------------------------- ops ---- */

typedef enum {
    OP_NONE, /* id 0: no op */
#define OP(name, ...) OP_##name,
#include "ir/ops.def"
    OP_COUNT
} OpKind;

enum OpTraits { PURE = 1, POINTWISE = 2, COMMUTES = 4, MOVES = 8, REDUCES = 16, CONTROL = 32 };
enum OpArity { NONE = 0, ONE = 1, TWO = 2, THREE = 3, ANY = -1 };

typedef enum {
#define ATTR(name, form, doc) ATTR_##name,
#include "ir/attrs.def"
    ATTR_COUNT
} AttrKey;

typedef enum {
    FORM_INTEGER,
    FORM_REAL,
    FORM_INTEGERS,
    FORM_DIM,
    FORM_DIMS,
    FORM_ELEMENT,
    FORM_STRING,
    FORM_CONSTANT,
    FORM_GRAPH
} AttrForm;

typedef struct AttrInfo {
    const char *name;
    AttrForm form;
    const char *doc;
} AttrInfo;
extern const AttrInfo attr_info[ATTR_COUNT];

typedef struct Attr {
    AttrKey key;
    uint32_t count; /* of lists */
    union {
        int64_t integer;
        double real;
        const int64_t *integers;
        Dim dim;
        const Dim *dims;
        ElementType element;
        const char *string;
        ConstantId constant;
        Graph *graph;
    };
} Attr;

typedef struct OpInfo {
    const char *name;
    uint32_t traits;
    int operands, results; /* OpArity */
    uint64_t attributes;   /* bit i: AttrKey i */
    const char *doc;
} OpInfo;
extern const OpInfo op_info[OP_COUNT];

/* OP_NONE when there is no op of that name. */
OpKind op_from_name(const char *name, size_t length);

/* ---------------------------------------------------------------- graphs ---- */

typedef struct {
    uint32_t id;
} Value; /* index in graph->value; 0 is none */
typedef struct {
    uint32_t id;
} NodeId; /* index in graph->node; 0 is none */
typedef struct {
    uint32_t id;
} Location; /* index in module->location; 0 is unknown */

typedef struct Node {
    OpKind op;
    uint32_t operand_count, result_count, attr_count, region_count;
    const Value *operand; /* operand_count, in the module's arena; so are the next three */
    Value first_result;   /* results are first_result.id … + result_count - 1 */
    const Attr *attr;     /* ordered by key */
    Graph *const *region;
    Location location;
    uint32_t clone; /* 0, or the number of the recomputation that made it; part of what makes nodes equal */
} Node;

typedef struct ValueInfo {
    NodeId node;
    uint32_t index; /* which result of the node */
    Type type;
} ValueInfo;

struct Graph {
    Module *module;
    const char *name;                   /* "" for regions */
    Node *node;                         /* [0] is unused; topological order */
    uint32_t node_count, node_capacity; /* counts include [0] */
    ValueInfo *value;                   /* [0] is unused */
    uint32_t value_count, value_capacity;
    Value *parameter; /* the results of the parameter nodes, in order */
    uint32_t parameter_count, parameter_capacity;
    Value *result;
    const char **result_name; /* parallel to result; "" where unnamed */
    uint32_t result_count, result_capacity, result_name_capacity;
    struct ShareTable *share; /* equal pure nodes; owned by graph.c */
};

typedef struct BatchSource BatchSource;

struct Module {
    Arena arena;   /* owns everything below */
    Diag *diag;    /* where messages go; not owned */
    Status status; /* sticky: the first failure */
    Symbol *symbol;
    uint32_t symbol_count, symbol_capacity;
    struct DimTable *dims; /* expressions; owned by dim.c */
    Blob *blob;
    uint32_t blob_count, blob_capacity;
    Constant *constant; /* [0] is unused */
    uint32_t constant_count, constant_capacity;
    struct ConstantTable *constants; /* finds equal ones; owned by constant.c */
    const char **location;           /* [0] is "" */
    uint32_t location_count, location_capacity;
    Graph **graph; /* named graphs; the first is the entry */
    uint32_t graph_count, graph_capacity;
    struct NameTable *names; /* finds locations and graphs; owned by module.c */
    BatchSource **source;    /* of custom nodes: see module_add_source */
    uint32_t source_count, source_capacity;
    bool takes_no_source;
};

Module *module_create(Diag *diag);
void module_destroy(Module *module);
/* Records a failure (the first one wins) and returns `status`. */
Status module_fail(Module *module, Status status, const char *where, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
Location module_location(Module *module, const char *text); /* interned: "model.onnx: node 'conv1' (Conv)" */
const char *location_text(const Module *module, Location location);

/* What batching asks a source for: operands are as in one lane, or have the lanes' axis in front where mapped. */
typedef struct BatchRequest {
    Module *module;
    const Type *operand, *result; /* of one lane */
    const bool *mapped;           /* by operand */
    uint32_t operand_count, result_count;
    Dim size; /* number of lanes */
} BatchRequest;

/* The batched form of a custom node, by somebody outside, who can only tell once the lanes are known. Counted. */
struct BatchSource {
    void (*retain)(BatchSource *source);
    void (*release)(BatchSource *source);
    /* A graph of the module: operands → results, all with the lanes in front. NULL: the module has failed, or the
     * node's regions should be batched. */
    Graph *(*make)(BatchSource *source, const BatchRequest *request);
};

/* The number by which nodes name the source, from 1 on; the module holds it. 0: the module takes none, or NULL. */
uint32_t module_add_source(Module *module, BatchSource *source);
/* NULL: there is no such source. */
BatchSource *module_source(const Module *module, int64_t number);
/* From now on sources are left behind: the module's graphs aren't batched any more. */
void module_refuse_sources(Module *module);

/* A new empty graph. Named ones (name not "") are appended to module->graph and must have fresh names. */
Graph *graph_create(Module *module, const char *name);
Graph *module_find_graph(const Module *module, const char *name);

typedef struct NodeSpec {
    OpKind op;
    const Value *operand;
    uint32_t operand_count;
    const Attr *attr; /* any order */
    uint32_t attr_count;
    Graph *const *region;
    uint32_t region_count;
    Location location;
    uint32_t clone;
} NodeSpec;

/* The only way nodes come to be: infers result types, looks for an equal pure node, appends. All of spec is copied. */
NodeId graph_add(Graph *graph, const NodeSpec *spec);
/* The same, giving the first result. */
Value graph_add_value(Graph *graph, const NodeSpec *spec);
/* Appends a parameter. All parameters come before any other node. */
Value graph_add_parameter(Graph *graph, const char *name, Type type);
/* Appends a result. */
void graph_add_result(Graph *graph, Value value, const char *name);

const Node *graph_node(const Graph *graph, NodeId node);
const Node *graph_definition(const Graph *graph, Value value); /* the node that gives the value */
/* Structure of graphs of one module: nodes, attributes, regions and types, but not names and locations. Nodes that call
 * named graphs are equal when they call the same one. */
uint64_t graph_structure_hash(const Graph *graph);
bool graph_structure_equal(const Graph *a, const Graph *b);
Value node_result(const Node *node, uint32_t index);
Type value_type(const Graph *graph, Value value);
const char *parameter_name(const Graph *graph, uint32_t index);
static inline bool value_equal(Value a, Value b)
{
    return a.id == b.id;
}

/* Attributes of a node. Missing ones: NULL; the typed forms give 0, an empty list, "" then. */
const Attr *node_attr(const Node *node, AttrKey key);
int64_t node_integer(const Node *node, AttrKey key);
double node_real(const Node *node, AttrKey key);
const int64_t *node_integers(const Node *node, AttrKey key, uint32_t *count);
Dim node_dim(const Node *node, AttrKey key);
const Dim *node_dims(const Node *node, AttrKey key, uint32_t *count);
ElementType node_element(const Node *node, AttrKey key);
const char *node_string(const Node *node, AttrKey key);
ConstantId node_constant(const Node *node, AttrKey key);
Graph *node_graph(const Node *node, AttrKey key);
/* Of a custom node: the region that is this rule ("vjp", "jvp"); NULL: it has none. */
Graph *node_rule(const Node *node, const char *rule);

/* Number of uses of each value (operands and graph results), indexed by value id; in `arena`. NULL when memory is out.
 */
uint32_t *graph_count_uses(const Graph *graph, Arena *arena);

/* ---------------------------------------------------------------- result types ---- */

/* Infers the result types of a node from its operands, attributes and regions, checking all of them; *result is in the
 * module's arena. Used by graph_add and by the verifier. A failure is located and says what came and what was due. */
Status infer_node(Graph *graph, const NodeSpec *spec, Type **result, uint32_t *result_count);

/* ---------------------------------------------------------------- verifier, text, interpreter ---- */

/* Checks every invariant listed at the top of verify.c, regions included. */
Status graph_verify(const Graph *graph);
Status module_verify(const Module *module);

/* Text form; docs/text-ir.md has the grammar. Printing is deterministic: print(parse(print(m))) == print(m), byte for
 * byte. */
void module_print(const Module *module, StrBuf *out);
void graph_print(const Graph *graph, StrBuf *out);
/* Parses a module; `name` is for messages (file name). NULL on failure, the messages being in diag. Untrusted input. */
Module *module_parse(const char *name, const char *text, size_t length, Diag *diag);

/* Where the bytes of blobs come from that a text names by path: `open` sets data (and release) of a blob of that many
 * bytes, which must live as long as the module. Without a source such blobs are absent: their constants can't be
 * evaluated. */
typedef struct BlobSource {
    bool (*open)(void *user, const char *path, size_t bytes, Blob *blob);
    void *user;
} BlobSource;
Module *module_parse_with(const char *name, const char *text, size_t length, const BlobSource *source, Diag *diag);

/* A dense row-major host array. */
typedef struct HostArray {
    ElementType element;
    uint32_t rank;
    int64_t dim[MAX_RANK];
    void *data;
} HostArray;

int64_t host_array_size(const HostArray *array); /* elements */
size_t host_array_bytes(const HostArray *array);

/* The interpreter: plain, slow, the oracle of all else. Runs any graph at any stage. `input` has one array for each
 * parameter; symbols are bound from their shapes (a mismatch is an error). Results are allocated in `arena`. */
Status graph_evaluate(const Graph *graph, const HostArray *input, uint32_t input_count, HostArray *result, Arena *arena,
                      Diag *diag);
/* Evaluates one node on host arrays, symbols bound to `symbol` (may be NULL when static): for folding. */
Status node_evaluate(const Graph *graph, NodeId node, const HostArray *operand, HostArray *result,
                     const int64_t *symbol, Arena *arena, Diag *diag);

#endif
