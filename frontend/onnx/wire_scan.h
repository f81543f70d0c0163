/* SPDX-License-Identifier: Apache-2.0
 * Wire-level scan of an ONNX model: makes any bytes safe to unpack, and leaves the weights where they are.
 * protobuf-c recurses without a limit and copies every byte field. The scan walks the messages with a stack of its own,
 * checks nesting, lengths and counts, and writes a copy without unknown fields in which a tensor's raw_data holds a
 * WireReference, the place of the bytes in the file, in their stead. */
#ifndef ADZE_FRONTEND_ONNX_WIRE_SCAN_H
#define ADZE_FRONTEND_ONNX_WIRE_SCAN_H

#include <stddef.h>
#include <stdint.h>

#include "ir/base/diag.h"
#include "ir/base/status.h"
#include "ir/base/strbuf.h"

typedef struct WireReference {
    uint64_t offset, length; /* in the scanned bytes; offset + length <= count */
} WireReference;

/* Scans a ModelProto. `where` names the file in messages. */
Status wire_scan(const uint8_t *bytes, size_t count, const char *where, StrBuf *out, Diag *diag);

#endif
