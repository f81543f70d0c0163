/* SPDX-License-Identifier: Apache-2.0
 * Arrays shared with other libraries without copying: DLPack 1.0 (https://dmlc.github.io/dlpack). Part of adze/adze.h.
 *
 * The structures are DLPack's own, with its names; where <dlpack/dlpack.h> was included before, they are taken from
 * there.
 *
 *     adze_array x = adze_from_dlpack(c, tensor_of_another_library);
 *     DLManagedTensorVersioned *y = adze_to_dlpack_versioned(c, adze_exp(c, x));
 *     ... y->deleter(y);
 *
 * Both ways the memory is the same, and is held until the last user lets go: adze calls a tensor's deleter when no
 * array needs it any more, and keeps an array's elements until the deleter of what was made of it is called, by any
 * thread, also after the context is freed. */
#ifndef ADZE_DLPACK_H
#define ADZE_DLPACK_H

#include "adze/adze.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifndef DLPACK_DLPACK_H_
typedef struct {
    uint32_t major, minor;
} DLPackVersion;

enum { kDLCPU = 1 }; /* others are devices adze doesn't reach */

typedef struct {
    int32_t device_type;
    int32_t device_id;
} DLDevice;

typedef enum {
    kDLInt = 0U,
    kDLUInt = 1U,
    kDLFloat = 2U,
    kDLOpaqueHandle = 3U,
    kDLBfloat = 4U,
    kDLComplex = 5U,
    kDLBool = 6U
} DLDataTypeCode;

typedef struct {
    uint8_t code; /* DLDataTypeCode */
    uint8_t bits;
    uint16_t lanes; /* 1: no vector */
} DLDataType;

typedef struct {
    void *data;
    DLDevice device;
    int32_t ndim;
    DLDataType dtype;
    int64_t *shape;
    int64_t *strides; /* in elements; NULL: row-major without gaps */
    uint64_t byte_offset;
} DLTensor;

typedef struct DLManagedTensor {
    DLTensor dl_tensor;
    void *manager_ctx;
    void (*deleter)(struct DLManagedTensor *self); /* may be NULL */
} DLManagedTensor;

#define DLPACK_FLAG_BITMASK_READ_ONLY (1UL << 0UL)
#define DLPACK_FLAG_BITMASK_IS_COPIED (1UL << 1UL)

typedef struct DLManagedTensorVersioned {
    DLPackVersion version;
    void *manager_ctx;
    void (*deleter)(struct DLManagedTensorVersioned *self); /* may be NULL */
    uint64_t flags;
    DLTensor dl_tensor;
} DLManagedTensorVersioned;
#endif

/* An array of the tensor's elements, which must be in memory of the CPU and of one of the types adze has (bool,
 * integers of 8 to 64 bits, float of 16, 32 and 64, bfloat16, complex of 64), one lane. Row-major ones are used in
 * place and must not change while they are; others are copied. The tensor is taken: its deleter is called once, also
 * when this fails.
 */
ADZE_API adze_array adze_from_dlpack(adze_context *context, DLManagedTensor *tensor);
/* The same with a version (1) and flags. */
ADZE_API adze_array adze_from_dlpack_versioned(adze_context *context, DLManagedTensorVersioned *tensor);

/* The array's elements, computed if need be, row-major; whoever gets the tensor calls its deleter. They must not be
 * written: arrays don't change. NULL, and a message, on failure: element types DLPack 1.0 doesn't have, too. */
ADZE_API DLManagedTensor *adze_to_dlpack(adze_context *context, adze_array array);
/* The same, marked as read-only. */
ADZE_API DLManagedTensorVersioned *adze_to_dlpack_versioned(adze_context *context, adze_array array);

#ifdef __cplusplus
}
#endif
#endif
