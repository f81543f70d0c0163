/* SPDX-License-Identifier: Apache-2.0
 * adze: finds the subcommand, runs it, prints messages. Exit status: 0 done, 1 failed, 2 not supported, 64 wrong usage.
 */
#include <stdio.h>
#include <string.h>

#include "driver/driver.h"

static const CommandInfo commands[] = {
    {"compile", "MODEL", COMPILE, command_compile,
     "Compiles a model ahead of time: a shared object and its C header, or C, LLVM IR, assembly."},
    {"run", "MODEL|LIB.so", RUN, command_run, "Runs a model (just in time) or a compiled one on .npy files."},
    {"dump", "MODEL", DUMP, command_dump, "Prints a model after a pass, or a later stage of it."},
    {"bench", "MODEL|LIB.so", BENCH, command_bench, "Measures calls; random inputs where none are given."},
    {"ops", "", OPS, command_ops, "Lists the ops of the IR."},
    {"targets", "", 0, command_targets, "Lists the targets and what this machine has."},
    {"passes", "", 0, command_passes, "Lists the passes."},
    {"version", "", 0, command_version, "Prints the version."},
};

enum { COMMAND_COUNT = sizeof commands / sizeof *commands };

Status command_version(const Options *options, Diag *diag)
{
    (void)options;
    (void)diag;
    puts("adze " ADZE_VERSION);
    return STATUS_OK;
}

static void print_usage(FILE *out)
{
    fputs("usage: adze COMMAND …\n\n", out);
    for (int i = 0; i < COMMAND_COUNT; i++)
        fprintf(out, "  %-8s %-13s %s\n", commands[i].name, commands[i].argument, commands[i].help);
    fputs("\nadze COMMAND --help lists the options of a command.\n", out);
}

static void print_messages(const Diag *diag, Status status)
{
    for (const DiagMessage *message = diag->first; message != NULL; message = message->next) {
        fprintf(stderr, "adze: error: %s%s%s\n", message->where, *message->where != 0 ? ": " : "", message->what);
        if (*message->hint != 0)
            fprintf(stderr, "adze: hint: %s\n", message->hint);
    }
    if (diag->first == NULL)
        fprintf(stderr, "adze: error: %s\n", status_text(status));
}

static int run_command(const CommandInfo *command, int count, char **argument)
{
    Diag diag;
    diag_init(&diag);
    static Options options;
    Status status = options_parse(command, count, argument, &options, &diag);
    if (status == STATUS_OK && options.count[OPTION_help] != 0)
        options_print_help(command);
    else if (status == STATUS_OK)
        status = command->run(&options, &diag);
    if (status != STATUS_OK)
        print_messages(&diag, status);
    else if (fflush(stdout) != 0)
        status = STATUS_IO;
    diag_release(&diag);
    return status_exit(status);
}

int main(int count, char **argument)
{
    if (count < 2) {
        print_usage(stderr);
        return status_exit(STATUS_USAGE);
    }
    for (int i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(commands[i].name, argument[1]) == 0)
            return run_command(&commands[i], count - 1, argument + 1);
    if (strcmp(argument[1], "--help") == 0 || strcmp(argument[1], "-h") == 0 || strcmp(argument[1], "help") == 0) {
        print_usage(stdout);
        return 0;
    }
    fprintf(stderr, "adze: error: no command is called '%s'\n", argument[1]);
    print_usage(stderr);
    return status_exit(STATUS_USAGE);
}
