/* SPDX-License-Identifier: Apache-2.0
 * ONNX's own backend cases, one an op: imported, run by the interpreter, compared with the published outputs. And the
 * same files with damaged bytes: whatever they say, the importer ends with a module or a message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/frontend.h"
#include "frontend/npy.h"
#include "ir/element.h"
#include "tests/onnx_cases.h"

static OnnxCases cases;

static int open_cases(void **state)
{
    (void)state;
    return onnx_cases_open(&cases) ? 0 : -1;
}

static int close_cases(void **state)
{
    (void)state;
    onnx_cases_close(&cases);
    return 0;
}

/* ---- comparing ---- */

static bool is_close(double got, double due, ElementType element)
{
    const double relative = element == ELEMENT_bf16 ? 0x1p-6 : element_is_floating(element) ? 1e-3 : 0;
    const double absolute = element_is_floating(element) ? 1e-7 : 0;
    if (isnan(got) || isnan(due))
        return isnan(got) && isnan(due);
    return got == due || fabs(got - due) <= absolute + relative * fabs(due);
}

static bool same_array(const HostArray *got, const HostArray *due)
{
    const uint32_t bytes = element_info[got->element].bytes;
    if (got->element != due->element || got->rank != due->rank ||
        memcmp(got->dim, due->dim, got->rank * sizeof *got->dim) != 0)
        return false;
    for (int64_t i = 0; i < host_array_size(got); i++)
        if (!is_close(element_to_double(got->element, (const char *)got->data + i * bytes),
                      element_to_double(due->element, (const char *)due->data + i * bytes), got->element))
            return false;
    return true;
}

static bool read_array(size_t index, const char *kind, uint32_t number, ElementType element, HostArray *array,
                       Arena *arena)
{
    char file[32], path[PATH_BYTES];
    snprintf(file, sizeof file, "%s_%u.npy", kind, number);
    onnx_cases_path(&cases, index, file, path);
    return npy_read_as(path, element, array, arena, NULL) == STATUS_OK;
}

static bool case_passes(size_t index, Arena *arena, Diag *diag)
{
    char path[PATH_BYTES];
    HostArray input[16], result[16], due;
    onnx_cases_path(&cases, index, "model.onnx", path);
    Module *module = onnx_import(path, NULL, diag);
    if (!module || module_verify(module) != STATUS_OK)
        return false;
    const Graph *graph = module->graph[0];
    bool passes = graph->parameter_count <= 16 && graph->result_count <= 16;
    for (uint32_t i = 0; i < graph->parameter_count && passes; i++)
        passes = read_array(index, "in", i, value_type(graph, graph->parameter[i]).element, &input[i], arena);
    passes = passes && graph_evaluate(graph, input, graph->parameter_count, result, arena, diag) == STATUS_OK;
    for (uint32_t i = 0; i < graph->result_count && passes; i++)
        passes = read_array(index, "out", i, result[i].element, &due, arena) && same_array(&result[i], &due);
    module_destroy(module);
    return passes;
}

static void cases_give_their_published_results(void **state)
{
    uint32_t failures = 0;
    (void)state;
    for (size_t i = 0; i < cases.count; i++) {
        Arena arena;
        Diag diag;
        arena_init(&arena);
        diag_init(&diag);
        if (!case_passes(i, &arena, &diag)) {
            failures++;
            print_error("%s: %s\n", cases.name[i], diag.first ? diag.first->what : "another result");
        }
        diag_release(&diag);
        arena_release(&arena);
    }
    assert_int_equal(failures, 0);
    assert_true(cases.count > 100);
}

/* ---- damage ---- */

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static size_t read_bytes(const char *path, uint8_t *bytes, size_t room)
{
    FILE *file = fopen(path, "rb");
    const size_t count = file ? fread(bytes, 1, room, file) : 0;
    if (file)
        fclose(file);
    return count;
}

/* Changes a few bytes, or cuts, or repeats a part. */
static size_t damage(uint8_t *bytes, size_t count, uint64_t *seed)
{
    const uint32_t changes = 1 + next_random(seed) % 4;
    for (uint32_t i = 0; i < changes && count > 1; i++) {
        const size_t at = next_random(seed) % count;
        switch (next_random(seed) % 4) {
        case 0:
            bytes[at] = (uint8_t)next_random(seed);
            break;
        case 1:
            bytes[at] ^= (uint8_t)(1 << next_random(seed) % 8);
            break;
        case 2:
            bytes[at] = (uint8_t)(bytes[at] + (next_random(seed) & 1 ? 1 : 255));
            break;
        default:
            count = next_random(seed) % 8 ? count : at;
            break;
        }
    }
    return count;
}

static void import_damaged(const char *path, uint64_t *seed, const char *copy)
{
    static uint8_t bytes[1 << 16];
    size_t count = read_bytes(path, bytes, sizeof bytes);
    Diag diag;
    count = damage(bytes, count, seed);
    FILE *file = fopen(copy, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, count, file), count);
    fclose(file);
    diag_init(&diag);
    Module *module = onnx_import(copy, NULL, &diag);
    assert_true(module != NULL || diag.count > 0);
    if (module)
        assert_int_equal(module_verify(module), STATUS_OK);
    module_destroy(module);
    diag_release(&diag);
}

/* ADZE_FUZZ: how many times each file is damaged (default 8). */
static void damaged_files_end_with_a_message(void **state)
{
    const char *rounds = getenv("ADZE_FUZZ"), *first = getenv("ADZE_FUZZ_SEED");
    uint64_t seed = first ? strtoull(first, NULL, 0) : 0x9E3779B97F4A7C15u;
    char path[PATH_BYTES], copy[PATH_BYTES];
    (void)state;
    snprintf(copy, sizeof copy, "%s/damaged.onnx", cases.folder);
    for (long round = 0; round < (rounds ? atol(rounds) : 8); round++)
        for (size_t i = 0; i < cases.count; i++) {
            onnx_cases_path(&cases, i, "model.onnx", path);
            import_damaged(path, &seed, copy);
        }
}

/* ---- memory ---- */

/* The n-th request for memory fails, for n from 1 in growing steps until the import gets by with fewer. */
static void sweep_memory(size_t index, uint64_t stride)
{
    char path[PATH_BYTES];
    onnx_cases_path(&cases, index, "model.onnx", path);
    for (uint64_t n = 1 + index % stride;; n += stride) {
        Diag diag;
        diag_init(&diag);
        arena_fail_at((int64_t)n);
        Module *module = onnx_import(path, NULL, &diag);
        arena_fail_at(0);
        const bool is_whole = module != NULL;
        module_destroy(module);
        diag_release(&diag);
        if (is_whole)
            return;
    }
}

/* ADZE_SWEEP: the step between failing requests (default 29; 1 tries each). */
static void memory_running_out_is_no_crash(void **state)
{
    const char *stride = getenv("ADZE_SWEEP");
    (void)state;
    for (size_t i = 0; i < cases.count; i++)
        sweep_memory(i, stride ? strtoull(stride, NULL, 10) : 29);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cases_give_their_published_results),
        cmocka_unit_test(damaged_files_end_with_a_message),
        cmocka_unit_test(memory_running_out_is_no_crash),
    };
    return cmocka_run_group_tests(tests, open_cases, close_cases);
}
