/* SPDX-License-Identifier: Apache-2.0
 * A program that knows nothing but adze/model.h: calls a model on the arrays of a file.
 *
 *     model_host LIBRARY INPUT OUTPUT [threads]      LIBRARY "-": the model linked in, named by -DLINKED_MODEL=…
 *
 * Files hold arrays one after the other: rank, dimensions, bytes (int64_t each), then the elements. A model that
 * refuses makes the program print its message and exit with 10 + status. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "adze/model.h"

enum { MAX_ARRAYS = 16, MAX_RANK = 16 };

typedef struct Array {
    int64_t rank, bytes, dim[MAX_RANK];
    void *data;
} Array;

static void need(int condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "model_host: %s\n", what);
    exit(2);
}

static void read_array(FILE *file, Array *array)
{
    need(fread(&array->rank, 8, 1, file) == 1 && array->rank <= MAX_RANK, "a rank is missing");
    need(fread(array->dim, 8, (size_t)array->rank, file) == (size_t)array->rank, "dimensions are missing");
    need(fread(&array->bytes, 8, 1, file) == 1, "a size is missing");
    array->data = malloc((size_t)array->bytes + 1);
    need(array->data != NULL && fread(array->data, 1, (size_t)array->bytes, file) == (size_t)array->bytes,
         "elements are missing");
}

static void write_array(FILE *file, const Array *array)
{
    fwrite(&array->rank, 8, 1, file);
    fwrite(array->dim, 8, (size_t)array->rank, file);
    fwrite(&array->bytes, 8, 1, file);
    fwrite(array->data, 1, (size_t)array->bytes, file);
}

static const AdzeModel *find_model(const char *path)
{
#ifdef LINKED_MODEL
    extern const AdzeModel LINKED_MODEL;
    (void)path;
    return &LINKED_MODEL;
#else
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    need(library != NULL, "the library doesn't open");
    return dlsym(library, "adze_model");
#endif
}

static int refuse(const AdzeModel *model, AdzeStatus status, const char *message)
{
    printf("%s: %s\n", adze_status_text(model, status), message);
    return 10 + (int)status;
}

static int run(const AdzeModel *model, Array *input, Array *output, int threads)
{
    static char message[256];
    static int64_t symbol[16];
    const int64_t *shape[MAX_ARRAYS];
    const void *from[MAX_ARRAYS];
    void *to[MAX_ARRAYS];
    int64_t *result_shape[MAX_ARRAYS];
    for (uint32_t i = 0; i < model->input_count; i++) {
        shape[i] = input[i].dim;
        from[i] = input[i].data;
    }
    AdzeStatus status = adze_bind(model, shape, symbol, message, sizeof message);
    if (status != ADZE_OK)
        return refuse(model, status, message);
    for (uint32_t i = 0; i < model->output_count; i++) {
        output[i].rank = model->output[i].rank;
        output[i].bytes = adze_output_bytes(model, i, symbol);
        to[i] = output[i].data = calloc(1, (size_t)output[i].bytes + 1);
        result_shape[i] = output[i].dim;
    }
    const int64_t bytes = adze_workspace_bytes(model, symbol);
    void *workspace = aligned_alloc(ADZE_ALIGNMENT, (size_t)bytes + ADZE_ALIGNMENT);
    const AdzeOptions options = {
        .threads = threads, .message = message, .message_bytes = sizeof message, .output_shape = result_shape};
    status = adze_run(model, from, to, symbol, workspace, bytes, &options);
    return status == ADZE_OK ? 0 : refuse(model, status, message);
}

int main(int argc, char **argv)
{
    static Array input[MAX_ARRAYS], output[MAX_ARRAYS];
    need(argc >= 4, "usage: model_host LIBRARY INPUT OUTPUT [threads]");
    const AdzeModel *model = find_model(argv[1]);
    need(model != NULL && model->abi_version == ADZE_ABI_VERSION, "no model of this version");
    need(model->input_count <= MAX_ARRAYS && model->output_count <= MAX_ARRAYS, "too many arrays");
    FILE *file = fopen(argv[2], "rb");
    need(file != NULL, "the input doesn't open");
    for (uint32_t i = 0; i < model->input_count; i++)
        read_array(file, &input[i]);
    fclose(file);
    const int status = run(model, input, output, argc > 4 ? atoi(argv[4]) : 1);
    if (status != 0)
        return status;
    file = fopen(argv[3], "wb");
    need(file != NULL, "the output doesn't open");
    for (uint32_t i = 0; i < model->output_count; i++)
        write_array(file, &output[i]);
    return fclose(file) == 0 ? 0 : 2;
}
