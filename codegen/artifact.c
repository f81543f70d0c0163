/* SPDX-License-Identifier: Apache-2.0
 * Writes a program's outputs. A weights file is written before the file that needs it, so whoever sees the second finds
 * the first. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/c/emit_c.h"
#include "codegen/embedded.h"
#include "codegen/foreign.h"
#include "codegen/link.h"
#include "codegen/llvm/emit_llvm.h"
#include "codegen/output_file.h"
#include "codegen/program.h"

typedef struct Writing {
    const Program *program;
    const char *path;
    Arena arena; /* of this output */
    LoopModule view;
    Diag *diag;
} Writing;

static Status out_of_memory(const Writing *writing)
{
    return diag_fail(writing->diag, STATUS_OUT_OF_MEMORY, writing->path, "out of memory");
}

static Status write_text(const Writing *writing, StrBuf *text)
{
    const Status status = text->failed
                              ? out_of_memory(writing)
                              : output_file_write(writing->path, strbuf_text(text), text->length, writing->diag);
    strbuf_release(text);
    return status;
}

/* ---------------------------------------------------------------- weights beside ---- */

/* The weights file's path: in the output's folder. */
static char *weights_path(Writing *writing)
{
    const char *slash = strrchr(writing->path, '/');
    const int folder = slash ? (int)(slash - writing->path + 1) : 0;
    return arena_printf(&writing->arena, "%.*s%s", folder, writing->path, writing->program->options.weights_file);
}

static Status write_weights_beside(Writing *writing, const char **path)
{
    *path = weights_path(writing);
    return *path ? program_write_weights(writing->program, *path, writing->diag) : out_of_memory(writing);
}

/* Describes the model; its weights file, when there is one, is written. */
static Status describe(Writing *writing)
{
    const bool beside = writing->program->info.weights_beside;
    const char *path;
    if (beside)
        TRY(write_weights_beside(writing, &path));
    return program_describe(writing->program, beside ? WEIGHTS_IN_FILE : WEIGHTS_IN_DATA, NULL, &writing->arena,
                            &writing->view, writing->diag);
}

/* ---------------------------------------------------------------- machine code ---- */

static LlvmOptions llvm_options(Writing *writing)
{
    return (LlvmOptions){
        .target = &writing->program->options.target,
        .prefix = program_prefix(writing->program, &writing->arena),
        .jobs = writing->program->options.jobs,
    };
}

static Status find_runtime(Writing *writing, LinkInput *input)
{
    const Target *target = &writing->program->options.target;
    const EmbeddedFile runtime = embedded_runtime_object(target);
    if (runtime.bytes == 0) {
        (void)diag_fail(writing->diag, STATUS_UNSUPPORTED, target->name, "this adze was built without a runtime for %s",
                        target->triple);
        diag_hint(writing->diag,
                  "write C (--emit c) and compile it for the target, or build adze with its cross compiler");
        return STATUS_UNSUPPORTED;
    }
    *input = (LinkInput){.data = runtime.data, .bytes = runtime.bytes};
    return STATUS_OK;
}

static Status link_objects(Writing *writing, const CodeObjects *objects, Status (*link)(const LinkJob *, Diag *))
{
    const Program *program = writing->program;
    LinkInput *input = ARENA_NEW(&writing->arena, LinkInput, (size_t)objects->count + 1);
    const LinkJob job = {
        .target = &program->options.target,
        .output = writing->path,
        .input = input,
        .input_count = objects->count + 1,
        .module = &writing->view,
        .prefix = program_prefix(program, &writing->arena),
        .is_foreign = loop_module_is_foreign(&writing->view),
        .alias = arena_printf(&writing->arena, "adze_model=%s_model", program->options.name),
    };
    if (!input || !job.prefix || !job.alias)
        return out_of_memory(writing);
    for (uint32_t i = 0; i < objects->count; i++)
        input[i] = (LinkInput){.data = objects->object[i].data, .bytes = objects->object[i].bytes};
    TRY(find_runtime(writing, &input[objects->count]));
    return link(&job, writing->diag);
}

static Status write_linked(Writing *writing, Status (*link)(const LinkJob *, Diag *))
{
    CodeObjects objects;
    TRY(describe(writing));
    const LlvmOptions options = llvm_options(writing);
    TRY(llvm_emit_objects(&writing->view, &options, &objects, writing->diag));
    const Status status = link_objects(writing, &objects, link);
    code_objects_release(&objects);
    return status;
}

static Status write_shared(Writing *writing)
{
    return write_linked(writing, link_shared);
}

static Status write_object(Writing *writing)
{
    return write_linked(writing, link_relocatable);
}

static Status write_llvm(Writing *writing, LlvmForm form)
{
    CodeBytes code;
    TRY(describe(writing));
    const LlvmOptions options = llvm_options(writing);
    TRY(llvm_emit(&writing->view, &options, form, &code, writing->diag));
    const Status status = output_file_write(writing->path, code.data, code.bytes, writing->diag);
    code_bytes_release(&code);
    return status;
}

static Status write_llvm_text(Writing *writing)
{
    return write_llvm(writing, LLVM_FORM_TEXT);
}

static Status write_bitcode(Writing *writing)
{
    return write_llvm(writing, LLVM_FORM_BITCODE);
}

static Status write_assembly(Writing *writing)
{
    return write_llvm(writing, LLVM_FORM_ASSEMBLY);
}

/* ---------------------------------------------------------------- C ---- */

/* Compilers are slow on large literals: beyond this, the assembler takes the weights from the file beside the C text.
 */
enum { LITERAL_LIMIT = 1 << 20 };

/* The same file, whatever folder a compiler runs in. */
static Status make_absolute(Writing *writing, const char **path)
{
    char *absolute = realpath(*path, NULL);
    if (!absolute)
        return diag_fail(writing->diag, STATUS_IO, *path, "%s", strerror(errno));
    *path = arena_strdup(&writing->arena, absolute);
    free(absolute);
    return *path ? STATUS_OK : out_of_memory(writing);
}

static Status describe_for_c(Writing *writing)
{
    const Program *program = writing->program;
    const char *path = NULL;
    WeightsForm form = WEIGHTS_IN_DATA;
    if (program->info.weights_beside || program->weights.bytes > LITERAL_LIMIT) {
        TRY(write_weights_beside(writing, &path));
        TRY(make_absolute(writing, &path));
        form = program->info.weights_beside ? WEIGHTS_IN_FILE : WEIGHTS_BY_INCBIN;
    }
    return program_describe(program, form, path, &writing->arena, &writing->view, writing->diag);
}

/* The other name of the model, which loaders look for. Weak: two models may be linked into one program; of several
 * files included by one, the first has it. */
static void add_alias(const Program *program, StrBuf *out)
{
    strbuf_printf(out,
                  "\n"
                  "/* The model's other name, for those who load the library without knowing it. */\n"
                  "#ifndef ADZE_OTHER_NAME\n"
                  "#define ADZE_OTHER_NAME\n"
                  "extern const AdzeModel %s_other_name __asm__(\"adze_model\")\n"
                  "    __attribute__((weak, alias(\"%s_model\"), visibility(\"default\")));\n"
                  "#endif\n",
                  program->options.name, program->options.name);
}

/* The runtime, once in a file that includes several models. */
static char *prologue_of(Writing *writing, EmbeddedFile runtime)
{
    return arena_printf(&writing->arena,
                        "#ifndef ADZE_RUNTIME\n"
                        "#define ADZE_RUNTIME static __attribute__((unused))\n"
                        "#pragma GCC diagnostic ignored \"-Wunused-function\"\n"
                        "%.*s"
                        "#endif /* ADZE_RUNTIME */\n",
                        (int)runtime.bytes, runtime.data);
}

static Status write_c(Writing *writing)
{
    const Program *program = writing->program;
    const EmbeddedFile runtime = embedded_runtime_text();
    StrBuf out = {0};
    TRY(describe_for_c(writing));
    const CEmitOptions options = {
        .target = &program->options.target,
        .prologue = prologue_of(writing, runtime),
        .prefix = program->options.name,
        .comment =
            arena_printf(&writing->arena, "Model '%s'. Compile: cc -O2 -shared -fPIC THIS.c -o %s.so -lm -lpthread",
                         program->options.name, program->options.name),
    };
    if (!options.prologue || !options.comment)
        return out_of_memory(writing);
    const Status status = emit_c(&writing->view, &options, &out, writing->diag);
    if (status == STATUS_OK) {
        add_alias(program, &out);
        return write_text(writing, &out);
    }
    strbuf_release(&out);
    return status;
}

/* ---------------------------------------------------------------- the rest ---- */

static Status write_header(Writing *writing)
{
    StrBuf out = {0};
    const Status status = header_write(writing->program, &out, writing->diag);
    if (status == STATUS_OK)
        return write_text(writing, &out);
    strbuf_release(&out);
    return status;
}

static Status write_loops(Writing *writing)
{
    const LoopModule *loops = writing->program->loops;
    StrBuf out = {0};
    for (uint32_t i = 0; i < loops->function_count; i++)
        loop_print(loops, loops->function[i], &out);
    return write_text(writing, &out);
}

static Status write_weights(Writing *writing)
{
    return program_write_weights(writing->program, writing->path, writing->diag);
}

typedef Status WriteOutput(Writing *writing);

static WriteOutput *const write_of[] = {
    [OUTPUT_SO] = write_shared,         [OUTPUT_OBJECT] = write_object,  [OUTPUT_C] = write_c,
    [OUTPUT_HEADER] = write_header,     [OUTPUT_LLVM] = write_llvm_text, [OUTPUT_BITCODE] = write_bitcode,
    [OUTPUT_ASSEMBLY] = write_assembly, [OUTPUT_LOOPS] = write_loops,    [OUTPUT_WEIGHTS] = write_weights,
};

Status codegen_write(const Program *program, OutputKind kind, const char *path, Diag *diag)
{
    Writing writing = {.program = program, .path = path, .diag = diag};
    arena_init(&writing.arena);
    const Status status = write_of[kind](&writing);
    arena_release(&writing.arena);
    return status;
}
