/* SPDX-License-Identifier: Apache-2.0
 * .npy files: magic, version, length of the header, header (a Python dict as text, ending in a line feed), data.
 * Of the header only what NumPy writes is accepted: the three keys in any order, strings in single quotes. */
#include "frontend/npy.h"

#include <stdio.h>
#include <string.h>

static const char MAGIC[6] = "\x93NUMPY";
enum { PREFIX_1 = 10, PREFIX_2 = 12, HEADER_LIMIT = 1 << 16, ALIGNMENT = 64 };

/* dtype of each element type. */
static const char *const descr_of[ELEMENT_COUNT] = {
    [ELEMENT_bool] = "|b1",   [ELEMENT_u8] = "|u1",         [ELEMENT_u16] = "<u2",      [ELEMENT_u32] = "<u4",
    [ELEMENT_u64] = "<u8",    [ELEMENT_i8] = "|i1",         [ELEMENT_i16] = "<i2",      [ELEMENT_i32] = "<i4",
    [ELEMENT_i64] = "<i8",    [ELEMENT_f16] = "<f2",        [ELEMENT_f32] = "<f4",      [ELEMENT_f64] = "<f8",
    [ELEMENT_bf16] = "<u2",   [ELEMENT_c64] = "<c8",        [ELEMENT_f8e4m3fn] = "|u1", [ELEMENT_f8e4m3fnuz] = "|u1",
    [ELEMENT_f8e5m2] = "|u1", [ELEMENT_f8e5m2fnuz] = "|u1", [ELEMENT_f8e8m0] = "|u1",   [ELEMENT_f4e2m1] = "|u1",
    [ELEMENT_i4] = "|i1",     [ELEMENT_u4] = "|u1",         [ELEMENT_i2] = "|i1",       [ELEMENT_u2] = "|u1",
};

/* NumPy's own types come first in the enumeration, so the first match is the plain one. */
static bool element_of(const char *descr, ElementType *element)
{
    for (uint32_t i = 0; i < ELEMENT_COUNT; i++)
        if (strcmp(descr_of[i], descr) == 0 ||
            (descr_of[i][0] == '|' && descr[0] == '<' && strcmp(descr_of[i] + 1, descr + 1) == 0)) {
            *element = (ElementType)i;
            return true;
        }
    return false;
}

/* ---- header ---- */

typedef struct Header {
    const char *at, *end;
    char descr[8];
    bool fortran_order;
    uint32_t rank, seen; /* bit per key */
    int64_t dim[MAX_RANK];
} Header;

static bool take(Header *header, const char *text)
{
    const size_t length = strlen(text);
    while (header->at < header->end && *header->at == ' ')
        header->at++;
    if ((size_t)(header->end - header->at) < length || memcmp(header->at, text, length) != 0)
        return false;
    header->at += length;
    return true;
}

static bool take_descr(Header *header)
{
    size_t length = 0;
    if (!take(header, "'"))
        return false;
    for (; header->at < header->end && *header->at != '\'' && length + 1 < sizeof header->descr; header->at++)
        header->descr[length++] = *header->at;
    header->descr[length] = 0;
    return take(header, "'");
}

static bool take_number(Header *header, int64_t *number)
{
    *number = 0;
    take(header, "");
    const char *start = header->at;
    for (; header->at < header->end && *header->at >= '0' && *header->at <= '9'; header->at++)
        if (__builtin_mul_overflow(*number, 10, number) || __builtin_add_overflow(*number, *header->at - '0', number))
            return false;
    return header->at != start;
}

static bool take_shape(Header *header)
{
    header->rank = 0;
    if (!take(header, "("))
        return false;
    while (!take(header, ")")) {
        if (header->rank == MAX_RANK || !take_number(header, &header->dim[header->rank++]))
            return false;
        if (!take(header, ","))
            return take(header, ")");
    }
    return true;
}

static bool take_entry(Header *header)
{
    if (take(header, "'descr':")) {
        header->seen |= 1;
        return take_descr(header);
    }
    if (take(header, "'fortran_order':")) {
        header->seen |= 2;
        header->fortran_order = take(header, "True");
        return header->fortran_order || take(header, "False");
    }
    header->seen |= 4;
    return take(header, "'shape':") && take_shape(header);
}

static bool take_header(Header *header)
{
    if (!take(header, "{"))
        return false;
    while (!take(header, "}"))
        if (!take_entry(header) || (!take(header, ",") && *header->at != '}'))
            return false;
    return header->seen == 7;
}

/* ---- reading ---- */

static Status find_header(const char *name, const unsigned char *bytes, size_t length, Header *header, Diag *diag)
{
    if (length < PREFIX_2 || memcmp(bytes, MAGIC, sizeof MAGIC) != 0)
        return diag_fail(diag, STATUS_INVALID, name, "is no .npy file");
    const bool is_long = bytes[6] >= 2;
    if (bytes[6] < 1 || bytes[6] > 3)
        return diag_fail(diag, STATUS_UNSUPPORTED, name, ".npy format %u isn't supported, 1 to 3 are", bytes[6]);
    size_t size = (size_t)bytes[8] | (size_t)bytes[9] << 8;
    if (is_long)
        size |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
    const size_t start = is_long ? PREFIX_2 : PREFIX_1;
    if (size == 0 || size > HEADER_LIMIT || size > length - start || bytes[start + size - 1] != '\n')
        return diag_fail(diag, STATUS_INVALID, name, "the header is cut off or too long");
    *header = (Header){.at = (const char *)bytes + start, .end = (const char *)bytes + start + size - 1};
    const char *data = header->end + 1;
    if (!take_header(header))
        return diag_fail(diag, STATUS_INVALID, name, "the header isn't one that NumPy writes");
    header->end = data;
    return STATUS_OK;
}

static Status choose_element(const char *name, const Header *header, ElementType wanted, ElementType *element,
                             Diag *diag)
{
    if (!element_of(header->descr, element))
        return diag_fail(diag, STATUS_UNSUPPORTED, name, "dtype '%s' isn't supported", header->descr);
    if (wanted == ELEMENT_COUNT)
        return STATUS_OK;
    if (strcmp(descr_of[*element], descr_of[wanted]) != 0)
        return diag_fail(diag, STATUS_INVALID, name, "dtype is '%s', '%s' is due for elements %s", header->descr,
                         descr_of[wanted], element_info[wanted].name);
    *element = wanted;
    return STATUS_OK;
}

/* Elements, or -1 when there are too many. */
static int64_t count_elements(const Header *header)
{
    int64_t count = 1;
    for (uint32_t i = 0; i < header->rank; i++) {
        if (header->dim[i] == 0)
            return 0;
        if (__builtin_mul_overflow(count, header->dim[i], &count))
            return -1;
    }
    return count;
}

Status npy_parse(const char *name, const void *bytes, size_t length, ElementType element, HostArray *array,
                 Arena *arena, Diag *diag)
{
    Header header;
    TRY(find_header(name, bytes, length, &header, diag));
    *array = (HostArray){.rank = header.rank};
    TRY(choose_element(name, &header, element, &array->element, diag));
    memcpy(array->dim, header.dim, sizeof array->dim);
    if (header.fortran_order && header.rank > 1)
        return diag_fail(diag, STATUS_UNSUPPORTED, name, "the array is in Fortran order, C order is due");
    const int64_t count = count_elements(&header);
    const size_t size = element_info[array->element].bytes, left = length - (size_t)(header.end - (const char *)bytes);
    if (count < 0 || (size_t)count > left / size || (size_t)count * size != left)
        return diag_fail(diag, STATUS_INVALID, name, "has %zu bytes of data, the header promises another size", left);
    array->data = arena_copy(arena, header.end, left);
    return array->data != NULL ? STATUS_OK : diag_fail(diag, STATUS_OUT_OF_MEMORY, name, "out of memory");
}

static Status read_file(const char *path, unsigned char **bytes, size_t *length, Arena *arena, Diag *diag)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return diag_fail(diag, STATUS_IO, path, "%m");
    long size = -1;
    if (fseek(file, 0, SEEK_END) == 0)
        size = ftell(file);
    *bytes = size < 0 ? NULL : arena_alloc(arena, (size_t)size + 1);
    const bool done =
        *bytes != NULL && fseek(file, 0, SEEK_SET) == 0 && fread(*bytes, 1, (size_t)size, file) == (size_t)size;
    fclose(file);
    *length = (size_t)size;
    return done ? STATUS_OK : diag_fail(diag, STATUS_IO, path, "can't be read");
}

Status npy_read_as(const char *path, ElementType element, HostArray *array, Arena *arena, Diag *diag)
{
    Arena whole;
    unsigned char *bytes = NULL;
    size_t length = 0;
    arena_init(&whole);
    Status status = read_file(path, &bytes, &length, &whole, diag);
    if (status == STATUS_OK)
        status = npy_parse(path, bytes, length, element, array, arena, diag);
    arena_release(&whole);
    return status;
}

Status npy_read(const char *path, HostArray *array, Arena *arena, Diag *diag)
{
    return npy_read_as(path, ELEMENT_COUNT, array, arena, diag);
}

/* ---- writing ---- */

static void write_header(const HostArray *array, StrBuf *out)
{
    StrBuf dict = {0};
    strbuf_printf(&dict, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr_of[array->element]);
    for (uint32_t i = 0; i < array->rank; i++)
        strbuf_printf(&dict, "%s%lld", i == 0 ? "" : ", ", (long long)array->dim[i]);
    strbuf_add(&dict, array->rank == 1 ? ",), }" : "), }");
    while ((PREFIX_1 + dict.length + 1) % ALIGNMENT != 0 && !dict.failed)
        strbuf_add(&dict, " ");
    strbuf_add(&dict, "\n");
    const unsigned char prefix[4] = {1, 0, (unsigned char)dict.length, (unsigned char)(dict.length >> 8)};
    strbuf_add_bytes(out, MAGIC, sizeof MAGIC);
    strbuf_add_bytes(out, prefix, sizeof prefix);
    strbuf_add_bytes(out, strbuf_text(&dict), dict.length);
    out->failed = out->failed || dict.failed;
    strbuf_release(&dict);
}

Status npy_write(const char *path, const HostArray *array, Diag *diag)
{
    StrBuf header = {0};
    write_header(array, &header);
    const bool is_made = !header.failed;
    FILE *file = is_made ? fopen(path, "wb") : NULL;
    bool done = file != NULL && fwrite(header.text, 1, header.length, file) == header.length;
    if (done)
        done = fwrite(array->data, 1, host_array_bytes(array), file) == host_array_bytes(array);
    if (file != NULL)
        done = fclose(file) == 0 && done;
    strbuf_release(&header);
    return done ? STATUS_OK : diag_fail(diag, STATUS_IO, path, "can't be written: %m");
}
