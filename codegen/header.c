/* SPDX-License-Identifier: Apache-2.0
 * The C header of a model: what it takes and gives, typed functions, and a copy of adze/model.h (once a program,
 * however many models' headers it includes). Names from the source model become C identifiers; those that then are
 * equal, or words of C, get a suffix. */
#include <ctype.h>
#include <string.h>

#include "codegen/embedded.h"
#include "codegen/foreign.h"
#include "codegen/program.h"

typedef struct HeaderNames {
    const char **input, **output, **symbol;
    const char *upper; /* NAME */
} HeaderNames;

typedef struct Header {
    const Program *program;
    const Graph *graph;
    HeaderNames names;
    Arena arena;
    StrBuf *out;
    Diag *diag;
} Header;

/* ---------------------------------------------------------------- names ---- */

/* Words a parameter can't be called: of C, of C++, usual macros, and what the header uses itself. */
static const char *const reserved[] = {
    "NULL",      "alignas",   "alignof",  "and",      "asm",      "assert",  "auto",      "bool",
    "break",     "case",      "catch",    "char",     "class",    "complex", "const",     "constexpr",
    "continue",  "default",   "delete",   "do",       "double",   "else",    "enum",      "errno",
    "explicit",  "export",    "extern",   "false",    "float",    "for",     "friend",    "goto",
    "if",        "imaginary", "inline",   "int",      "int64_t",  "linux",   "long",      "mutable",
    "namespace", "new",       "not",      "nullptr",  "operator", "options", "or",        "private",
    "protected", "public",    "register", "restrict", "return",   "short",   "signed",    "sizeof",
    "static",    "stderr",    "stdin",    "stdout",   "struct",   "switch",  "template",  "this",
    "throw",     "true",      "try",      "typedef",  "typename", "typeof",  "union",     "unix",
    "unsigned",  "using",     "virtual",  "void",     "volatile", "while",   "workspace", "workspace_bytes",
    "xor",
};

static bool is_reserved(const char *name)
{
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
        if (strcmp(reserved[i], name) == 0)
            return true;
    return false;
}

static bool is_taken(const HeaderNames *names, const char *name)
{
    const char **const list[] = {names->input, names->output, names->symbol};
    for (uint32_t i = 0; i < 3; i++)
        for (uint32_t k = 0; list[i] && list[i][k]; k++)
            if (strcmp(list[i][k], name) == 0)
                return true;
    return false;
}

/* A C identifier made of the text; of kind and number when there is none. */
static char *identifier(Header *header, const char *text, const char *kind, uint32_t number)
{
    char *name = text[0] ? arena_printf(&header->arena, "%s%s", isdigit((unsigned char)text[0]) ? "n" : "", text)
                         : arena_printf(&header->arena, "%s%u", kind, number);
    for (char *c = name; c && *c; c++)
        if (!isalnum((unsigned char)*c) || (unsigned char)*c > 127)
            *c = '_';
    return name;
}

/* Adds the name to the list at `index`. */
static Status add_name(Header *header, const char **list, uint32_t index, const char *text, const char *kind)
{
    const char *base = identifier(header, text, kind, index), *name = base;
    for (uint32_t suffix = 2; name && (is_reserved(name) || is_taken(&header->names, name)); suffix++)
        name = is_taken(&header->names, name) && suffix == 2 && strcmp(kind, "output") == 0
                   ? arena_printf(&header->arena, "%s_out", base)
                   : arena_printf(&header->arena, "%s_%u", base, suffix);
    list[index] = name;
    return name ? STATUS_OK : diag_fail(header->diag, STATUS_OUT_OF_MEMORY, "header", "out of memory");
}

static Status name_all(Header *header)
{
    const Graph *graph = header->graph;
    const ProgramSymbols *symbols = &header->program->symbols;
    HeaderNames *names = &header->names;
    names->input = ARENA_NEW(&header->arena, const char *, (size_t)graph->parameter_count + 1);
    names->output = ARENA_NEW(&header->arena, const char *, (size_t)graph->result_count + 1);
    names->symbol = ARENA_NEW(&header->arena, const char *, (size_t)symbols->input_count + 1);
    char *upper = arena_strdup(&header->arena, header->program->options.name);
    if (!names->input || !names->output || !names->symbol || !upper)
        return diag_fail(header->diag, STATUS_OUT_OF_MEMORY, "header", "out of memory");
    for (char *c = upper; *c; c++)
        *c = (char)toupper((unsigned char)*c);
    names->upper = upper;
    for (uint32_t i = 0; i < graph->parameter_count; i++)
        TRY(add_name(header, names->input, i, parameter_name(graph, i), "input"));
    for (uint32_t i = 0; i < graph->result_count; i++)
        TRY(add_name(header, names->output, i, graph->result_name[i], "output"));
    for (uint32_t i = 0; i < symbols->input_count; i++)
        TRY(add_name(header, names->symbol, i, graph->module->symbol[symbols->symbol[i]].name, "size"));
    return STATUS_OK;
}

/* ---------------------------------------------------------------- documentation ---- */

/* Text inside a comment: nothing in it may end the comment, nor start a new line. */
static void add_comment_text(StrBuf *out, const char *text)
{
    for (const char *c = text; *c; c++) {
        const char safe[2] = {(unsigned char)*c < ' ' || (*c == '/' && c > text && c[-1] == '*') ? '_' : *c, '\0'};
        strbuf_add(out, safe);
    }
}

static void describe_array(Header *header, const char *kind, const char *c_name, const char *name, Type type)
{
    StrBuf text = {0};
    strbuf_printf(header->out, " *   %-6s %-20s ", kind, c_name);
    type_print(header->graph->module, type, &text);
    add_comment_text(header->out, strbuf_text(&text));
    if (strcmp(name, c_name) != 0) {
        strbuf_add(header->out, "  \"");
        add_comment_text(header->out, name);
        strbuf_add(header->out, "\"");
    }
    strbuf_add(header->out, "\n");
    strbuf_release(&text);
}

static void describe_symbols(Header *header)
{
    const ProgramSymbols *symbols = &header->program->symbols;
    for (uint32_t i = 0; i < symbols->input_count + symbols->data_count; i++) {
        const Symbol *symbol = &header->graph->module->symbol[symbols->symbol[i]];
        const bool bound = i < symbols->input_count;
        strbuf_printf(header->out, " *   size   %-20s ", bound ? header->names.symbol[i] : symbol->name);
        if (symbol->max == INT64_MAX)
            strbuf_printf(header->out, "%lld or more", (long long)symbol->min);
        else
            strbuf_printf(header->out, "%lld to %lld", (long long)symbol->min, (long long)symbol->max);
        strbuf_add(header->out, bound ? "\n" : ", found while running\n");
    }
}

static void write_top(Header *header)
{
    const Graph *graph = header->graph;
    const Program *program = header->program;
    strbuf_printf(header->out, "/* Model '%s', compiled by adze for %s.\n *\n", program->options.name,
                  program->options.target.name);
    for (uint32_t i = 0; i < graph->parameter_count; i++)
        describe_array(header, "input", header->names.input[i], parameter_name(graph, i),
                       value_type(graph, graph->parameter[i]));
    for (uint32_t i = 0; i < graph->result_count; i++)
        describe_array(header, "output", header->names.output[i], graph->result_name[i],
                       value_type(graph, graph->result[i]));
    describe_symbols(header);
    strbuf_printf(
        header->out,
        "%s *\n * Arrays are dense, row-major, and yours. The workspace is yours too: 64-byte aligned, one for each "
        "call\n"
        " * that runs at a time. options may be NULL. All of it is explained in the second half, adze/model.h. */\n"
        "#ifndef ADZE_%s_H\n#define ADZE_%s_H\n\n#include <stdint.h>\n#include <stdbool.h>\n\n",
        loop_module_is_foreign(program->loops) ? " *\n * Its linear algebra calls LAPACK: objects and C sources are to "
                                                 "be linked with -lopenblas, a shared\n"
                                                 " * object needs " FOREIGN_LIBRARY
                                                 " where it runs. OpenBLAS is told to use one thread.\n"
                                               : "",
        header->names.upper, header->names.upper);
}

/* ---------------------------------------------------------------- functions ---- */

static const char *separator(bool *first)
{
    const char *text = *first ? "" : ", ";
    *first = false;
    return text;
}

static const char *c_type(Type type)
{
    return type.element == ELEMENT_c64 ? "void" : element_info[type.element].c_type;
}

static void add_symbol_parameters(Header *header, bool *first)
{
    for (uint32_t i = 0; i < header->program->symbols.input_count; i++)
        strbuf_printf(header->out, "%sint64_t %s", separator(first), header->names.symbol[i]);
}

static void add_names(Header *header, const char **name, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        strbuf_printf(header->out, "%s%s", i > 0 ? ", " : "", name[i]);
    strbuf_add(header->out, count == 0 ? "0" : "");
}

/* `const int64_t symbol[] = {…};`, and what stands for it in calls. */
static const char *add_symbol_array(Header *header)
{
    const uint32_t count = header->program->symbols.input_count;
    if (count == 0)
        return "NULL";
    strbuf_add(header->out, "    const int64_t adze_symbol[] = {");
    add_names(header, header->names.symbol, count);
    strbuf_add(header->out, "};\n");
    return "adze_symbol";
}

static void write_run(Header *header)
{
    const Graph *graph = header->graph;
    const char *name = header->program->options.name;
    bool first = true;
    strbuf_printf(header->out, "/* Computes the outputs. */\nstatic inline AdzeStatus %s_run(", name);
    for (uint32_t i = 0; i < graph->parameter_count; i++)
        strbuf_printf(header->out, "%sconst %s *%s", separator(&first), c_type(value_type(graph, graph->parameter[i])),
                      header->names.input[i]);
    for (uint32_t i = 0; i < graph->result_count; i++)
        strbuf_printf(header->out, "%s%s *%s", separator(&first), c_type(value_type(graph, graph->result[i])),
                      header->names.output[i]);
    add_symbol_parameters(header, &first);
    strbuf_printf(header->out, "%svoid *workspace, int64_t workspace_bytes,\n    const AdzeOptions *options)\n{\n",
                  separator(&first));
    strbuf_add(header->out, "    const void *const adze_input[] = {");
    add_names(header, header->names.input, graph->parameter_count);
    strbuf_add(header->out, "};\n    void *const adze_output[] = {");
    add_names(header, header->names.output, graph->result_count);
    strbuf_add(header->out, "};\n");
    const char *symbol = add_symbol_array(header);
    strbuf_printf(
        header->out,
        "    return adze_run(&%s_model, adze_input, adze_output, %s, workspace, workspace_bytes, options);\n}\n\n",
        name, symbol);
}

/* A function of the sizes alone that gives bytes. */
static void write_bytes_function(Header *header, const char *stem, const char *doc, const char *call)
{
    const char *name = header->program->options.name;
    bool first = true;
    strbuf_printf(header->out, "%sstatic inline int64_t %s_%s_bytes(", doc, name, stem);
    add_symbol_parameters(header, &first);
    strbuf_add(header->out, first ? "void)\n{\n" : ")\n{\n");
    const char *symbol = add_symbol_array(header);
    strbuf_printf(header->out, "    return %s%s);\n}\n\n", call, symbol);
}

static int64_t static_bytes(const Graph *graph, Value value)
{
    const Type type = value_type(graph, value);
    const int64_t size = type_static_size(type);
    return size < 0 ? -1 : size * element_info[type.element].bytes;
}

static void write_sizes(Header *header)
{
    const Program *program = header->program;
    const Graph *graph = header->graph;
    const char *name = program->options.name;
    if (program->info.workspace_bytes >= 0)
        strbuf_printf(header->out, "#define %s_WORKSPACE_BYTES %lld\n\n", header->names.upper,
                      (long long)program->info.workspace_bytes);
    char *call = arena_printf(&header->arena, "adze_workspace_bytes(&%s_model, ", name);
    write_bytes_function(header, "workspace",
                         "/* Bytes of workspace a call needs; -1 when a size is out of range. */\n", call ? call : "");
    for (uint32_t i = 0; i < graph->result_count; i++) {
        if (static_bytes(graph, graph->result[i]) >= 0)
            continue;
        call = arena_printf(&header->arena, "adze_output_bytes(&%s_model, %u, ", name, i);
        write_bytes_function(header, header->names.output[i],
                             "/* Bytes of that output; -1 when a size is out of range. */\n", call ? call : "");
    }
}

static void write_guarded_model_header(Header *header)
{
    const EmbeddedFile model = embedded_model_header();
    strbuf_add_bytes(header->out, model.data, model.bytes);
    strbuf_add(header->out, "\n");
}

static void write_bottom(Header *header)
{
    const char *name = header->program->options.name;
    strbuf_printf(header->out,
                  "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n"
                  "/* Its table: names, types, sizes, and the functions behind those below. */\nextern const AdzeModel "
                  "%s_model;\n\n",
                  name);
    write_sizes(header);
    write_run(header);
    strbuf_add(header->out, "#ifdef __cplusplus\n}\n#endif\n#endif\n");
}

static Status write_all(Header *header)
{
    TRY(name_all(header));
    write_top(header);
    write_guarded_model_header(header);
    write_bottom(header);
    return header->out->failed ? diag_fail(header->diag, STATUS_OUT_OF_MEMORY, "header", "out of memory") : STATUS_OK;
}

Status header_write(const Program *program, StrBuf *out, Diag *diag)
{
    Header header = {.program = program, .graph = program->graph, .out = out, .diag = diag};
    arena_init(&header.arena);
    const Status status = write_all(&header);
    arena_release(&header.arena);
    return status;
}
