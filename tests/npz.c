/* SPDX-License-Identifier: Apache-2.0
 * A zip file is read from its end: the end record says where the central directory is, whose entries say where members
 * are. Sizes and places are checked against the file's length before they are used. */
#include "tests/npz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/npy.h"

enum { END_SIZE = 22, ENTRY_SIZE = 46, LOCAL_SIZE = 30 };

typedef struct Member {
    const char *name; /* not ended by 0 */
    size_t name_length, method, size, offset, next;
} Member;

static size_t number(const Npz *npz, size_t at, int bytes)
{
    size_t value = 0;
    for (int i = bytes; i-- > 0;)
        value = value << 8 | npz->bytes[at + (size_t)i];
    return value;
}

static bool holds(const Npz *npz, size_t at, size_t bytes)
{
    return at <= npz->length && bytes <= npz->length - at;
}

static bool has_signature(const Npz *npz, size_t at, size_t size, const char signature[4])
{
    return holds(npz, at, size) && memcmp(npz->bytes + at, signature, 4) == 0;
}

static const char *read_file(Npz *npz, const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return "the file can't be opened";
    long length = -1;
    if (fseek(file, 0, SEEK_END) == 0)
        length = ftell(file);
    rewind(file);
    if (length > 0 && (npz->bytes = malloc((size_t)length)) != NULL)
        npz->length = fread(npz->bytes, 1, (size_t)length, file);
    fclose(file);
    return length > 0 && npz->length == (size_t)length ? NULL : "the file can't be read";
}

static const char *find_directory(Npz *npz)
{
    if (npz->length < END_SIZE)
        return "not a zip file: too short";
    const size_t end = npz->length - END_SIZE;
    if (!has_signature(npz, end, END_SIZE, "PK\5\6"))
        return "not a zip file without a comment";
    npz->member_count = number(npz, end + 10, 2);
    npz->directory = number(npz, end + 16, 4);
    return npz->directory < end ? NULL : "the directory is outside the file";
}

const char *npz_open(Npz *npz, const char *path)
{
    *npz = (Npz){0};
    arena_init(&npz->arena);
    const char *wrong = read_file(npz, path);
    return wrong != NULL ? wrong : find_directory(npz);
}

void npz_close(Npz *npz)
{
    arena_release(&npz->arena);
    free(npz->bytes);
}

static bool read_member(const Npz *npz, size_t at, Member *member)
{
    if (!has_signature(npz, at, ENTRY_SIZE, "PK\1\2"))
        return false;
    *member = (Member){(const char *)npz->bytes + at + ENTRY_SIZE,
                       number(npz, at + 28, 2),
                       number(npz, at + 10, 2),
                       number(npz, at + 24, 4),
                       number(npz, at + 42, 4),
                       0};
    member->next = at + ENTRY_SIZE + member->name_length + number(npz, at + 30, 2) + number(npz, at + 32, 2);
    return holds(npz, at + ENTRY_SIZE, member->name_length);
}

static bool is_named(const Member *member, const char *name)
{
    const size_t length = strlen(name);
    return member->name_length == length + 4 && memcmp(member->name, name, length) == 0 &&
           memcmp(member->name + length, ".npy", 4) == 0;
}

static const char *parse(Npz *npz, const Member *member, const char *name, HostArray *array)
{
    if (member->method != 0)
        return "the member is compressed";
    if (!has_signature(npz, member->offset, LOCAL_SIZE, "PK\3\4"))
        return "the member is not where the directory says";
    const size_t start =
        member->offset + LOCAL_SIZE + number(npz, member->offset + 26, 2) + number(npz, member->offset + 28, 2);
    if (!holds(npz, start, member->size))
        return "the member is cut off";
    const Status status = npy_parse(name, npz->bytes + start, member->size, ELEMENT_COUNT, array, &npz->arena, NULL);
    return status == STATUS_OK ? NULL : "the member is not a .npy file";
}

const char *npz_read(Npz *npz, const char *name, HostArray *array)
{
    size_t at = npz->directory;
    for (size_t i = 0; i < npz->member_count; i++) {
        Member member;
        if (!read_member(npz, at, &member))
            return "the directory is damaged";
        if (is_named(&member, name))
            return parse(npz, &member, name, array);
        at = member.next;
    }
    return "there is no such member";
}
