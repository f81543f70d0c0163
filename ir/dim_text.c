/* SPDX-License-Identifier: Apache-2.0
 * Dimension expressions as text, and back:
 *
 *   sum     = ["-"] product { ("+" | "-") product }
 *   product = factor { "*" factor }
 *   factor  = number | symbol | "(" sum ")" | "-" factor | ("floor_div" | "mod" | "max" | "min") "(" sum "," sum ")"
 *
 * Spaces may stand between words. Parsing simplifies as building does, so what was printed comes back as it was. Input
 * is untrusted: recursion is limited. */
#include "ir/dim_table.h"

#include <inttypes.h>
#include <string.h>

static const char *const form_name[] = {
    [DIM_FLOOR_DIV] = "floor_div", [DIM_MOD] = "mod", [DIM_MAX] = "max", [DIM_MIN] = "min"};

static void print_atom(const Module *module, const Atom *atom, StrBuf *out)
{
    if (atom->form == DIM_SYMBOL) {
        strbuf_add(out, module->symbol[atom->symbol].name);
        return;
    }
    strbuf_add(out, form_name[atom->form]);
    strbuf_add(out, "(");
    dim_print(module, atom->a, out);
    strbuf_add(out, ",");
    dim_print(module, atom->b, out);
    strbuf_add(out, ")");
}

static void print_term(const Module *module, Term term, bool first, StrBuf *out)
{
    const Monomial *monomial = &module->dims->monomial[term.monomial];
    if (term.coefficient > 0 && !first)
        strbuf_add(out, "+");
    if (term.coefficient == -1 && monomial->degree > 0)
        strbuf_add(out, "-");
    else if (term.coefficient != 1 || monomial->degree == 0)
        strbuf_printf(out, "%" PRId64 "%s", term.coefficient, monomial->degree > 0 ? "*" : "");
    for (uint32_t k = 0; k < monomial->degree; k++) {
        if (k > 0)
            strbuf_add(out, "*");
        print_atom(module, &module->dims->atom[monomial->atom[k]], out);
    }
}

void dim_print(const Module *module, Dim dim, StrBuf *out)
{
    if (dim.expression == 0) {
        strbuf_printf(out, "%" PRId64, dim.constant);
        return;
    }
    const Polynomial *poly = &module->dims->polynomial[dim.expression];
    for (uint32_t i = 0; i < poly->count; i++)
        print_term(module, poly->term[i], i == 0, out);
}

/* ---- parsing ---- */

enum { MAX_NESTING = 2 * DIM_MAX_DEPTH };

typedef struct Reader {
    Module *module;
    const char *at, *end;
    uint32_t depth;
} Reader;

static Dim fail(Reader *reader, const char *what)
{
    if (reader->module->status == STATUS_OK)
        module_fail(reader->module, STATUS_INVALID, "", "dimension expression: %s", what);
    return dim_constant(0);
}

static void skip_spaces(Reader *reader)
{
    while (reader->at < reader->end && *reader->at == ' ')
        reader->at++;
}

static bool accept(Reader *reader, char wanted)
{
    skip_spaces(reader);
    if (reader->at == reader->end || *reader->at != wanted)
        return false;
    reader->at++;
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* Negative numbers are read with their sign, so that INT64_MIN can be. */
static Dim read_number(Reader *reader, bool negative)
{
    int64_t value = 0;
    for (; reader->at < reader->end && is_digit(*reader->at); reader->at++) {
        const int digit = *reader->at - '0';
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, negative ? -digit : digit, &value))
            return fail(reader, "a number exceeds 64 bits");
    }
    return dim_constant(value);
}

static Dim read_sum(Reader *reader);

static Dim read_call(Reader *reader, DimForm form)
{
    const Dim a = read_sum(reader);
    if (!accept(reader, ','))
        return fail(reader, "',' expected");
    const Dim b = read_sum(reader);
    if (!accept(reader, ')'))
        return fail(reader, "')' expected");
    switch (form) {
    case DIM_FLOOR_DIV:
        return dim_floor_div(reader->module, a, b);
    case DIM_MOD:
        return dim_mod(reader->module, a, b);
    case DIM_MAX:
        return dim_max(reader->module, a, b);
    default:
        return dim_min(reader->module, a, b);
    }
}

static bool same_text(const char *text, const char *name, size_t length)
{
    return strlen(text) == length && memcmp(text, name, length) == 0;
}

static Dim read_name(Reader *reader)
{
    const char *name = reader->at;
    while (reader->at < reader->end && (is_name_start(*reader->at) || is_digit(*reader->at) || *reader->at == '.'))
        reader->at++;
    const size_t length = (size_t)(reader->at - name);
    if (accept(reader, '(')) {
        for (DimForm form = DIM_FLOOR_DIV; form <= DIM_MIN; form++)
            if (same_text(form_name[form], name, length))
                return read_call(reader, form);
        return fail(reader, "floor_div, mod, max or min expected before '('");
    }
    uint32_t index;
    if (!dim_find_symbol(reader->module, name, length, &index)) {
        if (reader->module->status == STATUS_OK)
            module_fail(reader->module, STATUS_INVALID, "", "dimension expression: unknown symbol '%.*s'",
                        (int)(length > 100 ? 100 : length), name);
        return dim_constant(0);
    }
    Dim dim;
    if (!dim_from_atom(reader->module, (Atom){.form = DIM_SYMBOL, .symbol = index}, &dim))
        return dim_too_large(reader->module);
    return dim;
}

static Dim read_factor_inside(Reader *reader, bool negative)
{
    skip_spaces(reader);
    if (reader->at == reader->end)
        return fail(reader, "ends too early");
    if (is_digit(*reader->at))
        return read_number(reader, negative);
    Dim dim = dim_constant(0);
    if (is_name_start(*reader->at)) {
        dim = read_name(reader);
    } else if (accept(reader, '(')) {
        dim = read_sum(reader);
        if (!accept(reader, ')'))
            return fail(reader, "')' expected");
    } else {
        return fail(reader, "a number, a symbol or '(' expected");
    }
    return negative ? dim_sub(reader->module, dim_constant(0), dim) : dim;
}

static Dim read_product(Reader *reader, bool negative)
{
    Dim product = dim_constant(1);
    bool more = true;
    while (more && reader->module->status == STATUS_OK) {
        while (accept(reader, '-'))
            negative = !negative;
        product = dim_mul(reader->module, product, read_factor_inside(reader, negative));
        negative = false;
        more = accept(reader, '*');
    }
    return product;
}

static Dim read_sum(Reader *reader)
{
    if (reader->module->status != STATUS_OK || ++reader->depth > MAX_NESTING)
        return fail(reader, "nested too deep");
    Dim sum = read_product(reader, accept(reader, '-'));
    while (reader->module->status == STATUS_OK) {
        if (accept(reader, '+'))
            sum = dim_add(reader->module, sum, read_product(reader, false));
        else if (accept(reader, '-'))
            sum = dim_add(reader->module, sum, read_product(reader, true));
        else
            break;
    }
    reader->depth--;
    return sum;
}

Dim dim_parse(Module *module, const char *text, size_t length)
{
    Reader reader = {module, text, text + length, 0};
    const Dim dim = read_sum(&reader);
    skip_spaces(&reader);
    if (reader.at != reader.end)
        fail(&reader, "something is left over at its end");
    return module->status == STATUS_OK ? dim : dim_constant(0);
}
