/* SPDX-License-Identifier: Apache-2.0
 * What a CPU can do, as bits. A compiled model carries the bits it needs and compares them when it is loaded;
 * the compiler picks the native target with the same detection. Bit numbers are part of the artifact format: only
 * append. */
#ifndef ADZE_RUNTIME_CPU_H
#define ADZE_RUNTIME_CPU_H

#include <stdint.h>

#include "runtime/context.h"

/* Name of the bit, its number, how messages spell it. On x86 a bit also means that the system saves its registers. */
#define ADZE_FEATURES(F)                                                                                               \
    F(SSE3, 0, "sse3")                                                                                                 \
    F(SSSE3, 1, "ssse3")                                                                                               \
    F(SSE4_1, 2, "sse4.1")                                                                                             \
    F(SSE4_2, 3, "sse4.2")                                                                                             \
    F(POPCNT, 4, "popcnt")                                                                                             \
    F(CX16, 5, "cx16")                                                                                                 \
    F(LAHF, 6, "lahf")                                                                                                 \
    F(AVX, 7, "avx")                                                                                                   \
    F(AVX2, 8, "avx2")                                                                                                 \
    F(FMA, 9, "fma")                                                                                                   \
    F(BMI, 10, "bmi")                                                                                                  \
    F(BMI2, 11, "bmi2")                                                                                                \
    F(F16C, 12, "f16c")                                                                                                \
    F(LZCNT, 13, "lzcnt")                                                                                              \
    F(MOVBE, 14, "movbe")                                                                                              \
    F(AVX512F, 15, "avx512f")                                                                                          \
    F(AVX512BW, 16, "avx512bw")                                                                                        \
    F(AVX512CD, 17, "avx512cd")                                                                                        \
    F(AVX512DQ, 18, "avx512dq")                                                                                        \
    F(AVX512VL, 19, "avx512vl")                                                                                        \
    F(NEON, 32, "neon")

enum {
#define ADZE_FEATURE_NUMBER(name, number, text) ADZE_FEATURE_NUMBER_##name = number,
    ADZE_FEATURES(ADZE_FEATURE_NUMBER)
#undef ADZE_FEATURE_NUMBER
};

#define ADZE_FEATURE(name) ((uint64_t)1 << ADZE_FEATURE_NUMBER_##name)

/* The bits of the CPU this runs on. */
ADZE_RUNTIME uint64_t adze_cpu_features(void);

/* The text of the lowest bit set in `features`, "" for none: which feature is missing. */
ADZE_RUNTIME const char *adze_cpu_feature_name(uint64_t features);

#endif
