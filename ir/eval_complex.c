/* SPDX-License-Identifier: Apache-2.0
 * Complex elements in the interpreter: the pointwise ops that have a complex form. Computed in f64, each part rounded
 * once. */
#include "ir/eval.h"

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
