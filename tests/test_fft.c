/* SPDX-License-Identifier: Apache-2.0
 * Complex numbers and Fourier transforms: values and gradients of MLX, JAX and NumPy (tests/data/fft_answers.bin, made
 * by make_fft_answers.py), in one lane and in several; long transforms; loops; unknown sizes; the same bits here, in a
 * .so and from C; what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adze/adze.h"

/* ---- answers ---- */

typedef struct Record {
    char name[32];
    int32_t element, rank;
    int64_t shape[4];
} Record;

static char *answers;
static size_t answer_bytes;

static size_t record_bytes(const Record *record)
{
    size_t bytes = record->element == ADZE_C64 ? 8 : 4;
    for (int32_t i = 0; i < record->rank; i++)
        bytes *= (size_t)record->shape[i];
    return bytes;
}

static int read_answers(void **state)
{
    FILE *file = fopen(ADZE_SOURCE_DIR "/tests/data/fft_answers.bin", "rb");
    (void)state;
    if (file == NULL || fseek(file, 0, SEEK_END) != 0)
        return 1;
    answer_bytes = (size_t)ftell(file);
    rewind(file);
    answers = malloc(answer_bytes);
    const bool good = answers != NULL && fread(answers, 1, answer_bytes, file) == answer_bytes;
    fclose(file);
    return !good;
}

static int free_answers(void **state)
{
    (void)state;
    free(answers);
    return 0;
}

static const char *find(const char *name, const char *part, Record *record)
{
    char full[32];
    snprintf(full, sizeof full, "%s.%s", name, part);
    for (size_t at = 0; at < answer_bytes;) {
        memcpy(record, answers + at, sizeof *record);
        if (strncmp(record->name, full, sizeof full) == 0)
            return answers + at + sizeof *record;
        at += sizeof *record + record_bytes(record);
    }
    return NULL;
}

static adze_array take(adze_context *c, const char *name, const char *part)
{
    Record record;
    const char *data = find(name, part, &record);
    if (data == NULL)
        fail_msg("there is no %s.%s", name, part);
    return adze_from(c, data, record.shape, (size_t)record.rank, (AdzeElement)record.element);
}

static size_t floats_of(adze_array x)
{
    return adze_size(x) * (adze_element_of(x) == ADZE_C64 ? 2 : 1);
}

/* Distance in relation to the larger of 1 and the largest number due. */
static double distance(const float *found, const float *due, size_t count)
{
    double most = 1, apart = 0;
    for (size_t i = 0; i < count; i++) {
        const double d = fabs((double)found[i] - (double)due[i]);
        most = fmax(most, fabs((double)due[i]));
        apart = d <= apart ? apart : d;
    }
    return apart / most;
}

static const float *data_of(adze_context *c, adze_array x, const char *what)
{
    const float *data = adze_data(c, x);
    if (data == NULL)
        fail_msg("%s: %s", what, adze_message(c));
    return data;
}

static void check(adze_context *c, adze_array x, const char *name, const char *part, double tolerance)
{
    Record record;
    const float *due = (const float *)(const void *)find(name, part, &record);
    const float *found = data_of(c, x, name);
    if ((int)adze_element_of(x) != record.element || (int)adze_rank(x) != record.rank ||
        (record.rank > 0 && memcmp(adze_shape(x), record.shape, (size_t)record.rank * sizeof(int64_t)) != 0))
        fail_msg("%s.%s: another type than expected", name, part);
    float *copy = malloc(record_bytes(&record) + 1);
    memcpy(copy, due, record_bytes(&record));
    const double apart = distance(found, copy, floats_of(x));
    free(copy);
    if (!(apart <= tolerance))
        fail_msg("%s.%s is %g off", name, part, apart);
}

/* ---- functions ---- */

typedef adze_array Function(adze_context *c, adze_array x, adze_array y);
#define FUNCTION(name, expression)                                                                                     \
    static adze_array f_##name(adze_context *c, adze_array x, adze_array y)                                            \
    {                                                                                                                  \
        (void)y;                                                                                                       \
        return expression;                                                                                             \
    }
#define BOTH(name) FUNCTION(name, adze_##name(c, x, y))
#define ONE(name) FUNCTION(name, adze_##name(c, x))
#define AXIS(name, function, n, axis, norm) FUNCTION(name, adze_##function(c, x, n, axis, ADZE_FFT_##norm))
#define AXES(name, function, n, axes, count) FUNCTION(name, adze_##function(c, x, n, axes, count, ADZE_FFT_BACKWARD))
#define LIST(...) ((const int64_t[]){__VA_ARGS__})
#define INTS(...) ((const int[]){__VA_ARGS__})

static adze_array picked(adze_context *c, adze_array x)
{
    const int64_t three = 3;
    const int32_t place[] = {2, 0, 2};
    return adze_take(c, x, adze_from(c, place, &three, 1, ADZE_I32), 1);
}

/* By hand: clang-format takes calls of macros in a row for one declaration. */
/* clang-format off */
BOTH(add) BOTH(subtract) BOTH(multiply) BOTH(divide) BOTH(power) BOTH(matmul)
ONE(negative) ONE(square) ONE(abs) ONE(real) ONE(imag) ONE(conjugate) ONE(sign) ONE(exp) ONE(expm1) ONE(log) ONE(log2)
ONE(log10) ONE(log1p) ONE(sqrt) ONE(rsqrt) ONE(reciprocal) ONE(sigmoid) ONE(sin) ONE(cos) ONE(tan) ONE(sinh) ONE(cosh)
ONE(tanh) ONE(arcsin) ONE(arccos) ONE(arctan)
FUNCTION(to_complex, adze_astype(c, x, ADZE_C64))
FUNCTION(to_real, adze_astype(c, x, ADZE_F32))
FUNCTION(where, adze_where(c, adze_greater(c, adze_real(c, x), adze_scalar(c, 0)), x, y))
FUNCTION(sum, adze_sum(c, x, INTS(0), 1, false))
FUNCTION(prod, adze_prod(c, x, INTS(1), 1, false))
FUNCTION(mean, adze_mean(c, x, INTS(1), 1, false))
FUNCTION(cumsum, adze_cumsum(c, x, 1, false, true))
FUNCTION(transpose, adze_square(c, adze_transpose(c, x, NULL, 0)))
FUNCTION(slice, adze_slice(c, x, LIST(1, 0), LIST(4, 6), LIST(1, 2), 2))
FUNCTION(take, picked(c, x))
FUNCTION(concatenate, adze_concatenate(c, (const adze_array[]){x, y}, 2, 1))
AXIS(fft, fft, 0, -1, BACKWARD)
AXIS(fft_pad, fft, 16, -1, BACKWARD)
AXIS(fft_crop, fft, 7, 0, BACKWARD)
AXIS(ifft, ifft, 0, -1, BACKWARD)
AXIS(rfft, rfft, 0, -1, BACKWARD)
AXIS(irfft, irfft, 0, -1, BACKWARD)
AXIS(irfft_odd, irfft, 5, -1, BACKWARD)
AXIS(irfft_one, irfft, 1, -1, BACKWARD)
AXIS(fft_ortho, fft, 0, -1, ORTHO)
AXIS(ifft_ortho, ifft, 0, -1, ORTHO)
AXIS(rfft_ortho, rfft, 0, -1, ORTHO)
AXIS(irfft_ortho, irfft, 0, -1, ORTHO)
AXIS(fft_forward, fft, 0, -1, FORWARD)
AXIS(ifft_forward, ifft, 0, -1, FORWARD)
AXIS(rfft_forward, rfft, 0, -1, FORWARD)
AXIS(irfft_forward, irfft, 0, -1, FORWARD)
AXES(fft2, fft2, NULL, NULL, 0)
AXES(ifft2, ifft2, NULL, NULL, 0)
AXES(fftn, fftn, NULL, NULL, 0)
AXES(ifftn, ifftn, NULL, INTS(0, 2), 2)
AXES(fftn_sizes, fftn, LIST(5, 3), INTS(2, 0), 2)
AXES(rfft2, rfft2, NULL, NULL, 0)
AXES(irfft2, irfft2, NULL, NULL, 0)
AXES(rfftn, rfftn, NULL, NULL, 0)
AXES(irfftn, irfftn, LIST(4, 7), INTS(0, 2), 2)
FUNCTION(fftshift, adze_fftshift(c, x, NULL, 0))
FUNCTION(ifftshift, adze_ifftshift(c, x, INTS(0, 2), 2))

typedef struct Case {
    const char *name;
    Function *function;
    int inputs;
} Case;
/* clang-format on */

#define SAME(name) {#name, f_##name, 1}
#define TWO(name) {#name, f_##name, 2}
static const Case cases[] = {
    TWO(add),
    TWO(subtract),
    TWO(multiply),
    TWO(divide),
    TWO(power),
    TWO(matmul),
    TWO(where),
    TWO(concatenate),
    {"mixed", f_multiply, 2},
    {"broadcast", f_multiply, 2},
    {"matmul_batch", f_matmul, 2},
    SAME(negative),
    SAME(square),
    SAME(abs),
    SAME(real),
    SAME(imag),
    SAME(conjugate),
    SAME(sign),
    SAME(to_complex),
    SAME(to_real),
    SAME(exp),
    SAME(expm1),
    SAME(log),
    SAME(log2),
    SAME(log10),
    SAME(log1p),
    SAME(sqrt),
    SAME(rsqrt),
    SAME(reciprocal),
    SAME(sigmoid),
    SAME(sin),
    SAME(cos),
    SAME(tan),
    SAME(sinh),
    SAME(cosh),
    SAME(tanh),
    SAME(arcsin),
    SAME(arccos),
    SAME(arctan),
    SAME(sum),
    SAME(mean),
    SAME(prod),
    SAME(cumsum),
    SAME(transpose),
    SAME(slice),
    SAME(take),
    {"fft_1", f_fft, 1},
    {"fft_2", f_fft, 1},
    {"fft_3", f_fft, 1},
    {"fft_5", f_fft, 1},
    {"fft_7", f_fft, 1},
    {"fft_8", f_fft, 1},
    {"fft_13", f_fft, 1},
    {"fft_64", f_fft, 1},
    {"fft_100", f_fft, 1},
    {"fft_131", f_fft, 1},
    {"fft_202", f_fft, 1},
    {"fft_real", f_fft, 1},
    SAME(fft_pad),
    SAME(fft_crop),
    SAME(ifft),
    SAME(fft_ortho),
    SAME(ifft_ortho),
    SAME(rfft_ortho),
    SAME(irfft_ortho),
    SAME(fft_forward),
    SAME(ifft_forward),
    SAME(rfft_forward),
    SAME(irfft_forward),
    {"rfft_1", f_rfft, 1},
    {"rfft_2", f_rfft, 1},
    {"rfft_5", f_rfft, 1},
    {"rfft_12", f_rfft, 1},
    {"rfft_134", f_rfft, 1},
    {"irfft_1", f_irfft_one, 1},
    {"irfft_2", f_irfft, 1},
    {"irfft_5", f_irfft_odd, 1},
    {"irfft_12", f_irfft, 1},
    {"irfft_134", f_irfft, 1},
    {"irfft_size", f_irfft, 1},
    SAME(fft2),
    SAME(ifft2),
    SAME(fftn),
    SAME(ifftn),
    SAME(fftn_sizes),
    SAME(rfft2),
    SAME(irfft2),
    SAME(rfftn),
    SAME(irfftn),
    SAME(fftshift),
    SAME(ifftshift),
};
enum { CASES = sizeof cases / sizeof *cases };

static adze_status run_case(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    const Case *which = payload;
    return adze_give(results, which->function(c, in[0], in[count - 1]));
}

static adze_closure *closure_of(const Case *which)
{
    return adze_closure_new(run_case, (void *)(uintptr_t)which, NULL);
}

static void must(adze_context *c, adze_status status, const char *what)
{
    if (status != ADZE_DONE)
        fail_msg("%s: %s", what, adze_message(c));
}

/* ---- values and gradients ---- */

static void check_case(const Case *which)
{
    adze_context *c = adze_context_new();
    adze_closure *f = closure_of(which);
    adze_array in[2] = {take(c, which->name, "x"), {NULL}}, out, gradient[2];
    const adze_array cotangent = take(c, which->name, "ct");
    if (which->inputs == 2)
        in[1] = take(c, which->name, "y");
    must(c, adze_vjp(c, f, in, (size_t)which->inputs, &cotangent, 1, &out, gradient), which->name);
    check(c, out, which->name, "out", 2e-6);
    check(c, gradient[0], which->name, "dx", 5e-6);
    if (which->inputs == 2)
        check(c, gradient[1], which->name, "dy", 5e-6);
    adze_closure_free(f);
    adze_context_free(c);
}

static void test_answers(void **state)
{
    (void)state;
    for (int i = 0; i < CASES; i++)
        check_case(&cases[i]);
}

static double inner(const float *x, const float *y, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (double)x[i] * (double)y[i];
    return sum;
}

/* <ct, J t> = <J' ct, t>, numbers counted as pairs; t is the cotangent of a case with inputs like these. */
static void check_transpose(const Case *which)
{
    adze_context *c = adze_context_new();
    adze_closure *f = closure_of(which);
    const adze_array x = take(c, which->name, "x"), ct = take(c, which->name, "ct");
    const adze_array tangent = adze_multiply(c, adze_fftshift(c, x, NULL, 0), adze_scalar(c, 0.7f));
    adze_array out, pushed, gradient;
    must(c, adze_vjp(c, f, &x, 1, &ct, 1, &out, &gradient), which->name);
    must(c, adze_jvp(c, f, &x, &tangent, 1, &out, &pushed, 1), which->name);
    const double forward = inner(data_of(c, pushed, which->name), data_of(c, ct, which->name), floats_of(ct));
    const double back = inner(data_of(c, gradient, which->name), data_of(c, tangent, which->name), floats_of(x));
    if (!(fabs(forward - back) <= 2e-5 * fmax(1, fabs(forward))))
        fail_msg("%s: <ct, J t> is %g, <J' ct, t> is %g", which->name, forward, back);
    adze_closure_free(f);
    adze_context_free(c);
}

static void test_transposes(void **state)
{
    (void)state;
    for (int i = 0; i < CASES; i++)
        if (cases[i].inputs == 1 && i % 6 == 0)
            check_transpose(&cases[i]);
}

/* sum of |irfft(rfft(x) / (1 + |rfft(x)|²))|⁴ */
static adze_status filter_loss(adze_context *c, const adze_array *in, size_t count, adze_results *results,
                               void *payload)
{
    (void)count, (void)payload;
    const adze_array z = adze_rfft(c, in[0], 0, -1, ADZE_FFT_ORTHO), size = adze_square(c, adze_abs(c, z));
    const adze_array y = adze_irfft(c, adze_divide(c, z, adze_add(c, size, adze_scalar(c, 1))), 0, -1, ADZE_FFT_ORTHO);
    return adze_give(results, adze_sum(c, adze_square(c, adze_square(c, y)), NULL, 0, false));
}

static double loss_at(adze_context *c, adze_closure *f, const float *x, int64_t size)
{
    const adze_array in = adze_from(c, x, &size, 1, ADZE_F32);
    adze_array out;
    must(c, adze_apply(c, f, &in, 1, &out, 1), "loss");
    return adze_item(c, out);
}

static void test_central_differences(void **state)
{
    enum { N = 12 };
    (void)state;
    adze_context *c = adze_context_new();
    adze_closure *f = adze_closure_new(filter_loss, NULL, NULL), *g = adze_grad(c, f, NULL, 0);
    float x[N];
    const int64_t size = N;
    for (int i = 0; i < N; i++)
        x[i] = (float)((i * 7 + 3) % 11) / 5 - 1;
    const adze_array in = adze_from(c, x, &size, 1, ADZE_F32);
    adze_array out;
    must(c, adze_apply(c, g, &in, 1, &out, 1), "grad");
    const float *gradient = data_of(c, out, "grad");
    for (int i = 0; i < N; i++) {
        const float step = 0x1p-6f, here = x[i];
        x[i] = here + step;
        const double above = loss_at(c, f, x, N);
        x[i] = here - step;
        const double below = loss_at(c, f, x, N);
        x[i] = here;
        assert_true(fabs((above - below) / (2 * (double)step) - (double)gradient[i]) < 2e-3);
    }
    adze_closure_free(f);
    adze_closure_free(g);
    adze_context_free(c);
}

/* ---- lanes ---- */

/* Two different lanes; the first is the case as it is. */
static adze_array lanes_of(adze_context *c, adze_array x)
{
    const adze_array lane[2] = {adze_expand_dims(c, x, 0),
                                adze_expand_dims(c, adze_multiply(c, x, adze_scalar(c, 0.75f)), 0)};
    return adze_concatenate(c, lane, 2, 0);
}

static void check_lanes(const Case *which)
{
    adze_context *c = adze_context_new();
    adze_closure *f = closure_of(which), *mapped = adze_vmap(c, f, NULL, 0, NULL, 0);
    adze_array in[2] = {take(c, which->name, "x"), {NULL}}, wide[2], out, all;
    if (which->inputs == 2)
        in[1] = take(c, which->name, "y");
    for (int i = 0; i < which->inputs; i++)
        wide[i] = lanes_of(c, in[i]);
    must(c, adze_apply(c, mapped, wide, (size_t)which->inputs, &all, 1), which->name);
    const float *found = data_of(c, all, which->name);
    for (int lane = 0; lane < 2; lane++) {
        adze_array one[2];
        for (int i = 0; i < which->inputs; i++)
            one[i] = lane == 0 ? in[i] : adze_multiply(c, in[i], adze_scalar(c, 0.75f));
        must(c, adze_apply(c, f, one, (size_t)which->inputs, &out, 1), which->name);
        const size_t count = floats_of(out);
        const double apart = distance(found + (size_t)lane * count, data_of(c, out, which->name), count);
        if (!(apart <= 1e-6))
            fail_msg("%s: lane %d is %g off", which->name, lane, apart);
    }
    adze_closure_free(f);
    adze_closure_free(mapped);
    adze_context_free(c);
}

static void test_lanes(void **state)
{
    (void)state;
    for (int i = 0; i < CASES; i += 5)
        check_lanes(&cases[i]);
}

/* ---- other functions ---- */

static void test_views(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    const adze_array x = take(c, "view", "x"), pairs = take(c, "view_back", "x");
    check(c, adze_view(c, x, ADZE_F32), "view", "out", 0);
    check(c, adze_view(c, pairs, ADZE_C64), "view_back", "out", 0);
    const adze_array bytes = adze_view(c, x, ADZE_U8);
    assert_int_equal(adze_shape(bytes)[1], 48);
    check(c, adze_view(c, bytes, ADZE_C64), "view_back", "out", 0);
    check(c, adze_view(c, adze_view(c, x, ADZE_U64), ADZE_F32), "view", "out", 0);
    assert_non_null(adze_error_of(adze_view(c, adze_slice(c, pairs, LIST(0, 0), LIST(4, 5), NULL, 2), ADZE_C64)));
    adze_context_free(c);
}

static void test_scalars(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    const adze_array i = adze_scalar_c64(c, 0, 1), z = adze_complex(c, adze_scalar(c, 3), adze_scalar_i32(c, 4));
    assert_int_equal(adze_element_of(z), ADZE_C64);
    assert_true(adze_item(c, adze_abs(c, z)) == 5);
    assert_true(adze_item(c, adze_imag(c, adze_multiply(c, i, z))) == 3);
    assert_true(adze_item(c, adze_imag(c, adze_scalar(c, 2))) == 0);
    assert_true(adze_item(c, adze_equal(c, adze_square(c, i), adze_scalar(c, -1))) == 1);
    assert_true(adze_item(c, adze_astype(c, i, ADZE_BOOL)) == 1);
    assert_true(adze_item(c, adze_isnan(c, adze_complex(c, adze_scalar(c, 1), adze_scalar(c, NAN)))) == 1);
    /* no overflow on the way */
    const adze_array large = adze_scalar_c64(c, 3e38f, 3e38f);
    assert_true(adze_item(c, adze_real(c, adze_divide(c, large, large))) == 1);
    assert_true(isinf(adze_item(c, adze_abs(c, large))));
    assert_true(adze_item(c, adze_abs(c, adze_scalar_c64(c, 3e-30f, 4e-30f))) > 4.9e-30);
    adze_context_free(c);
}

static void test_frequencies(void **state)
{
    static const int size[] = {1, 8, 9};
    (void)state;
    adze_context *c = adze_context_new();
    for (int i = 0; i < 3; i++) {
        char name[32], half[32];
        snprintf(name, sizeof name, "fftfreq_%d", size[i]);
        snprintf(half, sizeof half, "rfftfreq_%d", size[i]);
        check(c, adze_fftfreq(c, size[i], 0.5), name, "out", 0);
        check(c, adze_rfftfreq(c, size[i], 0.5), half, "out", 0);
    }
    adze_context_free(c);
}

/* ---- long transforms ---- */

/* As make_fft_answers.py has it. */
static adze_array long_input(adze_context *c, int64_t n)
{
    float *data = malloc((size_t)n * 2 * sizeof *data);
    for (uint64_t j = 0; j < (uint64_t)n; j++) {
        data[2 * j] = (float)((double)((j * 7919 + 12345 * j * j) % 65521) / 32768 - 1);
        data[2 * j + 1] = (float)((double)((j * 104729 + 12345 * j * j) % 65521) / 32768 - 1);
    }
    const adze_array x = adze_from(c, data, &n, 1, ADZE_C64);
    free(data);
    return x;
}

/* Relative L2 error, at 64 places. */
static void check_long(int64_t n, double tolerance)
{
    char name[32];
    Record record;
    float due[128], size;
    double error = 0;
    snprintf(name, sizeof name, "long_%lld", (long long)n);
    adze_context *c = adze_context_new();
    const float *found = data_of(c, adze_fft(c, long_input(c, n), 0, -1, ADZE_FFT_BACKWARD), name);
    memcpy(due, find(name, "out", &record), sizeof due);
    memcpy(&size, find(name, "norm", &record), sizeof size);
    for (uint64_t i = 0; i < 64; i++) {
        const uint64_t k = i * 2654435761u % (uint64_t)n;
        error += pow((double)found[2 * k] - (double)due[2 * i], 2);
        error += pow((double)found[2 * k + 1] - (double)due[2 * i + 1], 2);
    }
    error = sqrt(error / 64) / (double)size;
    if (!(error <= tolerance))
        fail_msg("length %lld: the error is %g", (long long)n, error);
    adze_context_free(c);
}

static void test_long(void **state)
{
    static const int64_t size[] = {4096, 1009, 59049, 65536, 65537, 100000, 262144, 1048576};
    (void)state;
    for (size_t i = 0; i < sizeof size / sizeof *size; i++)
        check_long(size[i], 1e-6);
}

/* ---- loops ---- */

/* carry z, w -> z² + w, w; output z */
static adze_status orbit_step(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    (void)count, (void)payload;
    adze_give(results, adze_add(c, adze_square(c, in[0]), in[1]));
    adze_give(results, in[1]);
    return adze_give(results, in[0]);
}

/* sum of |z| over three steps of z² + w, in a loop or written out. */
static adze_status orbit(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    adze_array out[3], z = in[0];
    (void)count;
    if (payload == NULL) {
        const adze_array path[3] = {z, adze_add(c, adze_square(c, z), in[1]),
                                    adze_add(c, adze_square(c, adze_add(c, adze_square(c, z), in[1])), in[1])};
        adze_array sum = adze_abs(c, path[0]);
        for (int i = 1; i < 3; i++)
            sum = adze_add(c, sum, adze_abs(c, path[i]));
        return adze_give(results, adze_sum(c, sum, NULL, 0, false));
    }
    adze_closure *body = adze_closure_new(orbit_step, NULL, NULL);
    (void)adze_scan(c, body, in, 2, NULL, 0, 3, false, out, 3);
    adze_closure_free(body);
    return adze_give(results, adze_sum(c, adze_abs(c, out[2]), NULL, 0, false));
}

static void test_loops(void **state)
{
    const int both[] = {0, 1};
    float kept[2][24];
    (void)state;
    adze_context *c = adze_context_new();
    adze_array in[2] = {take(c, "broadcast", "y"), {NULL}}, out[3];
    in[1] = adze_multiply(c, in[0], adze_scalar_c64(c, 0.25f, -0.5f));
    for (int looped = 0; looped < 2; looped++) {
        adze_closure *f = adze_closure_new(orbit, looped ? c : NULL, NULL);
        adze_closure *g = adze_value_and_grad(c, f, both, 2);
        must(c, adze_apply(c, g, in, 2, out, 3), "orbit");
        kept[looped][0] = (float)adze_item(c, out[0]);
        must(c, adze_read(c, out[1], kept[looped] + 1, 40), "orbit");
        must(c, adze_read(c, out[2], kept[looped] + 11, 40), "orbit");
        adze_closure_free(f);
        adze_closure_free(g);
    }
    assert_true(distance(kept[1], kept[0], 21) < 1e-5);
    adze_context_free(c);
}

static adze_status conjugate_branch(adze_context *c, const adze_array *in, size_t count, adze_results *results,
                                    void *payload)
{
    (void)count;
    return adze_give(results, payload == NULL ? in[0] : adze_multiply(c, adze_conjugate(c, in[0]), in[0]));
}

static adze_status branched(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    adze_array out;
    (void)count, (void)payload;
    adze_closure *then = adze_closure_new(conjugate_branch, c, NULL);
    adze_closure *otherwise = adze_closure_new(conjugate_branch, NULL, NULL);
    (void)adze_cond(c, adze_greater(c, adze_sum(c, adze_real(c, in[0]), NULL, 0, false), adze_scalar(c, -100)), then,
                    otherwise, in, 1, &out, 1);
    adze_closure_free(then);
    adze_closure_free(otherwise);
    return adze_give(results, adze_sum(c, adze_real(c, out), NULL, 0, false));
}

/* d |z|² = 2 z */
static void test_branches(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    const adze_array x = take(c, "broadcast", "y");
    adze_closure *f = adze_closure_new(branched, NULL, NULL), *g = adze_grad(c, f, NULL, 0);
    adze_array out;
    must(c, adze_apply(c, g, &x, 1, &out, 1), "branches");
    const float *due = data_of(c, adze_multiply(c, x, adze_scalar(c, 2)), "branches");
    assert_true(distance(data_of(c, out, "branches"), due, 10) < 1e-6);
    adze_closure_free(f);
    adze_closure_free(g);
    adze_context_free(c);
}

/* ---- sizes that calls decide ---- */

static adze_status spectrum(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    (void)count, (void)payload;
    const adze_array z = adze_fft(c, in[0], 0, -1, ADZE_FFT_BACKWARD);
    return adze_give(results, adze_multiply(c, z, adze_conjugate(c, in[0])));
}

static void test_unknown_batch(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    adze_closure *f = adze_closure_new(spectrum, NULL, NULL);
    const int64_t shape[] = {4, 202};
    const char *const name[] = {"batch", NULL};
    const adze_leaf leaf = {.name = "x", .element = ADZE_C64, .rank = 2, .shape = shape, .dimension = name};
    adze_graph *graph = adze_capture(c, f, &leaf, 1);
    if (graph == NULL)
        fail_msg("%s", adze_message(c));
    adze_closure *any = adze_graph_closure(c, graph);
    const adze_array x = take(c, "fft_202", "x");
    adze_array out, due;
    must(c, adze_apply(c, any, &x, 1, &out, 1), "unknown batch");
    must(c, adze_apply(c, f, &x, 1, &due, 1), "known batch");
    assert_memory_equal(data_of(c, out, "unknown batch"), data_of(c, due, "known batch"), 2 * 202 * 8);
    adze_closure_free(any);
    adze_graph_free(graph);
    adze_closure_free(f);
    adze_context_free(c);
}

/* ---- the same bits ---- */

static void run_library(const char *path, const void *x, void *out)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const AdzeModel *model = library == NULL ? NULL : (const AdzeModel *)dlsym(library, "adze_model");
    if (model == NULL)
        fail_msg("%s", dlerror());
    const int64_t bytes = adze_workspace_bytes(model, NULL);
    void *workspace = aligned_alloc(ADZE_ALIGNMENT, bytes == 0 ? ADZE_ALIGNMENT : (size_t)bytes);
    assert_int_equal(adze_run(model, &x, &out, NULL, workspace, bytes, NULL), ADZE_OK);
    free(workspace);
    dlclose(library);
}

static void test_same_bits(void **state)
{
    enum { BYTES = 2 * 202 * 8 };
    char library[64], source[64], command[512], made[64];
    static char x[BYTES], found[BYTES];
    (void)state;
    adze_context *c = adze_context_new();
    adze_closure *f = adze_closure_new(spectrum, NULL, NULL);
    const adze_array in = take(c, "fft_202", "x");
    adze_array out;
    snprintf(library, sizeof library, "test_fft_%d.so", (int)getpid());
    snprintf(source, sizeof source, "test_fft_%d.c", (int)getpid());
    snprintf(made, sizeof made, "test_fft_%d_c.so", (int)getpid());
    must(c, adze_apply(c, f, &in, 1, &out, 1), "here");
    must(c, adze_read(c, in, x, BYTES), "input");
    must(c, adze_export(c, f, &in, 1, "spectrum", library), "export");
    must(c, adze_export(c, f, &in, 1, "spectrum", source), "export");
    snprintf(command, sizeof command, "./%s", library);
    run_library(command, x, found);
    assert_memory_equal(found, data_of(c, out, "here"), BYTES);
    snprintf(command, sizeof command, "cc -O1 -std=gnu17 -fPIC -shared -w -o %s %s -lpthread -lm", made, source);
    assert_int_equal(system(command), 0);
    snprintf(command, sizeof command, "./%s", made);
    run_library(command, x, found);
    assert_memory_equal(found, data_of(c, out, "here"), BYTES);
    unlink(library), unlink(source), unlink(made);
    adze_closure_free(f);
    adze_context_free(c);
}

/* ---- what is refused ---- */

static void assert_error(adze_array x, const char *words)
{
    const char *error = adze_error_of(x);
    if (error == NULL || strstr(error, words) == NULL)
        fail_msg("the message should hold '%s': %s", words, error == NULL ? "none" : error);
}

static void test_errors(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    const adze_array x = take(c, "fft2", "x");
    assert_error(adze_fft(c, x, 0, 3, ADZE_FFT_BACKWARD), "axis 3");
    assert_error(adze_fft(c, x, -4, 0, ADZE_FFT_BACKWARD), "Invalid number of data points (-4)");
    assert_error(adze_fftn(c, x, NULL, INTS(1, -2), 2, ADZE_FFT_BACKWARD), "twice");
    assert_error(adze_fftn(c, x, LIST(2, 2, 2, 2), NULL, 4, ADZE_FFT_BACKWARD), "4 axes");
    assert_error(adze_irfft(c, adze_scalar(c, 1), 0, 0, ADZE_FFT_BACKWARD), "1 axes of an array with 0");
    assert_error(adze_irfft(c, adze_slice(c, x, LIST(0, 0, 0), LIST(3, 4, 1), NULL, 3), 0, -1, ADZE_FFT_BACKWARD),
                 "Invalid number of data points (0)");
    assert_error(adze_maximum(c, x, x), "isn't defined for c64");
    assert_error(adze_less(c, x, x), "isn't defined for c64");
    assert_error(adze_erf(c, x), "complex");
    assert_null(adze_data(c, adze_cumprod(c, x, 0, false, true)));
    assert_non_null(strstr(adze_message(c), "cumulative_prod of complex numbers is not supported"));
    assert_error(adze_complex(c, x, x), "parts should be real");
    adze_context_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_transposes),
        cmocka_unit_test(test_central_differences),
        cmocka_unit_test(test_lanes),
        cmocka_unit_test(test_views),
        cmocka_unit_test(test_scalars),
        cmocka_unit_test(test_frequencies),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_loops),
        cmocka_unit_test(test_branches),
        cmocka_unit_test(test_unknown_batch),
        cmocka_unit_test(test_same_bits),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, read_answers, free_answers);
}
