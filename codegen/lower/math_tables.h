/* SPDX-License-Identifier: Apache-2.0
 * Coefficients of near-minimax polynomials, lowest power first: Chebyshev fits in 60 digits, rounded to f64. */
#ifndef ADZE_CODEGEN_LOWER_MATH_TABLES_H
#define ADZE_CODEGEN_LOWER_MATH_TABLES_H

/* (e^r - 1 - r) / r^2 for f32 results, on [-0.3467, 0.3467], absolute error 2.7e-11 */
static const double exp_short[] = {0x1.0000000000000p-1, 0x1.555555675e3d0p-3,  0x1.5555555c8b81bp-5,
                                   0x1.1110c613ed8f1p-7, 0x1.6c168572ec67ep-10, 0x1.a151b9b9f9468p-13,
                                   0x1.a113532aeb65bp-16};

/* the same for f32 arithmetic, on [-0.288, 0.4056], error 0.038 ULP of the result */
static const double exp_single_table[] = {0x1.0000060000000p-1, 0x1.5554da0000000p-3, 0x1.5544400000000p-5,
                                          0x1.11f0240000000p-7, 0x1.7fb6820000000p-10};

/* the same for f64 results, on [-0.3467, 0.3467], absolute error 1.4e-18 */
static const double exp_long[] = {0x1.0000000000000p-1,  0x1.5555555555557p-3,  0x1.5555555555556p-5,
                                  0x1.11111111100cep-7,  0x1.6c16c16c162ccp-10, 0x1.a01a01abef415p-13,
                                  0x1.a01a01a6dcaffp-16, 0x1.71de021a90822p-19, 0x1.27e4db57442fbp-22,
                                  0x1.af4e196027428p-26, 0x1.1f731ea5352cap-29};

/* (log((1 + s) / (1 - s)) / s - 2) / z, z = s^2, for f32 results, on [0.0, 0.02973], absolute error 7.6e-12 */
static const double log_short[] = {0x1.5555555565b79p-1, 0x1.999998c274ac1p-2, 0x1.24932aa973ab3p-2,
                                   0x1.c67782e2784dbp-3, 0x1.8ccca60fd05f5p-3};

/* the same for f64 results, on [0.0, 0.02973], absolute error 2.2e-18 */
static const double log_long[] = {0x1.5555555555555p-1, 0x1.9999999999a43p-2, 0x1.249249247513dp-2,
                                  0x1.c71c7204621fep-3, 0x1.745cf7c1d5dafp-3, 0x1.3b1c79943fca2p-3,
                                  0x1.0fb77bcdefa76p-3, 0x1.0c4d8297b1431p-3};

/* e^(z^2) erfc(z) (1 + z) in y = (z - 2) / (z + 2), z up to 10.6, for f32 results, on [-1.0, 0.6825], absolute
 * error 1.9e-12 */
static const double erfcx_short[] = {
    0x1.8849aa8fc6213p-1,   -0x1.0a36d7fab9048p-2,  0x1.35c57deaf1872p-5,   0x1.5c75308a7f17bp-5,
    -0x1.9d971a9280387p-6,  -0x1.0fb856d9dcb12p-11, 0x1.020eea04b47b7p-8,   0x1.2f1c3f23ca619p-13,
    -0x1.7235fb803d7a8p-11, -0x1.23b297998fb6ep-13, 0x1.e582791c3eaafp-14,  0x1.ee1449c42d688p-15,
    -0x1.d684d165cb831p-18, -0x1.b8db93498932ep-17, -0x1.af3cdb1f89d22p-19, -0x1.46b62db559606p-29};

/* the same, z up to 28, for f64 results, on [-1.0, 0.8667], absolute error 3.2e-17 */
static const double erfcx_long[] = {
    0x1.8849aa8fc2b31p-1,   -0x1.0a36d7faca083p-2,  0x1.35c57e12ea285p-5,   0x1.5c7530c104ed8p-5,
    -0x1.9d972407eec1fp-6,  -0x1.0fb9eadce5a96p-11, 0x1.02109236e3566p-8,   0x1.2f6b0252a570bp-13,
    -0x1.727a21f407b87p-11, -0x1.25947ef61d8f2p-13, 0x1.ea803b7d6d9aap-14,  0x1.02e9c26b94d96p-14,
    -0x1.0352da23913a1p-17, -0x1.25dbab8c1056fp-16, -0x1.487b156da5b99p-18, 0x1.48e3494fcc1b5p-19,
    0x1.49a2101e9897ap-19,  0x1.11a8cd778a952p-21,  -0x1.07d0ab3c217abp-21, -0x1.b274f5fbbe637p-22,
    -0x1.82ae818625680p-26, 0x1.c81af2cea7d17p-24,  0x1.2ae579ce5c420p-25,  -0x1.82e7885f2542dp-27,
    -0x1.883d268f1d659p-28};

/* erf(x) / x in x^2, for f32 results, on [0.0, 1.0], absolute error 3.4e-11 */
static const double erf_short[] = {0x1.20dd7504045d6p+0,  -0x1.81274665754c3p-2, 0x1.ce2f08fec14fdp-4,
                                   -0x1.b829c897922e5p-6, 0x1.562a60ddba6e6p-8,  -0x1.bccf664d7f763p-11,
                                   0x1.d887505de3ba6p-14, -0x1.445f47d33d87bp-17};

/* the same for f64 results, on [0.0, 1.0], absolute error 1.3e-19 */
static const double erf_long[] = {0x1.20dd750429b6dp+0,   -0x1.812746b0379e6p-2,  0x1.ce2f21a042b30p-4,
                                  -0x1.b82ce31284e00p-6,  0x1.565bcd0dbaa38p-8,   -0x1.c02db3dac435fp-11,
                                  0x1.f9a321d5b8e1ep-14,  -0x1.f4d1e3183f7aep-17, 0x1.b9df224ca4b97p-20,
                                  -0x1.5f1ecb6f0764cp-23, 0x1.f7b4bf3b13964p-27,  -0x1.389d4f2641625p-30,
                                  0x1.05ffd737fb32ep-34};

/* (sin(r) / r - 1) / r^2 in r^2, on [0.0, 0.623], absolute error 1.2e-20 */
static const double sin_long[] = {-0x1.5555555555555p-3, 0x1.1111111111110p-7,   -0x1.a01a01a0198dep-13,
                                  0x1.71de3a5455b9ap-19, -0x1.ae64540000f84p-26, 0x1.6121703ee57b1p-33,
                                  -0x1.ab0f25d21fd92p-41};

/* (cos(r) - 1 + r^2 / 2) / r^4 in r^2, on [0.0, 0.623], absolute error 1.4e-18 */
static const double cos_long[] = {0x1.5555555555555p-5,   -0x1.6c16c16c16944p-10, 0x1.a01a019f4671dp-16,
                                  -0x1.27e4fa0d3726cp-22, 0x1.1eeb5de1e2b95p-29,  -0x1.9075bb669682cp-37};

/* (atan(x) / x - 1) / x^2 in x^2, x up to tan(pi/8), on [0.0, 0.1733], absolute error 1.3e-18 */
static const double atan_long[] = {-0x1.5555555555555p-2, 0x1.999999999994cp-3,  -0x1.249249248d0a0p-3,
                                   0x1.c71c71c2ac30cp-4,  -0x1.745d164cd528bp-4, 0x1.3b1390ed6392fp-4,
                                   -0x1.110e65a8e0d93p-4, 0x1.e197010ee6326p-5,  -0x1.ac640ea43c20ep-5,
                                   0x1.74779e7f3d684p-5,  -0x1.1a2e2be9092a6p-5, 0x1.0892945fca3d9p-6};

#endif
