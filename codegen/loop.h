/* SPDX-License-Identifier: Apache-2.0
 * Loop IR: what kernels and the entry of a model are written in, and the only thing the emitters (LLVM, C) and the loop
 * interpreter read. A function is a flat list of instructions in SSA form with structured control flow:
 *
 *     %3 = for %1, %2, %0        register = index of the instruction; a register is visible from its definition to the
 *       %4 = load f32x8 …        end of the block it stands in. What changes goes through `variable`, `get`, `set`.
 *     end
 *
 * Every function has the same C signature:
 *     int32_t name(void *const *buffer, const int64_t *size, int64_t begin, int64_t end, const AdzeContext *context)
 * and returns 0 or a status of adze/model.h. A kernel computes the parallel items begin … end - 1 of its iteration
 * space; items are independent of each other. The entry is called with 0, 1 and launches kernels.
 *
 * The builder's errors are sticky: the first one is kept in function->error, later calls give register 0.
 * Register 0 is none. Arithmetic is exactly as written: emitters neither contract, reassociate nor flush. */
#ifndef ADZE_CODEGEN_LOOP_H
#define ADZE_CODEGEN_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "ir/ir.h"

typedef enum { LOOP_i1, LOOP_i8, LOOP_i16, LOOP_i32, LOOP_i64, LOOP_f32, LOOP_f64, LOOP_ptr } LoopKind;

typedef struct LoopType {
    uint8_t kind;  /* LoopKind */
    uint8_t lanes; /* 1: a scalar; else a power of two up to 64 */
} LoopType;

typedef enum {
    LOOP_NONE,
#define LOOP_OP(name, form, operands, doc) LOOP_##name,
#include "codegen/loop_ops.def"
    LOOP_OP_COUNT
} LoopOp;

typedef enum {
    LOOP_FORM_NONE,
    LOOP_FORM_CONSTANT,
    LOOP_FORM_ARGUMENT,
    LOOP_FORM_UNARY,
    LOOP_FORM_BINARY,
    LOOP_FORM_TERNARY,
    LOOP_FORM_COMPARE,
    LOOP_FORM_CONVERT,
    LOOP_FORM_LANES,
    LOOP_FORM_MEMORY,
    LOOP_FORM_VARIABLE,
    LOOP_FORM_CONTROL,
    LOOP_FORM_CALL
} LoopForm;

typedef struct LoopOpInfo {
    const char *name;
    LoopForm form;
    uint32_t operands;
} LoopOpInfo;
extern const LoopOpInfo loop_op_info[LOOP_OP_COUNT];

typedef struct {
    uint32_t id;
} Reg;

/* A launch of function `function` of the module. */
typedef struct LoopLaunch {
    uint32_t function;
    uint32_t buffer_count, size_count;
    const Reg *buffer; /* ptr registers, the callee's buffer arguments */
    const Reg *size;   /* i64 registers, its size arguments */
    Reg extent;        /* i64: parallel items, begin 0 … end extent */
    Reg work;          /* i64: estimated cost of all items, in scalar operations: little work stays on one thread */
} LoopLaunch;

/* A call of a foreign function. */
typedef struct LoopCall {
    uint32_t function; /* ForeignFunction */
    uint32_t argument_count;
    const Reg *argument; /* kinds as foreign_info says */
} LoopCall;

typedef struct LoopInstr {
    LoopOp op;
    LoopType type; /* of the result; of the stored value for stores */
    Reg operand[4];
    union {
        int64_t immediate;
        double real;
        const int8_t *mask; /* shuffle: type.lanes of them */
        const LoopLaunch *launch;
        const LoopCall *call;
    };
} LoopInstr;

typedef struct LoopFunction {
    const char *name; /* a C identifier, unique in the module; set when the function is added to one */
    Arena *arena;     /* where its arrays live; not owned */
    LoopInstr *instr; /* [0] is unused */
    uint32_t instr_count, instr_capacity;
    uint32_t buffer_count, size_count; /* arguments */
    uint64_t written;  /* bit i: buffer i may be written (others are only read); buffers from 64 on: unknown */
    uint32_t depth;    /* of open blocks, while building */
    const char *error; /* sticky: the first mistake of whoever built it; NULL when there is none */
} LoopFunction;

/* ---- data a module carries: constants and descriptors ---- */

typedef struct LoopDataPart { /* placed one after the other */
    const void *data;         /* bytes; NULL: zeros, or an address */
    size_t bytes;
    const char
        *symbol; /* not NULL: the 8-byte address of that function or data item (or runtime function), plus `addend` */
    int64_t addend;
} LoopDataPart;

typedef struct LoopData {
    const char *name; /* a C identifier, unique in the module */
    bool exported;    /* visible outside the artifact (the model descriptor); all else is hidden */
    bool writable;
    const char *path; /* not NULL: the bytes of this file instead of parts (weights in a file of their own) */
    const LoopDataPart *part;
    uint32_t part_count;
    size_t bytes; /* sum of the parts */
} LoopData;

typedef struct LoopModule {
    Arena arena;
    LoopFunction **function;
    uint32_t function_count, function_capacity;
    LoopData *data;
    uint32_t data_count, data_capacity;
    struct LoopTable *equal; /* functions by structure; owned by loop.c */
} LoopModule;

LoopModule *loop_module_create(void);
void loop_module_destroy(LoopModule *module);

/* A new function whose memory lives in the module; not yet part of it. */
LoopFunction *loop_function_create(LoopModule *module, uint32_t buffer_count, uint32_t size_count);

/* Adds a finished function under a name made from `stem`, or finds one of equal structure (then the new one is
 * forgotten). Gives its index. UINT32_MAX when memory is out or the function has an error. A function can only launch
 * ones added before. */
uint32_t loop_module_add(LoopModule *module, LoopFunction *function, const char *stem);
/* Whether the function refers to nothing else of its module. */
bool loop_function_stands_alone(const LoopFunction *function);
/* Adds a copy of a function of another module, or finds an equal one; UINT32_MAX as above, and when the function
 * doesn't stand alone. */
uint32_t loop_module_copy(LoopModule *module, const LoopFunction *function);
/* Adds a data item (parts and strings are copied, the bytes they point to are not); gives its index. bytes follows from
 * the parts (an address has 8) unless there is a path; no name: one is made. UINT32_MAX: out of memory, or the name is
 * taken. */
uint32_t loop_module_add_data(LoopModule *module, const LoopData *data);

/* Hash and equality of structure (names apart). */
uint64_t loop_function_hash(const LoopFunction *function);
bool loop_function_equal(const LoopFunction *a, const LoopFunction *b);
uint64_t loop_instr_hash(uint64_t hash, const LoopInstr *instr); /* continues `hash` */
bool loop_instr_equal(const LoopInstr *a, const LoopInstr *b);

/* ---------------------------------------------------------------- building ---- */

/* A short register-type constructor. */
static inline LoopType loop_type(LoopKind kind, uint32_t lanes)
{
    return (LoopType){(uint8_t)kind, (uint8_t)lanes};
}
LoopType loop_type_of(const LoopFunction *f, Reg reg); /* of a value or variable (a local is a ptr); lanes 0: neither */
uint32_t loop_kind_bytes(LoopKind kind);               /* in memory; i1: 1, ptr: 8 */
const char *loop_kind_name(LoopKind kind);
/* Whether the instruction's register is a value that others may use as operand (variable: only by get and set). */
bool loop_has_value(LoopOp op);

Reg loop_int(LoopFunction *f, LoopType type, int64_t value);
Reg loop_index(LoopFunction *f, int64_t value);              /* an i64 scalar */
Reg loop_real(LoopFunction *f, LoopType type, double value); /* rounded to the type */
Reg loop_lane_index(LoopFunction *f, LoopType type);
Reg loop_buffer(LoopFunction *f, uint32_t index);
Reg loop_size(LoopFunction *f, uint32_t index);
Reg loop_item_begin(LoopFunction *f);
Reg loop_item_end(LoopFunction *f);
Reg loop_data(LoopFunction *f, uint32_t index);

/* What asks for one lane only gives the plain scalar form: splat, extract, shuffle, gather, lane_index of one lane;
 * conversions to the kind a value already has give the value itself. Integer constants are wrapped to their kind. */
/* Operands must have equal types (splat scalars first). i64 scalars with known values are folded (+ 0, * 1, constants).
 */
Reg loop_unary(LoopFunction *f, LoopOp op, Reg a);
Reg loop_binary(LoopFunction *f, LoopOp op, Reg a, Reg b);
Reg loop_fma(LoopFunction *f, Reg a, Reg b, Reg c);
Reg loop_select(LoopFunction *f, Reg condition, Reg a, Reg b);
Reg loop_compare(LoopFunction *f, LoopOp op, Reg a, Reg b);
Reg loop_convert(LoopFunction *f, LoopOp op, Reg a, LoopKind kind); /* same lanes */
Reg loop_splat(LoopFunction *f, Reg scalar, uint32_t lanes);        /* the scalar itself when lanes is 1 */
Reg loop_extract(LoopFunction *f, Reg vector, uint32_t lane);
Reg loop_insert(LoopFunction *f, Reg vector, Reg scalar, uint32_t lane);
Reg loop_shuffle(LoopFunction *f, Reg a, Reg b, const int8_t *mask, uint32_t lanes);

/* Memory. Indices are in elements of the type's kind. i1 and ptr are never in memory. */
Reg loop_load(LoopFunction *f, LoopType type, Reg pointer, Reg index);
Reg loop_load_lanes(LoopFunction *f, LoopType type, Reg pointer, Reg index, Reg count);
Reg loop_gather(LoopFunction *f, LoopType type, Reg pointer, Reg indices);
void loop_store(LoopFunction *f, Reg pointer, Reg index, Reg value);
void loop_store_lanes(LoopFunction *f, Reg pointer, Reg index, Reg value, Reg count);
Reg loop_pointer_add(LoopFunction *f, Reg pointer, Reg bytes);
Reg loop_local(LoopFunction *f, LoopKind kind, int64_t count);
void loop_copy_bytes(LoopFunction *f, Reg to, Reg from, Reg bytes);
void loop_zero_bytes(LoopFunction *f, Reg to, Reg bytes);
void loop_prefetch(LoopFunction *f, Reg pointer, Reg bytes);

Reg loop_variable(LoopFunction *f, Reg initial);
Reg loop_get(LoopFunction *f, Reg variable);
void loop_set(LoopFunction *f, Reg variable, Reg value);

/* Blocks: each is closed by loop_close. */
Reg loop_for(LoopFunction *f, Reg from, Reg to, Reg step); /* gives the counter */
void loop_repeat(LoopFunction *f);
void loop_break_if(LoopFunction *f, Reg condition);
void loop_if(LoopFunction *f, Reg condition);
void loop_else(LoopFunction *f);
void loop_close(LoopFunction *f);
void loop_return_if(LoopFunction *f, Reg condition, int32_t status);
void loop_launch(LoopFunction *f, const LoopLaunch *launch); /* copied */
void loop_call(LoopFunction *f, uint32_t function, const Reg *argument, uint32_t count);

/* i64 scalar arithmetic, folded where known. */
Reg loop_add(LoopFunction *f, Reg a, Reg b);
Reg loop_sub(LoopFunction *f, Reg a, Reg b);
Reg loop_mul(LoopFunction *f, Reg a, Reg b);
Reg loop_index_min(LoopFunction *f, Reg a, Reg b);
/* Whether the register is an i64 constant, and which. */
bool loop_known(const LoopFunction *f, Reg reg, int64_t *value);

/* ---------------------------------------------------------------- checks, text, interpreter ---- */

/* Types, scopes, block structure, argument numbers, locals within 56 KiB. */
Status loop_verify(const LoopModule *module, const LoopFunction *function, Diag *diag);
void loop_print(const LoopModule *module, const LoopFunction *function, StrBuf *out);
void loop_print_instruction(const LoopModule *module, const LoopFunction *function, uint32_t at, StrBuf *out);

/* Runs a function as a C call would, checking every memory access against the lengths given: `buffer_bytes[i]` is how
 * many bytes buffer i has (all the memory reachable through pointer arithmetic). Data items are known. Launches run
 * serially. *status gets what the function returned. Foreign functions aren't called: STATUS_UNSUPPORTED. */
Status loop_interpret(const LoopModule *module, const LoopFunction *function, void *const *buffer,
                      const size_t *buffer_bytes, const int64_t *size, int64_t begin, int64_t end, int32_t *status,
                      Diag *diag);

#endif
