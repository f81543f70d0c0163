/* SPDX-License-Identifier: Apache-2.0
 * The loop interpreter: says exactly what a function means, and checks every access. A pointer is (region, offset); a
 * region is a buffer, a local or a data item with its length. Functions are verified before they run, so that only what
 * depends on values is checked here. Locals start as 0xA5 bytes: who reads them unwritten differs from compiled code.
 */
#include "codegen/loop_interpret.h"
#include "codegen/foreign.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ir/base/vec.h"

enum { DEPTH_MAX = 16, UNWRITTEN = 0xA5 };

typedef struct Region {
    const char *what; /* buffer, local or data */
    uint32_t number;
    uint8_t *bytes;
    size_t length;
    size_t mapped; /* not 0: a file of that many bytes is mapped here */
    bool writable;
} Region;

/* What all frames of one run share. */
typedef struct Machine {
    const LoopModule *module;
    Diag *diag;
    Arena arena; /* regions and data items */
    Region *region;
    uint32_t region_count, region_capacity;
    uint32_t *data_region; /* of each data item: 1 + its region, 0 until it is used */
    uint32_t depth;
} Machine;

/* One call of a function. */
typedef struct Frame {
    Machine *machine;
    const LoopFunction *f;
    const uint64_t *buffer; /* two words each */
    const int64_t *size;
    int64_t begin, end;
    Arena arena;
    uint64_t **value; /* of each register */
    uint32_t
        *match;  /* for if: its else or end; for else, loop, for: its end; for end: its opener; break_if: its loop */
    uint32_t pc; /* next instruction */
    bool returned;
    int32_t status;
} Frame;

static Status fail(const Frame *frame, uint32_t at, const char *wrong)
{
    StrBuf text = {0};
    loop_print_instruction(frame->machine->module, frame->f, at, &text);
    diag_fail(frame->machine->diag, STATUS_FAILED, frame->f->name, "%s, at instruction %u: %s", wrong, (unsigned)at,
              strbuf_text(&text));
    strbuf_release(&text);
    return STATUS_FAILED;
}

static Status out_of_memory(const Machine *machine)
{
    return diag_fail(machine->diag, STATUS_OUT_OF_MEMORY, "loop interpreter", "out of memory");
}

static Status add_region(Machine *machine, Region region, uint32_t *index)
{
    if (!VEC_GROW(&machine->arena, machine, region))
        return out_of_memory(machine);
    machine->region[machine->region_count] = region;
    *index = machine->region_count++;
    return STATUS_OK;
}

/* ---------------------------------------------------------------- data items ---- */

static bool map_file(const char *path, Region *region)
{
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    struct stat info;
    const bool found = file >= 0 && fstat(file, &info) == 0 && info.st_size > 0;
    void *bytes = found ? mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, file, 0) : MAP_FAILED;
    if (file >= 0)
        close(file);
    if (bytes == MAP_FAILED)
        return false;
    region->bytes = bytes;
    region->length = region->mapped = (size_t)info.st_size;
    return true;
}

/* Addresses inside data read as zero: loop IR cannot load pointers. */
static uint8_t *gather_parts(Machine *machine, const LoopData *data)
{
    uint8_t *bytes = arena_alloc(&machine->arena, data->bytes);
    size_t at = 0;
    for (uint32_t i = 0; bytes != NULL && i < data->part_count; i++) {
        const LoopDataPart *part = &data->part[i];
        if (part->data != NULL && part->symbol == NULL && part->bytes != 0)
            memcpy(bytes + at, part->data, part->bytes);
        at += part->bytes;
    }
    return bytes;
}

static Status data_region(Machine *machine, uint32_t number, uint32_t *index)
{
    if (machine->data_region[number] == 0) {
        const LoopData *data = &machine->module->data[number];
        Region region = {.what = "data", .number = number, .length = data->bytes, .writable = data->writable};
        if (data->path == NULL)
            region.bytes = gather_parts(machine, data);
        else if (!map_file(data->path, &region))
            return diag_fail(machine->diag, STATUS_IO, data->path, "cannot be read");
        if (region.bytes == NULL)
            return out_of_memory(machine);
        TRY(add_region(machine, region, index));
        machine->data_region[number] = *index + 1;
    }
    *index = machine->data_region[number] - 1;
    return STATUS_OK;
}

/* ---------------------------------------------------------------- memory ---- */

static const uint64_t *operand(const Frame *frame, uint32_t at, uint32_t number)
{
    return frame->value[frame->f->instr[at].operand[number].id];
}

static int64_t index_operand(const Frame *frame, uint32_t at, uint32_t number)
{
    return (int64_t)operand(frame, at, number)[0];
}

static Status fail_access(const Frame *frame, uint32_t at, const Region *region, int64_t offset, int64_t bytes)
{
    char text[160];
    snprintf(text, sizeof text, "access of %lld bytes at offset %lld of %s %u, which has %zu%s", (long long)bytes,
             (long long)offset, region->what, (unsigned)region->number, region->length,
             region->writable ? "" : " and is read only");
    return fail(frame, at, text);
}

/* The address of `bytes` bytes at `distance` from the pointer, when they are all in its region. */
static Status reach(const Frame *frame, uint32_t at, const uint64_t *pointer, int64_t distance, int64_t bytes,
                    bool writes, uint8_t **address)
{
    const Region *region = &frame->machine->region[pointer[0]];
    int64_t offset, last;
    const bool overflows = __builtin_add_overflow((int64_t)pointer[1], distance, &offset) || bytes < 0 ||
                           __builtin_add_overflow(offset, bytes, &last);
    if (overflows || offset < 0 || (uint64_t)last > region->length || (writes && !region->writable))
        return fail_access(frame, at, region, overflows ? distance : offset, bytes);
    *address = region->bytes + offset;
    return STATUS_OK;
}

/* As reach, at an index in elements of the kind. */
static Status access_elements(const Frame *frame, uint32_t at, LoopKind kind, int64_t index, uint32_t count,
                              bool writes, uint8_t **address)
{
    const int64_t size = loop_kind_bytes(kind);
    int64_t distance;
    if (__builtin_mul_overflow(index, size, &distance))
        return fail(frame, at, "the index is out of all bounds");
    return reach(frame, at, operand(frame, at, 0), distance, size * count, writes, address);
}

static uint64_t read_element(LoopKind kind, const uint8_t *from)
{
    uint64_t word = 0;
    memcpy(&word, from, loop_kind_bytes(kind)); /* little endian, as all targets are */
    if (kind == LOOP_f32 || kind == LOOP_f64)
        return word;
    const uint32_t shift = 64 - 8 * loop_kind_bytes(kind);
    return (uint64_t)((int64_t)(word << shift) >> shift);
}

/* How many lanes an access with a count in operand `number` takes. */
static uint32_t active_lanes(const Frame *frame, uint32_t at, uint32_t number)
{
    const int64_t count = index_operand(frame, at, number);
    const uint32_t lanes = frame->f->instr[at].type.lanes;
    return count <= 0 ? 0 : count < lanes ? (uint32_t)count : lanes;
}

static Status run_load(const Frame *frame, uint32_t at)
{
    const LoopInstr *instr = &frame->f->instr[at];
    const uint32_t active = instr->op == LOOP_load ? instr->type.lanes : active_lanes(frame, at, 2);
    const uint32_t size = loop_kind_bytes(instr->type.kind);
    uint8_t *address = NULL;
    if (active != 0)
        TRY(access_elements(frame, at, instr->type.kind, index_operand(frame, at, 1), active, false, &address));
    for (uint32_t i = 0; i < instr->type.lanes; i++)
        frame->value[at][i] = i < active ? read_element(instr->type.kind, address + (size_t)i * size) : 0;
    return STATUS_OK;
}

static Status run_gather(const Frame *frame, uint32_t at)
{
    const LoopInstr *instr = &frame->f->instr[at];
    for (uint32_t i = 0; i < instr->type.lanes; i++) {
        uint8_t *address;
        TRY(access_elements(frame, at, instr->type.kind, (int64_t)operand(frame, at, 1)[i], 1, false, &address));
        frame->value[at][i] = read_element(instr->type.kind, address);
    }
    return STATUS_OK;
}

static Status run_store(const Frame *frame, uint32_t at)
{
    const LoopInstr *instr = &frame->f->instr[at];
    const uint32_t active = instr->op == LOOP_store ? instr->type.lanes : active_lanes(frame, at, 3);
    const uint32_t size = loop_kind_bytes(instr->type.kind);
    uint8_t *address = NULL;
    if (active != 0)
        TRY(access_elements(frame, at, instr->type.kind, index_operand(frame, at, 1), active, true, &address));
    for (uint32_t i = 0; i < active; i++)
        memcpy(address + (size_t)i * size, &operand(frame, at, 2)[i], size);
    return STATUS_OK;
}

static Status run_copy(const Frame *frame, uint32_t at)
{
    const bool copies = frame->f->instr[at].op == LOOP_copy_bytes;
    const int64_t bytes = index_operand(frame, at, copies ? 2 : 1);
    uint8_t *to, *from = NULL;
    TRY(reach(frame, at, operand(frame, at, 0), 0, bytes, true, &to));
    if (copies)
        TRY(reach(frame, at, operand(frame, at, 1), 0, bytes, false, &from));
    if (copies)
        memmove(to, from, (size_t)bytes);
    else
        memset(to, 0, (size_t)bytes);
    return STATUS_OK;
}

static Status run_local(Frame *frame, uint32_t at)
{
    const LoopInstr *instr = &frame->f->instr[at];
    const size_t length = (size_t)instr->immediate * loop_kind_bytes(instr->type.kind);
    uint8_t *bytes = arena_alloc(&frame->arena, length);
    if (bytes == NULL)
        return out_of_memory(frame->machine);
    memset(bytes, UNWRITTEN, length);
    uint32_t index;
    TRY(add_region(frame->machine,
                   (Region){.what = "local", .number = at, .bytes = bytes, .length = length, .writable = true},
                   &index));
    frame->value[at][0] = index;
    frame->value[at][1] = 0;
    return STATUS_OK;
}

static Status run_memory(Frame *frame, uint32_t at)
{
    switch (frame->f->instr[at].op) {
    case LOOP_load:
    case LOOP_load_lanes:
        return run_load(frame, at);
    case LOOP_gather:
        return run_gather(frame, at);
    case LOOP_store:
    case LOOP_store_lanes:
        return run_store(frame, at);
    case LOOP_copy_bytes:
    case LOOP_zero_bytes:
        return run_copy(frame, at);
    case LOOP_local:
        return run_local(frame, at);
    case LOOP_pointer_add:
        frame->value[at][0] = operand(frame, at, 0)[0];
        frame->value[at][1] = operand(frame, at, 0)[1] + operand(frame, at, 1)[0];
        return STATUS_OK;
    default: /* prefetch: a hint may be anywhere */
        return STATUS_OK;
    }
}

/* ---------------------------------------------------------------- arguments, variables ---- */

static Status run_argument(Frame *frame, uint32_t at)
{
    const LoopInstr *instr = &frame->f->instr[at];
    uint64_t *result = frame->value[at];
    uint32_t region;
    switch (instr->op) {
    case LOOP_buffer:
        memcpy(result, frame->buffer + 2 * instr->immediate, 2 * sizeof *result);
        return STATUS_OK;
    case LOOP_size:
        result[0] = (uint64_t)frame->size[instr->immediate];
        return STATUS_OK;
    case LOOP_data:
        TRY(data_region(frame->machine, (uint32_t)instr->immediate, &region));
        result[0] = region;
        result[1] = 0;
        return STATUS_OK;
    default:
        result[0] = (uint64_t)(instr->op == LOOP_item_begin ? frame->begin : frame->end);
        return STATUS_OK;
    }
}

static Status run_variable(const Frame *frame, uint32_t at)
{
    const LoopInstr *instr = &frame->f->instr[at];
    uint64_t *to = instr->op == LOOP_set ? frame->value[instr->operand[0].id] : frame->value[at];
    memcpy(to, operand(frame, at, instr->op == LOOP_set), loop_words(instr->type) * sizeof *to);
    return STATUS_OK;
}

/* ---------------------------------------------------------------- control ---- */

static Status run_for(Frame *frame, uint32_t at, int64_t counter)
{
    const bool enters = counter < index_operand(frame, at, 1);
    frame->value[at][0] = (uint64_t)counter;
    frame->pc = enters ? at + 1 : frame->match[at] + 1;
    return index_operand(frame, at, 2) > 0 ? STATUS_OK : fail(frame, at, "the step is not positive");
}

static Status run_end(Frame *frame, uint32_t at)
{
    const uint32_t opener = frame->match[at];
    const LoopOp op = frame->f->instr[opener].op;
    if (op == LOOP_for) /* wraps as all integers do */
        return run_for(frame, opener, (int64_t)(frame->value[opener][0] + operand(frame, opener, 2)[0]));
    if (op == LOOP_loop)
        frame->pc = opener + 1;
    return STATUS_OK;
}

static Status run_control(Frame *frame, uint32_t at)
{
    const LoopInstr *instr = &frame->f->instr[at];
    switch (instr->op) {
    case LOOP_for:
        return run_for(frame, at, index_operand(frame, at, 0));
    case LOOP_break_if:
        if (operand(frame, at, 0)[0] != 0)
            frame->pc = frame->match[frame->match[at]] + 1;
        return STATUS_OK;
    case LOOP_if:
        if (operand(frame, at, 0)[0] == 0)
            frame->pc = frame->match[at] + 1;
        return STATUS_OK;
    case LOOP_else: /* the end of the first branch */
        frame->pc = frame->match[at] + 1;
        return STATUS_OK;
    case LOOP_end:
        return run_end(frame, at);
    case LOOP_return_if:
        if (operand(frame, at, 0)[0] != 0) {
            frame->returned = true;
            frame->status = (int32_t)instr->immediate;
        }
        return STATUS_OK;
    default: /* loop */
        return STATUS_OK;
    }
}

static Status run_function(Machine *machine, const LoopFunction *f, const uint64_t *buffer, const int64_t *size,
                           int64_t begin, int64_t end, int32_t *status);

static Status run_launch(Frame *frame, uint32_t at)
{
    const LoopLaunch *launch = frame->f->instr[at].launch;
    Arena arena;
    arena_init(&arena);
    uint64_t *buffer = ARENA_NEW(&arena, uint64_t, 2 * (size_t)launch->buffer_count);
    int64_t *size = ARENA_NEW(&arena, int64_t, launch->size_count);
    const int64_t extent = (int64_t)frame->value[launch->extent.id][0];
    Status status = STATUS_OK;
    if (buffer == NULL || size == NULL)
        status = out_of_memory(frame->machine);
    for (uint32_t i = 0; status == STATUS_OK && i < launch->buffer_count; i++)
        memcpy(buffer + 2 * i, frame->value[launch->buffer[i].id], 2 * sizeof *buffer);
    for (uint32_t i = 0; status == STATUS_OK && i < launch->size_count; i++)
        size[i] = (int64_t)frame->value[launch->size[i].id][0];
    if (status == STATUS_OK && extent > 0)
        status = run_function(frame->machine, frame->machine->module->function[launch->function], buffer, size, 0,
                              extent, &frame->status);
    frame->returned = frame->status != 0;
    arena_release(&arena);
    return status;
}

/* ---------------------------------------------------------------- frames ---- */

static Status run_value(const Frame *frame, uint32_t at)
{
    const LoopInstr *instr = &frame->f->instr[at];
    const uint64_t *word[4] = {NULL};
    LoopType type[4] = {{0}};
    for (uint32_t i = 0; i < loop_op_info[instr->op].operands; i++) {
        word[i] = operand(frame, at, i);
        type[i] = loop_type_of(frame->f, instr->operand[i]);
    }
    const char *wrong = loop_evaluate(instr, word, type, frame->value[at]);
    return wrong == NULL ? STATUS_OK : fail(frame, at, wrong);
}

static Status refuse_call(Frame *frame, uint32_t at)
{
    return diag_fail(frame->machine->diag, STATUS_UNSUPPORTED, frame->f->name,
                     "%s: foreign functions aren't interpreted", foreign_info[frame->f->instr[at].call->function].name);
}

static Status run_instruction(Frame *frame)
{
    const uint32_t at = frame->pc++;
    switch (loop_op_info[frame->f->instr[at].op].form) {
    case LOOP_FORM_ARGUMENT:
        return run_argument(frame, at);
    case LOOP_FORM_MEMORY:
        return run_memory(frame, at);
    case LOOP_FORM_VARIABLE:
        return run_variable(frame, at);
    case LOOP_FORM_CONTROL:
        return run_control(frame, at);
    case LOOP_FORM_CALL:
        return frame->f->instr[at].op == LOOP_call ? refuse_call(frame, at) : run_launch(frame, at);
    default:
        return run_value(frame, at);
    }
}

/* Finds the partner of every else, end and break_if; `open` has room for all instructions. */
static void match_blocks(Frame *frame, uint32_t *open)
{
    uint32_t depth = 0;
    for (uint32_t at = 1; at < frame->f->instr_count; at++) {
        const LoopOp op = frame->f->instr[at].op;
        if (op == LOOP_else || op == LOOP_end) {
            frame->match[open[--depth]] = at;
            frame->match[at] = open[depth]; /* an else is given its end later */
        }
        if (op == LOOP_for || op == LOOP_loop || op == LOOP_if || op == LOOP_else)
            open[depth++] = at;
        for (uint32_t i = depth; op == LOOP_break_if && frame->match[at] == 0; i--) {
            const LoopOp opener = frame->f->instr[open[i - 1]].op;
            if (opener == LOOP_for || opener == LOOP_loop)
                frame->match[at] = open[i - 1];
        }
    }
}

static bool prepare(Frame *frame)
{
    const uint32_t count = frame->f->instr_count;
    size_t words = 0;
    for (uint32_t at = 1; at < count; at++)
        words += 2 + frame->f->instr[at].type.lanes;
    uint64_t *word = ARENA_NEW(&frame->arena, uint64_t, words);
    uint32_t *open = ARENA_NEW(&frame->arena, uint32_t, count);
    frame->value = ARENA_NEW(&frame->arena, uint64_t *, count);
    frame->match = ARENA_NEW(&frame->arena, uint32_t, count);
    if (word == NULL || open == NULL || frame->value == NULL || frame->match == NULL)
        return false;
    for (uint32_t at = 1; at < count; at++) {
        frame->value[at] = word;
        word += 2 + frame->f->instr[at].type.lanes;
    }
    match_blocks(frame, open);
    return true;
}

static Status run_frame(Frame *frame)
{
    if (!prepare(frame))
        return out_of_memory(frame->machine);
    frame->pc = 1;
    while (!frame->returned && frame->pc < frame->f->instr_count)
        TRY(run_instruction(frame));
    return STATUS_OK;
}

static Status run_function(Machine *machine, const LoopFunction *f, const uint64_t *buffer, const int64_t *size,
                           int64_t begin, int64_t end, int32_t *status)
{
    TRY(loop_verify(machine->module, f, machine->diag));
    if (machine->depth >= DEPTH_MAX)
        return diag_fail(machine->diag, STATUS_FAILED, f->name, "launches are nested deeper than %d", DEPTH_MAX);
    machine->depth++;
    Frame frame = {.machine = machine, .f = f, .buffer = buffer, .size = size, .begin = begin, .end = end};
    arena_init(&frame.arena);
    const Status result = run_frame(&frame);
    arena_release(&frame.arena);
    machine->depth--;
    *status = frame.status;
    return result;
}

static Status run_machine(Machine *machine, const LoopFunction *f, void *const *buffer, const size_t *buffer_bytes,
                          const int64_t *size, int64_t begin, int64_t end, int32_t *status)
{
    uint64_t *pointer = ARENA_NEW(&machine->arena, uint64_t, 2 * (size_t)f->buffer_count);
    machine->data_region = ARENA_NEW(&machine->arena, uint32_t, machine->module->data_count);
    if (pointer == NULL || machine->data_region == NULL)
        return out_of_memory(machine);
    for (uint32_t i = 0; i < f->buffer_count; i++) {
        uint32_t index;
        TRY(add_region(
            machine,
            (Region){.what = "buffer", .number = i, .bytes = buffer[i], .length = buffer_bytes[i], .writable = true},
            &index));
        pointer[2 * i] = index;
    }
    return run_function(machine, f, pointer, size, begin, end, status);
}

Status loop_interpret(const LoopModule *module, const LoopFunction *function, void *const *buffer,
                      const size_t *buffer_bytes, const int64_t *size, int64_t begin, int64_t end, int32_t *status,
                      Diag *diag)
{
    Machine machine = {.module = module, .diag = diag};
    arena_init(&machine.arena);
    const Status result = run_machine(&machine, function, buffer, buffer_bytes, size, begin, end, status);
    for (uint32_t i = 0; i < machine.region_count; i++)
        if (machine.region[i].mapped != 0)
            munmap(machine.region[i].bytes, machine.region[i].mapped);
    arena_release(&machine.arena);
    return result;
}
