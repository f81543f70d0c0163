/* SPDX-License-Identifier: Apache-2.0
 * Text IR from a file. Large constants lie in files beside it, which are mapped: the text names them, and may name no
 * file anywhere else. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/frontend.h"

static void unmap(const Blob *blob)
{
    munmap((void *)(uintptr_t)blob->data, blob->bytes);
}

static void map_file(int descriptor, size_t bytes, Blob *blob)
{
    struct stat info;
    void *data = MAP_FAILED;
    if (fstat(descriptor, &info) == 0 && S_ISREG(info.st_mode) && (uint64_t)info.st_size == bytes && bytes > 0)
        data = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (data == MAP_FAILED)
        return;
    blob->data = data;
    blob->release = unmap;
}

/* `user`: the text's path. */
static bool open_beside(void *user, const char *name, size_t bytes, Blob *blob)
{
    const char *path = user, *slash = strrchr(path, '/');
    char file[4096];
    if (strchr(name, '/') != NULL || strcmp(name, "..") == 0)
        return false;
    const int folder = slash == NULL ? 0 : (int)(slash - path + 1);
    const int length = snprintf(file, sizeof file, "%.*s%s", folder, path, name);
    const int descriptor = length < 0 || (size_t)length >= sizeof file ? -1 : open(file, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return false;
    map_file(descriptor, bytes, blob);
    close(descriptor);
    return blob->data != NULL;
}

Module *text_import(const char *path, Diag *diag)
{
    StrBuf text = {0};
    char buffer[65536], name[4096];
    Module *module = NULL;
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        diag_fail(diag, STATUS_IO, path, "cannot open: %s", strerror(errno));
        return NULL;
    }
    for (size_t count; (count = fread(buffer, 1, sizeof buffer, file)) > 0;)
        strbuf_add_bytes(&text, buffer, count);
    const bool failed = ferror(file) != 0 || text.failed;
    fclose(file);
    snprintf(name, sizeof name, "%s", path);
    const BlobSource source = {open_beside, name};
    if (failed)
        diag_fail(diag, STATUS_IO, path, "cannot read all of it");
    else
        module = module_parse_with(path, strbuf_text(&text), text.length, &source, diag);
    strbuf_release(&text);
    return module;
}
