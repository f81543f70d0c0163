/* SPDX-License-Identifier: Apache-2.0
 * The command line, read by getopt_long from the table in options.def. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver/driver.h"

typedef struct OptionInfo {
    const char *label;
    int letter;
    const char *argument;
    uint32_t commands;
    const char *help;
} OptionInfo;

static const OptionInfo option_info[OPTION_COUNT] = {
#define OPTION(name, label, letter, argument, commands, help) {label, letter, argument, commands, help},
#include "driver/options.def"
};

enum { FIRST_CODE = 1000 };

void options_print_help(const CommandInfo *command)
{
    printf("usage: adze %s %s [options]\n\n%s\n\n", command->name, command->argument, command->help);
    for (int i = 0; i < OPTION_COUNT; i++) {
        const OptionInfo *info = &option_info[i];
        if ((info->commands & command->bit) == 0 && info->commands != ALL)
            continue;
        char flag[64];
        snprintf(flag, sizeof flag, "--%s%s%s", info->label, *info->argument != 0 ? " " : "", info->argument);
        char letter[8] = "    ";
        if (info->letter != 0)
            snprintf(letter, sizeof letter, "-%c, ", info->letter);
        printf("  %s%-26s %s\n", letter, flag, info->help);
    }
}

/* The getopt tables of the options that a command takes. */
static void make_tables(const CommandInfo *command, struct option *long_option, char *letters)
{
    int count = 0;
    *letters++ = ':';
    for (int i = 0; i < OPTION_COUNT; i++) {
        const OptionInfo *info = &option_info[i];
        if ((info->commands & command->bit) == 0 && info->commands != ALL)
            continue;
        const int has_argument = *info->argument != 0;
        long_option[count++] =
            (struct option){info->label, has_argument ? required_argument : no_argument, NULL, FIRST_CODE + i};
        if (info->letter != 0) {
            *letters++ = (char)info->letter;
            if (has_argument)
                *letters++ = ':';
        }
    }
    *letters = 0;
}

static int option_of_code(int code)
{
    if (code >= FIRST_CODE)
        return code - FIRST_CODE;
    for (int i = 0; i < OPTION_COUNT; i++)
        if (option_info[i].letter == code)
            return i;
    return -1;
}

static Status usage(const CommandInfo *command, Diag *diag, const char *what, const char *argument)
{
    diag_fail(diag, STATUS_USAGE, "command line", "%s '%s'", what, argument);
    diag_hint(diag, "adze %s --help lists the options", command->name);
    return STATUS_USAGE;
}

static Status take_option(int option, Options *options, const CommandInfo *command, Diag *diag)
{
    if (options->count[option] == MAX_REPEATED)
        return usage(command, diag, "too many times", option_info[option].label);
    options->value[option] = optarg;
    options->repeated[option][options->count[option]++] = optarg;
    return STATUS_OK;
}

Status options_parse(const CommandInfo *command, int count, char **argument, Options *options, Diag *diag)
{
    struct option long_option[OPTION_COUNT + 1] = {0};
    char letters[2 * OPTION_COUNT + 2];
    make_tables(command, long_option, letters);
    opterr = 0;
    for (int code; (code = getopt_long(count, argument, letters, long_option, NULL)) != -1;) {
        const char *seen = argument[optind - 1];
        if (code == '?')
            return usage(command, diag, "unknown option", seen);
        if (code == ':')
            return usage(command, diag, "an argument is due after", seen);
        TRY(take_option(option_of_code(code), options, command, diag));
    }
    if (optind < count)
        options->file = argument[optind++];
    if (optind < count)
        return usage(command, diag, "unexpected argument", argument[optind]);
    if (*command->argument != 0 && options->file == NULL && options->count[OPTION_help] == 0)
        return usage(command, diag, "missing argument", command->argument);
    return STATUS_OK;
}

Status option_integer(const Options *options, OptionKind option, int64_t min, int64_t max, int64_t otherwise,
                      int64_t *value, Diag *diag)
{
    const char *text = options->value[option];
    *value = otherwise;
    if (text == NULL)
        return STATUS_OK;
    char *end;
    errno = 0;
    *value = strtoll(text, &end, 10);
    if (end == text || *end != 0 || errno != 0 || *value < min || *value > max)
        return diag_fail(diag, STATUS_USAGE, "command line", "--%s is '%s', should be a number from %lld to %lld",
                         option_info[option].label, text, (long long)min, (long long)max);
    return STATUS_OK;
}
