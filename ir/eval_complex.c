/* SPDX-License-Identifier: Apache-2.0
 * Complex elements in the interpreter: the pointwise ops that have a complex form, and what is linear in the parts.
 * Computed in f64, each part rounded once. */
#include "ir/eval.h"

#include <string.h>

typedef struct Complex {
    double re, im;
} Complex;

static Complex load_complex(const HostArray *array, int64_t at)
{
    const float *data = array->data;
    return (Complex){(double)data[2 * at], (double)data[2 * at + 1]};
}

static Complex multiply(Complex x, Complex y)
{
    return (Complex){x.re * y.re - x.im * y.im, x.re * y.im + x.im * y.re};
}

/* x / y = x conj(y) / |y|^2; f64 has room for the square of any f32 but denormal ones. */
static Complex divide(Complex x, Complex y)
{
    const double square = y.re * y.re + y.im * y.im;
    const Complex product = multiply(x, (Complex){y.re, -y.im});
    return (Complex){product.re / square, product.im / square};
}

static Complex combine(OpKind op, Complex x, Complex y)
{
    switch (op) {
    case OP_neg:
        return (Complex){-x.re, -x.im};
    case OP_add:
        return (Complex){x.re + y.re, x.im + y.im};
    case OP_sub:
        return (Complex){x.re - y.re, x.im - y.im};
    case OP_mul:
        return multiply(x, y);
    default:
        return divide(x, y);
    }
}

static bool has_complex_form(OpKind op)
{
    return op == OP_neg || op == OP_add || op == OP_sub || op == OP_mul || op == OP_div;
}

Status eval_complex(EvalContext *c)
{
    const HostArray *x = &c->operand[0], *y = &c->operand[c->node->operand_count - 1];
    const OpKind op = c->node->op;
    const bool compares = op == OP_equal || op == OP_not_equal;
    if (!compares && !has_complex_form(op))
        return eval_fail(c, STATUS_UNSUPPORTED, "the interpreter has no rule for complex elements");
    for (int64_t i = 0; i < host_array_size(c->result); i++) {
        const Complex a = load_complex(x, i), b = load_complex(y, i);
        if (compares) {
            ((uint8_t *)c->result->data)[i] = (a.re == b.re && a.im == b.im) == (op == OP_equal);
            continue;
        }
        const Complex result = combine(op, a, b);
        ((float *)c->result->data)[2 * i] = (float)result.re;
        ((float *)c->result->data)[2 * i + 1] = (float)result.im;
    }
    return STATUS_OK;
}

/* ---- products ---- */

/* In row-major order, as for real numbers. */
Status eval_complex_product(EvalContext *c, const int64_t *stride)
{
    const HostArray *x = &c->operand[0];
    const int64_t count = host_array_size(c->result);
    Complex *product = eval_scratch(c, count, sizeof *product);
    int64_t index[MAX_RANK] = {0}, from = 0;
    if (product == NULL)
        return STATUS_OUT_OF_MEMORY;
    for (int64_t i = 0; i < count; i++)
        product[i] = (Complex){1, 0};
    if (host_array_size(x) != 0)
        do {
            int64_t to = 0;
            for (uint32_t i = 0; i < x->rank; i++)
                to += index[i] * stride[i];
            product[to] = multiply(product[to], load_complex(x, from++));
        } while (index_step(x->rank, x->dim, index));
    for (int64_t i = 0; i < count; i++) {
        ((float *)c->result->data)[2 * i] = (float)product[i].re;
        ((float *)c->result->data)[2 * i + 1] = (float)product[i].im;
    }
    return STATUS_OK;
}

/* ---- parts ---- */

Status eval_part(EvalContext *c)
{
    const bool imaginary = c->node->op == OP_imag;
    for (int64_t i = 0; i < host_array_size(c->result); i++)
        ((float *)c->result->data)[i] = ((const float *)c->operand[0].data)[2 * i + imaginary];
    return STATUS_OK;
}

Status eval_join(EvalContext *c)
{
    for (int64_t i = 0; i < host_array_size(c->result); i++) {
        ((float *)c->result->data)[2 * i] = ((const float *)c->operand[0].data)[i];
        ((float *)c->result->data)[2 * i + 1] = ((const float *)c->operand[1].data)[i];
    }
    return STATUS_OK;
}

static bool is_bilinear(OpKind op)
{
    return op == OP_dot || op == OP_convolution;
}

static bool is_linear(const Node *node)
{
    switch (node->op) {
    case OP_reduce_sum:
    case OP_cumulative_sum:
    case OP_pool_sum:
        return true;
    case OP_scatter:
    case OP_put_along:
        return strcmp(node_string(node, ATTR_reduction), "add") == 0;
    default:
        return false;
    }
}

bool has_parts(const EvalContext *c)
{
    return (is_linear(c->node) || is_bilinear(c->node->op)) && element_info[c->result->element].kind == KIND_COMPLEX;
}

/* One part of a complex array as f64; other arrays are themselves. */
static Status take_part(const EvalContext *c, const HostArray *array, bool imaginary, HostArray *part)
{
    *part = *array;
    if (element_info[array->element].kind != KIND_COMPLEX)
        return STATUS_OK;
    part->element = ELEMENT_f64;
    TRY(eval_allocate(c, part, c->scratch));
    for (int64_t i = 0; i < host_array_size(array); i++)
        ((double *)part->data)[i] = (double)((const float *)array->data)[2 * i + imaginary];
    return STATUS_OK;
}

/* sign · the op on part left of the first operand and part right of the others, added to the sums. */
static Status add_part(const EvalContext *c, EvalRule *rule, bool left, bool right, double sign, double *sum)
{
    HostArray operand[3], result = *c->result;
    EvalContext part = *c;
    for (uint32_t i = 0; i < c->node->operand_count; i++)
        TRY(take_part(c, &c->operand[i], i == 0 ? left : right, &operand[i]));
    result.element = ELEMENT_f64;
    TRY(eval_allocate(c, &result, c->scratch));
    part.operand = operand;
    part.result = &result;
    TRY(rule(&part));
    for (int64_t i = 0; i < host_array_size(&result); i++)
        sum[i] += sign * ((const double *)result.data)[i];
    return STATUS_OK;
}

Status eval_by_parts(EvalContext *c, EvalRule *rule)
{
    const int64_t size = host_array_size(c->result);
    double *re = eval_scratch(c, size, sizeof *re), *im = eval_scratch(c, size, sizeof *im);
    if (re == NULL || im == NULL)
        return STATUS_OUT_OF_MEMORY;
    if (is_bilinear(c->node->op)) {
        TRY(add_part(c, rule, false, false, 1, re));
        TRY(add_part(c, rule, true, true, -1, re));
        TRY(add_part(c, rule, false, true, 1, im));
        TRY(add_part(c, rule, true, false, 1, im));
    } else {
        TRY(add_part(c, rule, false, false, 1, re));
        TRY(add_part(c, rule, true, true, 1, im));
    }
    for (int64_t i = 0; i < size; i++) {
        ((float *)c->result->data)[2 * i] = (float)re[i];
        ((float *)c->result->data)[2 * i + 1] = (float)im[i];
    }
    return STATUS_OK;
}
