/* SPDX-License-Identifier: Apache-2.0
 * ONNX signal processing: DFT and STFT as products with matrices of cosines and sines, in f64; window functions;
 * MelWeightMatrix. */
#include <math.h>
#include <string.h>

#include "frontend/onnx/onnx_rules.h"

enum { MAX_LENGTH = 1 << 13 };

/* ---- discrete Fourier transform ---- */

/* [rows, columns] of cos or sin of 2 pi row column / length. */
static Value circle_matrix(Site *s, int64_t rows, int64_t columns, int64_t length, bool is_sine, double factor)
{
    const int64_t dim[2] = {rows, columns};
    Module *module = s->importer->module;
    double *matrix = SITE_NEW(s, double, (size_t)rows *(size_t)columns);
    for (int64_t i = 0; matrix && i < rows; i++)
        for (int64_t k = 0; k < columns; k++) {
            const double angle = 2 * M_PI * (double)(i * k % length) / (double)length;
            matrix[i * columns + k] = factor * (is_sine ? sin(angle) : cos(angle));
        }
    return matrix ? build_constant(&s->builder,
                                   constant_copy(module, type_make_static(module, ELEMENT_f64, dim, 2), matrix))
                  : (Value){0};
}

/* x (any shape) times matrix [length, bins] along its last axis. */
static Value transform(Site *s, Value x, Value matrix)
{
    const int64_t last = (int64_t)site_type_of(s, x).rank - 1, first = 0;
    return build_dot(&s->builder, x, matrix, NULL, NULL, 0, &last, &first, 1, ELEMENT_f64);
}

/* Cut or padded with zeros along the last axis. */
static Value fit_length(Site *s, Value x, int64_t length)
{
    const Type type = site_type_of(s, x);
    Dim low[MAX_RANK], high[MAX_RANK];
    for (uint32_t i = 0; i < type.rank; i++)
        low[i] = high[i] = dim_constant(0);
    high[type.rank - 1] = dim_sub(s->importer->module, dim_constant(length), type.dim[type.rank - 1]);
    return dim_is(high[type.rank - 1], 0)
               ? x
               : build_pad(&s->builder, x, build_scalar(&s->builder, ELEMENT_f64, 0), low, high, NULL);
}

typedef struct Spectrum {
    Value real, imaginary; /* no id: zero */
} Spectrum;

/* Forward: exp(-i angle); inverse: exp(i angle) / length. */
static Spectrum fourier(Site *s, Spectrum x, int64_t length, int64_t bins, bool is_inverse)
{
    Builder *b = &s->builder;
    const double factor = is_inverse ? 1.0 / (double)length : 1, turn = is_inverse ? factor : -1;
    const Value cosine = circle_matrix(s, length, bins, length, false, factor);
    const Value sine = circle_matrix(s, length, bins, length, true, turn);
    const Value real = fit_length(s, x.real, length);
    Spectrum y = {transform(s, real, cosine), transform(s, real, sine)};
    if (x.imaginary.id) {
        const Value imaginary = fit_length(s, x.imaginary, length);
        y.real = build_binary(b, OP_sub, y.real, transform(s, imaginary, sine));
        y.imaginary = build_binary(b, OP_add, y.imaginary, transform(s, imaginary, cosine));
    }
    return y;
}

/* One-sided frequencies with those that mirror them: bin length - k is the conjugate of bin k. */
static Spectrum mirror(Site *s, Spectrum x, int64_t length)
{
    Builder *b = &s->builder;
    const int64_t last = (int64_t)site_type_of(s, x.real).rank - 1, kept = length / 2 + 1;
    Spectrum half = {fit_length(s, x.real, kept), x.imaginary.id ? fit_length(s, x.imaginary, kept) : x.imaginary};
    Value *part[] = {&half.real, &half.imaginary};
    for (uint32_t i = 0; i < 2 && !site_failed(s); i++) {
        if (!part[i]->id)
            continue;
        const Value inner =
            build_slice_axis(b, *part[i], (uint32_t)last, dim_constant(1), dim_constant((length + 1) / 2));
        Value mirrored = build_reverse(b, inner, &last, 1);
        if (i == 1)
            mirrored = build_unary(b, OP_neg, mirrored);
        const Value both[] = {*part[i], mirrored};
        *part[i] = build_concatenate(b, both, 2, (uint32_t)last);
    }
    return half;
}

static bool fixed_length(Site *s, Dim length, int64_t *number)
{
    *number = length.constant;
    if (!dim_is_constant(length) || length.constant < 1 || length.constant > MAX_LENGTH)
        site_unsupported(s, "a transform whose length isn't fixed, or above %d", MAX_LENGTH);
    return !site_failed(s);
}

/* Part of the last axis, dropped; in f64. */
static Value component(Site *s, Value x, int64_t index)
{
    const uint32_t last = site_type_of(s, x).rank - 1;
    const Value part = build_slice_axis(&s->builder, x, last, dim_constant(index), dim_constant(index + 1));
    return build_cast(&s->builder, build_squeeze(&s->builder, part, last), ELEMENT_f64);
}

/* The axis moved to the end, or back from there. */
static Value move_axis(Site *s, Value x, uint32_t axis, bool to_end)
{
    const uint32_t rank = site_type_of(s, x).rank;
    int64_t permutation[MAX_RANK];
    for (uint32_t i = 0; i < rank; i++) {
        if (to_end)
            permutation[i] = i + 1 == rank ? axis : i < axis ? i : i + 1;
        else
            permutation[i] = i < axis ? i : i == axis ? rank - 1 : i - 1;
    }
    return build_transpose(&s->builder, x, permutation);
}

static Value join_components(Site *s, Spectrum y, ElementType element)
{
    Builder *b = &s->builder;
    const uint32_t rank = site_type_of(s, y.real).rank;
    const Value both[] = {build_expand_dims(b, y.real, rank), build_expand_dims(b, y.imaginary, rank)};
    return build_cast(b, build_concatenate(b, both, 2, rank), element);
}

/* Real input has 1, complex input 2 entries in its last axis. Axis: attribute in opset 17, input since 20. */
void import_dft(Site *s)
{
    Builder *b = &s->builder;
    const Type type = site_type(s, 0);
    const bool is_inverse = site_integer(s, "inverse", 0), is_onesided = site_integer(s, "onesided", 0);
    uint32_t count;
    int64_t axis = site_integer(s, "axis", 1), length;
    if (s->opset >= 20) {
        const int64_t *given = site_has(s, 2) ? site_integers_of_input(s, 2, "the axis", &count) : NULL;
        axis = given ? *given : -2;
    }
    if (type.rank < 2 || type.rank + 1 > MAX_RANK)
        site_invalid(s, "rank %u", type.rank);
    const uint32_t at = site_failed(s) ? 0 : site_axis(s, axis, type.rank);
    if (site_failed(s) || at + 1 == type.rank) {
        site_invalid(s, "the last axis holds real and imaginary parts");
        return;
    }
    if (is_inverse && !is_onesided && s->opset < 20) { /* its published results hold the noise of an f32 FFT */
        site_unsupported(s, "the inverse transform before opset 20");
        return;
    }
    const int64_t *given = site_has(s, 1) ? site_integers_of_input(s, 1, "the length", &count) : NULL;
    if (site_failed(s))
        return;
    const bool is_complex = dim_is(type.dim[type.rank - 1], 2);
    Dim due = given ? dim_constant(*given) : type.dim[at];
    if (!given && is_inverse && is_onesided)
        due = dim_mul(s->importer->module, dim_sub(s->importer->module, due, dim_constant(1)), dim_constant(2));
    if (!fixed_length(s, due, &length))
        return;
    const Value x = site_input(s, 0);
    Spectrum in = {move_axis(s, component(s, x, 0), at, true), {0}};
    if (is_complex)
        in.imaginary = move_axis(s, component(s, x, 1), at, true);
    if (is_inverse && is_onesided)
        in = mirror(s, in, length);
    Spectrum out = fourier(s, in, length, is_onesided && !is_inverse ? length / 2 + 1 : length, is_inverse);
    out.real = move_axis(s, out.real, at, false);
    out.imaginary = move_axis(s, out.imaginary, at, false);
    if (site_failed(s))
        return;
    if (is_inverse && is_onesided)
        site_give(s, 0, build_cast(b, build_expand_dims(b, out.real, type.rank - 1), type.element));
    else
        site_give(s, 0, join_components(s, out, type.element));
}

/* Frames [B, frames, length] of a signal [B, samples], looked up by index. */
static Value frames(Site *s, Value signal, int64_t count, int64_t step, int64_t length)
{
    const int64_t dim[2] = {count, length};
    Module *module = s->importer->module;
    int64_t *index = SITE_NEW(s, int64_t, (size_t)(count * length));
    for (int64_t i = 0; index && i < count * length; i++)
        index[i] = i / length * step + i % length;
    if (!index)
        return (Value){0};
    const Value places =
        build_constant(&s->builder, constant_copy(module, type_make_static(module, ELEMENT_i64, dim, 2), index));
    return build_take(&s->builder, signal, places, 1, "error");
}

void import_stft(Site *s)
{
    Builder *b = &s->builder;
    const Type type = site_type(s, 0);
    uint32_t count;
    int64_t samples, length;
    const int64_t *step = site_integers_of_input(s, 1, "the result's shape", &count);
    const int64_t *given = site_has(s, 3) ? site_integers_of_input(s, 3, "the result's shape", &count) : NULL;
    if (site_failed(s) || !(type.rank == 3 || type.rank == 2)) {
        site_invalid(s, "a signal of rank %u", type.rank);
        return;
    }
    if (!fixed_length(s,
                      given            ? dim_constant(*given)
                      : site_has(s, 2) ? site_type(s, 2).dim[0]
                                       : type.dim[1],
                      &length) ||
        *step < 1 || !dim_is_constant(type.dim[1]) || type.dim[1].constant < length ||
        type.dim[1].constant > INT32_MAX / length) {
        site_unsupported(s, "a signal whose length isn't fixed, or shorter than a frame");
        return;
    }
    samples = type.dim[1].constant;
    const int64_t frame_count = 1 + (samples - length) / *step;
    Value x = site_input(s, 0);
    if (type.rank == 2)
        x = build_expand_dims(b, x, 2);
    Spectrum in = {{0}, {0}};
    Value *part[] = {&in.real, &in.imaginary};
    for (uint32_t i = 0; i < (dim_is(site_type_of(s, x).dim[2], 2) ? 2u : 1u); i++) {
        *part[i] = frames(s, component(s, x, i), frame_count, *step, length);
        if (site_has(s, 2))
            *part[i] = site_binary(s, OP_mul, *part[i], build_cast(b, site_input(s, 2), ELEMENT_f64));
    }
    const int64_t bins = site_integer(s, "onesided", 1) ? length / 2 + 1 : length;
    if (!site_failed(s))
        site_give(s, 0, join_components(s, fourier(s, in, length, bins, false), type.element));
}

/* ---- windows ---- */

typedef struct Cosines {
    double constant, first, second;
} Cosines;

/* constant - first cos(2 pi i / n) + second cos(4 pi i / n); n is the size, less 1 when symmetric. */
static void give_window(Site *s, Cosines cosines)
{
    Builder *b = &s->builder;
    uint32_t count;
    const ElementType element = site_element(s, "output_datatype", ELEMENT_f32);
    const Dim *size = site_numbers(s, 0, "the result's length", &count);
    if (site_failed(s))
        return;
    const Value index =
        build_cast(b, build_iota(b, type_make(s->importer->module, ELEMENT_i64, size, 1), 0), ELEMENT_f64);
    const Value length = build_cast(b, build_dimension(b, *size), ELEMENT_f64);
    const Value period = site_integer(s, "periodic", 1) ? length : build_binary_scalar(b, OP_sub, length, 1);
    const Value angle = site_binary(s, OP_div, build_binary_scalar(b, OP_mul, index, 2 * M_PI), period);
    const Value first = build_binary_scalar(b, OP_mul, build_unary(b, OP_cos, angle), -cosines.first);
    const Value twice = build_unary(b, OP_cos, build_binary_scalar(b, OP_mul, angle, 2));
    const Value second = build_binary_scalar(b, OP_mul, twice, cosines.second);
    const Value sum = build_binary_scalar(b, OP_add, build_binary(b, OP_add, first, second), cosines.constant);
    site_give(s, 0, build_cast(b, sum, element));
}

void import_hann_window(Site *s)
{
    give_window(s, (Cosines){0.5, 0.5, 0});
}

void import_hamming_window(Site *s)
{
    give_window(s, (Cosines){25.0 / 46, 21.0 / 46, 0});
}

void import_blackman_window(Site *s)
{
    give_window(s, (Cosines){0.42, 0.5, 0.08});
}
