/* SPDX-License-Identifier: Apache-2.0
 * adze compile and adze dump: a source model to files, or to text on standard output. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "driver/source.h"

static const struct {
    const char *name, *extension;
    OutputKind kind;
    bool has_header; /* a C header goes with it */
} emit_kinds[] = {
    {"so", ".so", OUTPUT_SO, true},           {"c", ".c", OUTPUT_C, true},
    {"obj", ".o", OUTPUT_OBJECT, true},       {"llvm", ".ll", OUTPUT_LLVM, false},
    {"bc", ".bc", OUTPUT_BITCODE, false},     {"asm", ".s", OUTPUT_ASSEMBLY, false},
    {"loops", ".loops", OUTPUT_LOOPS, false}, {"header", ".h", OUTPUT_HEADER, false},
};

enum { EMIT_KINDS = sizeof emit_kinds / sizeof *emit_kinds };

static int find_emit(const char *name, size_t length)
{
    for (int i = 0; i < EMIT_KINDS; i++)
        if (strlen(emit_kinds[i].name) == length && memcmp(emit_kinds[i].name, name, length) == 0)
            return i;
    return -1;
}

/* The kinds of --emit, as a bit set. */
static Status parse_emit(const char *text, uint32_t *kinds, Diag *diag)
{
    *kinds = 0;
    for (const char *at = text; *at != 0;) {
        const size_t length = strcspn(at, ",");
        const int kind = find_emit(at, length);
        if (kind < 0)
            return diag_fail(diag, STATUS_USAGE, "command line",
                             "--emit '%.*s', should be so, c, obj, llvm, bc, asm, loops or header", (int)length, at);
        *kinds |= 1u << kind;
        at += length + (at[length] == ',');
    }
    return *kinds == 0 ? diag_fail(diag, STATUS_USAGE, "command line", "--emit names nothing") : STATUS_OK;
}

/* A C identifier made of the output's file name: "out/my-net.so" → my_net. */
static char *identifier_of(const char *path, Arena *arena)
{
    const char *slash = strrchr(path, '/');
    char *name = arena_printf(arena, "m%s", slash == NULL ? path : slash + 1);
    if (name == NULL)
        return NULL;
    char *dot = strchr(name + 1, '.');
    if (dot != NULL && dot != name + 1)
        *dot = 0;
    for (char *at = name; *at != 0; at++)
        if (!isalnum((unsigned char)*at))
            *at = '_';
    return isdigit((unsigned char)name[1]) || name[1] == 0 ? name : name + 1;
}

static bool has_extension(const char *path, const char *extension)
{
    const size_t length = strlen(path), tail = strlen(extension);
    return length > tail && strcmp(path + length - tail, extension) == 0;
}

/* -o is the file with one kind, the stem with several. Headers take the same stem. */
static char *output_path(const Options *options, int kind, bool single, const char *extension, Arena *arena)
{
    const char *output = options->value[OPTION_output];
    char *stem;
    if (output != NULL && single && extension == NULL)
        return arena_strdup(arena, output);
    if (output != NULL) {
        stem = arena_strdup(arena, output);
        if (stem != NULL && has_extension(stem, emit_kinds[kind].extension))
            stem[strlen(stem) - strlen(emit_kinds[kind].extension)] = 0;
    } else {
        const char *slash = strrchr(options->file, '/');
        stem = arena_strdup(arena, slash == NULL ? options->file : slash + 1);
        char *dot = stem == NULL ? NULL : strrchr(stem, '.');
        if (dot != NULL && dot != stem)
            *dot = 0;
    }
    return stem == NULL ? NULL
                        : arena_printf(arena, "%s%s", stem, extension == NULL ? emit_kinds[kind].extension : extension);
}

static Status write_outputs(const Options *options, const Program *program, uint32_t kinds, Arena *arena, Diag *diag)
{
    const bool single = (kinds & (kinds - 1)) == 0;
    bool header_written = false;
    for (int kind = 0; kind < EMIT_KINDS; kind++) {
        if ((kinds >> kind & 1) == 0)
            continue;
        const char *path = output_path(options, kind, single, NULL, arena);
        const char *header = output_path(options, kind, single, ".h", arena);
        if (path == NULL || header == NULL)
            return STATUS_OUT_OF_MEMORY;
        TRY(codegen_write(program, emit_kinds[kind].kind, path, diag));
        if (emit_kinds[kind].has_header && !header_written)
            TRY(codegen_write(program, OUTPUT_HEADER, header, diag));
        header_written |= emit_kinds[kind].has_header;
    }
    return STATUS_OK;
}

static void print_summary(const Program *program)
{
    const ProgramInfo *info = program_info(program);
    if (!isatty(STDERR_FILENO))
        return;
    fprintf(stderr, "%u kernels in %u launches, weights %lld bytes", info->kernel_count, info->launch_count,
            (long long)info->weight_bytes);
    if (info->workspace_bytes >= 0)
        fprintf(stderr, ", arena %lld bytes (at least %lld)", (long long)info->workspace_bytes,
                (long long)info->workspace_bound);
    fputc('\n', stderr);
}

static void print_graph(const Module *module)
{
    StrBuf text = {0};
    module_print(module, &text);
    fputs(strbuf_text(&text), stdout);
    strbuf_release(&text);
}

Status source_compile(const Options *options, Diag *diag)
{
    Module *module = NULL;
    Program *program = NULL;
    uint32_t kinds = 0;
    Arena arena;
    arena_init(&arena);
    const char *emit = options->value[OPTION_emit];
    Status status = parse_emit(emit == NULL ? "so" : emit, &kinds, diag);
    const char *path = options->value[OPTION_output] != NULL ? options->value[OPTION_output] : options->file;
    const char *name = options->value[OPTION_prefix] != NULL ? options->value[OPTION_prefix] : path;
    if (status == STATUS_OK)
        status = program_make(options, identifier_of(name, &arena), &module, &program, diag);
    if (status == STATUS_OK && program == NULL)
        print_graph(module);
    else if (status == STATUS_OK)
        status = write_outputs(options, program, kinds, &arena, diag);
    if (status == STATUS_OK && program != NULL)
        print_summary(program);
    if (program != NULL)
        program_destroy(program);
    if (module != NULL)
        module_destroy(module);
    arena_release(&arena);
    return status;
}

/* ---- dump ---- */

/* Writes a later stage to a temporary file and copies that out. */
static Status dump_output(const Program *program, OutputKind kind, Diag *diag)
{
    char path[] = "/tmp/adze-dump-XXXXXX", buffer[65536];
    const int descriptor = mkstemp(path);
    if (descriptor < 0)
        return diag_fail(diag, STATUS_IO, path, "cannot make a temporary file");
    close(descriptor);
    Status status = codegen_write(program, kind, path, diag);
    FILE *file = status == STATUS_OK ? fopen(path, "rb") : NULL;
    for (size_t count; file != NULL && (count = fread(buffer, 1, sizeof buffer, file)) > 0;)
        fwrite(buffer, 1, count, stdout);
    if (file != NULL)
        fclose(file);
    unlink(path);
    return status;
}

static Status dump_stage(const Options *options, const char *stage, Diag *diag)
{
    static const struct {
        const char *name;
        OutputKind kind;
    } stages[] = {{"loops", OUTPUT_LOOPS}, {"llvm", OUTPUT_LLVM}, {"c", OUTPUT_C}, {"asm", OUTPUT_ASSEMBLY}};
    Module *module = NULL;
    Program *program = NULL;
    Status status = program_make(options, "model", &module, &program, diag);
    bool found = false;
    for (size_t i = 0; status == STATUS_OK && i < sizeof stages / sizeof *stages; i++) {
        if (strcmp(stages[i].name, stage) != 0)
            continue;
        found = true;
        status = dump_output(program, stages[i].kind, diag);
    }
    if (status == STATUS_OK && !found && strcmp(stage, "plan") == 0) {
        StrBuf text = {0};
        program_print_plan(program, &text);
        fputs(strbuf_text(&text), stdout);
        strbuf_release(&text);
    } else if (status == STATUS_OK && !found) {
        status = diag_fail(diag, STATUS_USAGE, "command line",
                           "--stage is '%s', should be graph, groups, plan, loops, llvm, c or asm", stage);
    }
    if (program != NULL)
        program_destroy(program);
    if (module != NULL)
        module_destroy(module);
    return status;
}

/* The graph as imported, or after a pass. */
static Status dump_graph(const Options *options, const char *after, Diag *diag)
{
    Module *module = NULL;
    Target target;
    TRY(model_target(options, &target, diag));
    Status status = model_import(options, &module, diag);
    const bool all = after != NULL && strcmp(after, "all") == 0;
    const bool runs =
        after != NULL || options->value[OPTION_passes] != NULL || options->value[OPTION_stop_after] != NULL;
    const char *stop = after != NULL && !all ? after : options->value[OPTION_stop_after];
    if (status == STATUS_OK && all)
        printf("; as imported\n"), print_graph(module);
    if (status == STATUS_OK && runs)
        status = model_optimize(options, &target, all ? "all" : NULL, stop, module, diag);
    if (status == STATUS_OK && !all)
        print_graph(module);
    if (module != NULL)
        module_destroy(module);
    return status;
}

Status source_dump(const Options *options, Diag *diag)
{
    const char *stage = options->value[OPTION_stage], *after = options->value[OPTION_after];
    if (after != NULL && strcmp(after, "plan") == 0)
        return dump_stage(options, "plan", diag);
    if (stage == NULL || strcmp(stage, "graph") == 0)
        return dump_graph(options, after, diag);
    if (strcmp(stage, "groups") == 0)
        return dump_graph(options, "collapse", diag);
    return dump_stage(options, stage, diag);
}
