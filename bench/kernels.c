/* SPDX-License-Identifier: Apache-2.0
 * Speed of generated kernels, one thread, run by hand:
 *
 *     bench_kernels [--target NAME] dot M N K
 *     bench_kernels [--target NAME] convolution N C H W O KH KW STRIDE PAD GROUPS
 *     bench_kernels [--target NAME] attention B H S T D
 *     bench_kernels            a list of shapes of each
 *
 * Prints the best of several runs in GF/s of CPU time, and each kernel's own time where there are several; beside dot,
 * OpenBLAS's sgemm where its library is found, on one thread. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "codegen/llvm/jit.h"
#include "codegen/lower/contract.h"
#include "ir/build.h"

enum { MAX_BUFFERS = 16 };

typedef struct Bench {
    Diag diag;
    Module *module;
    Builder build;
    Target target;
    double work; /* floating-point operations */
    char name[128];
} Bench;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void begin(Bench *b, const char *target)
{
    memset(b, 0, sizeof *b);
    diag_init(&b->diag);
    b->module = module_create(&b->diag);
    b->build = (Builder){.graph = graph_create(b->module, "")};
    if (target_find(target, &b->target, &b->diag) != STATUS_OK)
        exit(64);
}

static int fail(const Bench *b)
{
    for (const DiagMessage *m = b->diag.first; m != NULL; m = m->next)
        fprintf(stderr, "%s: %s\n", m->where, m->what);
    return 1;
}

static Value input(Bench *b, uint32_t rank, const int64_t *dim)
{
    return graph_add_parameter(b->build.graph, "x", type_make_static(b->module, ELEMENT_f32, dim, rank));
}

static void *make_buffer(int64_t count)
{
    float *data = aligned_alloc(64, ((size_t)count * 4 + 127) / 64 * 64);
    for (int64_t i = 0; i < count; i++)
        data[i] = (float)(rand() % 2000) / 1000 - 1;
    return data;
}

typedef struct Call {
    AdzeKernel *kernel[MAX_KERNELS];
    int64_t extent[MAX_KERNELS];
    uint32_t count;
    void *buffer[MAX_BUFFERS];
} Call;

/* Seconds of one call of everything, the best of many; each kernel's own go to `part`. */
static double measure(const Call *call, double *part)
{
    double best = 1e9, spent = 0;
    for (uint32_t i = 0; i < call->count; i++)
        part[i] = 1e9;
    for (int run = 0; run < 2000 && (spent < 0.6 || run < 5); run++) {
        double total = 0;
        for (uint32_t i = 0; i < call->count; i++) {
            const double start = now();
            call->kernel[i](call->buffer, NULL, 0, call->extent[i], NULL);
            const double seconds = now() - start;
            part[i] = seconds < part[i] ? seconds : part[i];
            total += seconds;
        }
        best = total < best ? total : best;
        spent += total;
    }
    return best;
}

static void show(const Bench *b, const Call *call, double compiled)
{
    double part[MAX_KERNELS];
    const double best = measure(call, part);
    printf("%-42s %7.1f GF/s %9.1f us  compiled in %.0f ms ", b->name, b->work / best * 1e-9, best * 1e6,
           compiled * 1e3);
    for (uint32_t i = 0; i < call->count && call->count > 1; i++)
        printf(" %.1f us", part[i] * 1e6);
}

static int run(Bench *b, LowerFamily *family)
{
    const Graph *graph = b->build.graph;
    LoopModule *loops = loop_module_create();
    Arena scratch;
    LoweredGroup lowered;
    LlvmJit *jit;
    LlvmJitModule *code;
    Call call = {0};
    uint32_t at = 0;
    const double start = now();
    arena_init(&scratch);
    const LowerContext context = {.target = &b->target, .loops = loops, .scratch = &scratch, .diag = &b->diag};
    if (b->module->status != STATUS_OK || family(&context, graph, &lowered) != STATUS_OK)
        return fail(b);
    for (uint32_t i = 0; i < lowered.kernel_count; i++)
        loop_module_add(loops, lowered.kernel[i].function, "kernel");
    if (llvm_jit_create(&b->target, 1, &jit, &b->diag) != STATUS_OK ||
        llvm_jit_add(jit, loops, NULL, 0, &code, &b->diag) != STATUS_OK)
        return fail(b);
    const double compiled = now() - start;
    call.count = lowered.kernel_count;
    for (uint32_t i = 0; i < call.count; i++) {
        call.kernel[i] = llvm_jit_function(code, lowered.kernel[i].function->name);
        call.extent[i] = lowered.kernel[i].extent.constant;
    }
    for (uint32_t i = 0; i < graph->parameter_count; i++)
        call.buffer[at++] = make_buffer(type_static_size(value_type(graph, graph->parameter[i])));
    for (uint32_t i = 0; i < graph->result_count; i++)
        call.buffer[at++] = make_buffer(type_static_size(value_type(graph, graph->result[i])));
    call.buffer[at++] = make_buffer(lowered.temporary_bytes.constant / 4 + 16);
    show(b, &call, compiled);
    while (at > 0)
        free(call.buffer[--at]);
    llvm_jit_remove(code);
    llvm_jit_destroy(jit);
    loop_module_destroy(loops);
    arena_release(&scratch);
    return 0;
}

/* ---------------------------------------------------------------- kinds ---- */

typedef void Gemm(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a, int lda, const float *b,
                  int ldb, float beta, float *c, int ldc);

static void show_openblas(const int64_t *d)
{
    void *library = dlopen("libopenblas.so.0", RTLD_NOW);
    if (library == NULL)
        return;
    Gemm *gemm = (Gemm *)dlsym(library, "cblas_sgemm");
    void (*set_threads)(int) = (void (*)(int))dlsym(library, "openblas_set_num_threads");
    const int m = (int)d[0], n = (int)d[1], k = (int)d[2];
    float *a = make_buffer(d[0] * d[2]), *b = make_buffer(d[1] * d[2]), *c = make_buffer(d[0] * d[1]);
    double best = 1e9, spent = 0;
    set_threads(1);
    for (int i = 0; i < 2000 && (spent < 0.6 || i < 5); i++) {
        const double start = now();
        gemm(101, 111, 111, m, n, k, 1, a, k, b, n, 0, c, n);
        const double seconds = now() - start;
        best = seconds < best ? seconds : best;
        spent += seconds;
    }
    printf("  OpenBLAS %.1f GF/s", 2e-9 * m * n * k / best);
    free(a), free(b), free(c);
}

static int bench_dot(const char *target, const int64_t *d)
{
    Bench b;
    begin(&b, target);
    const int64_t width = contract_panel_width(&b.target, ELEMENT_f32);
    const Value lhs = input(&b, 2, (int64_t[]){d[0], d[2]});
    const Value rhs = input(&b, 3, (int64_t[]){(d[1] + width - 1) / width, d[2], width});
    const Value bias = input(&b, 1, &d[1]), operand[] = {lhs, rhs};
    const Attr size = {.key = ATTR_size, .dim = dim_constant(d[1])};
    const Value product = graph_add_value(
        b.build.graph,
        &(NodeSpec){.op = OP_packed_dot, .operand = operand, .operand_count = 2, .attr = &size, .attr_count = 1});
    graph_add_result(b.build.graph, build_binary(&b.build, OP_add, product, bias), "");
    b.work = 2.0 * (double)d[0] * (double)d[1] * (double)d[2];
    snprintf(b.name, sizeof b.name, "dot %d %d %d", (int)d[0], (int)d[1], (int)d[2]);
    const int status = run(&b, lower_contract);
    if (status == 0)
        show_openblas(d);
    printf("\n");
    return status;
}

static Value packed(Bench *b, Value x, const int64_t *d, const Dim *pad)
{
    const int64_t width = convolution_panel_width(&b->target), strides[] = {d[7], d[7]}, ones[] = {1, 1};
    const Value w = input(b, 3, (int64_t[]){(d[4] + width - 1) / width, d[1] * d[5] * d[6], width});
    const Value operand[] = {x, w};
    const Attr attr[] = {{.key = ATTR_strides, .count = 2, .integers = strides},
                         {.key = ATTR_low, .count = 2, .dims = pad},
                         {.key = ATTR_high, .count = 2, .dims = pad},
                         {.key = ATTR_dilation, .count = 2, .integers = ones},
                         {.key = ATTR_window, .count = 2, .integers = d + 5},
                         {.key = ATTR_size, .dim = dim_constant(d[4])}};
    return graph_add_value(
        b->build.graph,
        &(NodeSpec){
            .op = OP_packed_convolution, .operand = operand, .operand_count = 2, .attr = attr, .attr_count = 6});
}

static int bench_convolution(const char *target, const int64_t *d)
{
    Bench b;
    begin(&b, target);
    const Dim pad[] = {dim_constant(d[8]), dim_constant(d[8])};
    const int64_t strides[] = {d[7], d[7]};
    const WindowSpec spec = {.window = d + 5, .strides = strides, .low = pad, .high = pad, .groups = d[9]};
    const Value x = input(&b, 4, d);
    Value y;
    if (d[9] > 1) {
        const Value w = input(&b, 4, (int64_t[]){d[4], d[1] / d[9], d[5], d[6]});
        y = build_convolution(&b.build, x, w, &spec);
    } else {
        y = packed(&b, x, d, pad);
    }
    const Type type = value_type(b.build.graph, y);
    graph_add_result(b.build.graph, build_binary(&b.build, OP_max, y, build_full(&b.build, type, 0)), "");
    b.work = 2.0 * (double)type_static_size(type) * (double)(d[1] / d[9] * d[5] * d[6]);
    snprintf(b.name, sizeof b.name, "convolution %d %d %dx%d %d %dx%d /%d +%d g%d", (int)d[0], (int)d[1], (int)d[2],
             (int)d[3], (int)d[4], (int)d[5], (int)d[6], (int)d[7], (int)d[8], (int)d[9]);
    const int status = run(&b, lower_convolution);
    printf("\n");
    return status;
}

static int bench_attention(const char *target, const int64_t *d)
{
    Bench b;
    begin(&b, target);
    const int64_t batch = d[0], heads = d[1], queries = d[2], keys = d[3], depth = d[4];
    const Value operand[] = {
        input(&b, 4, (int64_t[]){batch, heads, queries, depth}), input(&b, 4, (int64_t[]){batch, heads, keys, depth}),
        input(&b, 4, (int64_t[]){batch, heads, keys, depth}), input(&b, 4, (int64_t[]){batch, 1, 1, keys})};
    const Attr attr[] = {{.key = ATTR_scale, .real = 0.125}, {.key = ATTR_causal, .integer = 0}};
    graph_add_result(
        b.build.graph,
        graph_add_value(
            b.build.graph,
            &(NodeSpec){.op = OP_attention, .operand = operand, .operand_count = 4, .attr = attr, .attr_count = 2}),
        "");
    b.work = 4.0 * (double)(batch * heads * queries) * (double)(keys * depth);
    snprintf(b.name, sizeof b.name, "attention %d %d %d %d %d", (int)batch, (int)heads, (int)queries, (int)keys,
             (int)depth);
    const int status = run(&b, lower_attention);
    printf("\n");
    return status;
}

/* ---------------------------------------------------------------- the program ---- */

enum { MAX_NUMBERS = 10 };

typedef struct Kind {
    const char *name;
    int numbers;
    int (*run)(const char *target, const int64_t *numbers);
} Kind;

static const Kind kinds[] = {
    {"dot", 3, bench_dot},
    {"convolution", 10, bench_convolution},
    {"attention", 5, bench_attention},
};

static const struct {
    int kind;
    int64_t number[MAX_NUMBERS];
} usual[] = {
    {0, {64, 64, 64}},
    {0, {128, 128, 128}},
    {0, {512, 512, 512}},
    {0, {1024, 1024, 1024}},
    {0, {2048, 2048, 2048}},
    {0, {1, 384, 384}},
    {0, {1, 3072, 768}},
    {0, {8, 384, 1536}},
    {0, {128, 384, 384}},
    {0, {128, 1536, 384}},
    {0, {128, 384, 1536}},
    {0, {100, 1000, 300}},
    {1, {1, 3, 224, 224, 64, 7, 7, 2, 3, 1}},
    {1, {1, 64, 56, 56, 64, 3, 3, 1, 1, 1}},
    {1, {1, 128, 28, 28, 128, 3, 3, 1, 1, 1}},
    {1, {1, 256, 14, 14, 256, 3, 3, 1, 1, 1}},
    {1, {1, 512, 7, 7, 512, 3, 3, 1, 1, 1}},
    {1, {1, 128, 56, 56, 128, 3, 3, 2, 1, 1}},
    {1, {1, 64, 56, 56, 256, 1, 1, 1, 0, 1}},
    {1, {1, 256, 56, 56, 64, 1, 1, 1, 0, 1}},
    {1, {1, 1024, 14, 14, 256, 1, 1, 1, 0, 1}},
    {1, {1, 2048, 7, 7, 512, 1, 1, 1, 0, 1}},
    {1, {1, 512, 28, 28, 1024, 1, 1, 2, 0, 1}},
    {1, {1, 96, 112, 112, 96, 3, 3, 1, 1, 96}},
    {1, {1, 144, 56, 56, 144, 3, 3, 2, 1, 144}},
    {1, {1, 64, 28, 28, 64, 3, 3, 1, 1, 4}},
    {2, {1, 12, 128, 128, 32}},
    {2, {1, 12, 197, 197, 64}},
    {2, {1, 8, 1024, 1024, 64}},
    {2, {1, 12, 1, 512, 64}},
    {2, {1, 1, 1024, 1024, 512}},
};

int main(int count, char **argument)
{
    const char *target = "native";
    int at = 1, status = 0;
    if (count > 2 && strcmp(argument[1], "--target") == 0) {
        target = argument[2];
        at = 3;
    }
    for (size_t i = 0; at == count && i < sizeof usual / sizeof *usual; i++)
        status |= kinds[usual[i].kind].run(target, usual[i].number);
    for (size_t i = 0; at < count && i < sizeof kinds / sizeof *kinds; i++) {
        int64_t number[MAX_NUMBERS];
        if (strcmp(argument[at], kinds[i].name) != 0)
            continue;
        if (count - at - 1 != kinds[i].numbers)
            return 64;
        for (int n = 0; n < kinds[i].numbers; n++)
            number[n] = atoll(argument[at + 1 + n]);
        status |= kinds[i].run(target, number);
    }
    return status;
}
