/* SPDX-License-Identifier: Apache-2.0
 * Einstein summation. Each different letter, and each axis an ellipsis stands for, is a label. Operands are reduced to
 * different labels of full size (diagonals taken, sizes of 1 dropped where others are larger, labels nobody else has
 * summed), then contracted two by two, the pair first that shrinks what is held most, and transposed last. */
#include "api/rules_compute.h"

#include <ctype.h>
#include <string.h>

enum { MAX_LABELS = 64, MAX_TERMS = 64, ELLIPSIS = '.', UNKNOWN = 64 };

/* A term of the string: letters, and where the ellipsis is (as ELLIPSIS). */
typedef struct Term {
    char letter[MAX_RANK + 1];
    uint32_t count;
} Term;

typedef struct Operand {
    Value value;
    uint8_t label[MAX_RANK];
    uint32_t rank;
    uint64_t set; /* of labels */
} Operand;

typedef struct Einsum {
    RuleCall *call;
    Term term[MAX_TERMS], result_term;
    uint32_t term_count;
    bool has_result;
    Operand operand[MAX_TERMS];
    uint32_t operand_count;
    Dim size[MAX_LABELS];
    uint32_t label_count;
    int letter_label[128]; /* 0, or the label plus 1 */
    uint8_t ellipsis[MAX_RANK];
    uint32_t ellipsis_rank; /* labels of the widest ellipsis, aligned at the right */
    uint8_t result[MAX_RANK];
    uint32_t result_rank;
    uint64_t result_set;
} Einsum;

static uint64_t bit(uint32_t label)
{
    return (uint64_t)1 << label;
}

/* ---- the string ---- */

static bool add_letter(Einsum *e, Term *term, char letter)
{
    const bool is_ellipsis = letter == ELLIPSIS;
    if (!is_ellipsis && !isalpha((unsigned char)letter)) {
        call_fail(e->call, "Subscripts must be letters, but got '%c'.", letter);
        return false;
    }
    if (term->count == MAX_RANK || (is_ellipsis && memchr(term->letter, ELLIPSIS, term->count) != NULL)) {
        call_fail(e->call, "a term has more than one ellipsis or more than %d letters", MAX_RANK);
        return false;
    }
    term->letter[term->count++] = letter;
    return true;
}

/* Reads terms separated by commas, and after "->" the result's. */
static bool parse_terms(Einsum *e, const char *text, uint32_t length)
{
    Term *term = &e->term[e->term_count++];
    for (uint32_t i = 0; i < length; i++) {
        const char c = text[i];
        if (c == ' ')
            continue;
        if (!e->has_result && c == '-' && i + 1 < length && text[i + 1] == '>') {
            e->has_result = true;
            term = &e->result_term;
            i++;
        } else if (!e->has_result && c == ',' && e->term_count < MAX_TERMS) {
            term = &e->term[e->term_count++];
        } else if (c == '.' && i + 2 < length && text[i + 1] == '.' && text[i + 2] == '.') {
            if (!add_letter(e, term, ELLIPSIS))
                return false;
            i += 2;
        } else if (c == '.' ? (call_fail(e->call, "Subscripts must be letters, but got '.'."), true)
                            : !add_letter(e, term, c))
            return false;
    }
    return true;
}

static bool read_string(Einsum *e)
{
    char text[1024];
    const uint32_t length = e->call->request->integer_count;
    if (length > sizeof text) {
        call_fail(e->call, "the subscripts have more than %zu characters", sizeof text);
        return false;
    }
    for (uint32_t i = 0; i < length; i++)
        text[i] = (char)e->call->request->integer[i];
    if (!parse_terms(e, text, length))
        return false;
    if (e->term_count == e->call->count)
        return true;
    call_fail(e->call, "Number of operands, %u, does not match number of input subscripts, %u", e->call->count,
              e->term_count);
    return false;
}

/* ---- labels ---- */

static bool new_label(Einsum *e, uint8_t *label)
{
    if (e->label_count == MAX_LABELS) {
        call_fail(e->call, "more than %d different axes", MAX_LABELS);
        return false;
    }
    e->size[e->label_count] = dim_constant(1);
    *label = (uint8_t)e->label_count++;
    return true;
}

static bool label_of_letter(Einsum *e, char letter, uint8_t *label)
{
    int *known = &e->letter_label[(unsigned char)letter & 127];
    if (*known == 0) {
        if (!new_label(e, label))
            return false;
        *known = *label + 1;
    }
    *label = (uint8_t)(*known - 1);
    return true;
}

/* How many axes the ellipsis of a term stands for, given the operand's rank; false when the letters don't fit it. */
static bool ellipsis_width(Einsum *e, uint32_t i, uint32_t *width)
{
    const Term *term = &e->term[i];
    const uint32_t rank = call_rank(e->call, e->call->in[i]);
    const bool has_ellipsis = memchr(term->letter, ELLIPSIS, term->count) != NULL;
    const uint32_t letters = term->count - has_ellipsis;
    *width = rank - letters;
    if (has_ellipsis ? letters <= rank : letters == rank)
        return true;
    call_fail(e->call, "Invalid number of subscripts %u for input %u with %u dimensions.", letters, i, rank);
    return false;
}

static bool label_ellipses(Einsum *e)
{
    for (uint32_t i = 0; i < e->term_count; i++) {
        uint32_t width;
        if (!ellipsis_width(e, i, &width))
            return false;
        e->ellipsis_rank = width > e->ellipsis_rank ? width : e->ellipsis_rank;
    }
    for (uint32_t i = 0; i < e->ellipsis_rank; i++)
        if (!new_label(e, &e->ellipsis[i]))
            return false;
    return true;
}

/* The labels of a term whose ellipsis stands for `width` axes. */
static bool label_term(Einsum *e, const Term *term, uint32_t width, uint8_t *label, uint32_t *rank)
{
    *rank = 0;
    for (uint32_t i = 0; i < term->count; i++) {
        if (*rank + (term->letter[i] == ELLIPSIS ? width : 1) > MAX_RANK) {
            call_fail(e->call, "a result of more than %d axes", MAX_RANK);
            return false;
        }
        if (term->letter[i] == ELLIPSIS) {
            memcpy(label + *rank, e->ellipsis + e->ellipsis_rank - width, width);
            *rank += width;
        } else if (!label_of_letter(e, term->letter[i], &label[(*rank)++]))
            return false;
    }
    return true;
}

/* The largest size of each label, which all others must be or be 1. */
static bool note_sizes(Einsum *e, uint32_t i)
{
    const Operand *operand = &e->operand[i];
    for (uint32_t k = 0; k < operand->rank; k++) {
        Dim *known = &e->size[operand->label[k]];
        const Dim size = dim_of(e->call, operand->value, k);
        if (dim_is(*known, 1))
            *known = size;
        else if (!dim_is(size, 1) && !dim_equal(size, *known)) {
            call_fail(e->call, "Cannot broadcast dimension %u of input %u to size %lld.", k, i,
                      (long long)known->constant);
            return false;
        }
    }
    return true;
}

static bool label_operands(Einsum *e)
{
    const ElementType element = call_promoted(e->call);
    for (uint32_t i = 0; i < e->term_count; i++) {
        Operand *operand = &e->operand[i];
        uint32_t width;
        operand->value = cast(e->call, e->call->in[i], element);
        if (!ellipsis_width(e, i, &width) || !label_term(e, &e->term[i], width, operand->label, &operand->rank) ||
            !note_sizes(e, i))
            return false;
    }
    e->operand_count = e->term_count;
    return true;
}

/* Without "->": the ellipsis, then the letters that occur once, in order of their codes. */
static void imply_result(Einsum *e)
{
    uint32_t uses[128] = {0};
    Term *term = &e->result_term;
    for (uint32_t i = 0; i < e->term_count; i++)
        for (uint32_t k = 0; k < e->term[i].count; k++)
            uses[(unsigned char)e->term[i].letter[k] & 127]++;
    if (e->ellipsis_rank > 0)
        term->letter[term->count++] = ELLIPSIS;
    for (int letter = 'A'; letter <= 'z'; letter++)
        if (uses[letter] == 1 && term->count < MAX_RANK)
            term->letter[term->count++] = (char)letter;
}

static bool label_result(Einsum *e)
{
    const uint32_t known = e->label_count;
    if (!e->has_result)
        imply_result(e);
    if (!label_term(e, &e->result_term, e->ellipsis_rank, e->result, &e->result_rank))
        return false;
    for (uint32_t i = 0; i < e->result_rank; i++) {
        if ((e->result_set & bit(e->result[i])) != 0) {
            call_fail(e->call, "Repeat indices not allowed in output.");
            return false;
        }
        e->result_set |= bit(e->result[i]);
    }
    if (e->label_count != known)
        call_fail(e->call, "the output has a subscript that no input has.");
    return e->label_count == known;
}

/* ---- one operand ---- */

static void drop_label(Operand *operand, uint32_t axis)
{
    operand->rank--;
    memmove(operand->label + axis, operand->label + axis + 1, operand->rank - axis);
}

/* Axes i < k of one size n become one: together they are n n long, and the diagonal is every (n + 1)-th. */
static void take_diagonal(Einsum *e, Operand *operand, uint32_t i, uint32_t k)
{
    RuleCall *call = e->call;
    int64_t permutation[MAX_RANK];
    Dim start[MAX_RANK] = {{0}}, limit[MAX_RANK];
    int64_t stride[MAX_RANK];
    uint32_t count = 0;
    const uint32_t last = operand->rank - 2;
    const uint8_t label = operand->label[i];
    const int64_t size = size_of(call, operand->value, i), square = size * size;
    for (uint32_t axis = 0; axis < operand->rank; axis++)
        if (axis != i && axis != k)
            permutation[count++] = axis;
    permutation[count++] = i;
    permutation[count] = k;
    drop_label(operand, k);
    drop_label(operand, i);
    operand->label[operand->rank++] = label;
    call_permute(call, &operand->value, permutation);
    operand->value = call_reshape_from(call, operand->value, last, &square, 1);
    if (!call_ready(call))
        return;
    for (uint32_t axis = 0; axis <= last; axis++) {
        limit[axis] = dim_of(call, operand->value, axis);
        stride[axis] = axis == last ? size + 1 : 1;
    }
    operand->value = build_slice(&call->b, operand->value, start, limit, stride);
}

static bool take_diagonals(Einsum *e, Operand *operand)
{
    for (uint32_t k = 1; k < operand->rank; k++)
        for (uint32_t i = 0; i < k; i++) {
            if (operand->label[i] != operand->label[k])
                continue;
            if (!dim_equal(dim_of(e->call, operand->value, i), dim_of(e->call, operand->value, k))) {
                call_fail(e->call, "a repeated subscript stands for dimensions of different sizes");
                return false;
            }
            take_diagonal(e, operand, i, k);
            if (!call_ready(e->call))
                return false;
            k = 0;
            break;
        }
    return true;
}

/* Sizes of 1 whose label is larger elsewhere: the operand doesn't depend on that label. */
static void drop_ones(Einsum *e, Operand *operand)
{
    for (uint32_t i = operand->rank; i-- > 0;)
        if (!dim_equal(dim_of(e->call, operand->value, i), e->size[operand->label[i]])) {
            operand->value = build_squeeze(&e->call->b, operand->value, i);
            drop_label(operand, i);
        }
}

static void note_set(Operand *operand)
{
    operand->set = 0;
    for (uint32_t i = 0; i < operand->rank; i++)
        operand->set |= bit(operand->label[i]);
}

/* Labels that the result and all operands but `self` (and `other`) have. */
static uint64_t needed(const Einsum *e, uint32_t self, uint32_t other)
{
    uint64_t set = e->result_set;
    for (uint32_t i = 0; i < e->operand_count; i++)
        if (i != self && i != other)
            set |= e->operand[i].set;
    return set;
}

static void sum_alone(Einsum *e, uint32_t at)
{
    Operand *operand = &e->operand[at];
    const uint64_t alone = operand->set & ~needed(e, at, at);
    int64_t axes[MAX_RANK];
    uint32_t count = 0, kept = 0;
    for (uint32_t i = 0; i < operand->rank; i++)
        if ((alone & bit(operand->label[i])) != 0)
            axes[count++] = i;
        else
            operand->label[kept++] = operand->label[i];
    operand->value = build_reduce(&e->call->b, OP_reduce_sum, operand->value, axes, count, false);
    operand->rank = kept;
    operand->set &= ~alone;
}

/* ---- two operands ---- */

/* Elements of an array with these labels; sizes that aren't known count as UNKNOWN. */
static double elements_of(const Einsum *e, uint64_t set)
{
    double elements = 1;
    for (; set != 0; set &= set - 1) {
        const Dim size = e->size[__builtin_ctzll(set)];
        elements *= dim_is_constant(size) ? (double)size.constant : UNKNOWN;
    }
    return elements;
}

/* The pair that leaves least more than it takes; of equals the one with the least work. */
static void choose_pair(const Einsum *e, uint32_t *first, uint32_t *second)
{
    double least = 0, least_work = 0;
    *first = 0;
    *second = 1;
    for (uint32_t i = 0; i < e->operand_count; i++)
        for (uint32_t k = i + 1; k < e->operand_count; k++) {
            const uint64_t x = e->operand[i].set, y = e->operand[k].set;
            const double growth = elements_of(e, (x | y) & needed(e, i, k)) - elements_of(e, x) - elements_of(e, y);
            const double work = elements_of(e, x | y);
            if ((i == 0 && k == 1) || growth < least || (growth == least && work < least_work)) {
                least = growth;
                least_work = work;
                *first = i;
                *second = k;
            }
        }
}

static uint32_t axis_of(const Operand *operand, uint8_t label)
{
    uint32_t axis = 0;
    while (axis < operand->rank && operand->label[axis] != label)
        axis++;
    return axis;
}

typedef struct Shared {
    int64_t x_axis[MAX_RANK], y_axis[MAX_RANK];
    uint32_t count;
} Shared;

/* Where x and y have the labels of a set, in order of x. */
static Shared shared_axes(const Operand *x, const Operand *y, uint64_t set)
{
    Shared shared = {.count = 0};
    for (uint32_t i = 0; i < x->rank; i++)
        if ((set & bit(x->label[i])) != 0) {
            shared.x_axis[shared.count] = i;
            shared.y_axis[shared.count++] = axis_of(y, x->label[i]);
        }
    return shared;
}

static void append_labels(Operand *operand, const Operand *from, uint64_t set)
{
    for (uint32_t i = 0; i < from->rank && operand->rank < MAX_RANK; i++)
        if ((set & bit(from->label[i])) != 0)
            operand->label[operand->rank++] = from->label[i];
}

/* Product without a sum: both in the shape [batch…, x free…, y free…], with ones. */
static Value aligned(Einsum *e, const Operand *operand, const Operand *result)
{
    int64_t axes[MAX_RANK];
    Dim dim[MAX_RANK];
    for (uint32_t i = 0; i < result->rank; i++)
        dim[i] = e->size[result->label[i]];
    for (uint32_t i = 0; i < operand->rank; i++)
        axes[i] = axis_of(result, operand->label[i]);
    return build_broadcast(&e->call->b, operand->value, dim, result->rank, axes);
}

/* build_broadcast wants ascending axes: operands are transposed to the order of the result first. */
static void order_as(Einsum *e, Operand *operand, const Operand *result)
{
    int64_t permutation[MAX_RANK];
    uint8_t label[MAX_RANK];
    uint32_t count = 0;
    for (uint32_t i = 0; i < result->rank; i++)
        if ((operand->set & bit(result->label[i])) != 0) {
            label[count] = result->label[i];
            permutation[count++] = axis_of(operand, result->label[i]);
        }
    memcpy(operand->label, label, count);
    call_permute(e->call, &operand->value, permutation);
}

static void contract_pair(Einsum *e, uint32_t first, uint32_t second)
{
    Operand *x = &e->operand[first], *y = &e->operand[second];
    const uint64_t both = x->set & y->set, kept = needed(e, first, second);
    const Shared batch = shared_axes(x, y, both & kept), contracted = shared_axes(x, y, both & ~kept);
    Operand result = {.rank = 0};
    append_labels(&result, x, both & kept);
    append_labels(&result, x, x->set & ~both);
    append_labels(&result, y, y->set & ~both);
    note_set(&result);
    if (batch.count + x->rank - batch.count - contracted.count + y->rank - batch.count - contracted.count > MAX_RANK) {
        call_fail(e->call, "a product on the way has more than %d axes", MAX_RANK);
        return;
    }
    if (contracted.count > 0) {
        result.value =
            build_dot(&e->call->b, x->value, y->value, batch.x_axis, batch.y_axis, batch.count, contracted.x_axis,
                      contracted.y_axis, contracted.count, call_element(e->call, x->value));
    } else {
        order_as(e, x, &result);
        order_as(e, y, &result);
        result.value = multiply(e->call, aligned(e, x, &result), aligned(e, y, &result));
    }
    *x = result;
    *y = e->operand[--e->operand_count];
}

/* integers: the characters of the subscripts */
Value rule_einsum(RuleCall *call)
{
    Einsum e = {.call = call};
    if (call->count == 0 || call->count > MAX_TERMS)
        return call_fail(call, "%u operands, 1 to %d are due", call->count, MAX_TERMS);
    if (!read_string(&e) || !label_ellipses(&e) || !label_operands(&e) || !label_result(&e))
        return (Value){0};
    for (uint32_t i = 0; i < e.operand_count; i++) {
        if (!take_diagonals(&e, &e.operand[i]))
            return (Value){0};
        drop_ones(&e, &e.operand[i]);
        note_set(&e.operand[i]);
    }
    for (uint32_t i = 0; i < e.operand_count; i++)
        sum_alone(&e, i);
    while (e.operand_count > 1 && call_ready(call)) {
        uint32_t first, second;
        choose_pair(&e, &first, &second);
        contract_pair(&e, first, second);
    }
    if (!call_ready(call))
        return (Value){0};
    int64_t permutation[MAX_RANK];
    for (uint32_t i = 0; i < e.result_rank; i++)
        permutation[i] = axis_of(&e.operand[0], e.result[i]);
    return build_transpose(&call->b, e.operand[0].value, permutation);
}
