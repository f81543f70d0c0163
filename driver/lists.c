/* SPDX-License-Identifier: Apache-2.0
 * adze ops, targets, passes: tables, printed. */
#include <inttypes.h>
#include <stdio.h>

#include "codegen/target.h"
#include "driver/source.h"

/* "axis, element" of an op's attributes. */
static void print_attributes(const OpInfo *info)
{
    const char *separator = "";
    for (int key = 0; key < ATTR_COUNT; key++) {
        if ((info->attributes >> key & 1) == 0)
            continue;
        printf("%s%s", separator, attr_info[key].name);
        separator = ", ";
    }
}

static const char *arity_text(int arity)
{
    static const char *const text[] = {"0", "1", "2", "3"};
    return arity == ANY ? "any" : text[arity];
}

static void print_traits(uint32_t traits)
{
    static const struct {
        uint32_t bit;
        const char *name;
    } trait[] = {{PURE, "pure"},   {POINTWISE, "pointwise"}, {COMMUTES, "commutes"},
                 {MOVES, "moves"}, {REDUCES, "reduces"},     {CONTROL, "control"}};
    const char *separator = "";
    for (size_t i = 0; i < sizeof trait / sizeof *trait; i++) {
        if ((traits & trait[i].bit) == 0)
            continue;
        printf("%s%s", separator, trait[i].name);
        separator = ", ";
    }
}

/* docs/ir.md: everything the tables say. */
static void print_reference(void)
{
    static const char *const form_name[] = {"integer",      "real",   "integers", "dimension", "dimensions",
                                            "element type", "string", "constant", "graph"};
    puts("# The IR: ops, attributes, element types\n\nMade by `adze ops --markdown` from `ir/ops.def`, `ir/attrs.def` "
         "and "
         "`ir/dtypes.def`; a test keeps it so. The text form is in [text-ir.md](text-ir.md).\n\n## Ops\n\n"
         "| op | operands | results | attributes | traits | meaning |\n|---|---|---|---|---|---|");
    for (int op = 1; op < OP_COUNT; op++) {
        printf("| `%s` | %s | %s | ", op_info[op].name, arity_text(op_info[op].operands),
               arity_text(op_info[op].results));
        print_attributes(&op_info[op]);
        printf(" | ");
        print_traits(op_info[op].traits);
        printf(" | ");
        for (const char *at = op_info[op].doc; *at != 0; at++)
            printf("%s%c", *at == '|' ? "\\" : "", *at);
        puts(" |");
    }
    puts("\n## Attributes\n\n| attribute | form | meaning |\n|---|---|---|");
    for (int key = 0; key < ATTR_COUNT; key++)
        printf("| `%s` | %s | %s |\n", attr_info[key].name, form_name[attr_info[key].form], attr_info[key].doc);
    puts("\n## Element types\n\n| type | bytes in memory | in C |\n|---|---|---|");
    for (int element = 0; element < ELEMENT_COUNT; element++)
        printf("| `%s` | %u | `%s` |\n", element_info[element].name, element_info[element].bytes,
               element_info[element].c_type);
}

Status list_ops(const Options *options, Diag *diag)
{
    (void)diag;
    if (options->count[OPTION_markdown] != 0) {
        print_reference();
        return STATUS_OK;
    }
    for (int op = 1; op < OP_COUNT; op++) {
        printf("%-20s%s", op_info[op].name, op_info[op].attributes == 0 ? "" : "{");
        print_attributes(&op_info[op]);
        printf("%s%s\n", op_info[op].attributes == 0 ? "" : "} ", op_info[op].doc);
    }
    return STATUS_OK;
}

Status list_targets(const Options *options, Diag *diag)
{
    (void)options;
    Target native = {0};
    uint32_t count;
    const Target *target = target_list(&count);
    TRY(target_find("native", &native, diag));
    for (uint32_t i = 0; i < count; i++)
        printf("%-12s vectors of %2u bytes, %2u registers%s  %s\n", target[i].name, target[i].vector_bytes,
               target[i].register_count, target[i].has_fma ? ", fused multiply-add" : "", target[i].llvm_features);
    printf("native here: %s\n", native.name);
    return STATUS_OK;
}

Status list_passes(const Options *options, Diag *diag)
{
    (void)options;
    (void)diag;
    for (int i = 0; i < PASS_COUNT; i++)
        printf("%-10s %s\n", pass_info[i].name, pass_info[i].doc);
    printf("\ndefault: %s\n", default_pipeline);
    return STATUS_OK;
}
