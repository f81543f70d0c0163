/* SPDX-License-Identifier: Apache-2.0
 * The table of targets, best last within an architecture, and how the native one is chosen: by the features the CPU
 * reports (and the system saves), never by its name. A target's `required` covers everything its LLVM CPU may use. */
#include "codegen/target.h"

#include <string.h>

#include "ir/base/strbuf.h"
#include "runtime/cpu.h"

#define F(name) ADZE_FEATURE(name)
#define REQUIRED_V2 (F(SSE3) | F(SSSE3) | F(SSE4_1) | F(SSE4_2) | F(POPCNT) | F(CX16) | F(LAHF))
#define REQUIRED_V3 (REQUIRED_V2 | F(AVX) | F(AVX2) | F(FMA) | F(BMI) | F(BMI2) | F(F16C) | F(LZCNT) | F(MOVBE))
#define REQUIRED_V4 (REQUIRED_V3 | F(AVX512F) | F(AVX512BW) | F(AVX512CD) | F(AVX512DQ) | F(AVX512VL))

#define LLVM_V2 "+cx16,+popcnt,+sahf,+sse3,+sse4.1,+sse4.2,+ssse3"
#define LLVM_V3 LLVM_V2 ",+avx,+avx2,+bmi,+bmi2,+f16c,+fma,+lzcnt,+movbe"
#define LLVM_V4 LLVM_V3 ",+avx512f,+avx512bw,+avx512cd,+avx512dq,+avx512vl"

/* One wrong word makes clang drop the whole attribute: tests/test_target.c compiles each with the compilers there are.
 */
#define C_V2 "popcnt,sse4.2"
#define C_V3 "avx2,bmi,bmi2,f16c,fma,lzcnt,movbe,popcnt"
#define C_V4 C_V3 ",avx512f,avx512bw,avx512cd,avx512dq,avx512vl"

static const Target targets[] = {
    {
        .name = "x86-64-v2",
        .triple = "x86_64-unknown-linux-gnu",
        .llvm_cpu = "x86-64-v2",
        .llvm_features = LLVM_V2,
        .c_attribute = C_V2,
        .required = REQUIRED_V2,
        .vector_bytes = 16,
        .register_count = 16,
        .has_fma = false,
        .tile_rows = 6,
        .tile_vectors = 2,
        .l1_bytes = 32 << 10,
        .l2_bytes = 256 << 10,
    },
    {
        .name = "x86-64-v3",
        .triple = "x86_64-unknown-linux-gnu",
        .llvm_cpu = "x86-64-v3",
        .llvm_features = LLVM_V3,
        .c_attribute = C_V3,
        .required = REQUIRED_V3,
        .vector_bytes = 32,
        .register_count = 16,
        .has_fma = true,
        .tile_rows = 6,
        .tile_vectors = 2,
        .l1_bytes = 32 << 10,
        .l2_bytes = 512 << 10,
    },
    {
        .name = "x86-64-v4",
        .triple = "x86_64-unknown-linux-gnu",
        .llvm_cpu = "x86-64-v4",
        .llvm_features = LLVM_V4,
        .c_attribute = C_V4,
        .required = REQUIRED_V4,
        .vector_bytes = 64,
        .register_count = 32,
        .has_fma = true,
        .tile_rows = 6,
        .tile_vectors = 4,
        .l1_bytes = 32 << 10,
        .l2_bytes = 1 << 20,
    },
    {
        .name = "aarch64",
        .triple = "aarch64-unknown-linux-gnu",
        .llvm_cpu = "generic",
        .llvm_features = "+neon",
        .c_attribute = "",
        .required = F(NEON),
        .vector_bytes = 16,
        .register_count = 32,
        .has_fma = true,
        .tile_rows = 8,
        .tile_vectors = 3,
        .l1_bytes = 64 << 10,
        .l2_bytes = 512 << 10,
    },
};

enum { TARGET_COUNT = sizeof targets / sizeof targets[0] };

#if defined(__x86_64__)
#define HOST_ARCHITECTURE "x86_64"
#elif defined(__aarch64__)
#define HOST_ARCHITECTURE "aarch64"
#else
#define HOST_ARCHITECTURE "unknown"
#endif

const Target *target_list(uint32_t *count)
{
    *count = TARGET_COUNT;
    return targets;
}

static bool runs_here(const Target *target, uint64_t features)
{
    const size_t length = strlen(HOST_ARCHITECTURE);
    return strncmp(target->triple, HOST_ARCHITECTURE "-", length + 1) == 0 && (target->required & ~features) == 0;
}

static const Target *find_native(void)
{
    const uint64_t features = adze_cpu_features();
    for (uint32_t i = TARGET_COUNT; i-- > 0;)
        if (runs_here(&targets[i], features))
            return &targets[i];
    return NULL;
}

static const Target *find_named(const char *name)
{
    for (uint32_t i = 0; i < TARGET_COUNT; i++)
        if (strcmp(targets[i].name, name) == 0)
            return &targets[i];
    return NULL;
}

static void list_names(StrBuf *names)
{
    strbuf_add(names, "native");
    for (uint32_t i = 0; i < TARGET_COUNT; i++)
        strbuf_printf(names, ", %s", targets[i].name);
}

static Status fail_unknown(const char *name, Diag *diag)
{
    StrBuf names = {0};
    list_names(&names);
    (void)diag_fail(diag, STATUS_USAGE, "target", "there is no target \"%s\"", name);
    diag_hint(diag, "targets are %s", strbuf_text(&names));
    strbuf_release(&names);
    return STATUS_USAGE;
}

Status target_find(const char *name, Target *target, Diag *diag)
{
    const bool native = strcmp(name, "native") == 0;
    const Target *found = native ? find_native() : find_named(name);
    if (found) {
        *target = *found;
        return STATUS_OK;
    }
    if (!native)
        return fail_unknown(name, diag);
    const char *missing = adze_cpu_feature_name(REQUIRED_V2 & ~adze_cpu_features());
    (void)diag_fail(diag, STATUS_FAILED, "target", "this CPU is below every target: x86-64-v2 needs %s", missing);
    diag_hint(diag, "name the target of the machine that will run the code");
    return STATUS_FAILED;
}
