/* SPDX-License-Identifier: Apache-2.0
 * Models for the subcommands: told by content, imported, optimized. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/lower/contract.h"
#include "driver/driver.h"
#include "frontend/npy.h"

typedef enum { FILE_ONNX, FILE_TEXT, FILE_LIBRARY, FILE_UNKNOWN } FileKind;

static bool starts_text(const uint8_t *bytes, size_t count)
{
    static const char *const word[] = {";", "module", "symbol", "blob", "graph", "entry"};
    size_t at = 0;
    while (at < count && (bytes[at] == ' ' || bytes[at] == '\n' || bytes[at] == '\r' || bytes[at] == '\t'))
        at++;
    for (size_t i = 0; i < sizeof word / sizeof *word; i++)
        if (count - at >= strlen(word[i]) && memcmp(bytes + at, word[i], strlen(word[i])) == 0)
            return true;
    return false;
}

/* What a file is, by its first bytes; a missing one is an error that says so. */
static Status file_kind(const char *path, FileKind *kind, Diag *diag)
{
    uint8_t bytes[512];
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return diag_fail(diag, STATUS_IO, path, "cannot open: %s", strerror(errno));
    const size_t count = fread(bytes, 1, sizeof bytes, file);
    const bool failed = ferror(file) != 0;
    fclose(file);
    if (failed)
        return diag_fail(diag, STATUS_IO, path, "cannot read: %s", strerror(errno));
    *kind = FILE_UNKNOWN;
    if (count >= 4 && memcmp(bytes, "\177ELF", 4) == 0)
        *kind = FILE_LIBRARY;
    else if (starts_text(bytes, count))
        *kind = FILE_TEXT;
    else if (onnx_probe(bytes, count))
        *kind = FILE_ONNX;
    return STATUS_OK;
}

/* One NAME=LOW..HIGH or NAME=SIZE of a --dim list. The text is changed. */
static Status parse_range(char *text, DimensionRange *range, Diag *diag)
{
    char *equals = strchr(text, '=');
    if (equals == NULL || equals == text)
        return diag_fail(diag, STATUS_USAGE, "--dim", "'%s' should be NAME=SIZE or NAME=LOW..HIGH", text);
    *equals = 0;
    char *end;
    range->name = text;
    range->min = range->max = strtoll(equals + 1, &end, 10);
    if (end != equals + 1 && strncmp(end, "..", 2) == 0)
        range->max = strtoll(end + 2, &end, 10);
    if (*end != 0 || end == equals + 1 || range->min < 0 || range->max < range->min)
        return diag_fail(diag, STATUS_USAGE, "--dim", "'%s=%s' should be NAME=SIZE or NAME=LOW..HIGH, sizes from 0",
                         text, equals + 1);
    return STATUS_OK;
}

static Status parse_dims(const Options *options, ImportOptions *import, Arena *arena, Diag *diag)
{
    DimensionRange *range = ARENA_NEW(arena, DimensionRange, 256);
    if (range == NULL)
        return STATUS_OUT_OF_MEMORY;
    import->dimension = range;
    for (uint32_t i = 0; i < options->count[OPTION_dim]; i++) {
        char *text = arena_strdup(arena, options->repeated[OPTION_dim][i]), *rest = NULL;
        for (char *part = text == NULL ? NULL : strtok_r(text, ",", &rest); part != NULL;
             part = strtok_r(NULL, ",", &rest)) {
            if (import->dimension_count == 256)
                return diag_fail(diag, STATUS_USAGE, "--dim", "more than 256 dimensions");
            TRY(parse_range(part, &range[import->dimension_count++], diag));
        }
    }
    return STATUS_OK;
}

static Status parse_bindings(const Options *options, ImportOptions *import, Arena *arena, Diag *diag)
{
    InputBinding *binding = ARENA_NEW(arena, InputBinding, options->count[OPTION_bind]);
    if (binding == NULL)
        return STATUS_OUT_OF_MEMORY;
    import->binding = binding;
    for (uint32_t i = 0; i < options->count[OPTION_bind]; i++) {
        char *text = arena_strdup(arena, options->repeated[OPTION_bind][i]);
        char *equals = text == NULL ? NULL : strchr(text, '=');
        if (equals == NULL || equals == text)
            return diag_fail(diag, STATUS_USAGE, "--bind", "'%s' should be NAME=FILE.npy",
                             options->repeated[OPTION_bind][i]);
        *equals = 0;
        binding[i].name = text;
        TRY(npy_read(equals + 1, &binding[i].value, arena, diag));
    }
    import->binding_count = options->count[OPTION_bind];
    return STATUS_OK;
}

/* The status that the messages of a failed import ask for: not supported only when all of them say so. */
static Status worst_status(const Diag *diag)
{
    Status status = STATUS_UNSUPPORTED;
    for (const DiagMessage *message = diag->first; message != NULL; message = message->next)
        if (message->status != STATUS_UNSUPPORTED)
            status = message->status;
    return diag->first == NULL ? STATUS_FAILED : status;
}

static Status import_file(const Options *options, Module **module, Diag *diag)
{
    FileKind kind;
    TRY(file_kind(options->file, &kind, diag));
    if (kind == FILE_TEXT) {
        *module = text_import(options->file, diag);
        return *module == NULL ? (diag->first == NULL ? STATUS_INVALID : diag->first->status) : STATUS_OK;
    }
    if (kind == FILE_LIBRARY)
        return diag_fail(diag, STATUS_USAGE, options->file, "is a compiled model; a source model is due here");
    if (kind == FILE_UNKNOWN)
        return diag_fail(diag, STATUS_INVALID, options->file, "is no model: neither ONNX nor adze's text IR");
    Arena arena;
    arena_init(&arena);
    ImportOptions import = {0};
    Status status = parse_dims(options, &import, &arena, diag);
    if (status == STATUS_OK)
        status = parse_bindings(options, &import, &arena, diag);
    if (status == STATUS_OK) {
        *module = onnx_import(options->file, &import, diag);
        status = *module == NULL ? worst_status(diag) : STATUS_OK;
    }
    arena_release(&arena);
    return status;
}

Status model_import(const Options *options, Module **module, Diag *diag)
{
    TRY(import_file(options, module, diag));
    return model_differentiate(options, *module, diag);
}

Status model_target(const Options *options, Target *target, Diag *diag)
{
    const char *name = options->value[OPTION_target_cpu];
    return target_find(name == NULL ? "native" : name, target, diag);
}

static void print_dump(void *user, const char *pass, const char *text)
{
    (void)user;
    printf("; after %s\n%s", pass, text);
}

static void print_time(void *user, const char *pass, double milliseconds, uint32_t node_count)
{
    (void)user;
    fprintf(stderr, "%-10s %9.2f ms  %u nodes\n", pass, milliseconds, node_count);
}

/* A failing pass leaves its input and says how to run it again. */
static void keep_failed_input(void *user, const char *pass, const char *text)
{
    char path[64];
    (void)user;
    snprintf(path, sizeof path, "/tmp/adze-%s-XXXXXX.adze", pass);
    const int descriptor = mkstemps(path, 5);
    FILE *file = descriptor < 0 ? NULL : fdopen(descriptor, "w");
    if (file == NULL)
        return;
    fputs(text, file);
    fclose(file);
    fprintf(stderr, "adze: the graph before the failing pass is in %s; again: adze dump %s --passes %s\n", path, path,
            pass);
}

Status model_optimize(const Options *options, const Target *target, const char *dump_after, const char *stop_after,
                      Module *module, Diag *diag)
{
    PassOptions pass = pass_options_default();
    for (int element = 0; element < ELEMENT_COUNT; element++)
        pass.dot_panel_width[element] = contract_panel_width(target, (ElementType)element);
    pass.convolution_panel_width = convolution_panel_width(target);
    pass.verify = pass.verify || options->count[OPTION_verify] != 0;
    pass.dump_after = dump_after;
    pass.stop_after = stop_after;
    pass.dump = print_dump;
    pass.timed = options->count[OPTION_time_passes] != 0 ? print_time : NULL;
    pass.failed = keep_failed_input;
    const char *pipeline = options->value[OPTION_passes];
    return pipeline_run(&pass, pipeline == NULL ? default_pipeline : pipeline, module, diag);
}
