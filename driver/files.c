/* SPDX-License-Identifier: Apache-2.0
 * Arrays of --input and --output-dir. In the program and in the compiler's library alike. */
#include <stdio.h>
#include <sys/stat.h>

#include "driver/session.h"
#include "frontend/npy.h"

Status read_inputs(const Options *options, const ElementType *element, uint32_t input_count, HostArray *input,
                   Arena *arena, Diag *diag)
{
    if (options->count[OPTION_input] != input_count)
        return diag_fail(diag, STATUS_FAILED, options->file, "the model has %u inputs, %u came with --input",
                         input_count, options->count[OPTION_input]);
    for (uint32_t i = 0; i < input_count; i++)
        TRY(npy_read_as(options->repeated[OPTION_input][i], element[i], &input[i], arena, diag));
    return STATUS_OK;
}

Status write_results(const Options *options, const HostArray *result, uint32_t count, Diag *diag)
{
    const char *folder = options->value[OPTION_output_dir];
    if (folder == NULL)
        return STATUS_OK;
    mkdir(folder, 0777); /* may be there; what else is wrong shows when files are written */
    for (uint32_t i = 0; i < count; i++) {
        char path[4096];
        if (snprintf(path, sizeof path, "%s/%u.npy", folder, i) >= (int)sizeof path)
            return diag_fail(diag, STATUS_USAGE, folder, "the path is too long");
        TRY(npy_write(path, &result[i], diag));
    }
    return STATUS_OK;
}
