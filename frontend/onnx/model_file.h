/* SPDX-License-Identifier: Apache-2.0
 * An ONNX model as unpacked messages, and the files its tensors lie in.
 * Constants refer to the mapped files; the module owns the mappings from then on. */
#ifndef ADZE_FRONTEND_ONNX_MODEL_FILE_H
#define ADZE_FRONTEND_ONNX_MODEL_FILE_H

#include "adze_onnx.pb-c.h"
#include "ir/ir.h"

typedef struct ExternalFile {
    const char *location;
    uint32_t blob;
    struct ExternalFile *next;
} ExternalFile;

typedef struct ModelFile {
    const char *path;
    Module *module; /* owns the mappings, as blobs */
    Arena *arena;   /* holds the messages */
    Onnx__ModelProto *model;
    uint32_t blob; /* the file itself */
    ExternalFile *external;
} ModelFile;

/* Maps, scans and unpacks. A failure is in the module's diag and status. */
Status model_file_open(ModelFile *file, Module *module, const char *path, Arena *arena);

/* A tensor as a constant. `where` is for messages. */
Status model_file_constant(ModelFile *file, const Onnx__TensorProto *tensor, const char *where, ConstantId *constant);

/* The IR's element type for ONNX's number; false where there is none. */
bool onnx_element(int64_t data_type, ElementType *element);
/* ONNX's name of a data type, for messages. */
const char *onnx_element_name(int64_t data_type);
/* The number of an element type. */
int64_t onnx_element_number(ElementType element);

/* A string field: "" when absent. */
static inline const char *onnx_text(const char *field)
{
    return field ? field : "";
}

#endif
