/* SPDX-License-Identifier: Apache-2.0
 * Constants are not copied where one piece of memory holds them already. */
#include "codegen/llvm/jit_data.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codegen/elf_object.h"

static Status map_descriptor(JitItem *item, int file, const char *path, Diag *diag)
{
    struct stat info;
    if (fstat(file, &info) != 0)
        return diag_fail(diag, STATUS_IO, path, "%s", strerror(errno));
    if (info.st_size == 0)
        return STATUS_OK;
    void *address = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    if (address == MAP_FAILED)
        return diag_fail(diag, STATUS_IO, path, "cannot be mapped: %s", strerror(errno));
    *item = (JitItem){.address = address, .bytes = (size_t)info.st_size, .mapped = true};
    return STATUS_OK;
}

static Status map_file(JitItem *item, const char *path, Diag *diag)
{
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return diag_fail(diag, STATUS_IO, path, "%s", strerror(errno));
    const Status status = map_descriptor(item, file, path, diag);
    close(file);
    return status;
}

static bool is_usable_in_place(const LoopData *data)
{
    return data->part_count == 1 && data->part[0].data && !data->part[0].symbol && !data->writable;
}

static Status count_bytes(const LoopData *data, size_t *bytes, Diag *diag)
{
    *bytes = 0;
    for (uint32_t i = 0; i < data->part_count; i++) {
        if (data->part[i].symbol && data->part[i].bytes != sizeof(void *))
            return diag_fail(diag, STATUS_FAILED, data->name, "an address has 8 bytes, not %zu", data->part[i].bytes);
        if (__builtin_add_overflow(*bytes, data->part[i].bytes, bytes) || *bytes > SIZE_MAX / 2)
            return diag_fail(diag, STATUS_OUT_OF_MEMORY, data->name, "out of memory");
    }
    return STATUS_OK;
}

static Status assemble(JitItem *item, const LoopData *data, Diag *diag)
{
    size_t bytes;
    TRY(count_bytes(data, &bytes, diag));
    const size_t room = (bytes + DATA_ALIGNMENT) & ~(size_t)(DATA_ALIGNMENT - 1);
    char *memory = aligned_alloc(DATA_ALIGNMENT, room);
    if (!memory)
        return diag_fail(diag, STATUS_OUT_OF_MEMORY, data->name, "out of memory");
    *item = (JitItem){.address = memory, .bytes = bytes, .owned = true};
    for (uint32_t i = 0; i < data->part_count; i++) {
        const LoopDataPart *part = &data->part[i];
        if (part->data && !part->symbol)
            memcpy(memory, part->data, part->bytes);
        else
            memset(memory, 0, part->bytes);
        memory += part->bytes;
    }
    return STATUS_OK;
}

static Status place(JitItem *item, const LoopData *data, bool copy, Diag *diag)
{
    if (data->path)
        return map_file(item, data->path, diag);
    if (copy || !is_usable_in_place(data))
        return assemble(item, data, diag);
    *item = (JitItem){.address = (void *)(uintptr_t)data->part[0].data, .bytes = data->part[0].bytes};
    return STATUS_OK;
}

Status jit_data_place(JitData *data, const LoopModule *module, bool copy, Arena *arena, Diag *diag)
{
    *data = (JitData){.item = ARENA_NEW(arena, JitItem, module->data_count)};
    if (!data->item)
        return diag_fail(diag, STATUS_OUT_OF_MEMORY, "jit", "out of memory");
    for (; data->count < module->data_count; data->count++)
        TRY(place(&data->item[data->count], &module->data[data->count], copy, diag));
    return STATUS_OK;
}

static Status relocate(JitItem *item, const LoopData *data, const JitResolver *resolver, Diag *diag)
{
    char *to = item->address;
    for (uint32_t i = 0; i < data->part_count && !data->path; i++) {
        const LoopDataPart *part = &data->part[i];
        if (part->symbol) {
            const char *address = resolver->find(resolver->context, part->symbol);
            if (!address)
                return diag_fail(diag, STATUS_FAILED, data->name, "nothing is called %s", part->symbol);
            address += part->addend;
            memcpy(to, &address, sizeof address);
        }
        to += part->bytes;
    }
    return STATUS_OK;
}

Status jit_data_relocate(JitData *data, const LoopModule *module, const JitResolver *resolver, Diag *diag)
{
    for (uint32_t i = 0; i < data->count; i++)
        TRY(relocate(&data->item[i], &module->data[i], resolver, diag));
    return STATUS_OK;
}

void jit_data_release(JitData *data)
{
    for (uint32_t i = 0; i < data->count; i++) {
        if (data->item[i].mapped)
            munmap(data->item[i].address, data->item[i].bytes);
        if (data->item[i].owned)
            free(data->item[i].address);
    }
    *data = (JitData){0};
}
