/* SPDX-License-Identifier: Apache-2.0
 * adze bench: calls a model again and again for some seconds and prints the median and the least time of a call. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "driver/session.h"
#include "ir/element.h"

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

/* Floats in [-1, 1), integers 0 or 1 (an index that every array of two has). Open sizes get their smallest value, at
 * least 1. */
static Status random_input(const AdzeModel *model, uint32_t index, HostArray *array, Arena *arena)
{
    const AdzeArgument *argument = &model->input[index];
    uint64_t state = index + 1;
    *array = (HostArray){.element = (ElementType)argument->element, .rank = argument->rank};
    for (uint32_t i = 0; i < array->rank; i++) {
        const AdzeDimension *dimension = &argument->dimension[i];
        const int64_t least = dimension->symbol >= 0 ? model->symbol[dimension->symbol].min : 1;
        array->dim[i] = dimension->size >= 0 ? dimension->size : (least > 1 ? least : 1);
    }
    const int64_t count = host_array_size(array);
    array->data = arena_alloc_array(arena, (size_t)count, argument->element_bytes);
    for (int64_t i = 0; array->data != NULL && i < count; i++) {
        const uint64_t bits = next_random(&state);
        const bool floating = element_is_floating(array->element);
        const double value = floating ? (double)(bits >> 11) * 0x1p-52 - 1.0 : (double)(bits & 1);
        element_from_double(array->element, value, (char *)array->data + i * argument->element_bytes, true);
    }
    return array->data == NULL ? STATUS_OUT_OF_MEMORY : STATUS_OK;
}

static int compare_times(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

typedef struct Timing {
    double median, least;
    int64_t runs;
} Timing;

/* Very short calls are timed in bursts, so that the clock costs nothing. */
static Status measure(Call *call, double seconds, Timing *timing, Diag *diag)
{
    enum { MOST = 1 << 16 };
    double *sample = malloc(MOST * sizeof *sample);
    if (sample == NULL)
        return STATUS_OUT_OF_MEMORY;
    Status status = call_run(call, diag);
    double start = now();
    if (status == STATUS_OK)
        status = call_run(call, diag);
    const double once = now() - start;
    const int64_t burst = once < 20e-6 ? (int64_t)(20e-6 / (once + 1e-8)) + 1 : 1;
    int64_t count = 0;
    for (start = now(); status == STATUS_OK && count < MOST && (count < 3 || now() - start < seconds); count++) {
        const double before = now();
        for (int64_t i = 0; i < burst && status == STATUS_OK; i++)
            status = call_run(call, diag);
        sample[count] = (now() - before) / (double)burst;
    }
    if (status == STATUS_OK) {
        qsort(sample, (size_t)count, sizeof *sample, compare_times);
        *timing = (Timing){sample[count / 2], sample[0], count * burst};
    }
    free(sample);
    return status;
}

static void print_timing(const Options *options, const Timing *timing, int64_t threads, int64_t arena_bytes,
                         int64_t code_bytes)
{
    if (options->count[OPTION_json] != 0)
        printf("{\"median_us\":%.3f,\"min_us\":%.3f,\"runs\":%" PRId64 ",\"threads\":%" PRId64
               ",\"arena_bytes\":%" PRId64 ",\"code_bytes\":%" PRId64 "}\n",
               timing->median * 1e6, timing->least * 1e6, timing->runs, threads, arena_bytes, code_bytes);
    else
        printf("median %.3f us, least %.3f us of %" PRId64 " calls, %" PRId64 " threads, arena %" PRId64 " bytes\n",
               timing->median * 1e6, timing->least * 1e6, timing->runs, threads, arena_bytes);
}

static int64_t file_bytes(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0)
        return 0;
    const int64_t bytes = ftell(file);
    fclose(file);
    return bytes;
}

static Status bench_model(const Options *options, const Session *session, Arena *arena, Diag *diag)
{
    const AdzeModel *model = session->model;
    int64_t threads;
    Call call;
    Timing timing = {0};
    const char *text = options->value[OPTION_seconds];
    const double seconds = text == NULL ? 1.0 : strtod(text, NULL);
    HostArray *input = ARENA_NEW(arena, HostArray, model->input_count);
    if (input == NULL)
        return STATUS_OUT_OF_MEMORY;
    TRY(option_integer(options, OPTION_threads, 1, 1024, 1, &threads, diag));
    if (options->count[OPTION_input] != 0)
        TRY(read_model_inputs(options, model, input, arena, diag));
    for (uint32_t i = 0; options->count[OPTION_input] == 0 && i < model->input_count; i++)
        TRY(random_input(model, i, &input[i], arena));
    TRY(call_prepare(model, input, model->input_count, (int32_t)threads, arena, &call, diag));
    TRY(measure(&call, seconds, &timing, diag));
    const int64_t code = session->library != NULL ? file_bytes(options->file) : 0;
    print_timing(options, &timing, threads, call.workspace_bytes, code);
    return STATUS_OK;
}

Status command_bench(const Options *options, Diag *diag)
{
    Arena arena;
    Session session;
    arena_init(&arena);
    Status status = session_open(options, &session, diag);
    if (status == STATUS_OK)
        status = bench_model(options, &session, &arena, diag);
    session_close(&session);
    arena_release(&arena);
    return status;
}
