// SPDX-License-Identifier: Apache-2.0
// The header from C++: the derivative of x sin x at 2.
#include <adze/adze.h>

#include <cmath>
#include <cstdio>

static adze_status function(adze_context *c, const adze_array *in, size_t, adze_results *results, void *)
{
    return adze_give(results, adze_multiply(c, in[0], adze_sin(c, in[0])));
}

int main()
{
    adze_context *c = adze_context_new();
    adze_array x = adze_scalar(c, 2), out;
    adze_closure *f = adze_closure_new(function, nullptr, nullptr), *g = adze_grad(c, f, nullptr, 0);
    const bool good = adze_apply(c, g, &x, 1, &out, 1) == ADZE_DONE &&
                      std::fabs(adze_item(c, out) - (std::sin(2.0) + 2 * std::cos(2.0))) < 1e-5;
    std::printf("%s\n", good ? "right" : adze_message(c));
    adze_closure_free(f);
    adze_closure_free(g);
    adze_context_free(c);
    return good ? 0 : 1;
}
