/* SPDX-License-Identifier: Apache-2.0
 * Derivatives of taking complex numbers apart and putting them together; all else is done on parts (passes/complex.c).
 * A complex gradient is the pair of the gradients of the parts. */
#include "passes/autodiff/autodiff.h"

static Value join(Rule *r, Value re, Value im, Type type)
{
    type.element = ELEMENT_f32;
    return build_binary(&r->b, OP_complex, build_or_zeros(&r->b, re, type), build_or_zeros(&r->b, im, type));
}

Value partial_real(Rule *r, uint32_t i, Value t)
{
    return r->reverse ? join(r, t, (Value){0}, type_of_operand(r, i)) : build_unary(&r->b, OP_real, t);
}

Value partial_imag(Rule *r, uint32_t i, Value t)
{
    return r->reverse ? join(r, (Value){0}, t, type_of_operand(r, i)) : build_unary(&r->b, OP_imag, t);
}

void forward_complex(Rule *r)
{
    r->taken[0] = join(r, r->given[0], r->given[1], type_of_result(r, 0));
}

void reverse_complex(Rule *r)
{
    for (uint32_t i = 0; i < 2; i++)
        if (r->wanted[i])
            r->taken[i] = build_unary(&r->b, i == 0 ? OP_real : OP_imag, r->given[0]);
}
