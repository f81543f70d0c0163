/* SPDX-License-Identifier: Apache-2.0
 * What compiled functions are traced for: leaves as they were described, and signatures: types whose sizes are numbers
 * or symbols. A shapeless function is traced with a symbol for every size first. Where that fails because sizes must be
 * equal, or certain numbers, it is tried again with fewer and fewer symbols; such a signature fits only shapes whose
 * sizes are equal where they are now, and the same numbers where they are numbers. */
#include <stdlib.h>
#include <string.h>

#include "api/compiled.h"
#include "ir/text.h"

/* ---- leaves ---- */

adze_leaf adze_leaf_like(const char *name, adze_array example)
{
    const ArrayNode *node = node_of(example);
    return (adze_leaf){
        .name = name, .element = (AdzeElement)node->type.element, .rank = node->type.rank, .shape = node->type.dim};
}

static adze_status refuse_leaf(adze_context *context, const char *what, size_t index, const char *why)
{
    return context_fail(context, ADZE_USAGE, "[%s] leaf %zu: %s", what, index, why);
}

static adze_status copy_type(adze_context *context, const char *what, size_t index, const adze_leaf *from, Leaf *leaf)
{
    if (from->value.node != NULL) {
        leaf->value = node_retain(node_of(from->value));
        leaf->type = leaf->value->type;
        return leaf->value->error == NULL ? ADZE_DONE : context_fail_node(context, leaf->value);
    }
    if (from->rank > MAX_RANK || (uint32_t)from->element >= ELEMENT_COUNT)
        return refuse_leaf(context, what, index, "too many axes, or no such element type");
    leaf->type = (ArrayType){.element = (ElementType)from->element, .rank = (uint32_t)from->rank};
    for (size_t k = 0; k < from->rank; k++) {
        const bool named = from->dimension != NULL && from->dimension[k] != NULL;
        leaf->type.dim[k] = from->shape == NULL ? -1 : from->shape[k];
        if (named && leaf->type.dim[k] < 0)
            leaf->type.dim[k] = 2; /* no example was given */
        if (leaf->type.dim[k] < 0)
            return refuse_leaf(context, what, index, "a size is missing: give a number, or the size's name");
    }
    return ADZE_DONE;
}

static bool is_dimension_name(const char *name)
{
    return text_is_name(name) && strchr(name, '.') == NULL && strcmp(name, "floor_div") != 0 &&
           strcmp(name, "mod") != 0 && strcmp(name, "max") != 0 && strcmp(name, "min") != 0;
}

static adze_status copy_names(adze_context *context, const char *what, size_t index, const adze_leaf *from,
                              Arena *arena, Leaf *leaf)
{
    const uint32_t rank = leaf->type.rank;
    leaf->parameter = from->parameter;
    leaf->name = from->name != NULL ? arena_strdup(arena, from->name) : arena_printf(arena, "in%zu", index);
    leaf->dimension = ARENA_NEW(arena, const char *, rank);
    if (leaf->name == NULL || leaf->dimension == NULL)
        return context_fail(context, ADZE_NO_MEMORY, "out of memory");
    for (uint32_t k = 0; k < rank && from->dimension != NULL && leaf->value == NULL; k++) {
        if (from->dimension[k] == NULL)
            continue;
        if (!is_dimension_name(from->dimension[k]))
            return refuse_leaf(context, what, index, "a size's name should be letters, digits and _");
        leaf->dimension[k] = arena_strdup(arena, from->dimension[k]);
        if (leaf->dimension[k] == NULL)
            return context_fail(context, ADZE_NO_MEMORY, "out of memory");
    }
    return ADZE_DONE;
}

adze_status leaves_init(adze_context *context, const char *what, const adze_leaf *leaf, size_t count, Leaves *leaves)
{
    adze_status status = ADZE_DONE;
    *leaves = (Leaves){0};
    arena_init(&leaves->arena);
    leaves->leaf = ARENA_NEW(&leaves->arena, Leaf, count);
    if (leaves->leaf == NULL)
        return context_fail(context, ADZE_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < count && status == ADZE_DONE; i++) {
        leaves->count = i + 1;
        status = copy_type(context, what, i, &leaf[i], &leaves->leaf[i]);
        if (status == ADZE_DONE)
            status = copy_names(context, what, i, &leaf[i], &leaves->arena, &leaves->leaf[i]);
    }
    return status;
}

void leaves_release(Leaves *leaves)
{
    for (size_t i = 0; i < leaves->count; i++)
        node_release(leaves->leaf[i].value);
    arena_release(&leaves->arena);
    *leaves = (Leaves){0};
}

ArrayType *leaves_types(Leaves *leaves)
{
    ArrayType *type = ARENA_NEW(&leaves->arena, ArrayType, leaves->count);
    for (size_t i = 0; type != NULL && i < leaves->count; i++)
        type[i] = leaves->leaf[i].type;
    return type;
}

/* ---- signatures ---- */

static const char *name_at(const Leaves *leaves, uint32_t place)
{
    return leaves == NULL ? NULL : leaves->leaf[place / MAX_RANK].dimension[place % MAX_RANK];
}

static int64_t *size_at(const Signature *signature, uint32_t place)
{
    return &signature->type[place / MAX_RANK].dim[place % MAX_RANK];
}

static bool is_last_size(const ArrayType *type, uint32_t count, int64_t size)
{
    for (uint32_t i = 0; i < count; i++)
        if (type[i].rank >= 2 && type[i].dim[type[i].rank - 1] == size)
            return true;
    return false;
}

/* Whether a size becomes a symbol. */
static bool is_open(const ArrayType *type, uint32_t count, const Leaves *leaves, uint32_t place, SizesPlan plan)
{
    const int64_t size = type[place / MAX_RANK].dim[place % MAX_RANK];
    if (leaves != NULL && leaves->leaf[place / MAX_RANK].value != NULL)
        return false;
    if (name_at(leaves, place) != NULL)
        return true;
    if (size == 0 || (size == 1 && plan != SIZES_OPEN))
        return false;
    return plan == SIZES_OPEN || plan == SIZES_ALIKE || (plan == SIZES_INNER && !is_last_size(type, count, size)) ||
           (plan == SIZES_BATCH && type[0].rank > 0 && type[0].dim[0] == size);
}

/* Whether two open sizes are one symbol. Sizes of an enclosing trace are handles: equal ones are the same size. */
static bool are_one(const Leaves *leaves, uint32_t a, uint32_t b, int64_t size_a, int64_t size_b, SizesPlan plan)
{
    const char *name_a = name_at(leaves, a), *name_b = name_at(leaves, b);
    if (name_a != NULL && name_b != NULL)
        return strcmp(name_a, name_b) == 0;
    return name_a == NULL && name_b == NULL && plan >= SIZES_ALIKE && size_a == size_b;
}

/* Gives the place its symbol; earlier[0 … earlier_count): places that have one. */
static bool open_size(Signature *signature, Engine *engine, const ArrayType *type, const Leaves *leaves, uint32_t place,
                      SizesPlan plan, uint32_t *earlier, uint32_t *earlier_count)
{
    const int64_t size = type[place / MAX_RANK].dim[place % MAX_RANK];
    for (uint32_t i = 0; i < *earlier_count; i++) {
        const uint32_t other = earlier[i];
        if (!are_one(leaves, place, other, size, type[other / MAX_RANK].dim[other % MAX_RANK], plan))
            continue;
        *size_at(signature, place) = *size_at(signature, other);
        signature->first[place] = other;
        return true;
    }
    signature->first[place] = place;
    const int64_t symbol = size_symbol_acquire(engine);
    if (symbol == -1)
        return false;
    signature->symbol[signature->symbol_count++] = symbol;
    *size_at(signature, place) = symbol;
    earlier[(*earlier_count)++] = place;
    return true;
}

bool signature_init(Signature *signature, Engine *engine, const ArrayType *type, const Leaves *leaves, uint32_t count,
                    SizesPlan plan)
{
    const size_t places = (size_t)count * MAX_RANK;
    *signature = (Signature){.count = count,
                             .type = calloc((size_t)count + 1, sizeof *signature->type),
                             .first = calloc(places + 1, sizeof *signature->first),
                             .symbol = calloc(places + 1, sizeof *signature->symbol)};
    uint32_t *earlier = calloc(places + 1, sizeof *earlier), earlier_count = 0;
    bool good = signature->type != NULL && signature->first != NULL && signature->symbol != NULL && earlier != NULL;
    for (uint32_t i = 0; good && i < count; i++) {
        signature->type[i] = type[i];
        for (uint32_t k = 0; good && k < type[i].rank; k++) {
            const uint32_t place = i * MAX_RANK + k;
            signature->first[place] = SIZE_GIVEN;
            if (is_open(type, count, leaves, place, plan))
                good = open_size(signature, engine, type, leaves, place, plan, earlier, &earlier_count);
        }
    }
    free(earlier);
    if (good)
        return true;
    signature_close(signature, engine);
    signature_release(signature);
    return false;
}

void signature_close(Signature *signature, Engine *engine)
{
    for (uint32_t i = 0; signature->symbol != NULL && i < signature->symbol_count; i++)
        size_symbol_release(engine, signature->symbol[i]);
    signature->symbol_count = 0;
}

void signature_release(Signature *signature)
{
    free(signature->type);
    free(signature->first);
    free(signature->symbol);
    *signature = (Signature){0};
}

static bool leaf_fits(const Signature *signature, const ArrayType *const *given, uint32_t index)
{
    const ArrayType *due = &signature->type[index], *type = given[index];
    if (due->element != type->element || due->rank != type->rank)
        return false;
    for (uint32_t k = 0; k < due->rank; k++) {
        const uint32_t first = signature->first[index * MAX_RANK + k];
        const int64_t size = type->dim[k];
        if (first == SIZE_GIVEN ? size != due->dim[k]
                                : size == 0 || size != given[first / MAX_RANK]->dim[first % MAX_RANK])
            return false;
    }
    return true;
}

bool signature_fits(const Signature *signature, const ArrayType *const *given, uint32_t count)
{
    bool fits = signature->count == count;
    for (uint32_t i = 0; fits && i < count; i++)
        fits = leaf_fits(signature, given, i);
    return fits;
}

bool signature_is_static(const Signature *signature)
{
    bool known = true;
    for (uint32_t i = 0; i < signature->count; i++)
        known = known && array_type_is_static(&signature->type[i]);
    return known;
}

/* ---- tracing ---- */

static adze_status trace_signature(adze_context *context, adze_closure *closure, const Signature *signature,
                                   const char *what, Trace *trace)
{
    NodeList like = {0};
    bool good = true;
    for (uint32_t i = 0; good && i < signature->count; i++) {
        ArrayNode *node = node_placeholder(&signature->type[i], 1, NULL);
        good = node != NULL && node_list_add(&like, node);
        node_release(node);
    }
    const adze_status status = good
                                   ? trace_closure(context, closure, like.node, like.count, TRACE_ABSTRACT, what, trace)
                                   : context_fail(context, ADZE_NO_MEMORY, "out of memory");
    node_list_release(&like);
    return status;
}

static adze_status trace_plan(adze_context *context, adze_closure *closure, const ArrayType *type, const Leaves *leaves,
                              uint32_t count, SizesPlan plan, const char *what, Signature *signature, Trace *trace)
{
    if (!signature_init(signature, context->engine, type, leaves, count, plan))
        return context_fail(context, ADZE_NO_MEMORY, "out of memory");
    const adze_status status = trace_signature(context, closure, signature, what, trace);
    if (status != ADZE_DONE) {
        signature_close(signature, context->engine);
        signature_release(signature);
    }
    return status;
}

adze_status trace_for(adze_context *context, adze_closure *closure, const ArrayType *type, const Leaves *leaves,
                      uint32_t count, adze_shapes shapes, const char *what, Signature *signature, Trace *trace)
{
    const bool any = shapes == ADZE_SHAPES_ANY;
    const uint64_t failures = size_failures(context->engine);
    adze_status status = ADZE_FAILED;
    for (int plan = any ? SIZES_OPEN : SIZES_EXACT; plan < (any ? SIZES_PLANS : SIZES_OPEN); plan++) {
        status = trace_plan(context, closure, type, leaves, count, (SizesPlan)plan, what, signature, trace);
        if (status == ADZE_DONE || size_failures(context->engine) == failures)
            break; /* done, or failed whatever the sizes */
    }
    return status;
}
