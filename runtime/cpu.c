/* SPDX-License-Identifier: Apache-2.0
 * CPU features by CPUID and XGETBV (x86-64), by the auxiliary vector elsewhere. Found once: CPUID traps in virtual
 * machines. */
#include "runtime/runtime.h"

#include <stdatomic.h>

#define BIT(word, bit) (((word) >> (bit)) & 1u)

#if defined(__x86_64__)
#include <cpuid.h>

/* Registers that the system saves: bits 1, 2 of XCR0 for AVX; 5, 6, 7 too for AVX-512. */
static uint64_t saved_registers(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return ((uint64_t)high << 32) | low;
}

static uint64_t basic_features(uint32_t c)
{
    return BIT(c, 0) * ADZE_FEATURE(SSE3) | BIT(c, 9) * ADZE_FEATURE(SSSE3) | BIT(c, 19) * ADZE_FEATURE(SSE4_1) |
           BIT(c, 20) * ADZE_FEATURE(SSE4_2) | BIT(c, 23) * ADZE_FEATURE(POPCNT) | BIT(c, 13) * ADZE_FEATURE(CX16) |
           BIT(c, 22) * ADZE_FEATURE(MOVBE);
}

static uint64_t avx_features(uint32_t c, uint32_t extended)
{
    return BIT(c, 28) * ADZE_FEATURE(AVX) | BIT(c, 12) * ADZE_FEATURE(FMA) | BIT(c, 29) * ADZE_FEATURE(F16C) |
           BIT(extended, 5) * ADZE_FEATURE(AVX2);
}

static uint64_t avx512_features(uint32_t b)
{
    return BIT(b, 16) * ADZE_FEATURE(AVX512F) | BIT(b, 17) * ADZE_FEATURE(AVX512DQ) |
           BIT(b, 28) * ADZE_FEATURE(AVX512CD) | BIT(b, 30) * ADZE_FEATURE(AVX512BW) |
           BIT(b, 31) * ADZE_FEATURE(AVX512VL);
}

static uint64_t detect_features(void)
{
    uint32_t a, b, c, d, extended = 0;
    uint64_t features = 0;
    if (__get_cpuid_count(7, 0, &a, &extended, &c, &d))
        features |= BIT(extended, 3) * ADZE_FEATURE(BMI) | BIT(extended, 8) * ADZE_FEATURE(BMI2);
    if (__get_cpuid(0x80000001, &a, &b, &c, &d))
        features |= BIT(c, 0) * ADZE_FEATURE(LAHF) | BIT(c, 5) * ADZE_FEATURE(LZCNT);
    if (!__get_cpuid(1, &a, &b, &c, &d))
        return features;
    features |= basic_features(c);
    const uint64_t saved = BIT(c, 27) ? saved_registers() : 0;
    if ((saved & 0x6) == 0x6)
        features |= avx_features(c, extended);
    if ((saved & 0xE6) == 0xE6)
        features |= avx512_features(extended);
    return features;
}
#elif defined(__aarch64__)
#include <sys/auxv.h>

static uint64_t detect_features(void)
{
    return BIT(getauxval(AT_HWCAP), 1) * ADZE_FEATURE(NEON); /* HWCAP_ASIMD */
}
#else
static uint64_t detect_features(void)
{
    return 0;
}
#endif

enum { FEATURES_KNOWN = 63 }; /* a bit that marks a finished detection */

ADZE_RUNTIME uint64_t adze_cpu_features(void)
{
    static _Atomic uint64_t known;
    uint64_t features = atomic_load_explicit(&known, memory_order_relaxed);
    if (features == 0) {
        features = detect_features() | (uint64_t)1 << FEATURES_KNOWN;
        atomic_store_explicit(&known, features, memory_order_relaxed);
    }
    return features & ~((uint64_t)1 << FEATURES_KNOWN);
}

ADZE_RUNTIME const char *adze_cpu_feature_name(uint64_t features)
{
#define FEATURE_TEXT(name, number, text)                                                                               \
    if (lowest == (uint64_t)1 << (number))                                                                             \
        return text;
    const uint64_t lowest = features & (~features + 1);
    ADZE_FEATURES(FEATURE_TEXT)
#undef FEATURE_TEXT
    return "";
}
