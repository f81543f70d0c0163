/* SPDX-License-Identifier: Apache-2.0
 * Data items in C: a packed struct of byte arrays and addresses each, or bytes taken from a file by the assembler.
 * Bytes are string literals: compilers read those several times faster than lists of numbers. */
#include "codegen/c/emit_c_internal.h"

#include <string.h>

enum { LINE_BYTES = 1024 };

/* ---------------------------------------------------------------- names ---- */

static const LoopData *find_data(const LoopModule *module, const char *name)
{
    for (uint32_t i = 0; i < module->data_count; i++)
        if (strcmp(module->data[i].name, name) == 0)
            return &module->data[i];
    return NULL;
}

static bool is_function(const LoopModule *module, const char *name)
{
    for (uint32_t i = 0; i < module->function_count; i++)
        if (strcmp(module->function[i]->name, name) == 0)
            return true;
    return false;
}

/* An address constant: of a data item, a function, or something that the prologue declares. */
static void put_address(CEmitter *e, const LoopDataPart *part)
{
    strbuf_add(e->out, "(const uint8_t *)&");
    if (find_data(e->module, part->symbol) != NULL)
        strbuf_printf(e->out, "%s_data_%s", e->prefix, part->symbol);
    else if (is_function(e->module, part->symbol))
        strbuf_printf(e->out, "%s_%s", e->prefix, part->symbol);
    else
        strbuf_add(e->out, part->symbol);
    if (part->addend != 0)
        strbuf_printf(e->out, " + INT64_C(%lld)", (long long)part->addend);
}

/* ---------------------------------------------------------------- declarations ---- */

static bool is_empty(const LoopDataPart *part)
{
    return part->symbol == NULL && part->bytes == 0;
}

static void declare_parts(CEmitter *e, const LoopData *data)
{
    strbuf_printf(e->out, "struct __attribute__((packed)) %s_layout_%s {\n", e->prefix, data->name);
    for (uint32_t i = 0; i < data->part_count; i++) {
        const LoopDataPart *part = &data->part[i];
        if (part->symbol != NULL)
            strbuf_printf(e->out, "    const void *p%u;\n", (unsigned)i);
        else if (!is_empty(part))
            strbuf_printf(e->out, "    uint8_t p%u[%zu];\n", (unsigned)i, part->bytes);
    }
    strbuf_printf(e->out, "%s};\n", data->bytes == 0 ? "    uint8_t nothing;\n" : "");
}

/* The head of declaration and definition. Exported items keep their name as symbol only, so that a header in the
 * prologue may declare that name with a type of its own. */
static void put_head(CEmitter *e, const LoopData *data)
{
    if (!data->exported)
        strbuf_add(e->out, "static ");
    strbuf_printf(e->out, "%sstruct %s_layout_%s %s_data_%s", data->writable ? "" : "const ", e->prefix, data->name,
                  e->prefix, data->name);
}

static void declare_item(CEmitter *e, const LoopData *data)
{
    declare_parts(e, data);
    if (data->exported)
        strbuf_add(e->out, "extern ");
    put_head(e, data);
    if (data->exported)
        strbuf_printf(e->out, " __asm__(\"%s\") __attribute__((visibility(\"default\")))", data->name);
    strbuf_add(e->out, ";\n");
}

/* The assembler's name of an item from a file: hidden ones carry the prefix, to be alone in a program of many models.
 */
static void put_file_symbol(CEmitter *e, const LoopData *data)
{
    if (!data->exported)
        strbuf_printf(e->out, "%s_file_", e->prefix);
    strbuf_add(e->out, data->name);
}

static Status declare_file(CEmitter *e, const LoopData *data)
{
    if (strpbrk(data->path, "\"\\\n\r") != NULL)
        return diag_fail(e->diag, STATUS_UNSUPPORTED, data->path,
                         "a path with quotes, backslashes or line ends cannot be written into C");
    strbuf_printf(e->out, "#ifndef ADZE_WEIGHTS_PATH\n#define ADZE_WEIGHTS_PATH \"%s\"\n#endif\n", data->path);
    strbuf_printf(e->out, "struct %s_layout_%s { uint8_t bytes[%zu]; };\n", e->prefix, data->name, data->bytes);
    strbuf_printf(e->out, "extern %sstruct %s_layout_%s %s_data_%s __asm__(\"", data->writable ? "" : "const ",
                  e->prefix, data->name, e->prefix, data->name);
    put_file_symbol(e, data);
    strbuf_printf(e->out, "\") __attribute__((visibility(\"%s\")));\n", data->exported ? "default" : "hidden");
    return STATUS_OK;
}

Status c_data_declarations(CEmitter *e)
{
    uint32_t files = 0;
    strbuf_add(e->out, e->module->data_count != 0 ? "\n" : "");
    for (uint32_t i = 0; i < e->module->data_count; i++) {
        const LoopData *data = &e->module->data[i];
        if (data->path == NULL) {
            declare_item(e, data);
            continue;
        }
        if (++files > 1)
            return diag_fail(e->diag, STATUS_UNSUPPORTED, data->name, "C code can take data from one file only");
        TRY(declare_file(e, data));
    }
    return STATUS_OK;
}

/* ---------------------------------------------------------------- definitions ---- */

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

/* One byte inside a string literal: as itself where that is plain, else in octal (three digits before a digit). ? is no
 * plain character: trigraphs. */
static size_t put_byte(char *to, uint8_t byte, bool before_digit)
{
    if (byte >= ' ' && byte < 127 && byte != '"' && byte != '\\' && byte != '?') {
        to[0] = (char)byte;
        return 1;
    }
    const bool short_form = !before_digit;
    size_t count = 0;
    to[count++] = '\\';
    if (!short_form || byte >= 64)
        to[count++] = (char)('0' + (byte >> 6));
    if (!short_form || byte >= 8)
        to[count++] = (char)('0' + (byte >> 3 & 7));
    to[count++] = (char)('0' + (byte & 7));
    return count;
}

static void put_bytes(CEmitter *e, const uint8_t *bytes, size_t count)
{
    char line[4 * LINE_BYTES + 4];
    for (size_t at = 0; at < count; at += LINE_BYTES) {
        const size_t take = count - at < LINE_BYTES ? count - at : LINE_BYTES;
        size_t length = 0;
        line[length++] = '"';
        for (size_t i = 0; i < take; i++)
            length += put_byte(line + length, bytes[at + i], i + 1 < take && is_digit(bytes[at + i + 1]));
        line[length++] = '"';
        line[length++] = '\n';
        strbuf_add_bytes(e->out, line, length);
    }
}

static void define_item(CEmitter *e, const LoopData *data)
{
    put_head(e, data);
    strbuf_add(e->out, " __attribute__((aligned(64))) = {\n");
    for (uint32_t i = 0; i < data->part_count; i++) {
        const LoopDataPart *part = &data->part[i];
        if (part->symbol != NULL) {
            strbuf_printf(e->out, "    .p%u = ", (unsigned)i);
            put_address(e, part);
            strbuf_add(e->out, ",\n");
        } else if (part->data != NULL && part->bytes != 0) {
            strbuf_printf(e->out, "    .p%u =\n", (unsigned)i);
            put_bytes(e, part->data, part->bytes);
            strbuf_add(e->out, ",\n");
        } else if (!is_empty(part)) {
            strbuf_printf(e->out, "    .p%u = {0},\n", (unsigned)i);
        }
    }
    strbuf_printf(e->out, "%s};\n", data->bytes == 0 ? "    .nothing = 0,\n" : "");
}

static void define_file(CEmitter *e, const LoopData *data)
{
    strbuf_printf(e->out, "__asm__(\".pushsection %s\\n.balign 64\\n\"\n", data->writable ? ".data" : ".rodata");
    strbuf_add(e->out, "    \".globl ");
    put_file_symbol(e, data);
    if (!data->exported) {
        strbuf_add(e->out, "\\n.hidden ");
        put_file_symbol(e, data);
    }
    strbuf_add(e->out, "\\n");
    put_file_symbol(e, data);
    strbuf_printf(e->out, ":\\n\"\n    \".incbin \\\"\" ADZE_WEIGHTS_PATH \"\\\", 0, %zu\\n.popsection\\n\");\n",
                  data->bytes);
}

void c_data_definitions(CEmitter *e)
{
    strbuf_add(e->out, e->module->data_count != 0 ? "\n" : "");
    for (uint32_t i = 0; i < e->module->data_count; i++) {
        const LoopData *data = &e->module->data[i];
        if (data->path == NULL)
            define_item(e, data);
        else
            define_file(e, data);
    }
}
