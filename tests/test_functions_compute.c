/* SPDX-License-Identifier: Apache-2.0
 * Functions of the family "compute": every call of functions_compute_cases.def gives what MLX gave
 * (tests/data/compute_answers.bin, written by tests/make_compute_answers.py), forwards and, where there are cotangents,
 * backwards; and mapped over two copies of its operands it gives the result twice. Some become one kernel. Messages say
 * what was wrong. */
#define _GNU_SOURCE 1
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adze/adze.h"
#include "passes/passes.h"

enum { MAX_ARRAYS = 8, MAX_AXES = 8 };
enum Role { ROLE_IN, ROLE_OUT, ROLE_COT, ROLE_GRAD, ROLE_COUNT };

typedef struct Answer {
    adze_array array[ROLE_COUNT][MAX_ARRAYS];
    size_t count[ROLE_COUNT];
} Answer;

/* ---- the answers ---- */

static const char *answers;
static size_t answers_length;

static bool element_of_name(const char *name, AdzeElement *element, size_t *bytes)
{
    static const struct {
        const char *name;
        AdzeElement element;
        size_t bytes;
    } known[] = {{"f32", ADZE_F32, 4}, {"f16", ADZE_F16, 2},   {"bf16", ADZE_BF16, 2}, {"i32", ADZE_I32, 4},
                 {"i64", ADZE_I64, 8}, {"bool", ADZE_BOOL, 1}, {"u8", ADZE_U8, 1},     {"u32", ADZE_U32, 4}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].name, name) == 0) {
            *element = known[i].element;
            *bytes = known[i].bytes;
            return true;
        }
    return false;
}

static enum Role role_of_name(const char *name)
{
    static const char *const known[] = {"in", "out", "cot", "grad"};
    enum Role role = ROLE_IN;
    while (role < ROLE_GRAD && strcmp(known[role], name) != 0)
        role++;
    return role;
}

/* The arrays of a case: lines "case role element size...", each followed by its elements. */
static void read_answer(adze_context *c, const char *name, Answer *answer)
{
    *answer = (Answer){0};
    for (const char *next = answers; next < answers + answers_length;) {
        char line[256], *save, *word;
        int64_t shape[MAX_AXES];
        size_t rank = 0, bytes = 0;
        AdzeElement element = ADZE_F32;
        const size_t length = (size_t)((const char *)memchr(next, '\n', 255) - next);
        memcpy(line, next, length);
        line[length] = '\0';
        next += length + 1;
        const bool mine = strcmp(strtok_r(line, " ", &save), name) == 0;
        const enum Role role = role_of_name(strtok_r(NULL, " ", &save));
        assert_true(element_of_name(strtok_r(NULL, " ", &save), &element, &bytes));
        while ((word = strtok_r(NULL, " ", &save)) != NULL) {
            shape[rank] = strtoll(word, NULL, 10);
            bytes *= (size_t)shape[rank++];
        }
        if (mine)
            answer->array[role][answer->count[role]++] = adze_from(c, next, shape, rank, element);
        next += bytes;
    }
    assert_true(answer->count[ROLE_OUT] > 0);
}

static int load_answers(void **state)
{
    (void)state;
    FILE *file = fopen(ADZE_SOURCE_DIR "/tests/data/compute_answers.bin", "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0)
        return -1;
    answers_length = (size_t)ftell(file);
    rewind(file);
    char *data = malloc(answers_length + 1);
    answers = data;
    const bool good = data != NULL && fread(data, 1, answers_length, file) == answers_length;
    fclose(file);
    return good ? 0 : -1;
}

static int drop_answers(void **state)
{
    (void)state;
    free((void *)answers);
    return 0;
}

/* ---- comparing ---- */

static double tolerance_of(AdzeElement element)
{
    return element == ADZE_BF16 ? 1.6e-2 : element == ADZE_F16 ? 2e-3 : 2e-5;
}

static bool near(double found, double due, double tolerance)
{
    if (isnan(due) || isinf(due))
        return isnan(due) ? isnan(found) : found == due;
    return fabs(found - due) <= tolerance * fmax(1, fabs(due));
}

static void assert_same_type(const char *name, const char *what, adze_array found, adze_array due)
{
    if (adze_error_of(found) != NULL)
        fail_msg("%s: %s: %s", name, what, adze_error_of(found));
    if (adze_element_of(found) != adze_element_of(due) || adze_rank(found) != adze_rank(due))
        fail_msg("%s: %s: element %d, rank %zu; due are %d, %zu", name, what, adze_element_of(found), adze_rank(found),
                 adze_element_of(due), adze_rank(due));
    for (size_t i = 0; i < adze_rank(due); i++)
        if (adze_shape(found)[i] != adze_shape(due)[i])
            fail_msg("%s: %s: size %lld on axis %zu, due is %lld", name, what, (long long)adze_shape(found)[i], i,
                     (long long)adze_shape(due)[i]);
}

static float float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static double half_of_bits(uint16_t bits)
{
    const int exponent = bits >> 10 & 31, fraction = bits & 1023;
    const double size = exponent == 0   ? ldexp(fraction, -24)
                        : exponent < 31 ? ldexp(1024 + fraction, exponent - 25)
                        : fraction == 0 ? (double)INFINITY
                                        : (double)NAN;
    return bits >> 15 ? -size : size;
}

static double element_at(const void *data, AdzeElement element, size_t i)
{
    switch (element) {
    case ADZE_F32:
        return (double)((const float *)data)[i];
    case ADZE_F16:
        return half_of_bits(((const uint16_t *)data)[i]);
    case ADZE_BF16:
        return (double)float_of_bits((uint32_t)((const uint16_t *)data)[i] << 16);
    case ADZE_I32:
        return ((const int32_t *)data)[i];
    case ADZE_U32:
        return ((const uint32_t *)data)[i];
    default:
        return ((const uint8_t *)data)[i];
    }
}

/* What is compared once all of a case is computed, by one compiled model. */
typedef struct Comparison {
    const char *what;
    adze_array found, due;
    size_t copies; /* of due, one after the other in found */
} Comparison;

typedef struct Comparisons {
    Comparison list[4 * MAX_ARRAYS];
    size_t count;
} Comparisons;

static void compare(adze_context *c, const char *name, const Comparison *pair)
{
    const AdzeElement element = adze_element_of(pair->due);
    const size_t size = adze_size(pair->due);
    const void *found = adze_data(c, pair->found), *due = adze_data(c, pair->due);
    for (size_t i = 0; i < pair->copies * size; i++) {
        const double x = element_at(found, element, i), y = element_at(due, element, i % size);
        if (!near(x, y, tolerance_of(element)))
            fail_msg("%s: %s: element %zu is %.9g, due is %.9g", name, pair->what, i, x, y);
    }
}

static void compare_all(adze_context *c, const char *name, const Comparisons *all)
{
    adze_array array[4 * MAX_ARRAYS];
    for (size_t i = 0; i < all->count; i++)
        array[i] = all->list[i].found;
    if (adze_eval(c, array, all->count) != ADZE_DONE)
        fail_msg("%s: %s", name, adze_message(c));
    for (size_t i = 0; i < all->count; i++)
        compare(c, name, &all->list[i]);
}

/* ---- the cases ---- */

typedef struct Case {
    const char *name;
    void (*run)(adze_context *c, const adze_array *x, adze_array *out);
    size_t result_count, operand_count;
} Case;

#define CASE(name, result)                                                                                             \
    static void run_##name(adze_context *c, const adze_array *x, adze_array *out)                                      \
    {                                                                                                                  \
        (void)c;                                                                                                       \
        (void)x;                                                                                                       \
        out[0] = result;                                                                                               \
    }
#include "functions_compute_cases.def"

static const Case cases[] = {
#define CASE(id, result) {.name = #id, .run = run_##id},
#include "functions_compute_cases.def"
};

enum { CASE_COUNT = sizeof cases / sizeof *cases };

static adze_status call_case(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    const Case *self = payload;
    adze_array out[MAX_ARRAYS];
    adze_status status = ADZE_DONE;
    (void)count;
    self->run(c, in, out);
    for (size_t i = 0; i < self->result_count && status == ADZE_DONE; i++)
        status = adze_give(results, out[i]);
    return status;
}

static bool is_floating(adze_array x)
{
    const AdzeElement element = adze_element_of(x);
    return element == ADZE_F32 || element == ADZE_F16 || element == ADZE_BF16;
}

static void add_derivatives(adze_context *c, Case *self, const Answer *answer, Comparisons *all)
{
    adze_array out[MAX_ARRAYS], gradient[MAX_ARRAYS];
    const size_t count = answer->count[ROLE_IN];
    adze_closure *closure = adze_closure_new(call_case, self, NULL);
    const adze_status status = adze_vjp(c, closure, answer->array[ROLE_IN], count, answer->array[ROLE_COT],
                                        answer->count[ROLE_COT], out, gradient);
    adze_closure_free(closure);
    if (status != ADZE_DONE)
        fail_msg("%s: vjp: %s", self->name, adze_message(c));
    for (size_t i = 0, next = 0; i < count; i++)
        if (is_floating(answer->array[ROLE_IN][i])) {
            const adze_array due = answer->array[ROLE_GRAD][next++];
            assert_same_type(self->name, "gradient", gradient[i], due);
            all->list[all->count++] = (Comparison){"gradient", gradient[i], due, 1};
        }
}

static adze_array twice(adze_context *c, adze_array x)
{
    const adze_array one = adze_expand_dims(c, x, 0);
    return adze_concatenate(c, (const adze_array[]){one, one}, 2, 0);
}

static void add_mapped(adze_context *c, Case *self, const Answer *answer, Comparisons *all)
{
    adze_array in[MAX_ARRAYS], out[MAX_ARRAYS];
    adze_closure *closure = adze_closure_new(call_case, self, NULL);
    adze_closure *mapped = adze_vmap(c, closure, NULL, 0, NULL, 0);
    for (size_t i = 0; i < answer->count[ROLE_IN]; i++)
        in[i] = twice(c, answer->array[ROLE_IN][i]);
    const adze_status status = adze_apply(c, mapped, in, answer->count[ROLE_IN], out, self->result_count);
    adze_closure_free(closure);
    adze_closure_free(mapped);
    if (status != ADZE_DONE)
        fail_msg("%s: vmap: %s", self->name, adze_message(c));
    for (size_t i = 0; i < self->result_count; i++) {
        const adze_array due = answer->array[ROLE_OUT][i];
        assert_same_type(self->name, "mapped", out[i], twice(c, due));
        all->list[all->count++] = (Comparison){"mapped", out[i], due, 2};
    }
}

static void test_case(void **state)
{
    Case self = *(const Case *)*state;
    Answer answer;
    Comparisons all = {.count = 0};
    adze_array out[MAX_ARRAYS];
    adze_context *c = adze_context_new();
    read_answer(c, self.name, &answer);
    self.result_count = answer.count[ROLE_OUT];
    self.run(c, answer.array[ROLE_IN], out);
    for (size_t i = 0; i < self.result_count; i++) {
        assert_same_type(self.name, "result", out[i], answer.array[ROLE_OUT][i]);
        all.list[all.count++] = (Comparison){"result", out[i], answer.array[ROLE_OUT][i], 1};
    }
    if (answer.count[ROLE_COT] > 0) {
        add_derivatives(c, &self, &answer, &all);
        add_mapped(c, &self, &answer, &all);
    }
    compare_all(c, self.name, &all);
    adze_context_free(c);
}

/* ---- what the compiler makes of them ---- */

static char *text_of_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    size_t room = 0;
    assert_non_null(file);
    assert_true(getdelim(&text, &room, 0, file) > 0);
    fclose(file);
    return text;
}

/* The names of the kinds of groups that the default pipeline makes of a case, without those that only convert. */
static void kinds_of_groups(const char *text, char *kinds, size_t room)
{
    Diag diag;
    diag_init(&diag);
    const PassOptions options = pass_options_default();
    Module *module = module_parse("case", text, strlen(text), &diag);
    assert_non_null(module);
    assert_int_equal(pipeline_run(&options, default_pipeline, module, &diag), STATUS_OK);
    const Graph *graph = module->graph[0];
    kinds[0] = '\0';
    for (uint32_t i = 1; i < graph->node_count; i++)
        if (graph->node[i].op == OP_group) {
            const size_t used = strlen(kinds);
            snprintf(kinds + used, room - used, "%s ", node_string(&graph->node[i], ATTR_kind));
        }
    module_destroy(module);
    diag_release(&diag);
}

static void assert_kernels(const char *name, const char *due)
{
    Answer answer;
    char kinds[256], path[] = "/tmp/adze_compute_XXXXXX.adze";
    Case self = {.result_count = 1};
    const int file = mkstemps(path, 5);
    assert_true(file >= 0);
    close(file);
    for (size_t i = 0; i < CASE_COUNT; i++)
        if (strcmp(cases[i].name, name) == 0)
            self.run = cases[i].run;
    adze_context *c = adze_context_new();
    adze_closure *closure = adze_closure_new(call_case, &self, NULL);
    read_answer(c, name, &answer);
    assert_int_equal(adze_export(c, closure, answer.array[ROLE_IN], answer.count[ROLE_IN], "f", path), ADZE_DONE);
    char *text = text_of_file(path);
    unlink(path);
    kinds_of_groups(text, kinds, sizeof kinds);
    if (strcmp(kinds, due) != 0)
        fail_msg("%s becomes the kernels \"%s\", due are \"%s\"", name, kinds, due);
    free(text);
    adze_closure_free(closure);
    adze_context_free(c);
}

/* Norms, softmax and what is made of rows are one kernel; attention is the compiler's own. */
static void test_kernels(void **state)
{
    (void)state;
    assert_kernels("fast_layer_norm", "rows ");
    assert_kernels("fast_layer_norm_bf16", "rows ");
    assert_kernels("fast_rms_norm", "rows ");
    assert_kernels("log_softmax", "rows ");
    assert_kernels("softmax_precise", "rows ");
    assert_kernels("var_bf16", "rows ");
    assert_kernels("sdpa", "attention ");
    assert_kernels("sdpa_causal", "attention ");
    assert_kernels("sdpa_added", "attention ");
    assert_kernels("mish", "pointwise ");
    assert_kernels("l1_loss", "rows ");
}

/* ---- messages ---- */

static void assert_refused(adze_array array, const char *message)
{
    const char *found = adze_error_of(array);
    if (found == NULL || strstr(found, message) == NULL)
        fail_msg("found \"%s\", due is \"%s\"", found == NULL ? "no error" : found, message);
}

static adze_array filled(adze_context *c, AdzeElement element, size_t rank, const int64_t *shape)
{
    return adze_full(c, shape, rank, adze_scalar(c, 1), element);
}

#define ONES(...)                                                                                                      \
    filled(c, ADZE_F32, sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (const int64_t[]){__VA_ARGS__})
#define INTS(...)                                                                                                      \
    filled(c, ADZE_I32, sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (const int64_t[]){__VA_ARGS__})

static void test_contraction_messages(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    const adze_array m = ONES(2, 2), v = ONES(3), none = ADZE_NO_ARRAY, pair[] = {m, m};
    assert_refused(adze_einsum(c, "ij,jk->iz", pair, 2), "[einsum] the output has a subscript that no input has.");
    assert_refused(adze_einsum(c, "ijk,jk->i", pair, 2),
                   "[einsum] Invalid number of subscripts 3 for input 0 with 2 dimensions.");
    assert_refused(adze_einsum(c, "ij,jk->ii", pair, 2), "[einsum] Repeat indices not allowed in output.");
    assert_refused(adze_einsum(c, "i?,jk->i", pair, 2), "[einsum] Subscripts must be letters, but got '?'.");
    assert_refused(adze_einsum(c, "..ij->i", pair, 1), "[einsum] Subscripts must be letters, but got '.'.");
    assert_refused(adze_einsum(c, "ij->i->j", pair, 1), "[einsum] Subscripts must be letters, but got '-'.");
    assert_refused(adze_einsum(c, "ij->i", pair, 2), "[einsum] Number of operands, 2, does not match");
    assert_refused(adze_einsum(c, "ij,jk", (const adze_array[]){m, ONES(3, 2)}, 2), "[einsum] Cannot broadcast");
    assert_refused(adze_einsum(c, "", NULL, 0), "[einsum] 0 operands");
    assert_refused(adze_tensordot(c, m, v, NULL, NULL, 1), "[tensordot] a and b must have the same shape");
    assert_refused(adze_tensordot(c, m, v, NULL, NULL, 3), "[tensordot] axis must be less than");
    assert_refused(adze_addmm(c, v, m, m, 1, 1), "[addmm]");
    assert_refused(adze_gather_mm(c, m, m, none, v, false), "[gather_mm] Got rhs_indices with invalid dtype.");
    assert_refused(adze_gather_mm(c, v, m, none, none, false), "[gather_mm] Both arrays must have");
    assert_refused(adze_segmented_mm(c, m, m, INTS(3)), "[segmented_mm] The segments should have shape (..., 2)");
    assert_refused(adze_segmented_mm(c, m, m, ONES(3, 2)), "[segmented_mm] Got segments with invalid dtype.");
    assert_refused(adze_segmented_mm(c, ONES(1, 2, 2), m, INTS(3, 2)), "[segmented_mm] Batched matmul not supported");
    assert_refused(adze_block_masked_mm(c, m, m, 32, ONES(2, 2), none, none), "[block_masked_mm] a mask of 1 x 1");
    assert_refused(adze_block_masked_mm(c, m, m, 0, none, none, none), "[block_masked_mm] block_size");
    assert_refused(adze_hadamard_transform(c, ONES(7), NULL), "[hadamard_transform] Only supports n = m*2^k");
    adze_context_free(c);
}

static void test_window_messages(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    const adze_array x = ONES(1, 5, 4), w = ONES(6, 3, 4);
    const int zero[] = {0}, window[] = {2};
    assert_refused(adze_conv1d(c, x, ONES(6, 3, 2), 1, 0, 1, 1), "[conv1d] Expect the input channels");
    assert_refused(adze_conv1d(c, ONES(5, 4), w, 1, 0, 1, 1), "[conv1d] Only works for inputs with 1-3 spatial");
    assert_refused(adze_conv1d(c, INTS(1, 5, 4), INTS(6, 3, 4), 1, 0, 1, 1), "only supports floating point types");
    assert_refused(adze_conv1d(c, x, ONES(6, 9, 4), 1, 0, 1, 1), "[conv1d] Spatial dimensions of input after padding");
    assert_refused(adze_conv1d(c, x, w, 0, 0, 1, 1), "[conv1d] Stride sizes must be positive.");
    assert_refused(adze_conv1d(c, x, ONES(5, 3, 2), 1, 0, 1, 2), "output channels must be divisible");
    assert_refused(adze_conv2d(c, x, w, NULL, NULL, NULL, 1), "[conv2d] Only works");
    assert_refused(adze_conv_general(c, ONES(2, 2), w, NULL, NULL, NULL, NULL, NULL, 4, 1, false),
                   "[conv_general] Only");
    assert_refused(adze_conv_transpose1d(c, x, w, 0, 0, 1, 0, 1), "[conv_transpose1d] Dilation sizes");
    assert_refused(adze_max_pool(c, x, zero, NULL, NULL, 1), "[max_pool] window and stride must be positive");
    assert_refused(adze_avg_pool(c, ONES(3, 4), window, NULL, NULL, 1), "[avg_pool] an array [N, spatial..., C]");
    adze_context_free(c);
}

static void test_fast_messages(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    const adze_array x = ONES(2, 3, 4, 8), none = ADZE_NO_ARRAY, q = ONES(1, 4, 3, 8), k = ONES(1, 2, 5, 8);
    const double base = 10000;
    assert_refused(adze_fast_rope(c, ONES(4, 8), 8, false, &base, 1, 0, none),
                   "[fast_rope] Input must have at least 3");
    assert_refused(adze_fast_rope(c, x, 7, false, &base, 1, 0, none), "[fast_rope] dims must be even but got 7.");
    assert_refused(adze_fast_rope(c, x, 10, false, &base, 1, 0, none), "dims must not exceed");
    assert_refused(adze_fast_rope(c, x, 8, false, &base, 1, 0, ONES(4)), "Only one of base or freqs can have a value.");
    assert_refused(adze_fast_rope(c, x, 8, false, NULL, 1, 0, none), "Neither base nor freqs has a value.");
    assert_refused(adze_fast_rope(c, x, 8, false, NULL, 1, 0, ONES(3)), "freqs must be one dimensional with size 4");
    assert_refused(adze_fast_rope_dynamic(c, x, 8, false, &base, 1, INTS(3), none),
                   "offset must be a scalar or vector");
    assert_refused(adze_fast_rope_dynamic(c, x, 8, false, &base, 1, ONES(2), none), "offset must be an integer");
    assert_refused(adze_fast_layer_norm(c, x, ONES(3), none, 1e-5), "weight must have the same size");
    assert_refused(adze_fast_layer_norm(c, x, none, ONES(8, 1), 1e-5), "bias must have 1 dimension but has 2");
    assert_refused(adze_fast_rms_norm(c, adze_scalar(c, 1), none, 1e-5), "Input must have at least 1 dimension");
    assert_refused(adze_fast_rms_norm(c, INTS(3), none, 1e-5), "Received unsupported type i32.");
#define SDPA(queries, keys, values, mode, mask, sinks)                                                                 \
    adze_fast_scaled_dot_product_attention(c, queries, keys, values, 1, mode, mask, sinks)
    assert_refused(SDPA(ONES(4, 3, 8), k, k, "", none, none), "expected to be rank 4");
    assert_refused(SDPA(q, ONES(1, 3, 5, 8), k, "", none, none), "matching n_kv_heads");
    assert_refused(SDPA(q, ONES(1, 3, 5, 8), ONES(1, 3, 5, 8), "", none, none), "must be a multiple of n_kv_heads");
    assert_refused(SDPA(q, k, k, "", ONES(3, 4), none), "[fast_scaled_dot_product_attention]");
    assert_refused(SDPA(q, k, k, "foo", none, none), "invalid mask option");
    assert_refused(SDPA(q, k, k, "", ONES(1, 1, 1, 3, 5), none), "at most rank 4");
    assert_refused(SDPA(q, k, k, "", none, ONES(3)), "Received invalid shape for sinks");
    adze_context_free(c);
}

static void test_other_messages(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    const adze_array x = ONES(2, 3), none = ADZE_NO_ARRAY;
    const int axis = 3;
    assert_refused(adze_var(c, x, &axis, 1, false, 0), "[var] axis 3");
    assert_refused(adze_median(c, ONES(0), NULL, 0, false), "[median] Cannot take median along empty axis.");
    assert_refused(adze_clip(c, x, none, none), "[clip] at most one");
    assert_refused(adze_linspace(c, 0, 1, -1, ADZE_F32), "[linspace] number of samples, -1, must be non-negative.");
    assert_refused(adze_to_fp8(c, INTS(2)), "[to_fp8] Only real floating types are supported");
    assert_refused(adze_from_fp8(c, INTS(2), ADZE_F32), "[from_fp8] Input must have type uint8");
    assert_refused(adze_glu(c, x, 1), "[glu] an axis of size 3");
    assert_refused(adze_cross_entropy(c, x, INTS(3), none, -1, 0, ADZE_REDUCE_NONE), "Targets shape does not match");
    assert_refused(adze_cross_entropy(c, x, INTS(2), none, -1, 1, ADZE_REDUCE_NONE), "Label smoothing must in [0, 1)");
    assert_refused(adze_mse_loss(c, x, ONES(3), ADZE_REDUCE_MEAN), "[mse_loss] Predictions shape does not match");
    assert_refused(adze_l1_loss(c, x, x, (adze_reduction)7), "[l1_loss] Invalid reduction.");
    adze_context_free(c);
}

int main(void)
{
    enum { OTHERS = 5 };
    struct CMUnitTest tests[CASE_COUNT + OTHERS] = {
        cmocka_unit_test(test_contraction_messages), cmocka_unit_test(test_window_messages),
        cmocka_unit_test(test_fast_messages), cmocka_unit_test(test_other_messages), cmocka_unit_test(test_kernels)};
    for (size_t i = 0; i < CASE_COUNT; i++)
        tests[OTHERS + i] = (struct CMUnitTest){
            .name = cases[i].name, .test_func = test_case, .initial_state = (void *)(uintptr_t)&cases[i]};
    return cmocka_run_group_tests(tests, load_answers, drop_answers);
}
