/* SPDX-License-Identifier: Apache-2.0
 * See wire_scan.h. Which fields are messages is read from the descriptors protoc-c generates: the schema is written
 * once. Lengths of copied messages aren't known when they are opened: each gets a padded varint that is filled in when
 * it ends. */
#include "frontend/onnx/wire_scan.h"

#include <string.h>

#include "adze_onnx.pb-c.h"

enum {
    WIRE_VARINT = 0,
    WIRE_FIXED64 = 1,
    WIRE_BYTES = 2,
    WIRE_FIXED32 = 5,
    MAX_DEPTH = 100,
    MAX_MESSAGES = 1 << 22,
    MAX_FIELDS = 64,
    LENGTH_BYTES = 5, /* a padded varint holds 35 bits */
    RAW_DATA_FIELD = 9
};

/* A message being walked. */
typedef struct Frame {
    const ProtobufCMessageDescriptor *message;
    size_t end;       /* in the input */
    size_t length_at; /* where its length is to be written in the output */
    uint64_t seen;    /* bit i: singular field i of the descriptor came already */
} Frame;

typedef struct Scan {
    const uint8_t *bytes;
    size_t at;
    StrBuf *out;
    Frame frame[MAX_DEPTH];
    uint32_t depth;
    uint32_t message_count;
    const char *where;
    Diag *diag;
} Scan;

static Status scan_fail(Scan *scan, const char *what)
{
    return diag_fail(scan->diag, STATUS_INVALID, scan->where, "not a usable ONNX model: %s at byte %zu", what,
                     scan->at);
}

static Frame *scan_top(Scan *scan)
{
    return &scan->frame[scan->depth - 1];
}

static Status read_varint(Scan *scan, uint64_t *value)
{
    const size_t end = scan_top(scan)->end;
    *value = 0;
    for (uint32_t shift = 0; shift < 64 && scan->at < end; shift += 7) {
        const uint8_t byte = scan->bytes[scan->at++];
        *value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80)
            return STATUS_OK;
    }
    return scan_fail(scan, "a number doesn't end");
}

static void write_length(char *to, uint64_t length)
{
    for (int i = 0; i < LENGTH_BYTES; i++, length >>= 7)
        to[i] = (char)((length & 0x7F) | (i + 1 < LENGTH_BYTES ? 0x80 : 0));
}

static Status open_message(Scan *scan, const ProtobufCMessageDescriptor *message, size_t length)
{
    if (scan->depth == MAX_DEPTH)
        return scan_fail(scan, "messages nest too deep");
    if (++scan->message_count > MAX_MESSAGES)
        return scan_fail(scan, "too many messages");
    scan->frame[scan->depth++] = (Frame){.message = message, .end = scan->at + length, .length_at = scan->out->length};
    strbuf_add_bytes(scan->out, "\0\0\0\0", LENGTH_BYTES);
    return STATUS_OK;
}

static void close_message(Scan *scan)
{
    const Frame frame = scan->frame[--scan->depth];
    if (!scan->out->failed)
        write_length(scan->out->text + frame.length_at, scan->out->length - frame.length_at - LENGTH_BYTES);
}

static void copy_input(Scan *scan, size_t from, size_t to)
{
    strbuf_add_bytes(scan->out, scan->bytes + from, to - from);
}

static Status scan_bytes_field(Scan *scan, const ProtobufCFieldDescriptor *field, size_t tag_at)
{
    const size_t tag_end = scan->at;
    uint64_t length;
    TRY(read_varint(scan, &length));
    if (length > scan_top(scan)->end - scan->at)
        return scan_fail(scan, "a field is longer than its message");
    if (field && field->type == PROTOBUF_C_TYPE_MESSAGE) {
        copy_input(scan, tag_at, tag_end);
        return open_message(scan, field->descriptor, length);
    }
    if (field && scan_top(scan)->message == &onnx__tensor_proto__descriptor && field->id == RAW_DATA_FIELD) {
        const WireReference reference = {scan->at, length};
        const char size = sizeof reference;
        copy_input(scan, tag_at, tag_end);
        strbuf_add_bytes(scan->out, &size, 1);
        strbuf_add_bytes(scan->out, &reference, sizeof reference);
    } else if (field) {
        copy_input(scan, tag_at, scan->at + length);
    }
    scan->at += length;
    return STATUS_OK;
}

static Status scan_number_field(Scan *scan, const ProtobufCFieldDescriptor *field, size_t tag_at, uint32_t wire_type)
{
    uint64_t ignored;
    if (wire_type == WIRE_VARINT) {
        TRY(read_varint(scan, &ignored));
    } else {
        const size_t size = wire_type == WIRE_FIXED64 ? 8 : 4;
        if (size > scan_top(scan)->end - scan->at)
            return scan_fail(scan, "a number is cut off");
        scan->at += size;
    }
    if (field)
        copy_input(scan, tag_at, scan->at);
    return STATUS_OK;
}

/* A singular message given twice is merged by protobuf; no writer does it, and merging is where parsers break. */
static Status check_singular(Scan *scan, const ProtobufCFieldDescriptor *field)
{
    Frame *frame = scan_top(scan);
    const size_t index = (size_t)(field - frame->message->fields);
    if (field->label == PROTOBUF_C_LABEL_REPEATED || index >= MAX_FIELDS)
        return STATUS_OK;
    if (frame->seen >> index & 1)
        return scan_fail(scan, "a field that can be there once comes again");
    frame->seen |= (uint64_t)1 << index;
    return STATUS_OK;
}

static Status scan_field(Scan *scan)
{
    const size_t tag_at = scan->at;
    uint64_t tag;
    TRY(read_varint(scan, &tag));
    const uint32_t wire_type = tag & 7;
    if (tag >> 3 == 0 || tag >> 3 > (1u << 29) - 1)
        return scan_fail(scan, "a field number is out of range");
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field(scan_top(scan)->message, (unsigned)(tag >> 3));
    if (field)
        TRY(check_singular(scan, field));
    if (field && (field->type == PROTOBUF_C_TYPE_MESSAGE) && wire_type != WIRE_BYTES)
        return scan_fail(scan, "a message is expected");
    if (wire_type == WIRE_BYTES)
        return scan_bytes_field(scan, field, tag_at);
    if (wire_type == WIRE_VARINT || wire_type == WIRE_FIXED32 || wire_type == WIRE_FIXED64)
        return scan_number_field(scan, field, tag_at, wire_type);
    return scan_fail(scan, "a field has an unknown form");
}

Status wire_scan(const uint8_t *bytes, size_t count, const char *where, StrBuf *out, Diag *diag)
{
    Scan scan = {.bytes = bytes, .out = out, .where = where, .diag = diag};
    if (count >= (uint64_t)1 << 34)
        return scan_fail(&scan, "the file is 16 GiB or larger");
    /* The outermost message has no length before it: its frame writes no length either. */
    scan.frame[scan.depth++] = (Frame){.message = &onnx__model_proto__descriptor, .end = count};
    for (;;) {
        while (scan.depth > 1 && scan.at == scan_top(&scan)->end)
            close_message(&scan);
        if (scan.at == scan_top(&scan)->end)
            break;
        TRY(scan_field(&scan));
    }
    return out->failed ? diag_fail(diag, STATUS_OUT_OF_MEMORY, where, "out of memory") : STATUS_OK;
}
