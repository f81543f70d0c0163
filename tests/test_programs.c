/* SPDX-License-Identifier: Apache-2.0
 * Random programs through the public interface: functions of the table, transforms and control flow, nested up to three
 * deep (tests/random_program.h). For each seed:
 *
 *   evaluated, compiled from its graph, library, C: the same bits · the interpreter: near
 *   checkpoint: the same bits, gradients too
 *   f64: <u, J v> = <Jt u, v> · vjp = central differences, where two step sizes agree that there is a derivative
 *   vmap = one lane after the other
 *
 *     test_programs                         a dozen seeds, fewer where that takes long
 *     test_programs SEEDS [FIRST_SEED]      that many
 *     test_programs one SEED                what is drawn, and its graph, on stderr
 *
 * C is compiled once for all seeds of a batch. */
#include <dlfcn.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/model_call.h"
#include "tests/random_program.h"

enum { MOST = PROGRAM_INPUTS, BATCH = 24, QUICK_SEEDS = 12, QUICK_SECONDS = 2 };

static uint64_t first_seed = 1;
static uint32_t seed_count;
static bool is_traced;
static char folder[64];
static uint32_t compared_differences, not_smooth, failures;

typedef struct Subject {
    uint64_t seed;
    ProgramOptions options;
    char name[32];
    adze_context *c;
    adze_closure *closure;
    adze_array in[MOST], out[MOST];
    size_t count;
} Subject;

static void complain(const Subject *s, const char *what, const char *text)
{
    failures++;
    print_error("seed %llu (%s): %s: %s\n", (unsigned long long)s->seed, s->options.element == ADZE_F64 ? "f64" : "f32",
                what, text);
}

/* ---------------------------------------------------------------- arrays ---- */

static HostArray host(adze_context *c, adze_array x)
{
    HostArray array = {.element = (ElementType)adze_element_of(x), .rank = (uint32_t)adze_rank(x)};
    for (uint32_t i = 0; i < array.rank; i++)
        array.dim[i] = adze_shape(x)[i];
    array.data = (void *)(uintptr_t)adze_data(c, x);
    return array;
}

static bool evaluated(const Subject *s, const char *what, adze_status status, const adze_array *x, size_t count)
{
    if (status == ADZE_DONE)
        status = adze_eval(s->c, x, count);
    if (status != ADZE_DONE)
        complain(s, what, adze_message(s->c));
    return status == ADZE_DONE;
}

static void same_bits(const Subject *s, const char *what, const adze_array *found, const adze_array *due)
{
    char text[256];
    for (size_t i = 0; i < s->count; i++) {
        const HostArray a = host(s->c, found[i]), b = host(s->c, due[i]);
        const char *difference = arrays_differ(&a, &b, text);
        if (difference != NULL) {
            complain(s, what, difference);
            return;
        }
    }
}

static double element(const HostArray *x, int64_t i)
{
    return x->element == ELEMENT_f64 ? ((const double *)x->data)[i] : (double)((const float *)x->data)[i];
}

/* Sums in f32 are rounded, and programs may make much of it. */
static void near(const Subject *s, const char *what, const HostArray *found, const HostArray *due)
{
    const double tolerance = due->element == ELEMENT_f64 ? 1e-8 : 2e-3;
    for (int64_t i = 0; i < host_array_size(due); i++) {
        const double a = element(found, i), b = element(due, i);
        if (!(fabs(a - b) <= tolerance * fmax(1, fabs(b))) && a != b && !(isnan(a) && isnan(b))) {
            char text[128];
            snprintf(text, sizeof text, "element %lld is %.12g, due is %.12g", (long long)i, a, b);
            complain(s, what, text);
            return;
        }
    }
}

/* ---------------------------------------------------------------- code ---- */

static const char *in_folder(char path[128], const char *name, const char *extension)
{
    snprintf(path, 128, "%s/%s%s", folder, name, extension);
    return path;
}

static void run_model(const Subject *s, const char *path, const char *what)
{
    char symbol[64], text[256];
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        fail_msg("%s", dlerror());
    snprintf(symbol, sizeof symbol, "%s_model", s->name);
    HostArray input[MOST];
    ModelCall call;
    for (size_t i = 0; i < s->count; i++)
        input[i] = host(s->c, s->in[i]);
    if (!model_call_open(&call, dlsym(library, symbol), input, FLUSH_END) ||
        model_call_run(&call, 1, 0xFF) != ADZE_OK) {
        complain(s, what, call.message);
    } else {
        for (size_t i = 0; i < s->count; i++) {
            const HostArray due = host(s->c, s->out[i]);
            const char *difference = arrays_differ(&call.result[i], &due, text);
            if (difference != NULL)
                complain(s, what, difference);
        }
        model_call_close(&call);
    }
    dlclose(library);
}

static void interpret(const Subject *s, const adze_graph *graph)
{
    Arena arena;
    Diag diag;
    HostArray input[MOST], result[MOST];
    arena_init(&arena);
    diag_init(&diag);
    const char *text = adze_graph_text(graph);
    Module *module = module_parse("program", text, strlen(text), &diag);
    for (size_t i = 0; i < s->count; i++)
        input[i] = host(s->c, s->in[i]);
    if (module == NULL ||
        graph_evaluate(module->graph[0], input, (uint32_t)s->count, result, &arena, &diag) != STATUS_OK)
        complain(s, "interpreter", diag.first != NULL ? diag.first->what : "fails");
    for (size_t i = 0; i < s->count && diag.first == NULL; i++) {
        const HostArray found = host(s->c, s->out[i]);
        near(s, "against the interpreter", &found, &result[i]);
    }
    module_destroy(module);
    diag_release(&diag);
    arena_release(&arena);
}

static void run_compiled(const Subject *s, const adze_graph *graph)
{
    const adze_compile_options options = {.no_disk_cache = true};
    adze_array out[MOST];
    adze_compiled *compiled = adze_compiled_from_graph(s->c, graph, &options);
    if (compiled == NULL) {
        complain(s, "compiled", adze_message(s->c));
        return;
    }
    if (evaluated(s, "compiled", adze_compiled_call(s->c, compiled, s->in, s->count, out, s->count), out, s->count))
        same_bits(s, "compiled and evaluated", out, s->out);
    adze_compiled_free(compiled);
}

static void check_code(Subject *s)
{
    char path[128];
    adze_leaf leaf[MOST];
    for (size_t i = 0; i < s->count; i++)
        leaf[i] = adze_leaf_like(NULL, s->in[i]);
    adze_graph *graph = adze_capture(s->c, s->closure, leaf, s->count);
    if (graph == NULL) {
        complain(s, "capture", adze_message(s->c));
        return;
    }
    if (is_traced)
        fputs(adze_graph_text(graph), stderr);
    interpret(s, graph);
    run_compiled(s, graph);
    if (adze_graph_write(s->c, graph, s->name, in_folder(path, s->name, ".so")) != ADZE_DONE)
        complain(s, "library", adze_message(s->c));
    else
        run_model(s, path, "library");
    unlink(path);
    if (adze_graph_write(s->c, graph, s->name, in_folder(path, s->name, ".c")) != ADZE_DONE)
        complain(s, "C", adze_message(s->c));
    adze_graph_free(graph);
}

/* All of them in one C file. */
static void check_c(const Subject *subject, uint32_t count)
{
    char path[128], command[256];
    FILE *file = fopen(in_folder(path, "batch", ".c"), "w");
    assert_non_null(file);
    for (uint32_t i = 0; i < count; i++)
        fprintf(file, "#include \"%s.c\"\n", subject[i].name);
    assert_int_equal(fclose(file), 0);
    snprintf(command, sizeof command,
             "cd %s && exec gcc -O1 -w -shared -fPIC batch.c -o batch.so -lopenblas -lm -lpthread", folder);
    assert_int_equal(system(command), 0);
    for (uint32_t i = 0; i < count; i++)
        run_model(&subject[i], in_folder(path, "batch", ".so"), "C");
}

/* ---------------------------------------------------------------- derivatives ---- */

static void check_checkpoint(const Subject *s, const adze_array *gradient, const adze_array *cotangent)
{
    adze_array out[MOST], other[MOST];
    adze_closure *kept = adze_checkpoint(s->c, s->closure);
    const adze_status status = adze_vjp(s->c, kept, s->in, s->count, cotangent, s->count, out, other);
    if (evaluated(s, "checkpoint", status, out, s->count) && evaluated(s, "checkpoint", status, other, s->count)) {
        same_bits(s, "values of checkpoint", out, s->out);
        same_bits(s, "gradients of checkpoint", other, gradient);
    }
    adze_closure_free(kept);
}

static double inner(const Subject *s, const adze_array *a, const adze_array *b)
{
    double sum = 0;
    for (size_t i = 0; i < s->count; i++) {
        const HostArray x = host(s->c, a[i]), y = host(s->c, b[i]);
        for (int64_t k = 0; k < host_array_size(&x); k++)
            sum += element(&x, k) * element(&y, k);
    }
    return sum;
}

/* <cotangent, (f(x + h v) - f(x - h v)) / 2 h> */
static double difference(const Subject *s, const adze_array *tangent, const adze_array *cotangent, double h)
{
    double value[2] = {NAN, NAN};
    for (int side = 0; side < 2; side++) {
        adze_array in[MOST], out[MOST];
        const double step = side == 0 ? -h : h;
        const adze_array scale = adze_from(s->c, &step, NULL, 0, ADZE_F64);
        for (size_t i = 0; i < s->count; i++)
            in[i] = adze_add(s->c, s->in[i], adze_multiply(s->c, scale, tangent[i]));
        if (adze_eval(s->c, in, s->count) == ADZE_DONE &&
            evaluated(s, "moved", adze_apply(s->c, s->closure, in, s->count, out, s->count), out, s->count))
            value[side] = inner(s, cotangent, out);
    }
    return (value[1] - value[0]) / (2 * h);
}

static void check_differences(const Subject *s, const adze_array *tangent, const adze_array *cotangent, double found)
{
    const double wide = difference(s, tangent, cotangent, 2e-5), due = difference(s, tangent, cotangent, 1e-5);
    const double scale = fmax(1, fabs(due));
    if (!isfinite(due) || fabs(wide - due) > 1e-6 * scale) {
        not_smooth++;
        return;
    }
    compared_differences++;
    if (!(fabs(found - due) <= 1e-4 * scale)) {
        char text[128];
        snprintf(text, sizeof text, "%.12g, due is %.12g", found, due);
        complain(s, "derivative", text);
    }
}

static void check_derivatives(const Subject *s)
{
    adze_array tangent[MOST], cotangent[MOST], out[MOST], gradient[MOST], moved[MOST];
    random_program_inputs(s->c, s->seed, s->options, 1, tangent);
    random_program_inputs(s->c, s->seed, s->options, 2, cotangent);
    adze_status status = adze_vjp(s->c, s->closure, s->in, s->count, cotangent, s->count, out, gradient);
    if (!evaluated(s, "vjp", status, gradient, s->count))
        return;
    check_checkpoint(s, gradient, cotangent);
    status = adze_jvp(s->c, s->closure, s->in, tangent, s->count, out, moved, s->count);
    if (!evaluated(s, "jvp", status, moved, s->count) || s->options.element != ADZE_F64)
        return;
    const double forward = inner(s, cotangent, moved), backward = inner(s, gradient, tangent);
    if (!(fabs(forward - backward) <= 1e-7 * fmax(1, fabs(forward)))) {
        char text[128];
        snprintf(text, sizeof text, "forward %.12g, backward %.12g", forward, backward);
        complain(s, "modes", text);
    }
    check_differences(s, tangent, cotangent, backward);
}

/* ---------------------------------------------------------------- vmap ---- */

static void check_lanes(const Subject *s)
{
    adze_array other[MOST], lane[2][MOST], both[MOST], mapped[MOST];
    random_program_inputs(s->c, s->seed, s->options, 1, other);
    for (size_t i = 0; i < s->count; i++)
        both[i] = adze_stack(s->c, (const adze_array[]){s->in[i], other[i]}, 2, 0);
    adze_closure *lanes = adze_vmap(s->c, s->closure, NULL, 0, NULL, 0);
    const bool worked =
        evaluated(s, "vmap", adze_apply(s->c, lanes, both, s->count, mapped, s->count), mapped, s->count) &&
        evaluated(s, "lane 1", adze_apply(s->c, s->closure, other, s->count, lane[1], s->count), lane[1], s->count);
    adze_closure_free(lanes);
    memcpy(lane[0], s->out, sizeof lane[0]);
    for (size_t i = 0; i < s->count && worked; i++) {
        HostArray found = host(s->c, mapped[i]);
        for (int k = 0; k < 2; k++) {
            const HostArray due = host(s->c, lane[k][i]);
            HostArray part = due;
            part.data = (char *)found.data + (size_t)k * host_array_bytes(&due);
            near(s, k == 0 ? "vmap, lane 0" : "vmap, lane 1", &part, &due);
        }
    }
}

/* ---------------------------------------------------------------- the tests ---- */

static void open_subject(Subject *s, uint64_t seed)
{
    *s = (Subject){.seed = seed, .options = {.element = seed % 2 == 0 ? ADZE_F64 : ADZE_F32, .is_traced = is_traced}};
    snprintf(s->name, sizeof s->name, "program%llu", (unsigned long long)seed);
    s->c = adze_context_new();
    s->closure = random_program(seed, s->options);
    s->count = random_program_inputs(s->c, seed, s->options, 0, s->in);
    assert_true(s->count > 0);
}

static void close_subject(Subject *s)
{
    adze_closure_free(s->closure);
    adze_context_free(s->c);
}

/* Everything but C; false where not even that could be evaluated. */
static bool check_subject(Subject *s)
{
    const adze_status status = adze_apply(s->c, s->closure, s->in, s->count, s->out, s->count);
    if (!evaluated(s, "value", status, s->out, s->count))
        return false;
    s->options.is_traced = is_traced = false;
    check_code(s);
    check_derivatives(s);
    check_lanes(s);
    return true;
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static bool goes_on(double start, uint32_t done)
{
    return seed_count != 0 ? done < seed_count : done < QUICK_SEEDS && seconds() - start < QUICK_SECONDS;
}

static void test_programs(void **state)
{
    (void)state;
    const double start = seconds();
    uint32_t done = 0;
    while (goes_on(start, done)) {
        Subject subject[BATCH];
        uint32_t count = 0;
        while (count < BATCH && goes_on(start, done)) {
            open_subject(&subject[count], first_seed + done++);
            if (check_subject(&subject[count]))
                count++;
            else
                close_subject(&subject[count]);
        }
        check_c(subject, count);
        for (uint32_t i = 0; i < count; i++)
            close_subject(&subject[i]);
    }
    print_message("seeds %llu to %llu; derivatives compared %u, not smooth %u\n", (unsigned long long)first_seed,
                  (unsigned long long)(first_seed + done - 1), compared_differences, not_smooth);
    assert_int_equal(failures, 0);
}

int main(int count, char **argument)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_programs)};
    char command[128];
    if (count > 2 && strcmp(argument[1], "one") == 0) {
        seed_count = 1;
        is_traced = true;
        first_seed = strtoull(argument[2], NULL, 10);
    } else if (count > 1) {
        seed_count = (uint32_t)strtoul(argument[1], NULL, 10);
        first_seed = count > 2 ? strtoull(argument[2], NULL, 10) : 1;
    }
    strcpy(folder, "/tmp/adze_programs_XXXXXX");
    if (mkdtemp(folder) == NULL)
        return 1;
    const int result = cmocka_run_group_tests(tests, NULL, NULL);
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command) == 0 ? result : 1;
}
