/* SPDX-License-Identifier: Apache-2.0
 * adze ops, targets, passes, version: tables, printed. */
#include <inttypes.h>
#include <stdio.h>

#include "codegen/target.h"
#include "driver/driver.h"

Status command_ops(const Options *options, Diag *diag)
{
    (void)options;
    (void)diag;
    for (int op = 1; op < OP_COUNT; op++) {
        printf("%-20s", op_info[op].name);
        const char *separator = "";
        for (int key = 0; key < ATTR_COUNT; key++) {
            if ((op_info[op].attributes >> key & 1) == 0)
                continue;
            printf("%s%s", *separator == 0 ? "{" : separator, attr_info[key].name);
            separator = ", ";
        }
        printf("%s%s\n", *separator == 0 ? "" : "} ", op_info[op].doc);
    }
    return STATUS_OK;
}

Status command_targets(const Options *options, Diag *diag)
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

Status command_passes(const Options *options, Diag *diag)
{
    (void)options;
    (void)diag;
    for (int i = 0; i < PASS_COUNT; i++)
        printf("%-10s %s\n", pass_info[i].name, pass_info[i].doc);
    printf("\ndefault: %s\n", default_pipeline);
    return STATUS_OK;
}

Status command_version(const Options *options, Diag *diag)
{
    (void)options;
    (void)diag;
    puts("adze " ADZE_VERSION);
    return STATUS_OK;
}
