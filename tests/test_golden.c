/* SPDX-License-Identifier: Apache-2.0
 * Golden tests: every file tests/golden/FOLDER/NAME.adze holds a module, what to do with it, and what must come of it.
 *
 *   ; passes: simplify,fold      the pipeline; without this line the text is only parsed and printed
 *   ; panels: 8                  panel width of packed weights (layout); 0 when not said
 *   graph @main(…) { … }
 *   ; ---- becomes
 *   the module as text
 *
 * or, where it must fail, instead of the last two: one or more lines `; ---- error: what a message must hold` ("WHERE:
 * WHAT"). `test_golden --rebase` writes what came into the files: read the difference before committing it. */
#define _GNU_SOURCE 1
#include "passes/passes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char BECOMES[] = "\n; ---- becomes\n", FAILS[] = "\n; ---- error: ";

static bool must_rebase;

typedef struct GoldenFile {
    char path[2048];
    char *text;
    size_t input_length; /* up to the mark, its line feed included */
    const char *due;     /* after `becomes`; NULL when an error is due */
} GoldenFile;

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    size_t room = 0;
    if (file != NULL && getdelim(&text, &room, 0, file) < 0)
        text[0] = 0;
    if (file != NULL)
        fclose(file);
    return text;
}

/* The value of a line "; KEY: value" before the first mark; "" when there is none. */
static void read_key(const GoldenFile *golden, const char *key, char *value, size_t room)
{
    char line_start[64];
    value[0] = 0;
    snprintf(line_start, sizeof line_start, "; %s:", key);
    const char *at = strstr(golden->text, line_start);
    if (at == NULL || (size_t)(at - golden->text) >= golden->input_length)
        return;
    at += strlen(line_start);
    at += strspn(at, " ");
    snprintf(value, room, "%.*s", (int)strcspn(at, "\n"), at);
}

static PassOptions read_options(const GoldenFile *golden)
{
    PassOptions options = pass_options_default();
    char panels[32];
    read_key(golden, "panels", panels, sizeof panels);
    const uint32_t width = (uint32_t)strtoul(panels, NULL, 10);
    for (uint32_t i = 0; i < ELEMENT_COUNT; i++)
        options.dot_panel_width[i] = width;
    options.convolution_panel_width = width;
    options.verify = true;
    return options;
}

/* Parses and runs the pipeline; NULL when either failed. */
static char *transform(const GoldenFile *golden, Diag *diag)
{
    const char *name = strrchr(golden->path, '/') + 1;
    char passes[512];
    char *text = NULL;
    const PassOptions options = read_options(golden);
    Module *module = module_parse(name, golden->text, golden->input_length, diag);
    read_key(golden, "passes", passes, sizeof passes);
    if (module != NULL && module_verify(module) == STATUS_OK &&
        (passes[0] == 0 || pipeline_run(&options, passes, module, diag) == STATUS_OK)) {
        StrBuf out = {0};
        module_print(module, &out);
        text = out.text;
    }
    module_destroy(module);
    return text;
}

static bool has_message(const Diag *diag, const char *due, size_t length)
{
    bool is_found = false;
    for (const DiagMessage *message = diag->first; message != NULL; message = message->next) {
        char *text = NULL;
        if (asprintf(&text, "%s: %s", message->where, message->what) < 0)
            return false;
        is_found = is_found || memmem(text, strlen(text), due, length) != NULL;
        free(text);
    }
    return is_found;
}

static bool check_errors(const GoldenFile *golden, const char *came, const Diag *diag)
{
    bool is_right = came == NULL;
    if (came != NULL)
        fprintf(stderr, "%s: should fail\n", golden->path);
    for (const char *at = golden->text + golden->input_length - 1; (at = strstr(at, FAILS)) != NULL;) {
        at += strlen(FAILS);
        if (has_message(diag, at, strcspn(at, "\n")))
            continue;
        fprintf(stderr, "%s: no message holds '%.*s'\n", golden->path, (int)strcspn(at, "\n"), at);
        is_right = false;
    }
    return is_right;
}

static bool rebase(const GoldenFile *golden, const char *came)
{
    FILE *file = fopen(golden->path, "wb");
    if (file == NULL)
        return false;
    fwrite(golden->text, 1, golden->input_length, file);
    fprintf(file, "%s%s", BECOMES + 1, came);
    return fclose(file) == 0;
}

static bool check_text(const GoldenFile *golden, const char *came)
{
    if (came != NULL && strcmp(came, golden->due) == 0)
        return true;
    if (came != NULL && must_rebase)
        return rebase(golden, came);
    fprintf(stderr, "%s: came:\n%s\ndue:\n%s", golden->path, came == NULL ? "(failed)" : came, golden->due);
    return false;
}

static bool split(GoldenFile *golden)
{
    const char *mark = golden->text == NULL ? NULL : strstr(golden->text, BECOMES);
    golden->due = mark == NULL ? NULL : mark + strlen(BECOMES);
    if (mark == NULL && golden->text != NULL)
        mark = strstr(golden->text, FAILS);
    if (mark == NULL)
        return false;
    golden->input_length = (size_t)(mark - golden->text) + 1;
    return true;
}

static bool run_file(const char *folder, const char *name)
{
    GoldenFile golden = {0};
    Diag diag;
    diag_init(&diag);
    snprintf(golden.path, sizeof golden.path, "%s/%s", folder, name);
    golden.text = read_file(golden.path);
    bool is_right = split(&golden);
    if (!is_right)
        fprintf(stderr, "%s: neither '; ---- becomes' nor '; ---- error: …' in it\n", golden.path);
    char *came = is_right ? transform(&golden, &diag) : NULL;
    if (is_right)
        is_right = golden.due == NULL ? check_errors(&golden, came, &diag) : check_text(&golden, came);
    for (const DiagMessage *m = is_right ? NULL : diag.first; m != NULL; m = m->next)
        fprintf(stderr, "%s: %s\n", m->where, m->what);
    free(came);
    free(golden.text);
    diag_release(&diag);
    return is_right;
}

static int is_listed(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static bool ends_in(const char *name, const char *end)
{
    const size_t length = strlen(name), end_length = strlen(end);
    return length > end_length && strcmp(name + length - end_length, end) == 0;
}

static uint32_t run_folder(const char *folder, uint32_t *count)
{
    struct dirent **entry = NULL;
    uint32_t failed = 0;
    const int entries = scandir(folder, &entry, is_listed, alphasort);
    for (int i = 0; i < entries; i++) {
        if (ends_in(entry[i]->d_name, ".adze")) {
            failed += !run_file(folder, entry[i]->d_name);
            ++*count;
        }
        free(entry[i]);
    }
    free(entry);
    return failed;
}

static void every_golden_file_holds(void **state)
{
    (void)state;
    static const char root[] = ADZE_SOURCE_DIR "/tests/golden";
    struct dirent **entry = NULL;
    uint32_t failed = 0, count = 0;
    const int entries = scandir(root, &entry, is_listed, alphasort);
    for (int i = 0; i < entries; i++) {
        char folder[1024];
        snprintf(folder, sizeof folder, "%s/%s", root, entry[i]->d_name);
        failed += run_folder(folder, &count);
        free(entry[i]);
    }
    free(entry);
    assert_true(count > 0);
    assert_int_equal(failed, 0);
}

int main(int count, char **argument)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_golden_file_holds)};
    must_rebase = count > 1 && strcmp(argument[1], "--rebase") == 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
