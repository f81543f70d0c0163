/* SPDX-License-Identifier: Apache-2.0
 * Differentiation; not for other folders.
 *
 * A Frame is one application of a graph `from` at the end of a graph `to`: it copies the nodes and knows, for each
 * value of `from`, its copy and its gradient there (the tangent in forward mode, the sum of cotangents so far in
 * reverse mode; an id of 0 is a zero that nobody made). What is called or recomputed is a frame inside a frame; what
 * becomes a region of its own is the only frame of a new graph.
 *
 *   forward mode   frame_push: for each node in order, the copy, then its tangents
 *   reverse mode   frame_record: the copies (scan keeps what it carried); frame_pull: for each node from the last to
 * the first, its operands' cotangents
 *
 * Each op has one rule, by the `derive` column of ops.def; rules.c has the table. Rules see a node through a Rule. */
#ifndef ADZE_PASSES_AUTODIFF_AUTODIFF_H
#define ADZE_PASSES_AUTODIFF_AUTODIFF_H

#include "ir/build.h"
#include "ir/ir.h"

/* One transform at work. */
typedef struct Derivation {
    Module *module;
    Arena arena;         /* scratch */
    uint32_t next_clone; /* above every clone number in use */
    uint32_t depth;      /* of frames and regions; input decides it, so it is limited */
} Derivation;

typedef struct Frame {
    Derivation *d;
    const Graph *from;
    Graph *to;
    uint32_t clone; /* added to the clone numbers of copies; not 0 in recomputations */
    ValueMap map;   /* values of from → values of to */
    Value **cell;   /* gradients, by value of from; a parameter's cell may be that of the value outside it stands for */
    bool *varied;   /* the value depends on what is differentiated */
    bool *useful;   /* reverse mode: a cotangent may reach it */
    void **saved;   /* what recording a node left for pulling it, by node */
    Value *operand, *given, *taken, *result; /* buffers of the Rule, long enough for every node */
    bool *wanted;
} Frame;

/* What a rule sees. */
typedef struct Rule {
    Builder b; /* adds to `to`, at the node's location */
    Frame *frame;
    const Node *node;
    NodeId id;
    bool reverse;
    const Value *x, *y; /* operands and results, copied */
    const Value *given; /* tangents of operands, or cotangents of results; 0 where zero */
    const bool *wanted; /* reverse: the operands whose cotangent is asked for */
    Value *taken;       /* to be set: tangents of results, or cotangents of operands; 0 (as found) where zero */
} Rule;

typedef void RuleStep(Rule *r);
/* ∂result/∂operand[i] · t, elementwise; so the same for tangents and cotangents. */
typedef Value RulePartial(Rule *r, uint32_t i, Value t);

typedef struct DeriveRule {
    RuleStep *forward, *reverse;
    RuleStep *record; /* copies the node and keeps what reverse needs; NULL: just the copy */
    RulePartial *partial;
    bool zero;   /* results vary with nothing */
    bool copies; /* forward and record make the copy themselves and set frame->map */
} DeriveRule;

extern const DeriveRule derive_rule[OP_COUNT];

/* ---- frames ---- */

/* varied: by parameter; useful: by result (NULL in forward mode). NULL when it fails. */
Frame *frame_create(Derivation *d, const Graph *from, Graph *to, const Value *argument, const bool *varied,
                    const bool *useful, uint32_t clone);
void frame_push(Frame *frame);
void frame_record(Frame *frame);
void frame_pull(Frame *frame);
Value frame_value(const Frame *frame, Value from);
Value frame_result(const Frame *frame, uint32_t i);
Value frame_gradient(const Frame *frame, Value from);
/* Sets a tangent; adds a cotangent. */
void frame_set_gradient(Frame *frame, Value from, Value gradient);
void frame_add_gradient(Frame *frame, Value from, Value cotangent);
void frame_copy_node(Frame *frame, NodeId id);
Builder frame_builder(const Frame *frame, const Node *node);
/* A frame for `from` in place of r's node, its parameters standing for the operands from `first` on; pulled or pushed
 * there. `inline_record` leaves it in frame->saved for `inline_pull`. */
void inline_push(Rule *r, const Graph *from, uint32_t first, bool gives_results);
void inline_record(Rule *r, const Graph *from, uint32_t first);
void inline_pull(Rule *r);
/* Records and pulls at once: a recomputation. */
void inline_recompute(Rule *r, const Graph *from, uint32_t first, uint32_t clone);

/* Which values of the graph vary with its varied parameters, by value; in d->arena. */
bool *find_varied(Derivation *d, const Graph *graph, const bool *varied_parameter);
bool is_differentiable(const Graph *graph, Value value);
/* Largest clone number in the graph and its regions. */
uint32_t largest_clone(Derivation *d, const Graph *graph);

/* ---- graphs ---- */

/* A copy without dead nodes, and without the parameters that keep[i] is false for and nobody uses; keep[i] then says
 * which stayed. keep NULL: all stay. */
Graph *graph_prune(Derivation *d, const Graph *from, const char *name, bool *keep);
/* Appends parameters of given types; *value gets them. */
void add_parameters(Graph *graph, const char *prefix, const Graph *of, const Value *like, uint32_t count, Value *value);
bool derivation_enter(Derivation *d, Location location);
void *derivation_scratch(Derivation *d, size_t count, size_t size);
#define SCRATCH(d, type, count) ((type *)derivation_scratch((d), (count), sizeof(type)))

/* ---- for rules ---- */

Type type_of_operand(const Rule *r, uint32_t i);
Type type_of_result(const Rule *r, uint32_t i);
Value build_zeros(Builder *b, Type type);
Value build_or_zeros(Builder *b, Value x, Type type);
/* The value with the type's shape: a reshape where dimensions are written differently. */
Value build_shaped(Builder *b, Value x, Type type);
/* A node with r's op and attributes, first result. */
Value rule_repeat(Rule *r, const Value *operand);
Value build_sum(Builder *b, Value x, const int64_t *axes, uint32_t count);
/* Puts a reduced value's axes back, repeated. */
Value build_unreduce(Builder *b, Value x, Type type, const int64_t *axes, uint32_t count);
void rule_fail(Rule *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define DECLARE_none(name)
#define DECLARE_zero(name)
#define DECLARE_partials(name) RulePartial partial_##name;
#define DECLARE_transpose(name) RuleStep reverse_##name;
#define DECLARE_bilinear(name) RuleStep reverse_##name;
#define DECLARE_gather(name) RuleStep reverse_##name;
#define DECLARE_scatter(name) RuleStep forward_##name, reverse_##name;
#define DECLARE_select(name) RuleStep forward_##name, reverse_##name;
#define DECLARE_by_hand(name) RuleStep forward_##name, reverse_##name;
#define DECLARE_recorded(name) RuleStep forward_##name, record_##name, reverse_##name;
#define DECLARE_region(name) RuleStep forward_##name, reverse_##name;
#define OP(name, traits, operands, results, attributes, infer, eval, derive, batch, lower, doc) DECLARE_##derive(name)
#include "ir/ops.def"

#endif
