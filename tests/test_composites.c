/* SPDX-License-Identifier: Apache-2.0
 * 60 composite functions against what JAX and torch agreed on in f64 (tests/data/composites.npz): value, gradients of
 * the results weighted by a cotangent, derivative along tangents, Hessian-vector product, forward over reverse and
 * reverse over reverse. Tolerances are relative to an answer's largest element, and come with the answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/composites/composites.h"
#include "tests/npz.h"

enum { MOST_INPUTS = 4, WRONG_SIZE = 4096 };
enum { VALUE, GRAD, JVP, HVP, PART_COUNT };

static const Family *const families[] = {&attention_family,  &norm_family,   &loss_family,  &convolution_family,
                                         &recurrence_family, &linear_family, &signal_family};

/* A row at work. */
typedef struct Run {
    adze_context *c;
    Npz *npz;
    const Composite *row;
    size_t count; /* inputs */
    adze_array in[MOST_INPUTS], tangent[MOST_INPUTS], cotangent;
    adze_closure *function;
    double tolerance[PART_COUNT];
    char wrong[WRONG_SIZE]; /* one line for each answer that is wrong */
} Run;

__attribute__((format(printf, 2, 3))) static void say(Run *run, const char *format, ...)
{
    const size_t length = strlen(run->wrong);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(run->wrong + length, WRONG_SIZE - length, format, arguments);
    va_end(arguments);
}

/* ---------------------------------------------------------------- what is stored ---- */

static const char *entry(const Run *run, char name[96], const char *what, int number)
{
    snprintf(name, 96, number < 0 ? "%s/%s" : "%s/%s%d", run->row->name, what, number);
    return name;
}

static HostArray stored(Run *run, const char *what, int number)
{
    char name[96];
    HostArray array;
    const char *wrong = npz_read(run->npz, entry(run, name, what, number), &array);
    if (wrong != NULL)
        fail_msg("%s: %s", name, wrong);
    assert_int_equal(array.element, ELEMENT_f32);
    return array;
}

static adze_array load(Run *run, const char *what, int number)
{
    const HostArray array = stored(run, what, number);
    return adze_from(run->c, array.data, array.dim, array.rank, ADZE_F32);
}

static size_t input_count(Run *run)
{
    char name[96];
    HostArray array;
    size_t count = 0;
    while (count < MOST_INPUTS && npz_read(run->npz, entry(run, name, "in", (int)count), &array) == NULL)
        count++;
    return count;
}

/* ---------------------------------------------------------------- the function and its derivatives ---- */

static adze_status call(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    (void)count;
    return adze_give(results, ((const Composite *)payload)->function(c, in));
}

/* The gradients, as a function of the inputs. */
static adze_status gradient(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    const Run *run = payload;
    adze_array out, grad[MOST_INPUTS];
    adze_status status = adze_vjp(c, run->function, in, count, &run->cotangent, 1, &out, grad);
    for (size_t i = 0; i < count && status == ADZE_DONE; i++)
        status = adze_give(results, grad[i]);
    return status;
}

/* What is compared: value, jvp, then for each input gradient and Hessian-vector product, two ways. */
typedef struct Answers {
    adze_array value, jvp, grad[MOST_INPUTS], forward[MOST_INPUTS], reverse[MOST_INPUTS];
} Answers;

static adze_status derive(Run *run, Answers *a)
{
    adze_array again, grad[MOST_INPUTS];
    adze_closure *slope = adze_closure_new(gradient, run, NULL);
    adze_status status = adze_vjp(run->c, run->function, run->in, run->count, &run->cotangent, 1, &a->value, a->grad);
    if (status == ADZE_DONE)
        status = adze_jvp(run->c, run->function, run->in, run->tangent, run->count, &again, &a->jvp, 1);
    if (status == ADZE_DONE)
        status = adze_jvp(run->c, slope, run->in, run->tangent, run->count, grad, a->forward, run->count);
    if (status == ADZE_DONE)
        status = adze_vjp(run->c, slope, run->in, run->count, run->tangent, run->count, grad, a->reverse);
    adze_closure_free(slope);
    return status;
}

static adze_status evaluate(Run *run, const Answers *a)
{
    adze_array all[2 + 3 * MOST_INPUTS] = {a->value, a->jvp};
    for (size_t i = 0; i < run->count; i++) {
        all[2 + 3 * i] = a->grad[i];
        all[3 + 3 * i] = a->forward[i];
        all[4 + 3 * i] = a->reverse[i];
    }
    return adze_eval(run->c, all, 2 + 3 * run->count);
}

/* ---------------------------------------------------------------- comparing ---- */

/* The largest distance over the largest answer. NaN is infinitely far. */
static double distance(const float *found, const float *due, size_t size)
{
    double apart = 0, largest = 1e-3;
    for (size_t i = 0; i < size; i++) {
        const double d = fabs((double)found[i] - due[i]);
        apart = d <= apart ? apart : isnan(d) ? INFINITY : d;
        largest = fmax(largest, fabs(due[i]));
    }
    return apart / largest;
}

static void compare(Run *run, adze_array array, int part_of, const char *what, const char *due_name, int number)
{
    const HostArray due = stored(run, due_name, number);
    const size_t size = (size_t)host_array_size(&due);
    bool same = adze_rank(array) == due.rank;
    for (uint32_t i = 0; i < due.rank && same; i++)
        same = adze_shape(array)[i] == due.dim[i];
    const float *found = same ? adze_data(run->c, array) : NULL;
    if (found == NULL) {
        say(run, "\n  %s %d: %s", what, number, same ? adze_message(run->c) : "another shape");
        return;
    }
    const double apart = distance(found, due.data, size), most = run->tolerance[part_of];
    if (getenv("ADZE_SHOW_DISTANCES") != NULL)
        print_message("%-24s %-20s %2d  %9.2e of %9.2e: %.2f\n", run->row->name, what, number, apart, most,
                      apart / most);
    if (!(apart <= most))
        say(run, "\n  %s %d: %.3g apart, allowed %.3g", what, number, apart, most);
}

static void compare_all(Run *run, const Answers *a)
{
    compare(run, a->value, VALUE, "value", "value", -1);
    compare(run, a->jvp, JVP, "jvp", "jvp", -1);
    for (size_t i = 0; i < run->count; i++) {
        compare(run, a->grad[i], GRAD, "gradient", "grad", (int)i);
        compare(run, a->forward[i], HVP, "forward over reverse", "hvp", (int)i);
        compare(run, a->reverse[i], HVP, "reverse over reverse", "hvp", (int)i);
    }
}

/* ---------------------------------------------------------------- one row ---- */

static void prepare(Run *run)
{
    run->count = input_count(run);
    assert_true(run->count > 0);
    for (size_t i = 0; i < run->count; i++) {
        run->in[i] = load(run, "in", (int)i);
        run->tangent[i] = load(run, "tangent", (int)i);
    }
    run->cotangent = load(run, "cotangent", -1);
    const HostArray tolerance = stored(run, "tolerance", -1);
    assert_int_equal(host_array_size(&tolerance), PART_COUNT);
    for (int i = 0; i < PART_COUNT; i++)
        run->tolerance[i] = ((const float *)tolerance.data)[i];
    run->function = adze_closure_new(call, (void *)run->row, NULL);
}

typedef struct Shared {
    adze_context *context;
    Npz npz;
} Shared;

typedef struct Case {
    Shared *shared;
    const Composite *row;
} Case;

static void agrees(void **state)
{
    const Case *test = *state;
    Run run = {.c = adze_scope(test->shared->context), .npz = &test->shared->npz, .row = test->row};
    Answers answers;
    prepare(&run);
    if (derive(&run, &answers) != ADZE_DONE || evaluate(&run, &answers) != ADZE_DONE)
        say(&run, "%s", adze_message(run.c));
    else
        compare_all(&run, &answers);
    adze_closure_free(run.function);
    adze_context_free(run.c);
    if (run.wrong[0] != 0)
        fail_msg("%s: %s", run.row->name, run.wrong);
}

static size_t list(Shared *shared, const char *only, Case *test_case, struct CMUnitTest *test)
{
    size_t count = 0;
    for (size_t f = 0; f < sizeof families / sizeof *families; f++)
        for (size_t i = 0; i < families[f]->count; i++) {
            const Composite *row = &families[f]->row[i];
            if (only != NULL && strcmp(only, row->name) != 0 && strcmp(only, families[f]->name) != 0)
                continue;
            test_case[count] = (Case){shared, row};
            test[count] = (struct CMUnitTest){row->name, agrees, NULL, NULL, &test_case[count]};
            count++;
        }
    return count;
}

static size_t row_count(void)
{
    size_t count = 0;
    for (size_t f = 0; f < sizeof families / sizeof *families; f++)
        count += families[f]->count;
    return count;
}

/* test_composites [NAME of a function or family] */
int main(int count, char **argument)
{
    Shared shared = {.context = adze_context_new()};
    const char *wrong = npz_open(&shared.npz, ADZE_SOURCE_DIR "/tests/data/composites.npz");
    if (wrong != NULL || row_count() != 60)
        return fprintf(stderr, "composites.npz: %s, %zu functions\n", wrong != NULL ? wrong : "read", row_count()), 1;
    Case *test_case = calloc(row_count(), sizeof *test_case);
    struct CMUnitTest *test = calloc(row_count(), sizeof *test);
    const size_t tests = list(&shared, count > 1 ? argument[1] : NULL, test_case, test);
    const int failed = _cmocka_run_group_tests("composites", test, tests, NULL, NULL);
    free(test);
    free(test_case);
    npz_close(&shared.npz);
    adze_context_free(shared.context);
    return failed;
}
