/* SPDX-License-Identifier: Apache-2.0
 * A transform of length n = r₁ r₂ … rₚ, all r small, in p steps. With n = r m, j = a m + b and k = c + r d
 *
 *     X[c + r d] = Σ_b e(b d / m) · e(b c / n) · Σ_a e(a c / r) x[a m + b],     e(t) = exp(±2πi t)
 *
 * the inner sum is a product with an r × r matrix, the factor in the middle a product by element (a twiddle), the outer
 * sum a transform of length m. A step reads [batch, r, rest] and gives [batch, rest, r]: digits of k gather behind, the
 * first one slowest, and are put in order at the end. Lengths with a large prime factor go by Bluestein's way: with
 * jk = (j² + k² - (k - j)²) / 2 the transform is a convolution with a chirp, made by transforms of a power of two.
 *
 * All factors are computed in f64 and stored as f32. Twiddles of long transforms are products of two small tables. */
#include "api/fourier.h"

#include <math.h>
#include <stdlib.h>

enum {
    MAX_RADIX = 64,
    DENSE_PRIME = 128, /* primes up to this are radices themselves */
    WHOLE_TABLE = 1 << 14,
    MAX_STEPS = 32,
};

/* ---- constants ---- */

typedef struct Table { /* an array of complex numbers being made */
    float *re, *im;
} Table;

static Table table_new(RuleCall *call, int64_t count)
{
    Arena *arena = &call->b.graph->module->arena;
    const Table table = {ARENA_NEW(arena, float, (size_t)count), ARENA_NEW(arena, float, (size_t)count)};
    if (table.re == NULL || table.im == NULL)
        module_fail(call->b.graph->module, STATUS_OUT_OF_MEMORY, "", "out of memory");
    return table;
}

static Value constant(RuleCall *call, const float *data, const int64_t *dim, uint32_t rank)
{
    Module *module = call->b.graph->module;
    return build_constant(&call->b, constant_copy(module, type_make_static(module, ELEMENT_f32, dim, rank), data));
}

/* exp(2πi numerator / n), exact where it is on an axis. */
static void unit_root(int64_t numerator, int64_t n, double *re, double *im)
{
    const int64_t turn = ((numerator % n) + n) % n, eighth = 8 * turn;
    const double angle = 2 * M_PI * (double)turn / (double)n;
    *re = cos(angle);
    *im = sin(angle);
    if (eighth % (2 * n) == 0) {
        const int64_t quarter = eighth / (2 * n);
        *re = quarter == 0 ? 1 : quarter == 2 ? -1 : 0;
        *im = quarter == 1 ? 1 : quarter == 3 ? -1 : 0;
    }
}

/* [rows, columns] of exp(2πi sign stride row column / n). */
static Pair root_table(RuleCall *call, int64_t rows, int64_t columns, int64_t stride, int64_t n, int sign)
{
    const Table table = table_new(call, rows * columns);
    const int64_t dim[2] = {rows, columns};
    if (!call_ready(call))
        return (Pair){{0}, {0}};
    for (int64_t i = 0; i < rows; i++)
        for (int64_t k = 0; k < columns; k++) {
            double re, im;
            unit_root(sign * (i * stride % n) * k, n, &re, &im);
            table.re[i * columns + k] = (float)re;
            table.im[i * columns + k] = (float)im;
        }
    return (Pair){constant(call, table.re, dim, 2), constant(call, table.im, dim, 2)};
}

/* What parts of x contribute to (re, im) of the sums: [r, 2 r], from the real part of x, or from the imaginary one. */
static Value step_matrix(RuleCall *call, int64_t r, int sign, double scale, bool imaginary)
{
    const int64_t dim[2] = {r, 2 * r};
    const Table table = table_new(call, 2 * r * r);
    if (!call_ready(call))
        return (Value){0};
    for (int64_t i = 0; i < r; i++)
        for (int64_t k = 0; k < r; k++) {
            double re, im;
            unit_root(sign * i * k, r, &re, &im);
            table.re[i * 2 * r + k] = (float)(scale * (imaginary ? -im : re));
            table.re[i * 2 * r + r + k] = (float)(scale * (imaginary ? re : im));
        }
    return constant(call, table.re, dim, 2);
}

/* ---- steps ---- */

typedef struct Steps {
    int64_t radix[MAX_STEPS];
    uint32_t count;
} Steps;

/* The divisor of n, at most MAX_RADIX, that is nearest to target by ratio; 1 when there is none. */
static int64_t nearest_divisor(int64_t n, double target)
{
    int64_t best = 1;
    for (int64_t r = 2; r <= MAX_RADIX && r <= n; r++)
        if (n % r == 0 && (best == 1 || fabs(log((double)r / target)) < fabs(log((double)best / target))))
            best = r;
    return best;
}

/* Takes prime factors that are radices themselves out, then divides what is left evenly. False: n has a prime factor
 * that is too large. */
static bool plan_steps(int64_t n, Steps *steps)
{
    steps->count = 0;
    for (int64_t r = MAX_RADIX + 1; r <= DENSE_PRIME; r++)
        while (n % r == 0 && nearest_divisor(r, (double)r) == 1) {
            steps->radix[steps->count++] = r;
            n /= r;
        }
    while (n > 1) {
        const double passes = ceil(log((double)n) / log(MAX_RADIX / 2.0) - 1e-9);
        const int64_t r = nearest_divisor(n, pow((double)n, 1 / fmax(passes, 1)));
        if (r == 1)
            return false;
        steps->radix[steps->count++] = r;
        n /= r;
    }
    return true;
}

static Value shaped(RuleCall *call, Value x, Dim batch, const int64_t *size, uint32_t count)
{
    Dim dim[MAX_RANK] = {batch};
    for (uint32_t i = 0; i < count; i++)
        dim[i + 1] = dim_constant(size[i]);
    return call_ready(call) ? build_reshape(&call->b, x, dim, count + 1) : x;
}

/* [batch, r, rest] and [r, columns] to [batch, rest, columns] */
static Value contract(RuleCall *call, Value x, Value matrix)
{
    return build_dot(&call->b, x, matrix, NULL, NULL, 0, (const int64_t[]){1}, (const int64_t[]){0}, 1, ELEMENT_f32);
}

static Value add(RuleCall *call, Value x, Value y)
{
    return build_binary(&call->b, OP_add, x, y);
}

static Value sub(RuleCall *call, Value x, Value y)
{
    return build_binary(&call->b, OP_sub, x, y);
}

static Value mul(RuleCall *call, Value x, Value y)
{
    return build_binary(&call->b, OP_mul, x, y);
}

static Pair times(RuleCall *call, Pair x, Pair y)
{
    return (Pair){sub(call, mul(call, x.re, y.re), mul(call, x.im, y.im)),
                  add(call, mul(call, x.re, y.im), mul(call, x.im, y.re))};
}

/* [m, r] of exp(2πi sign b c / (m r)): whole, or the product of tables for the two digits of b. */
static Pair twiddles(RuleCall *call, int64_t m, int64_t r, int sign)
{
    int64_t low = 1;
    for (int64_t d = 2; d * d <= m; d++)
        if (m % d == 0)
            low = d;
    if (m * r <= WHOLE_TABLE || low == 1)
        return root_table(call, m, r, 1, m * r, sign);
    const Dim one = dim_constant(1);
    const Pair high = root_table(call, m / low, r, low, m * r, sign), fine = root_table(call, low, r, 1, m * r, sign);
    const int64_t high_dim[] = {1, r}, fine_dim[] = {low, r}, whole[] = {r};
    const Dim rows = dim_constant(m / low), all = dim_constant(m);
    const Pair h = {shaped(call, high.re, rows, high_dim, 2), shaped(call, high.im, rows, high_dim, 2)};
    const Pair f = {shaped(call, fine.re, one, fine_dim, 2), shaped(call, fine.im, one, fine_dim, 2)};
    const Pair product = times(call, h, f);
    return (Pair){shaped(call, product.re, all, whole, 1), shaped(call, product.im, all, whole, 1)};
}

/* One step on [batch, r m done]: [batch, m done r]. */
static Pair step(RuleCall *call, Pair x, Dim batch, int64_t r, int64_t m, int64_t done, int sign, double scale)
{
    const int64_t in[] = {r, m * done}, out[] = {m, done, 2 * r}, flat[] = {m * r * done}, table[] = {1, r};
    Value sum = contract(call, shaped(call, x.re, batch, in, 2), step_matrix(call, r, sign, scale, false));
    if (x.im.id != 0)
        sum = add(call, sum, contract(call, shaped(call, x.im, batch, in, 2), step_matrix(call, r, sign, scale, true)));
    sum = shaped(call, sum, batch, out, 3);
    if (!call_ready(call))
        return x;
    Pair y = {build_slice_axis(&call->b, sum, 3, dim_constant(0), dim_constant(r)),
              build_slice_axis(&call->b, sum, 3, dim_constant(r), dim_constant(2 * r))};
    if (m > 1) {
        const Pair factor = twiddles(call, m, r, sign);
        const Dim rows = dim_constant(m);
        y = times(call, y, (Pair){shaped(call, factor.re, rows, table, 2), shaped(call, factor.im, rows, table, 2)});
    }
    return (Pair){shaped(call, y.re, batch, flat, 1), shaped(call, y.im, batch, flat, 1)};
}

/* [batch, c₁, …, cₚ] with the digits in the order of k: cₚ first. */
static Value ordered(RuleCall *call, Value x, Dim batch, const Steps *steps)
{
    int64_t permutation[MAX_RANK] = {0}, n = 1;
    for (uint32_t i = 0; i < steps->count; i++) {
        permutation[i + 1] = steps->count - i;
        n *= steps->radix[i];
    }
    x = shaped(call, x, batch, steps->radix, steps->count);
    x = call_ready(call) ? build_transpose(&call->b, x, permutation) : x;
    return shaped(call, x, batch, &n, 1);
}

static Pair mixed_radix(RuleCall *call, Pair x, int64_t n, const Steps *steps, int sign, double scale)
{
    const Dim batch = call_type(call, x.re).dim[0];
    int64_t m = n, done = 1;
    if (steps->count + 1 > MAX_RANK) {
        call_fail(call, "length %lld has too many factors", (long long)n);
        return x;
    }
    for (uint32_t i = 0; i < steps->count && call_ready(call); i++) {
        const int64_t r = steps->radix[i];
        m /= r;
        x = step(call, x, batch, r, m, done, sign, i == 0 ? scale : 1);
        done *= r;
    }
    return (Pair){ordered(call, x.re, batch, steps), ordered(call, x.im, batch, steps)};
}

/* ---- lengths with large prime factors ---- */

/* In f64, in place: n a power of two; sign -1. */
static void transform_doubles(double *re, double *im, int64_t n)
{
    for (int64_t i = 1, j = 0; i < n; i++) { /* bits reversed */
        int64_t bit = n >> 1;
        for (; j & bit; bit >>= 1)
            j ^= bit;
        j ^= bit;
        if (i < j) {
            const double a = re[i], b = im[i];
            re[i] = re[j], im[i] = im[j];
            re[j] = a, im[j] = b;
        }
    }
    for (int64_t half = 1; half < n; half *= 2)
        for (int64_t k = 0; k < half; k++) {
            double c, s;
            unit_root(-k, 2 * half, &c, &s);
            for (int64_t i = k; i < n; i += 2 * half) {
                const int64_t j = i + half;
                const double a = re[j] * c - im[j] * s, b = re[j] * s + im[j] * c;
                re[j] = re[i] - a, im[j] = im[i] - b;
                re[i] += a, im[i] += b;
            }
        }
}

typedef struct Chirp { /* c[j] = exp(πi sign j² / n), and the transform of its conjugate, wrapped to length m */
    Pair factor, spectrum;
} Chirp;

static void chirp_at(int64_t j, int64_t n, int sign, double *re, double *im)
{
    const int64_t square = (int64_t)((unsigned __int128)j * (unsigned __int128)j % (unsigned __int128)(2 * n));
    unit_root(sign * square, 2 * n, re, im);
}

static bool fill_chirp(Table factor, Table spectrum, int64_t n, int64_t m, int sign)
{
    double *re = calloc((size_t)m, sizeof *re), *im = calloc((size_t)m, sizeof *im);
    for (int64_t j = 0; re != NULL && im != NULL && j < n; j++) {
        const int64_t mirror = j == 0 ? 0 : m - j;
        double c, s;
        chirp_at(j, n, sign, &c, &s);
        factor.re[j] = (float)c, factor.im[j] = (float)s;
        re[j] = re[mirror] = c;
        im[j] = im[mirror] = -s;
    }
    const bool good = re != NULL && im != NULL;
    if (good)
        transform_doubles(re, im, m);
    for (int64_t k = 0; good && k < m; k++)
        spectrum.re[k] = (float)re[k], spectrum.im[k] = (float)im[k];
    free(re);
    free(im);
    return good;
}

static Chirp chirp_new(RuleCall *call, int64_t n, int64_t m, int sign)
{
    const Table factor = table_new(call, n), spectrum = table_new(call, m);
    const Chirp none = {{{0}, {0}}, {{0}, {0}}};
    if (!call_ready(call))
        return none;
    if (!fill_chirp(factor, spectrum, n, m, sign)) {
        module_fail(call->b.graph->module, STATUS_OUT_OF_MEMORY, "", "out of memory");
        return none;
    }
    return (Chirp){{constant(call, factor.re, &n, 1), constant(call, factor.im, &n, 1)},
                   {constant(call, spectrum.re, &m, 1), constant(call, spectrum.im, &m, 1)}};
}

static Value padded(RuleCall *call, Value x, int64_t from, int64_t to)
{
    const Dim low[2] = {dim_constant(0), dim_constant(0)}, high[2] = {dim_constant(0), dim_constant(to - from)};
    return build_pad(&call->b, x, build_scalar(&call->b, ELEMENT_f32, 0), low, high, NULL);
}

static Value first(RuleCall *call, Value x, int64_t count)
{
    return call_ready(call) ? build_slice_axis(&call->b, x, 1, dim_constant(0), dim_constant(count)) : x;
}

/* c[k] Σ_j (x[j] c[j]) conj(c)[k - j] */
static Pair bluestein(RuleCall *call, Pair x, int64_t n, int sign, double scale)
{
    int64_t m = 1;
    Steps steps;
    while (m < 2 * n - 1)
        m *= 2;
    (void)plan_steps(m, &steps);
    const Chirp chirp = chirp_new(call, n, m, sign);
    Pair y = x.im.id != 0 ? times(call, x, chirp.factor)
                          : (Pair){mul(call, x.re, chirp.factor.re), mul(call, x.re, chirp.factor.im)};
    y = (Pair){padded(call, y.re, n, m), padded(call, y.im, n, m)};
    if (!call_ready(call))
        return x;
    y = times(call, mixed_radix(call, y, m, &steps, -1, 1), chirp.spectrum);
    if (!call_ready(call))
        return x;
    y = mixed_radix(call, y, m, &steps, 1, scale / (double)m);
    return times(call, (Pair){first(call, y.re, n), first(call, y.im, n)}, chirp.factor);
}

Pair fourier_transform(RuleCall *call, Pair x, int64_t n, int sign, double scale)
{
    Steps steps;
    if (n < 1 || n > MAX_TRANSFORM) {
        call_fail(call, "length %lld, should be 1 to %d", (long long)n, MAX_TRANSFORM);
        return x;
    }
    if (!plan_steps(n, &steps))
        return bluestein(call, x, n, sign, scale);
    if (steps.count == 0)
        steps = (Steps){{1}, 1};
    return mixed_radix(call, x, n, &steps, sign, scale);
}
