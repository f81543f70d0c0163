/* SPDX-License-Identifier: Apache-2.0
 * Convolutions, pooling, small networks of them. */
#include "tests/composites/composites.h"

static const int one[] = {1, 1}, two[] = {2, 2};

static adze_array conv1d(adze_context *c, const adze_array *in)
{
    return adze_conv1d(c, in[0], in[1], 1, 1, 1, 1);
}

static adze_array conv2d(adze_context *c, const adze_array *in)
{
    return adze_conv2d(c, in[0], in[1], NULL, one, NULL, 1);
}

static adze_array strided_conv2d(adze_context *c, const adze_array *in)
{
    return adze_conv2d(c, in[0], in[1], two, one, NULL, 1);
}

static adze_array dilated_conv2d(adze_context *c, const adze_array *in)
{
    return adze_conv2d(c, in[0], in[1], NULL, NULL, two, 1);
}

static adze_array depthwise_conv2d(adze_context *c, const adze_array *in)
{
    return adze_conv2d(c, in[0], in[1], NULL, one, NULL, 4);
}

static adze_array conv3d(adze_context *c, const adze_array *in)
{
    return adze_conv3d(c, in[0], in[1], NULL, NULL, NULL, 1);
}

static adze_array residual_block(adze_context *c, const adze_array *in)
{
    adze_array inner = adze_tanh(c, adze_conv2d(c, in[0], in[1], NULL, one, NULL, 1));
    return adze_add(c, in[0], adze_conv2d(c, inner, in[2], NULL, one, NULL, 1));
}

static adze_array average_pool(adze_context *c, const adze_array *in)
{
    return adze_avg_pool(c, in[0], two, NULL, NULL, 2);
}

static adze_array max_pool(adze_context *c, const adze_array *in)
{
    return adze_max_pool(c, in[0], two, NULL, NULL, 2);
}

static adze_array small_cnn(adze_context *c, const adze_array *in)
{
    adze_array y = adze_silu(c, adze_conv2d(c, in[0], in[1], two, NULL, NULL, 1));
    return adze_matmul(c, adze_flatten(c, y, 1, -1), in[2]);
}

static const Composite rows[] = {
    ROW(conv1d), ROW(conv2d),         ROW(strided_conv2d), ROW(dilated_conv2d), ROW(depthwise_conv2d),
    ROW(conv3d), ROW(residual_block), ROW(average_pool),   ROW(max_pool),       ROW(small_cnn),
};
FAMILY(convolution_family, rows);
