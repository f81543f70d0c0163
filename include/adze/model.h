/* SPDX-License-Identifier: Apache-2.0
 *
 * adze/model.h: what a compiled model looks like from C. This is the whole interface; there is no library to install:
 * everything named here is inside the model's own `.so`, object or C file. Generated headers carry a copy of this one.
 *
 * IN FIVE LINES. `adze compile digits.onnx -o digits.so` also writes digits.h, with typed functions made from the ones
 * below:
 *
 *     #include "digits.h"
 *     static _Alignas(64) char workspace[DIGITS_WORKSPACE_BYTES];             // sizes that never change are macros
 *     float image[64], logits[10];
 *     AdzeStatus status = digits_run(image, logits, workspace, sizeof workspace, NULL);
 *     if (status) puts(adze_status_text(&digits_model, status));
 *
 * ANY MODEL, through the table (this is what the typed functions do):
 *
 *     const AdzeModel *model = &digits_model;                                   // linked in, or see LOADING
 *     int64_t symbol[8];                                                        // model->symbol_count of them
 *     adze_bind(model, input_shape, symbol, message, sizeof message);           // input shapes -> symbol values
 *     adze_output_shape(model, 0, symbol, shape);                               // symbol values -> output shapes
 *     int64_t bytes = adze_workspace_bytes(model, symbol);
 *     void *workspace = aligned_alloc(ADZE_ALIGNMENT, bytes ? bytes : ADZE_ALIGNMENT);
 *     adze_run(model, inputs, outputs, symbol, workspace, bytes, NULL);
 *
 * LOADING a `.so` while running: in every `.so` the model also goes by the name `adze_model`:
 *
 *     void *library = dlopen("./digits.so", RTLD_NOW | RTLD_LOCAL);
 *     const AdzeModel *model = (const AdzeModel *)dlsym(library, "adze_model");
 *     if (model->abi_version != ADZE_ABI_VERSION) ...
 *
 * ARRAYS are dense and row-major, little-endian, at any address that is aligned for their element type. Shapes are
 * int64_t, one for each dimension, outermost first. A dimension may be 0; a rank 0 array is one element.
 *
 * SYMBOLS are the sizes that a model leaves open ("batch", "sequence"): each has a range, and input dimensions bind
 * them. A model without symbols takes NULL wherever symbol values are asked for.
 *
 * OWNERSHIP. Inputs, outputs and workspace belong to the caller, and must not overlap. A model keeps no pointer to them
 * after a call. Nothing here is ever to be freed; an AdzeModel lives as long as its library is loaded.
 *
 * MEMORY. A call allocates nothing: intermediate results live in the workspace. Two things happen at most once, in the
 * first call or in adze_prepare: threads are started (when a call asks for more than one), and a weights file beside
 * the library is mapped (until the process ends). The stack a call needs is below 64 KiB a thread.
 *
 * WORKSPACE. Its bytes depend on the symbols alone: adze_workspace_bytes says how many (a multiple of 64; may be 0).
 * Its contents need no preparation, a larger one than needed is fine, and no result stays in it. A model with symbols
 * keeps its memory plan there: the next call with equal symbol values and the same workspace finds it made.
 *
 * THREADS. Several threads may call one model at once, each with its own workspace and outputs. How one call spreads
 * its own work is up to AdzeOptions: not at all (the default), over the caller's pool, or over adze's own threads. The
 * results are the same bits in all cases. Forking is safe: a child starts threads of its own when it needs them.
 *
 * ERRORS are AdzeStatus values, never signals or exits: a CPU that lacks what the code needs, a shape out of range, an
 * index from data that points nowhere. A call that failed may have written parts of its outputs. Where a `message`
 * buffer is given, it gets one line of English that says which input, what came and what was due (always NUL
 * terminated). */
#ifndef ADZE_MODEL_H
#define ADZE_MODEL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    ADZE_ABI_VERSION = 1, /* of AdzeModel; changes when fields move. New fields are only appended: see struct_bytes */
    ADZE_ALIGNMENT = 64   /* of workspaces */
};

/* ---------------------------------------------------------------- status ---- */

typedef enum AdzeStatus {
    ADZE_OK = 0,
    ADZE_ARGUMENT = 1,  /* a pointer that must not be NULL is, or a number makes no sense */
    ADZE_SHAPE = 2,     /* input shapes contradict the model, each other, or a symbol's range */
    ADZE_WORKSPACE = 3, /* workspace missing, too small, or not aligned to ADZE_ALIGNMENT */
    ADZE_CPU = 4,       /* this CPU lacks features the code was compiled for; the message names them */
    ADZE_MEMORY = 5,    /* memory is out (only where memory is allocated at all, see above) */
    ADZE_FILE = 6,      /* the weights file beside the library is missing, unreadable, or of another model */
    ADZE_INDEX = 7,     /* an index computed from data points outside the array it indexes */
    ADZE_BOUND = 8      /* a size computed from data exceeds the bound the model was compiled with */
} AdzeStatus;

/* ---------------------------------------------------------------- types and shapes ---- */

/* Element types. f16, bf16, float8 are raw bits; 4- and 2-bit kinds take a byte each, sign- or zero-extended. */
typedef enum AdzeElement {
    ADZE_BOOL = 0,
    ADZE_U8 = 1,
    ADZE_U16 = 2,
    ADZE_U32 = 3,
    ADZE_U64 = 4,
    ADZE_I8 = 5,
    ADZE_I16 = 6,
    ADZE_I32 = 7,
    ADZE_I64 = 8,
    ADZE_F16 = 9,
    ADZE_F32 = 10,
    ADZE_F64 = 11,
    ADZE_BF16 = 12,
    ADZE_C64 = 13,
    ADZE_F8E4M3FN = 14,
    ADZE_F8E4M3FNUZ = 15,
    ADZE_F8E5M2 = 16,
    ADZE_F8E5M2FNUZ = 17,
    ADZE_F8E8M0 = 18,
    ADZE_F4E2M1 = 19,
    ADZE_I4 = 20,
    ADZE_U4 = 21,
    ADZE_I2 = 22,
    ADZE_U2 = 23
} AdzeElement;

typedef struct AdzeDimension {
    const char *text; /* "128", "batch", "2*batch+1" */
    int64_t size;     /* the number, or -1 when it depends on symbols */
    int32_t symbol;   /* index in AdzeModel.symbol when it is exactly that symbol, else -1 */
    uint32_t program; /* private: how to compute it */
} AdzeDimension;

typedef struct AdzeArgument { /* an input or an output */
    const char *name;         /* as in the source model; unique among inputs, and among outputs */
    uint32_t element;         /* AdzeElement */
    uint32_t element_bytes;
    uint32_t rank;
    uint32_t reserved;
    const AdzeDimension *dimension; /* rank of them */
} AdzeArgument;

typedef struct AdzeSymbol {
    const char *name;
    int64_t min, max; /* inclusive; max is INT64_MAX when open */
} AdzeSymbol;

/* ---------------------------------------------------------------- options of a call ---- */

/* The caller's thread pool. run must call task(context, i) for every i in 0 … count - 1, on any threads, in any order,
 * one after the other or at once, and return when all have returned. It is called from the thread that called adze_run,
 * maybe many times a call. */
typedef struct AdzePool {
    void *pool; /* handed to run */
    void (*run)(void *pool, void (*task)(void *context, int64_t index), void *context, int64_t count);
} AdzePool;

/* All zeros (or a NULL pointer) is: one thread, no message. */
typedef struct AdzeOptions {
    int32_t threads;      /* at most this many, the calling one included; 0 counts as 1 */
    const AdzePool *pool; /* NULL: adze's own threads, when threads > 1. They sleep between calls; a call that finds
                             them busy with another call's work does that part of its work alone. */
    char *message;        /* where a failed call says why; may be NULL */
    size_t message_bytes; /* room there */
    int64_t *const *output_shape; /* NULL, or for each output NULL or where its dimensions go after the call: for models
                                     with sizes that data decide (AdzeModel.data_symbol_count > 0) */
    const char
        *weights_path; /* NULL: the weights file is looked for beside the library. Counts only until it is mapped. */
} AdzeOptions;

/* ---------------------------------------------------------------- the model ---- */

typedef struct AdzeModel AdzeModel;
struct AdzeModel {
    uint32_t abi_version;  /* ADZE_ABI_VERSION of the compiler that made it */
    uint32_t struct_bytes; /* sizeof(AdzeModel) there: fields beyond it don't exist */
    const char *name;
    const char *target; /* "x86-64-v3" */
    uint64_t features;  /* private: CPU features the code needs; adze_prepare tells whether they are there */
    uint32_t input_count, output_count;
    uint32_t symbol_count; /* bound by input shapes */
    uint32_t
        data_symbol_count; /* sizes that data decide, found in symbol[] after the others: never given by the caller */
    const AdzeArgument *input, *output;
    const AdzeSymbol *symbol;
    int64_t weight_bytes;
    const char *weights_file; /* name of the file beside the library; NULL when weights are inside */

    /* Call these through the functions below. */
    const char *(*status_text)(int32_t status);
    AdzeStatus (*bind)(const AdzeModel *model, const int64_t *const *input_shape, int64_t *symbol, char *message,
                       size_t message_bytes);
    AdzeStatus (*output_shape)(const AdzeModel *model, uint32_t output, const int64_t *symbol, int64_t *shape);
    int64_t (*output_bytes)(const AdzeModel *model, uint32_t output, const int64_t *symbol);
    int64_t (*workspace_bytes)(const AdzeModel *model, const int64_t *symbol);
    AdzeStatus (*prepare)(const AdzeModel *model, const AdzeOptions *options);
    AdzeStatus (*run)(const AdzeModel *model, const void *const *input, void *const *output, const int64_t *symbol,
                      void *workspace, int64_t workspace_bytes, const AdzeOptions *options);

    const struct AdzeArtifact *artifact; /* private */
};

/* ---------------------------------------------------------------- functions ---- */

/* What a status means, in a few words. */
static inline const char *adze_status_text(const AdzeModel *model, AdzeStatus status)
{
    return model->status_text((int32_t)status);
}

/* Finds the symbols' values from the shapes of all inputs (input_shape[i]: as many numbers as input i has dimensions)
 * and checks every dimension against the model: ADZE_SHAPE and a message when they don't fit. symbol gets symbol_count
 * values. message may be NULL. */
static inline AdzeStatus adze_bind(const AdzeModel *model, const int64_t *const *input_shape, int64_t *symbol,
                                   char *message, size_t message_bytes)
{
    return model->bind(model, input_shape, symbol, message, message_bytes);
}

/* The dimensions of an output; sizes that data decide are given at their bound. shape gets as many numbers as it has
 * dimensions. ADZE_SHAPE when a symbol is out of range. */
static inline AdzeStatus adze_output_shape(const AdzeModel *model, uint32_t output, const int64_t *symbol,
                                           int64_t *shape)
{
    return model->output_shape(model, output, symbol, shape);
}

/* Bytes the caller must have ready for an output; -1 when a symbol is out of range. */
static inline int64_t adze_output_bytes(const AdzeModel *model, uint32_t output, const int64_t *symbol)
{
    return model->output_bytes(model, output, symbol);
}

/* Bytes of workspace a call with these symbols needs; -1 when a symbol is out of range or sizes overflow. Plans the
 * memory of a model with symbols, which takes a while (and some memory, given back) for large ones: ask once for each
 * set of sizes. */
static inline int64_t adze_workspace_bytes(const AdzeModel *model, const int64_t *symbol)
{
    return model->workspace_bytes(model, symbol);
}

/* Does now what the first call would do: checks the CPU, maps the weights file, starts options->threads - 1 threads.
 * Not needed, but makes the first call as quick as the others. options may be NULL. */
static inline AdzeStatus adze_prepare(const AdzeModel *model, const AdzeOptions *options)
{
    return model->prepare(model, options);
}

/* Computes all outputs from all inputs. input and output have input_count and output_count pointers, in the model's
 * order; symbol has symbol_count values. options may be NULL. */
static inline AdzeStatus adze_run(const AdzeModel *model, const void *const *input, void *const *output,
                                  const int64_t *symbol, void *workspace, int64_t workspace_bytes,
                                  const AdzeOptions *options)
{
    return model->run(model, input, output, symbol, workspace, workspace_bytes, options);
}

#ifdef __cplusplus
}
#endif
#endif
