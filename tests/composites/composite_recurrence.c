/* SPDX-License-Identifier: Apache-2.0
 * Recurrences by adze_scan; weights are captured by the step. */
#include "tests/composites/composites.h"

#define STEP(name)                                                                                                     \
    static adze_status name(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)

/* What a step that carries one array, and gives it, or one of `out`, ends with. */
static adze_status give(adze_results *results, adze_array carry, adze_array out)
{
    const adze_status status = adze_give(results, carry);
    return status != ADZE_DONE ? status : adze_give(results, out);
}

/* out[0]: what is carried last, out[1]: the outputs. */
static void scan(adze_context *c, adze_function *step, const adze_array *captured, adze_array carry, adze_array inputs,
                 adze_array out[2])
{
    adze_closure *body = adze_closure_new(step, (void *)captured, NULL);
    adze_scan(c, body, &carry, 1, &inputs, 1, ADZE_LENGTH_OF_INPUTS, false, out, 2);
    adze_closure_free(body);
}

static adze_array zeros(adze_context *c, int64_t size)
{
    return adze_zeros(c, &size, 1, ADZE_F32);
}

/* captured: x, w, u */
STEP(rnn_step)
{
    (void)count;
    const adze_array *p = payload;
    adze_array h = adze_tanh(c, adze_add(c, adze_matmul(c, in[1], p[1]), adze_matmul(c, in[0], p[2])));
    return give(results, h, h);
}

static adze_array rnn(adze_context *c, const adze_array *in)
{
    adze_array out[2];
    scan(c, rnn_step, in, zeros(c, 4), in[0], out);
    return out[1];
}

/* The carry is [2, 4]: h and the cell. */
STEP(lstm_step)
{
    (void)count;
    const adze_array *p = payload;
    adze_array h = row_of(c, in[0], 0), cell = row_of(c, in[0], 1), gate[4];
    adze_split(c, adze_add(c, adze_matmul(c, in[1], p[1]), adze_matmul(c, h, p[2])), 4, 0, gate);
    adze_array kept = adze_multiply(c, adze_sigmoid(c, gate[1]), cell);
    cell = adze_add(c, kept, adze_multiply(c, adze_sigmoid(c, gate[0]), adze_tanh(c, gate[2])));
    h = adze_multiply(c, adze_sigmoid(c, gate[3]), adze_tanh(c, cell));
    return give(results, adze_stack(c, (const adze_array[]){h, cell}, 2, 0), h);
}

static adze_array lstm(adze_context *c, const adze_array *in)
{
    adze_array out[2], carry = adze_zeros(c, (const int64_t[]){2, 4}, 2, ADZE_F32);
    scan(c, lstm_step, in, carry, in[0], out);
    return out[1];
}

STEP(gru_step)
{
    (void)count;
    const adze_array *p = payload;
    adze_array a[3], b[3];
    adze_split(c, adze_matmul(c, in[1], p[1]), 3, 0, a);
    adze_split(c, adze_matmul(c, in[0], p[2]), 3, 0, b);
    adze_array r = adze_sigmoid(c, adze_add(c, a[0], b[0])), z = adze_sigmoid(c, adze_add(c, a[1], b[1]));
    adze_array fresh = adze_tanh(c, adze_add(c, a[2], adze_multiply(c, r, b[2])));
    adze_array h =
        adze_add(c, adze_multiply(c, adze_subtract(c, adze_scalar(c, 1), z), fresh), adze_multiply(c, z, in[0]));
    return give(results, h, h);
}

static adze_array gru(adze_context *c, const adze_array *in)
{
    adze_array out[2];
    scan(c, gru_step, in, zeros(c, 3), in[0], out);
    return out[0];
}

/* captured: x, decay */
STEP(average_step)
{
    (void)count;
    const adze_array *p = payload;
    adze_array rest = adze_subtract(c, adze_scalar(c, 1), p[1]);
    adze_array h = adze_add(c, adze_multiply(c, p[1], in[0]), adze_multiply(c, rest, in[1]));
    return give(results, h, h);
}

static adze_array exponential_average(adze_context *c, const adze_array *in)
{
    adze_array out[2];
    scan(c, average_step, in, adze_zeros_like(c, in[1]), in[0], out);
    return out[1];
}

/* s[0] (p0 - p1 s[1]), s[1] (p2 s[0] - p3) */
static adze_array slope(adze_context *c, adze_array s, adze_array p)
{
    adze_array a = row_of(c, s, 0), b = row_of(c, s, 1), ab = adze_multiply(c, a, b), term[4];
    adze_array factor[] = {a, ab, ab, b};
    for (int i = 0; i < 4; i++)
        term[i] = adze_multiply(c, row_of(c, p, i), factor[i]);
    adze_array both[] = {adze_subtract(c, term[0], term[1]), adze_subtract(c, term[2], term[3])};
    return adze_stack(c, both, 2, 0);
}

/* Runge and Kutta's step of 0.1; captured: state, p. */
STEP(lotka_volterra_step)
{
    (void)count;
    const adze_array p = ((const adze_array *)payload)[1], s = in[0];
    adze_array k1 = slope(c, s, p);
    adze_array k2 = slope(c, adze_add(c, s, scaled(c, k1, 0.05)), p);
    adze_array k3 = slope(c, adze_add(c, s, scaled(c, k2, 0.05)), p);
    adze_array k4 = slope(c, adze_add(c, s, scaled(c, k3, 0.1)), p);
    adze_array sum = adze_add(c, adze_add(c, k1, k4), scaled(c, adze_add(c, k2, k3), 2));
    adze_array next = adze_add(c, s, scaled(c, sum, 0.1 / 6));
    return give(results, next, next);
}

static adze_array lotka_volterra(adze_context *c, const adze_array *in)
{
    adze_closure *body = adze_closure_new(lotka_volterra_step, (void *)in, NULL);
    adze_array out[2];
    adze_scan(c, body, &in[0], 1, NULL, 0, 8, false, out, 2);
    adze_closure_free(body);
    return out[1];
}

/* captured: x, a, b */
STEP(state_step)
{
    (void)count;
    const adze_array *p = payload;
    adze_array h = adze_add(c, scaled(c, adze_matmul(c, in[0], p[1]), 0.3), adze_multiply(c, in[1], p[2]));
    return give(results, h, sum_of_all(c, h));
}

static adze_array state_space(adze_context *c, const adze_array *in)
{
    adze_array out[2];
    scan(c, state_step, in, zeros(c, 3), in[0], out);
    return out[1];
}

/* captured: emission, move */
STEP(viterbi_step)
{
    (void)count;
    const adze_array *p = payload;
    adze_array ways = adze_add(c, adze_expand_dims(c, in[0], 1), p[1]);
    adze_array score = adze_add(c, adze_logsumexp(c, ways, &(int){0}, 1, false), in[1]);
    return give(results, score, score);
}

static adze_array viterbi_score(adze_context *c, const adze_array *in)
{
    adze_array out[2];
    scan(c, viterbi_step, in, zeros(c, 4), in[0], out);
    return adze_logsumexp(c, out[0], &(int){0}, 1, false);
}

static const Composite rows[] = {
    ROW(rnn), ROW(lstm), ROW(gru), ROW(exponential_average), ROW(lotka_volterra), ROW(state_space), ROW(viterbi_score),
};
FAMILY(recurrence_family, rows);
