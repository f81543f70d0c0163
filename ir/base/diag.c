/* SPDX-License-Identifier: Apache-2.0
 * Messages in a list, in the order they came. */
#include "ir/base/diag.h"

#include <stdio.h>

const char *status_text(Status status)
{
    static const char *const text_of[] = {
#define STATUS(name, exit_status, text) [STATUS_##name] = text,
#include "ir/base/status.def"
    };
    return text_of[status];
}

int status_exit(Status status)
{
    static const int exit_of[] = {
#define STATUS(name, exit_status, text) [STATUS_##name] = exit_status,
#include "ir/base/status.def"
    };
    return exit_of[status];
}

void diag_init(Diag *diag)
{
    *diag = (Diag){0};
    diag->last = &diag->first;
}

void diag_release(Diag *diag)
{
    arena_release(&diag->arena);
    diag_init(diag);
}

void diag_clear(Diag *diag)
{
    diag_release(diag);
}

static const char *format_text(Diag *diag, const char *format, va_list list)
{
    char text[2048];
    vsnprintf(text, sizeof text, format, list);
    const char *copy = arena_strdup(&diag->arena, text);
    return copy != NULL ? copy : "(out of memory)";
}

Status diag_fail(Diag *diag, Status status, const char *where, const char *format, ...)
{
    if (diag == NULL)
        return status;
    DiagMessage *message = ARENA_NEW(&diag->arena, DiagMessage, 1);
    if (message == NULL)
        return status;
    va_list list;
    va_start(list, format);
    message->status = status;
    message->where = where == NULL ? "" : arena_strdup(&diag->arena, where);
    if (message->where == NULL)
        message->where = "";
    message->what = format_text(diag, format, list);
    message->hint = "";
    va_end(list);
    *diag->last = message;
    diag->last = &message->next;
    diag->count++;
    return status;
}

void diag_hint(Diag *diag, const char *format, ...)
{
    if (diag == NULL || diag->first == NULL)
        return;
    DiagMessage *message = diag->first;
    while (message->next != NULL)
        message = message->next;
    va_list list;
    va_start(list, format);
    message->hint = format_text(diag, format, list);
    va_end(list);
}
