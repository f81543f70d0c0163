/* SPDX-License-Identifier: Apache-2.0
 * Text IR: what is printed parses to the same text, for texts written by hand and for random modules; hostile text ends
 * in a message with a place, never in a crash. */
#include "ir/base/hash.h"
#include "ir/build.h"
#include "ir/ir.h"
#include "tests/random_graph.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Canonical: printing gives it back byte for byte. */
static const char sample[] =
    "module\n"
    "symbol batch = 1..64\n"
    "symbol kept = 0..inf value\n"
    "blob 0 = hex \"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c"
    "2d2e2f303132333435363738393a3b3c3d3e3f4041\"\n"
    "\n"
    "graph @double(%x: f32[batch,3]) -> (f32[batch,3]) {\n"
    "  %1 = add %x, %x : f32[batch,3]\n"
    "  return %1\n"
    "}\n"
    "\n"
    "entry graph @main(%image: f32[batch,3], %1 \"odd name\": f32[2,2], %2 \"image\": i64[], %flag: bool[]) -> "
    "(logits: f32[batch,3], \"a b\": f32[2,2], u8[66], i64[], f32[3]) {\n"
    "  %4 = call %image {callee = @double} : f32[batch,3] loc(\"m.onnx: node 'c\\x0a'\")\n"
    "  %5 = constant [1.5, -0.0, inf, nan] : f32[4]\n"
    "  %6 = reshape %5 {shape = [2, 2]} : f32[2,2]\n"
    "  %7 = add %1, %6 : f32[2,2] clone 3\n"
    "  %8 = constant bits(0x7fc00001) : f32[]\n"
    "  %9 = constant 0.1 : f32[2,2]\n"
    "  %10 = broadcast %8 {axes = [], shape = [2, 2]} : f32[2,2]\n"
    "  %11 = mul %9, %10 : f32[2,2]\n"
    "  %12 = constant blob 0 offset 0 hash 0x2b5f1dc8b0e13d40 : u8[66]\n"
    "  %13 = bind_dimension %2 {symbol = kept} : i64[]\n"
    "  %14 = dimension {size = floor_div(3*batch*kept+2,4)} : i64[]\n"
    "  %15, %16 = sort %4 {axis = 1, descending = 0} : f32[batch,3], i64[batch,3]\n"
    "  %17 = reduce_sum %15 {axes = [0]} : f32[3]\n"
    "  %18 = if %flag, %7 : f32[2,2]\n"
    "    region(%0: f32[2,2]) -> (f32[2,2]) {\n"
    "      %1 = neg %0 : f32[2,2]\n"
    "      return %1\n"
    "    }\n"
    "    region(%0: f32[2,2]) -> (f32[2,2]) {\n"
    "      return %0\n"
    "    }\n"
    "  return %15, %18, %12, %14, %17\n"
    "}\n";

static Module *parse(const char *text, size_t length, Diag *diag)
{
    return module_parse("sample.adze", text, length, diag);
}

static char *print(const Module *module)
{
    StrBuf out = {0};
    module_print(module, &out);
    assert_false(out.failed);
    return out.text;
}

static void assert_round_trip(const char *text, const char *expected)
{
    Diag diag;
    diag_init(&diag);
    Module *module = parse(text, strlen(text), &diag);
    if (module == NULL)
        fail_msg("%s: %s", diag.first->where, diag.first->what);
    assert_int_equal(module_verify(module), STATUS_OK);
    char *printed = print(module);
    assert_string_equal(printed, expected);
    free(printed);
    module_destroy(module);
    diag_release(&diag);
}

/* The sample with the hash that its constant really has. */
static char *true_sample(void)
{
    Diag diag;
    diag_init(&diag);
    Module *module = module_create(&diag);
    uint8_t data[66];
    for (uint32_t i = 0; i < sizeof data; i++) {
        unsigned byte;
        sscanf(strstr(sample, "hex \"") + 5 + 2 * i, "%2x", &byte);
        data[i] = (uint8_t)byte;
    }
    const Type type = type_make_static(module, ELEMENT_u8, (int64_t[]){66}, 1);
    const uint64_t hash = constant_get(module, constant_copy(module, type, data))->hash;
    char *text = strdup(sample), number[32];
    snprintf(number, sizeof number, "0x%016llx", (unsigned long long)hash);
    memcpy(strstr(text, "hash ") + 5, number, 18);
    module_destroy(module);
    diag_release(&diag);
    return text;
}

static void sample_round_trips(void **state)
{
    (void)state;
    char *text = true_sample();
    assert_round_trip(text, text);
    free(text);
}

/* What may be left out, and other ways to write it. */
static void loose_text_is_read(void **state)
{
    (void)state;
    assert_round_trip(
        "; a comment\ngraph @f(%a: f32, %b: f32[]) {\n %sum = add %a,%b ; here\n return %sum }",
        "module\n\ngraph @f(%a: f32[], %b: f32[]) -> (f32[]) {\n  %2 = add %a, %b : f32[]\n  return %2\n}\n");
    assert_round_trip("graph @\"my graph\"(%a: i4[2]) { %c = constant 7 : i4[2] %d = constant [7, 7] : i4[2]\n"
                      " return %c, %d }",
                      "module\n\ngraph @\"my graph\"(%a: i4[2]) -> (i4[2], i4[2]) {\n  %1 = constant 7 : i4[2]\n"
                      "  return %1, %1\n}\n");
}

static void absent_blobs_keep_their_hash(void **state)
{
    (void)state;
    static const char text[] = "module\n"
                               "blob 0 = \"weights.bin\" bytes 4096\n"
                               "blob 1 = omitted bytes 1000\n"
                               "\n"
                               "graph @main() -> (f32[32,8], f32[32,8], u8[1000]) {\n"
                               "  %0 = constant blob 0 offset 0 hash 0x0123456789abcdef : f32[32,8]\n"
                               "  %1 = constant blob 0 offset 1024 hash 0x0123456789abcdee : f32[32,8]\n"
                               "  %2 = constant blob 1 offset 0 hash 0x0000000000000001 : u8[1000]\n"
                               "  return %0, %1, %2\n"
                               "}\n";
    Diag diag;
    diag_init(&diag);
    assert_round_trip(text, text);
    Module *module = parse(text, sizeof text - 1, &diag);
    Arena arena;
    arena_init(&arena);
    HostArray result[3];
    assert_int_equal(graph_evaluate(module->graph[0], NULL, 0, result, &arena, &diag), STATUS_INVALID);
    assert_non_null(strstr(diag.first->what, "weights.bin"));
    arena_release(&arena);
    module_destroy(module);
    diag_release(&diag);
}

/* ---- blobs from files ---- */

static const uint8_t file_bytes[128] = {1, 2, 3};

static bool open_file(void *user, const char *path, size_t bytes, Blob *blob)
{
    (void)user;
    blob->data = file_bytes;
    return strcmp(path, "w") == 0 && bytes == sizeof file_bytes;
}

static void blobs_come_from_a_source(void **state)
{
    (void)state;
    Diag diag;
    diag_init(&diag);
    const BlobSource source = {open_file, NULL};
    static const char text[] =
        "blob 0 = \"w\" bytes 128\ngraph @f() {\n %0 = constant blob 0 offset 0 hash 0x1 : u8[128]\n return %0 }";
    assert_null(module_parse_with("t", text, sizeof text - 1, &source, &diag));
    assert_non_null(strstr(diag.first->what, "hashes differ"));
    assert_string_equal(diag.first->where, "t:3:21");
    diag_release(&diag);
}

/* ---- elements ---- */

static void check_constant(ElementType element, const void *data, uint32_t count)
{
    Diag diag;
    diag_init(&diag);
    Module *module = module_create(&diag);
    Graph *graph = graph_create(module, "f");
    Builder b = {.graph = graph};
    const Type type = type_make_static(module, element, (int64_t[]){count}, 1);
    graph_add_result(graph, build_constant(&b, constant_copy(module, type, data)), "");
    char *text = print(module);
    Module *again = parse(text, strlen(text), &diag);
    if (again == NULL)
        fail_msg("%s: %s\n%s", diag.first->where, diag.first->what, text);
    const ConstantId id = node_constant(&again->graph[0]->node[1], ATTR_value);
    assert_memory_equal(constant_data(again, id), data, count * element_info[element].bytes);
    free(text);
    module_destroy(again);
    module_destroy(module);
    diag_release(&diag);
}

static void every_element_comes_back(void **state)
{
    (void)state;
    uint64_t seed = 5;
    for (uint32_t element = 0; element < ELEMENT_COUNT; element++) {
        const uint32_t bytes = element_info[element].bytes, rounds = bytes == 2 ? 1024 : 16;
        for (uint32_t round = 0; round < rounds; round++) {
            uint8_t data[64 * 8];
            for (uint32_t i = 0; i < sizeof data; i++)
                data[i] = (uint8_t)random_next(&seed);
            for (uint32_t i = 0; i < 64 && bytes == 1; i++) /* all patterns */
                data[i] = (uint8_t)(i + 64 * round);
            for (uint32_t i = 0; i < 64 && bytes == 2; i++)
                memcpy(&data[2 * i], &(uint16_t){(uint16_t)(i + 64 * round)}, 2);
            check_constant((ElementType)element, data, 64);
        }
    }
}

/* ---- random modules ---- */

static void random_modules_round_trip(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        Diag diag;
        diag_init(&diag);
        Module *module =
            random_module(seed, &(RandomOptions){.is_symbolic = seed % 2 == 0, .is_complete = true}, &diag);
        if (module == NULL)
            fail_msg("seed %llu: %s: %s", (unsigned long long)seed, diag.first->where, diag.first->what);
        assert_int_equal(module_verify(module), STATUS_OK);
        char *text = print(module);
        Module *again = parse(text, strlen(text), &diag);
        if (again == NULL)
            fail_msg("seed %llu: %s: %s\n%s", (unsigned long long)seed, diag.first->where, diag.first->what, text);
        assert_int_equal(module_verify(again), STATUS_OK);
        char *text_again = print(again);
        if (strcmp(text, text_again) != 0)
            fail_msg("seed %llu:\n%s\n%s", (unsigned long long)seed, text, text_again);
        free(text);
        free(text_again);
        module_destroy(again);
        module_destroy(module);
        diag_release(&diag);
    }
}

/* ---- hostile text ---- */

/* Parses; what it accepts must print and parse again. */
static void try_text(const char *text, size_t length)
{
    Diag diag;
    diag_init(&diag);
    char *exact = malloc(length == 0 ? 1 : length); /* no byte after the end */
    memcpy(exact, text, length);
    Module *module = parse(exact, length, &diag);
    free(exact);
    if (module == NULL) {
        assert_true(diag.count > 0);
    } else {
        char *printed = print(module);
        Module *again = parse(printed, strlen(printed), &diag);
        if (again == NULL)
            fail_msg("%s: %s\n%s", diag.first->where, diag.first->what, printed);
        module_destroy(again);
        free(printed);
        module_destroy(module);
    }
    diag_release(&diag);
}

/* All but the part up to the first graph, which is a module of its own. */
static void truncated_text_fails(void **state)
{
    (void)state;
    char *text = true_sample();
    for (size_t length = 0; length < strlen(text) - 2; length++) {
        Diag diag;
        diag_init(&diag);
        Module *module = parse(text, length, &diag);
        if (module != NULL)
            assert_string_equal(module->graph[0]->name, "double");
        else
            assert_non_null(strstr(diag.count == 1 ? diag.first->where : diag.first->next->where, "sample.adze:"));
        module_destroy(module);
        diag_release(&diag);
        try_text(text, length);
    }
    free(text);
}

static void damaged_text_is_survived(void **state)
{
    (void)state;
    static const char likely[] = "%@()[]{},:=\"\\;-.0123456789 \nfainb";
    uint64_t seed = 11;
    char *text = true_sample();
    const size_t length = strlen(text);
    for (uint32_t round = 0; round < 4000; round++) {
        char *damaged = strdup(text);
        for (uint32_t i = 0; i <= random_below(&seed, 3); i++) {
            const uint32_t kind = random_below(&seed, 3);
            const char byte = kind == 0 ? (char)random_next(&seed) : likely[random_below(&seed, sizeof likely - 1)];
            damaged[random_below(&seed, (uint32_t)length)] = byte;
        }
        try_text(damaged, length);
        free(damaged);
    }
    free(text);
}

static void assert_message(const char *text, const char *where, const char *what)
{
    Diag diag;
    diag_init(&diag);
    assert_null(parse(text, strlen(text), &diag));
    bool is_found = false;
    for (const DiagMessage *message = diag.first; message != NULL; message = message->next)
        is_found = is_found || (strcmp(message->where, where) == 0 && strstr(message->what, what) != NULL);
    if (!is_found)
        fail_msg("due: %s: %s\ncame: %s: %s", where, what, diag.first->where, diag.first->what);
    diag_release(&diag);
}

static void messages_say_where(void **state)
{
    (void)state;
    assert_message("graph @f() {\n  %0 = add %1, %2\n  return %0\n}", "sample.adze:2:12", "%1 isn't defined here");
    assert_message("graph @f(%a: f32) {\n  %b = ad %a\n return %b }", "sample.adze:2:8",
                   "found 'ad', the name of an op is due");
    assert_message("graph @f(%a: f32) {\n  %b = neg %a : f16\n return %b }", "sample.adze:2:3",
                   "the type stated is f16[], f32[] is due");
    assert_message("graph @f(%a: f32[n]) { return %a }", "sample.adze:1:18", "in this statement");
    assert_message("graph @f(%a: f32) { %a = neg %a return %a }", "sample.adze:1:21", "defined twice");
    assert_message("graph @f() { return", "sample.adze:1:20", "found the end of the text, '}' is due");
    assert_message("graph @f() { %c = constant [1, 2] : f32[3] return %c }", "sample.adze:1:33",
                   "found ']', ',' is due");
    assert_message("graph @f() { %c = constant 300 : u8 return %c }", "sample.adze:1:28",
                   "300 is no number of type u8");
    assert_message("graph @f() { %c = call {callee = @f} return %c }", "sample.adze:1:34", "no graph of that name");
    assert_message("blob 1 = hex \"00\"", "sample.adze:1:6", "0 is due");
    assert_message("blob 0 = omitted bytes 99999999999", "sample.adze:1:10", "exceed");
    assert_message("symbol n = 1..2", "sample.adze:1:16", "no graph");
}

/* Region in region in region. */
static void deep_regions_are_refused(void **state)
{
    (void)state;
    StrBuf text = {0};
    strbuf_add(&text, "graph @f(%a: f32) {");
    for (uint32_t i = 0; i < 100000; i++)
        strbuf_add(&text, "%b = checkpoint %a region(%a: f32) {");
    Diag diag;
    diag_init(&diag);
    assert_null(parse(text.text, text.length, &diag));
    assert_non_null(strstr(diag.first->what, "nested more than 64 deep"));
    diag_release(&diag);
    strbuf_release(&text);
}

static void memory_may_run_out_anywhere(void **state)
{
    (void)state;
    char *text = true_sample();
    for (int64_t n = 1;; n++) {
        Diag diag;
        diag_init(&diag);
        arena_fail_at(n);
        Module *module = parse(text, strlen(text), &diag);
        arena_fail_at(0);
        module_destroy(module);
        diag_release(&diag);
        if (module != NULL)
            break;
        assert_true(n < 1000);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sample_round_trips),           cmocka_unit_test(loose_text_is_read),
        cmocka_unit_test(absent_blobs_keep_their_hash), cmocka_unit_test(blobs_come_from_a_source),
        cmocka_unit_test(every_element_comes_back),     cmocka_unit_test(random_modules_round_trip),
        cmocka_unit_test(truncated_text_fails),         cmocka_unit_test(damaged_text_is_survived),
        cmocka_unit_test(messages_say_where),           cmocka_unit_test(deep_regions_are_refused),
        cmocka_unit_test(memory_may_run_out_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
