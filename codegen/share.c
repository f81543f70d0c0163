/* SPDX-License-Identifier: Apache-2.0
 * Sharing kernels: those that differ in integer constants alone become one function that takes what differs as size
 * arguments. Deep networks repeat a layer at many sizes, and each kernel costs milliseconds of LLVM or C compiler.
 *
 * Kernels of one skeleton (all but i64 constants equal) are a family. Constants that code depends on (steps, shifts,
 * numbers of lanes) belong to the skeleton. Arithmetic on elements is untouched, so bits stay what they were. */
#include <stdlib.h>
#include <string.h>

#include "codegen/share.h"
#include "ir/base/hash.h"

enum { MOST_ARGUMENTS = 24 };

typedef struct Member {
    Kernel *kernel;
    const bool *open;         /* by instruction: a constant that may become an argument */
    uint64_t skeleton, whole; /* hashes */
    uint32_t order;
} Member;

/* ---------------------------------------------------------------- skeletons ---- */

static bool is_index_constant(const LoopInstr *instr)
{
    return instr->op == LOOP_const_int && instr->type.kind == LOOP_i64 && instr->type.lanes == 1;
}

/* The operand that decides what code is made, or 0. */
static Reg deciding_operand(const LoopInstr *instr)
{
    switch (instr->op) {
    case LOOP_for:
    case LOOP_load_lanes:
        return instr->operand[2];
    case LOOP_store_lanes:
        return instr->operand[3];
    case LOOP_shift_left:
    case LOOP_shift_right:
    case LOOP_shift_right_zero:
        return instr->operand[1];
    default:
        return (Reg){0};
    }
}

static bool *find_open(const LoopFunction *f, Arena *arena)
{
    bool *open = ARENA_NEW(arena, bool, f->instr_count);
    if (open == NULL)
        return NULL;
    for (uint32_t i = 1; i < f->instr_count; i++)
        open[i] = is_index_constant(&f->instr[i]);
    for (uint32_t i = 1; i < f->instr_count; i++)
        open[deciding_operand(&f->instr[i]).id] = false;
    return open;
}

static LoopInstr without_open(const Member *member, uint32_t at)
{
    LoopInstr instr = member->kernel->function->instr[at];
    if (member->open[at])
        instr.immediate = 0;
    return instr;
}

static uint64_t skeleton_hash(const Member *member)
{
    const LoopFunction *f = member->kernel->function;
    uint64_t hash = hash_word(hash_word(0, f->buffer_count), f->size_count);
    for (uint32_t i = 1; i < f->instr_count; i++) {
        const LoopInstr instr = without_open(member, i);
        hash = loop_instr_hash(hash, &instr);
    }
    return hash;
}

static bool skeletons_equal(const Member *a, const Member *b)
{
    const LoopFunction *f = a->kernel->function, *g = b->kernel->function;
    if (f->buffer_count != g->buffer_count || f->size_count != g->size_count || f->instr_count != g->instr_count)
        return false;
    for (uint32_t i = 1; i < f->instr_count; i++) {
        const LoopInstr x = without_open(a, i), y = without_open(b, i);
        if (a->open[i] != b->open[i] || !loop_instr_equal(&x, &y))
            return false;
    }
    return true;
}

/* ---------------------------------------------------------------- families ---- */

typedef struct Family {
    const Member *member;
    uint32_t count;
    uint32_t *argument; /* by instruction: 1 + number of the argument it becomes, or 0 */
    uint32_t *source;   /* by argument: the instruction whose constant it is */
    uint32_t argument_count;
} Family;

static int64_t constant_at(const Member *member, uint32_t at)
{
    return member->kernel->function->instr[at].immediate;
}

static bool column_varies(const Family *family, uint32_t at)
{
    for (uint32_t i = 1; i < family->count; i++)
        if (constant_at(&family->member[i], at) != constant_at(&family->member[0], at))
            return true;
    return false;
}

static bool columns_equal(const Family *family, uint32_t a, uint32_t b)
{
    for (uint32_t i = 0; i < family->count; i++)
        if (constant_at(&family->member[i], a) != constant_at(&family->member[i], b))
            return false;
    return true;
}

/* Constants that vary alike become one argument. */
static void find_arguments(Family *family)
{
    const LoopFunction *f = family->member[0].kernel->function;
    for (uint32_t i = 1; i < f->instr_count && family->argument_count <= MOST_ARGUMENTS; i++) {
        if (!family->member[0].open[i] || !column_varies(family, i))
            continue;
        uint32_t same = 0;
        while (same < family->argument_count && !columns_equal(family, family->source[same], i))
            same++;
        if (same == family->argument_count)
            family->source[family->argument_count++] = i;
        family->argument[i] = same + 1;
    }
}

static bool give_arguments(const Family *family, Kernel *kernel, const LoopInstr *instr, Arena *arena)
{
    const uint32_t own = kernel->size_count;
    Dim *size = ARENA_NEW(arena, Dim, own + family->argument_count);
    if (size == NULL)
        return false;
    if (own != 0)
        memcpy(size, kernel->size, own * sizeof *size);
    for (uint32_t k = 0; k < family->argument_count; k++)
        size[own + k] = dim_constant(instr[family->source[k]].immediate);
    kernel->size = size;
    kernel->size_count = own + family->argument_count;
    return true;
}

static bool make_shared(const Family *family, Arena *arena)
{
    LoopFunction *f = family->member[0].kernel->function;
    const uint32_t own = f->size_count;
    LoopInstr *instr = ARENA_NEW(f->arena, LoopInstr, f->instr_count);
    if (instr == NULL)
        return false;
    memcpy(instr, f->instr, f->instr_count * sizeof *instr);
    for (uint32_t i = 1; i < f->instr_count; i++)
        if (family->argument[i] != 0)
            instr[i] =
                (LoopInstr){.op = LOOP_size, .type = f->instr[i].type, .immediate = own + family->argument[i] - 1};
    for (uint32_t i = 0; i < family->count; i++) {
        Kernel *kernel = family->member[i].kernel;
        if (!give_arguments(family, kernel, kernel->function->instr, arena))
            return false;
        kernel->function = f;
    }
    f->instr = instr;
    f->instr_capacity = f->instr_count;
    f->size_count = own + family->argument_count;
    return true;
}

static bool share_family(Family *family, Arena *scratch, Arena *arena)
{
    const uint32_t count = family->member[0].kernel->function->instr_count;
    family->argument = ARENA_NEW(scratch, uint32_t, count);
    family->source = ARENA_NEW(scratch, uint32_t, count);
    if (family->argument == NULL || family->source == NULL)
        return false;
    find_arguments(family);
    const bool useful = family->argument_count != 0 && family->argument_count <= MOST_ARGUMENTS;
    return !useful || make_shared(family, arena);
}

/* ---------------------------------------------------------------- all kernels ---- */

static int compare_words(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static int compare_members(const void *a, const void *b)
{
    const Member *x = a, *y = b;
    const int skeleton = compare_words(x->skeleton, y->skeleton), whole = compare_words(x->whole, y->whole);
    return skeleton != 0 ? skeleton : whole != 0 ? whole : compare_words(x->order, y->order);
}

/* Members of one hash; should they ever differ all the same, they just aren't shared. */
static bool is_family(const Family *family)
{
    uint32_t distinct = 1;
    for (uint32_t i = 1; i < family->count; i++) {
        distinct += family->member[i].whole != family->member[i - 1].whole;
        if (!skeletons_equal(&family->member[0], &family->member[i]))
            return false;
    }
    return distinct > 1;
}

static bool share_all(Member *member, uint32_t count, Arena *scratch, Arena *arena)
{
    qsort(member, count, sizeof *member, compare_members);
    for (uint32_t i = 0, next; i < count; i = next) {
        next = i + 1;
        while (next < count && member[next].skeleton == member[i].skeleton)
            next++;
        Family family = {.member = member + i, .count = next - i};
        if (is_family(&family) && !share_family(&family, scratch, arena))
            return false;
    }
    return true;
}

static bool share(Kernel *const *kernel, uint32_t count, Arena *scratch, Arena *arena)
{
    Member *member = ARENA_NEW(scratch, Member, count);
    for (uint32_t i = 0; member != NULL && i < count; i++) {
        member[i] = (Member){.kernel = kernel[i], .order = i, .open = find_open(kernel[i]->function, scratch)};
        if (member[i].open == NULL)
            return false;
        member[i].whole = loop_function_hash(kernel[i]->function);
        member[i].skeleton = skeleton_hash(&member[i]);
    }
    return member != NULL && share_all(member, count, scratch, arena);
}

bool share_kernels(Kernel *const *kernel, uint32_t count, Arena *arena)
{
    Arena scratch;
    arena_init(&scratch);
    const bool done = count < 2 || share(kernel, count, &scratch, arena);
    arena_release(&scratch);
    return done;
}
