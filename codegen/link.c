/* SPDX-License-Identifier: Apache-2.0
 * Command lines of the linker. libc.so.6 itself is an input: it is there wherever programs run, while libc.so (a linker
 * script) comes with the compiler's packages. */
#define _GNU_SOURCE
#include "codegen/link.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codegen/elf_object.h"
#include "codegen/foreign.h"
#include "codegen/process.h"
#include "ir/base/vec.h"

typedef struct Tools {
    const char *architecture; /* start of the triple */
    const char *native_ld; /* program names, tried in this order; the first only where the architecture is the host's */
    const char *cross_ld, *other_ld;
    const char *native_objcopy, *cross_objcopy;
    const char *libc[3];   /* where the target's libc may be when the host is another */
    const char *loader[2]; /* it defines __tls_get_addr */
    const char *package;
} Tools;

static const Tools tools[] = {
    {
        .architecture = "x86_64",
        .native_ld = "ld",
        .cross_ld = "x86_64-linux-gnu-ld",
        .other_ld = "ld.lld",
        .native_objcopy = "objcopy",
        .cross_objcopy = "x86_64-linux-gnu-objcopy",
        .libc = {"/lib/x86_64-linux-gnu/libc.so.6", "/usr/x86_64-linux-gnu/lib/libc.so.6", "/lib64/libc.so.6"},
        .loader = {"/lib64/ld-linux-x86-64.so.2", "/usr/x86_64-linux-gnu/lib/ld-linux-x86-64.so.2"},
        .package = "binutils-x86-64-linux-gnu",
    },
    {
        .architecture = "aarch64",
        .native_ld = "ld",
        .cross_ld = "aarch64-linux-gnu-ld",
        .other_ld = "ld.lld",
        .native_objcopy = "objcopy",
        .cross_objcopy = "aarch64-linux-gnu-objcopy",
        .libc = {"/lib/aarch64-linux-gnu/libc.so.6", "/usr/aarch64-linux-gnu/lib/libc.so.6", "/lib64/libc.so.6"},
        .loader = {"/lib/ld-linux-aarch64.so.1", "/usr/aarch64-linux-gnu/lib/ld-linux-aarch64.so.1"},
        .package = "binutils-aarch64-linux-gnu",
    },
};

#if defined(__x86_64__)
static const char host[] = "x86_64";
#elif defined(__aarch64__)
static const char host[] = "aarch64";
#else
static const char host[] = "unknown";
#endif

typedef struct Linking {
    const LinkJob *job;
    const Tools *tools;
    bool native;
    Arena arena;
    Diag *diag;
    const char *folder; /* of ours, beside the output */
    const char **file;  /* in it, to be removed */
    uint32_t file_count, file_capacity;
    const char **argument;
    uint32_t argument_count, argument_capacity;
    bool failed; /* memory was out */
} Linking;

/* ---- files ---- */

static Status out_of_memory(Linking *linking)
{
    return diag_fail(linking->diag, STATUS_OUT_OF_MEMORY, linking->job->output, "out of memory");
}

static Status create_folder(Linking *linking)
{
    char *path = arena_printf(&linking->arena, "%s.XXXXXX", linking->job->output);
    if (!path)
        return out_of_memory(linking);
    if (!mkdtemp(path))
        return diag_fail(linking->diag, STATUS_IO, linking->job->output, "cannot write here: %s", strerror(errno));
    linking->folder = path;
    return STATUS_OK;
}

/* The path of a new file in the folder; NULL: out of memory. */
static const char *add_file(Linking *linking, const char *extension)
{
    if (!VEC_GROW(&linking->arena, linking, file))
        return NULL;
    const char *path = arena_printf(&linking->arena, "%s/%u.%s", linking->folder, linking->file_count, extension);
    if (path)
        linking->file[linking->file_count++] = path;
    return path;
}

static void remove_folder(Linking *linking)
{
    for (uint32_t i = 0; i < linking->file_count; i++)
        unlink(linking->file[i]);
    if (linking->folder)
        rmdir(linking->folder);
}

static Status write_bytes(Linking *linking, const char *path, const LinkInput *input)
{
    FILE *file = fopen(path, "wb");
    if (!file)
        return diag_fail(linking->diag, STATUS_IO, path, "%s", strerror(errno));
    const bool whole = fwrite(input->data, 1, input->bytes, file) == input->bytes;
    if (fclose(file) != 0 || !whole)
        return diag_fail(linking->diag, STATUS_IO, path, "writing failed: %s", strerror(errno));
    return STATUS_OK;
}

/* ---- command line ---- */

static void add_argument(Linking *linking, const char *text)
{
    if (!text || !VEC_GROW(&linking->arena, linking, argument))
        linking->failed = true;
    else
        linking->argument[linking->argument_count++] = text;
}

static void add_arguments(Linking *linking, const char *const *text)
{
    while (*text)
        add_argument(linking, *text++);
}

static Status add_input(Linking *linking, const LinkInput *input)
{
    const char *path = input->path;
    if (!path) {
        path = add_file(linking, "o");
        if (!path)
            return out_of_memory(linking);
        TRY(write_bytes(linking, path, input));
    }
    add_argument(linking, path);
    return STATUS_OK;
}

static Status add_inputs(Linking *linking)
{
    const LinkJob *job = linking->job;
    for (uint32_t i = 0; i < job->input_count; i++)
        TRY(add_input(linking, &job->input[i]));
    if (!job->module || job->module->data_count == 0)
        return STATUS_OK;
    const char *path = add_file(linking, "o");
    if (!path)
        return out_of_memory(linking);
    TRY(elf_object_write(job->module, job->target, job->prefix, path, linking->diag));
    add_argument(linking, path);
    return STATUS_OK;
}

/* The first of the files that exists; NULL: none. */
static const char *first_file(const char *const *path, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (access(path[i], R_OK) == 0)
            return path[i];
    return NULL;
}

/* The libc this program runs with; for another architecture the first of the usual places; NULL: none. */
static const char *find_libc(const Linking *linking)
{
    Dl_info info;
    if (linking->native && dladdr((const void *)(uintptr_t)&strtol, &info) != 0 && info.dli_fname &&
        info.dli_fname[0] == '/' && strstr(info.dli_fname, "libc.so"))
        return info.dli_fname;
    return first_file(linking->tools->libc, 3);
}

/* ---- running ---- */

static Status fail_missing(Linking *linking, const char *program)
{
    (void)diag_fail(linking->diag, STATUS_FAILED, "link", "%s not found", program);
    diag_hint(linking->diag, "install %s", linking->native ? "binutils" : linking->tools->package);
    return STATUS_FAILED;
}

static Status check_result(Linking *linking, const char *program, ProcessResult *result)
{
    if (result->exit_status == 0)
        return STATUS_OK;
    return diag_fail(linking->diag, STATUS_FAILED, linking->job->output, "%s failed with exit status %d: %s", program,
                     result->exit_status, strbuf_text(&result->output));
}

/* Runs the command line with the first of the programs that exists. */
static Status run(Linking *linking, const char *const *program, uint32_t program_count)
{
    if (!VEC_GROW(&linking->arena, linking, argument) || linking->failed)
        return out_of_memory(linking);
    linking->argument[linking->argument_count] = NULL;
    for (uint32_t i = 0; i < program_count; i++) {
        ProcessResult result;
        linking->argument[0] = program[i];
        process_run(linking->argument, &result);
        const Status status = result.found ? check_result(linking, program[i], &result) : STATUS_OK;
        const int error = result.error;
        strbuf_release(&result.output);
        if (result.found)
            return status;
        if (error != ENOENT)
            return diag_fail(linking->diag, STATUS_FAILED, program[i], "cannot be started: %s", strerror(error));
    }
    return fail_missing(linking, program[0]);
}

static Status run_linker(Linking *linking)
{
    const char *native[] = {linking->tools->native_ld, linking->tools->cross_ld, linking->tools->other_ld};
    return linking->native ? run(linking, native, 3) : run(linking, native + 1, 2);
}

static Status run_objcopy(Linking *linking)
{
    const char *native[] = {linking->tools->native_objcopy, linking->tools->cross_objcopy};
    return linking->native ? run(linking, native, 2) : run(linking, native + 1, 1);
}

/* ---- the two jobs ---- */

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static Status move_into_place(Linking *linking, const char *result)
{
    if (rename(result, linking->job->output) == 0)
        return STATUS_OK;
    return diag_fail(linking->diag, STATUS_IO, linking->job->output, "%s", strerror(errno));
}

/* The library of foreign.def; NULL: it isn't needed, or not known (of another architecture). */
static Status find_foreign(Linking *linking, const char **path)
{
    const void *address[FOREIGN_COUNT];
    *path = NULL;
    return linking->job->is_foreign && linking->native ? foreign_open(address, path, linking->diag) : STATUS_OK;
}

/* Where there is no libc of the target (or no library of foreign.def), its symbols stay undefined: the program that
 * loads the result has them. */
static Status add_libraries(Linking *linking)
{
    const char *libc = find_libc(linking), *loader = first_file(linking->tools->loader, 2), *foreign;
    TRY(find_foreign(linking, &foreign));
    if (!libc || (linking->job->is_foreign && !foreign))
        return STATUS_OK;
    if (foreign)
        add_argument(linking, foreign);
    add_argument(linking, "-z");
    add_argument(linking, "defs");
    add_argument(linking, libc);
    if (loader)
        add_argument(linking, loader);
    return STATUS_OK;
}

static Status make_shared(Linking *linking)
{
    static const char *const options[] = {
        "",
        "-shared",
        "--gc-sections",
        "--exclude-libs=ALL",
        "--hash-style=gnu",
        "-z",
        "relro",
        "-z",
        "now",
        "-z",
        "noexecstack",
        "-z",
        "noseparate-code",
        "--as-needed",
        "-o",
        NULL,
    };
    const char *result = add_file(linking, "so");
    add_arguments(linking, options);
    add_argument(linking, result);
    add_argument(linking, "-soname");
    add_argument(linking, linking->job->soname ? linking->job->soname : file_name(linking->job->output));
    if (linking->job->alias)
        add_argument(linking, arena_printf(&linking->arena, "--defsym=%s", linking->job->alias));
    TRY(add_inputs(linking));
    TRY(add_libraries(linking));
    TRY(run_linker(linking));
    return move_into_place(linking, result);
}

static Status make_relocatable(Linking *linking)
{
    static const char *const merge[] = {"", "-r", "-z", "noexecstack", "-o", NULL};
    const char *result = add_file(linking, "o");
    add_arguments(linking, merge);
    add_argument(linking, result);
    TRY(add_inputs(linking));
    TRY(run_linker(linking));
    linking->argument_count = 0;
    add_argument(linking, "");
    add_argument(linking, "--localize-hidden");
    add_argument(linking, result);
    TRY(run_objcopy(linking));
    return move_into_place(linking, result);
}

static const Tools *find_tools(const Target *target)
{
    for (size_t i = 0; i < sizeof tools / sizeof tools[0]; i++)
        if (strncmp(target->triple, tools[i].architecture, strlen(tools[i].architecture)) == 0)
            return &tools[i];
    return NULL;
}

static Status make(const LinkJob *job, Status (*kind)(Linking *), Diag *diag)
{
    Linking linking = {.job = job, .tools = find_tools(job->target), .diag = diag};
    if (!linking.tools)
        return diag_fail(diag, STATUS_UNSUPPORTED, job->target->name, "no linker is known for %s", job->target->triple);
    linking.native = strcmp(linking.tools->architecture, host) == 0;
    arena_init(&linking.arena);
    Status status = create_folder(&linking);
    if (status == STATUS_OK)
        status = kind(&linking);
    remove_folder(&linking);
    arena_release(&linking.arena);
    return status;
}

Status link_shared(const LinkJob *job, Diag *diag)
{
    return make(job, make_shared, diag);
}

Status link_relocatable(const LinkJob *job, Diag *diag)
{
    return make(job, make_relocatable, diag);
}
