/* SPDX-License-Identifier: Apache-2.0
 * Named tensors in .safetensors files: eight bytes that say how long the header is, a JSON header, then the bytes of
 * all tensors, little-endian and row-major. The reader checks the whole header and leaves the bytes where they are:
 * each tensor lies inside the file, has as many bytes as its shape takes, and together they cover the data exactly, as
 * the format asks. Element types are matched by name: F32, BF16, I64, F8_E4M3 ... */
#ifndef ADZE_FRONTEND_SAFETENSORS_H
#define ADZE_FRONTEND_SAFETENSORS_H

#include "ir/ir.h"

typedef struct SafeTensor {
    const char *name;
    ElementType element;
    uint32_t rank;
    int64_t dim[MAX_RANK];
    const void *data; /* in the file's bytes; of any alignment. bool: bytes that need not be 0 or 1 */
    size_t bytes;
} SafeTensor;

typedef struct SafeMetadata {
    const char *key, *value;
} SafeMetadata;

typedef struct SafeTensors {
    SafeTensor *tensor; /* in the order of their bytes */
    uint32_t count;
    SafeMetadata *metadata; /* as the header has them */
    uint32_t metadata_count;
} SafeTensors;

/* Names and tables are the arena's. `name` is for messages. Untrusted input. */
Status safetensors_parse(const char *name, const void *bytes, size_t length, SafeTensors *tensors, Arena *arena,
                         Diag *diag);
/* Maps a file, which must not change while it is used; safetensors_unmap gives it back. */
Status safetensors_map(const char *path, const void **bytes, size_t *length, Diag *diag);
void safetensors_unmap(const void *bytes, size_t length);

#endif
