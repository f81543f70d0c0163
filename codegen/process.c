/* SPDX-License-Identifier: Apache-2.0
 * posix_spawn with both outputs in one pipe. */
#define _GNU_SOURCE
#include "codegen/process.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { MAX_OUTPUT = 8 << 10 };

static int start(const char *const *argument, int output, pid_t *process)
{
    posix_spawn_file_actions_t actions;
    int error = posix_spawn_file_actions_init(&actions);
    if (error != 0)
        return error;
    error = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    if (error == 0)
        error = posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
    if (error == 0)
        error = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (error == 0)
        error = posix_spawnp(process, argument[0], &actions, NULL, (char *const *)argument, environ);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

/* Reads to the end, so that the program never waits for us; keeps the beginning. */
static void read_output(int from, StrBuf *output)
{
    char buffer[1024];
    for (;;) {
        const ssize_t count = read(from, buffer, sizeof buffer);
        if (count == 0 || (count < 0 && errno != EINTR))
            return;
        if (count > 0 && output->length < MAX_OUTPUT)
            strbuf_add_bytes(output, buffer, (size_t)count);
    }
}

static int wait_for(pid_t process)
{
    int status;
    while (waitpid(process, &status, 0) < 0)
        if (errno != EINTR)
            return 127;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void process_run(const char *const *argument, ProcessResult *result)
{
    *result = (ProcessResult){0};
    int end[2];
    if (pipe2(end, O_CLOEXEC) != 0) {
        result->error = errno;
        return;
    }
    pid_t process;
    result->error = start(argument, end[1], &process);
    close(end[1]);
    if (result->error == 0) {
        result->found = true;
        read_output(end[0], &result->output);
        result->exit_status = wait_for(process);
    }
    close(end[0]);
}
