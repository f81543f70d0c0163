/* SPDX-License-Identifier: Apache-2.0
 * Short forms that the composite functions share. */
#include "tests/composites/composites.h"

adze_array integers(adze_context *c, const int32_t *data, size_t count)
{
    return adze_from(c, data, &(int64_t){(int64_t)count}, 1, ADZE_I32);
}

adze_array scaled(adze_context *c, adze_array x, double factor)
{
    return adze_multiply(c, x, adze_scalar(c, (float)factor));
}

adze_array plus(adze_context *c, adze_array x, double number)
{
    return adze_add(c, x, adze_scalar(c, (float)number));
}

adze_array part(adze_context *c, adze_array x, int axis, int64_t start, int64_t stop)
{
    int64_t first[8] = {0}, end[8];
    const size_t rank = adze_rank(x);
    for (size_t i = 0; i < rank; i++)
        end[i] = adze_shape(x)[i];
    first[axis] = start;
    end[axis] = stop;
    return adze_slice(c, x, first, end, NULL, rank);
}

adze_array row_of(adze_context *c, adze_array x, int64_t index)
{
    return adze_squeeze(c, part(c, x, 0, index, index + 1), 0);
}

adze_array sum_along(adze_context *c, adze_array x, int axis, bool keepdims)
{
    return adze_sum(c, x, &axis, 1, keepdims);
}

adze_array mean_along(adze_context *c, adze_array x, int axis, bool keepdims)
{
    return adze_mean(c, x, &axis, 1, keepdims);
}

adze_array mean_of_all(adze_context *c, adze_array x)
{
    return adze_mean(c, x, NULL, 0, false);
}

adze_array sum_of_all(adze_context *c, adze_array x)
{
    return adze_sum(c, x, NULL, 0, false);
}
