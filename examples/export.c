/* SPDX-License-Identifier: Apache-2.0
 * A function and its gradient leave the process: written as a shared library, loaded without the compiler, called.
 * What the library computes are the same bits as here. Argument: where the library goes. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adze/adze.h"

enum { ROWS = 3, COLUMNS = 4 };

/* mean((x w - 1)^2), w from outside */
static adze_status loss(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    (void)count;
    const adze_array error = adze_subtract(c, adze_matmul(c, in[0], *(adze_array *)payload), adze_scalar(c, 1));
    return adze_give(results, adze_mean(c, adze_square(c, error), NULL, 0, false));
}

static int call_library(const char *path, const float *x, float *value, float *gradient)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const AdzeModel *model = library == NULL ? NULL : (const AdzeModel *)dlsym(library, "adze_model");
    if (model == NULL || model->abi_version != ADZE_ABI_VERSION)
        return 1;
    const int64_t bytes = adze_workspace_bytes(model, NULL);
    void *workspace = aligned_alloc(ADZE_ALIGNMENT, bytes == 0 ? ADZE_ALIGNMENT : (size_t)bytes);
    const void *input[] = {x};
    void *output[] = {value, gradient};
    const int failed = adze_run(model, input, output, NULL, workspace, bytes, NULL) != ADZE_OK;
    free(workspace);
    dlclose(library);
    return failed;
}

int main(int argc, char **argv)
{
    float x[ROWS * COLUMNS], weights[COLUMNS * 2], here[1 + ROWS * COLUMNS], there[1 + ROWS * COLUMNS];
    const int64_t shape[] = {ROWS, COLUMNS}, weights_shape[] = {COLUMNS, 2};
    const int first = 0;
    if (argc != 2)
        return 64;
    for (int i = 0; i < ROWS * COLUMNS; i++)
        x[i] = 0.25f * (float)(i - 5);
    for (int i = 0; i < COLUMNS * 2; i++)
        weights[i] = 0.5f - 0.125f * (float)i;
    adze_context *c = adze_context_new();
    adze_array w = adze_from(c, weights, weights_shape, 2, ADZE_F32), in = adze_from(c, x, shape, 2, ADZE_F32), out[2];
    adze_closure *f = adze_closure_new(loss, &w, NULL), *both = adze_value_and_grad(c, f, &first, 1);
    const int failed = adze_apply(c, both, &in, 1, out, 2) != ADZE_DONE ||
                       adze_read(c, out[0], here, sizeof *here) != ADZE_DONE ||
                       adze_read(c, out[1], here + 1, sizeof x) != ADZE_DONE ||
                       adze_export(c, both, &in, 1, "loss", argv[1]) != ADZE_DONE;
    if (failed)
        printf("failed: %s\n", adze_message(c));
    adze_closure_free(f);
    adze_closure_free(both);
    adze_context_free(c);
    if (failed || call_library(argv[1], x, there, there + 1) != 0)
        return 1;
    printf("loss %g here, %g in %s; gradients: %s\n", here[0], there[0], argv[1],
           memcmp(here, there, sizeof here) == 0 ? "the same bits" : "they differ");
    return memcmp(here, there, sizeof here) != 0;
}
