/* SPDX-License-Identifier: Apache-2.0
 * Inside expressions: where a value is wanted, and the index arithmetic that leads from there to its operands.
 *
 * A Site is a point of a space: a list of dimensions with as many elements, in the same row-major order, as the value
 * it is used for. It need not be the value's own shape: pointwise nodes and reshapes pass a site on as it is,
 * parameters are loaded at its linear index, and only nodes that look at single axes cut it (site_cut). So axes that no
 * node tells apart stay one index from the kernel's loop down to the load.
 *
 * Index arithmetic is emitted once a scope: equal operations on equal registers give the same register, so equal sites
 * have equal registers and values are found again (memo_find). */
#ifndef ADZE_CODEGEN_LOWER_SITE_H
#define ADZE_CODEGEN_LOWER_SITE_H

#include "codegen/lower/expression.h"

typedef struct Site {
    uint32_t rank, lanes;
    bool overflow; /* more dims than there is room for: fails when used */
    Reg active;
    Dim dim[MAX_RANK];
    AxisIndex axis[MAX_RANK];
} Site;

typedef struct MemoEntry {
    uint32_t tag, a, b, c; /* what */
    uint32_t next;         /* in its bucket, index + 1 */
    Reg reg;
} MemoEntry;

enum { MEMO_BUCKETS = 256 };

/* Tags below LOOP_OP_COUNT are ops on registers a, b. */
enum { MEMO_VALUE = LOOP_OP_COUNT, MEMO_BOUND, MEMO_INDEX, MEMO_DIM, MEMO_CHECKED, MEMO_CONSTANT, MEMO_UNKNOWN };

struct Expression {
    const LowerContext *context;
    const Graph *region;
    Module *module;
    LoopFunction *f;
    Reg *buffer; /* of parameters, then results */
    MemoEntry *memo;
    uint32_t memo_count, memo_capacity;
    uint32_t bucket[MEMO_BUCKETS];
    Site **site; /* interned: equal sites have equal numbers */
    uint32_t site_count, site_capacity;
    uint32_t *site_slot; /* hash table of site numbers + 1 */
    uint32_t site_slots;
    Dim *size;
    uint32_t size_count, size_capacity;
    const uint32_t *uses; /* of the region's values */
    uint8_t *bound;       /* by value: registers are bound to it */
    uint32_t *stored_in;  /* by value: result whose buffer holds it already, + 1 */
    uint32_t *piece;      /* by value of a concatenate: the operand it is known to be, + 1 */
    uint32_t depth, budget;
    AxisIndex here;     /* linear index of the elements being made */
    bool may_share;     /* the first result isn't stored yet: operands read at `here` may share its memory */
    uint64_t elsewhere; /* bit i: parameter i was read at other places, or too late for that */
    bool hoisting;      /* what depends on an unknown index isn't emitted */
    bool probing;       /* only index arithmetic and loads are emitted: costs are counted */
    double cost;
};

/* Stands for an index that isn't known yet while hoisting, and for what depends on it. */
#define UNKNOWN ((Reg){UINT32_MAX})
static inline bool is_unknown(Reg reg)
{
    return reg.id == UINT32_MAX;
}

/* Records a failure of the kernel being built; the first one wins. Gives register 0. */
Reg expression_fail(Expression *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

Reg memo_find(const Expression *e, uint32_t tag, uint32_t a, uint32_t b, uint32_t c);
void memo_add(Expression *e, uint32_t tag, uint32_t a, uint32_t b, uint32_t c, Reg reg);

/* ---- scalar and vector integer arithmetic, emitted once a scope ---- */

Reg index_constant(Expression *e, int64_t value);
Reg index_op(Expression *e, LoopOp op, Reg a, Reg b);

/* ---- axis indices ---- */

static inline AxisIndex axis_uniform(Reg base)
{
    return (AxisIndex){.base = base};
}
static inline bool axis_varies(const AxisIndex *axis)
{
    return axis->lanes.id != 0 || axis->step != 0;
}
bool axis_is_unknown(const AxisIndex *axis);
/* The indices as an i64 vector. */
Reg axis_vector(Expression *e, const AxisIndex *axis, uint32_t lanes);
AxisIndex axis_sum(Expression *e, AxisIndex a, AxisIndex b, uint32_t lanes);
AxisIndex axis_offset(Expression *e, AxisIndex a, Reg offset, uint32_t lanes);
AxisIndex axis_times(Expression *e, AxisIndex a, Reg factor, uint32_t lanes);
/* a / divisor and a % divisor of indices that aren't negative. */
void axis_divide(Expression *e, AxisIndex a, Reg divisor, uint32_t lanes, AxisIndex *quotient, AxisIndex *rest);
/* Each lane within low … high. */
AxisIndex axis_clamp(Expression *e, AxisIndex a, Reg low, Reg high, uint32_t lanes);

/* ---- sites ---- */

Site site_of_point(Expression *e, Type type, const Point *point);
void site_append(Site *site, Dim dim, AxisIndex axis);
/* Drops axes of size 1; one lane where nothing varies. */
void site_canonicalize(Site *site);
uint32_t site_number(Expression *e, const Site *site);
/* Linear index of the dims from … to - 1. */
AxisIndex site_linear_of(Expression *e, const Site *site, uint32_t from, uint32_t to);
AxisIndex site_linear(Expression *e, const Site *site);

/* A stretch of a type's axes that the dims first_dim … of a site stand for. */
typedef struct Stretch {
    uint32_t axis, axis_end;
    uint32_t dim, dim_end;
} Stretch;
typedef struct Cut {
    Site site; /* rewritten so that stretches are whole dims of it */
    Stretch stretch[MAX_RANK];
    uint32_t count;
} Cut;
/* Rewrites a site of a value of that type: bit j of `cuts` asks for a boundary before axis j. Axes of size 1 are in no
 * stretch. */
void site_cut(Expression *e, const Site *from, Type type, uint32_t cuts, Cut *out);
/* The index on an axis that stands alone (zero for one of size 1). */
AxisIndex cut_axis(Expression *e, const Cut *cut, uint32_t axis);
/* Appends the dims of a stretch to another site. */
void site_append_stretch(Site *site, const Cut *cut, const Stretch *stretch);

/* Splits dims of a space where the type has several axes in the place of one dim. */
void space_refine(Module *module, Dim *dim, uint32_t *rank, Type type);

/* ---- evaluation ---- */

/* The value at the site: a register of 1 or site->lanes lanes. */
Reg evaluate(Expression *e, Value value, const Site *site);
/* Splats a (1-lane) register. */
Reg widen(Expression *e, Reg reg, uint32_t lanes);
/* One lane for each active one, none for NULL. */
Reg active_mask(Expression *e, const Site *site);

/* Data movement ops and iota: expression_move.c. */
typedef Reg EvaluateOp(Expression *e, const Node *node, const Site *site);
EvaluateOp evaluate_broadcast, evaluate_transpose, evaluate_slice, evaluate_reverse, evaluate_pad, evaluate_concatenate,
    evaluate_iota;
/* Indices from data: expression_gather.c. */
EvaluateOp evaluate_gather, evaluate_take_along, evaluate_dynamic_slice;

/* A pointwise op of one or two operands, not rounded to small types. */
Reg expression_apply(Expression *e, OpKind op, ElementType element, Reg x, Reg y);
/* From here to the end of the block, the value at the site is reg. */
void bind_site(Expression *e, Value value, const Site *site, Reg reg);

/* Memory at a site: the buffer's elements in the site's linear order. */
Reg site_load(Expression *e, ElementType element, Reg pointer, const Site *site);
void site_store(Expression *e, ElementType element, Reg pointer, const Site *site, Reg value);

/* The mark of the lowered region: whether every use of the value is a store of a result. */
bool only_stored(const Expression *e, Value value);
/* Bits that count of an element: 4 and 2 for the kinds named so, 8 for bool. */
uint32_t element_bits(ElementType element);
/* Conversions between element types of registers, as the op cast, before convert_round. */
Reg convert_cast(Expression *e, Reg value, ElementType from, ElementType to);
/* Rounds an f32 register to a smaller floating type, or wraps an i8 to a 4- or 2-bit kind. */
Reg convert_round(Expression *e, Reg value, ElementType element, bool saturate);
Reg convert_zero(Expression *e, LoopType type);
/* A constant element as a scalar register. */
Reg convert_constant(Expression *e, ElementType element, const void *data);

#endif
