/* SPDX-License-Identifier: Apache-2.0
 * Weights that live in a file beside the library: mapped when they are first needed, read-only, so that processes share
 * them. Several threads may be first at once: one mapping wins, the others go. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "runtime/runtime.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The file that holds the model's code: a library's path, or the program's own. */
static bool find_home(const AdzeModel *model, char path[PATH_MAX])
{
    Dl_info info;
    if (dladdr(model->artifact->state, &info) != 0 && info.dli_fname && strchr(info.dli_fname, '/')) {
        (void)snprintf(path, PATH_MAX, "%s", info.dli_fname);
        return true;
    }
    const ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - 1);
    path[length > 0 ? length : 0] = '\0';
    return length > 0;
}

static bool find_file(const AdzeModel *model, char path[PATH_MAX])
{
    if (!find_home(model, path))
        return false;
    char *slash = strrchr(path, '/');
    char *end = slash ? slash + 1 : path;
    const size_t room = PATH_MAX - (size_t)(end - path);
    return (size_t)snprintf(end, room, "%s", model->weights_file) < room;
}

static bool is_ours(const AdzeModel *model, const AdzeWeightsHeader *header)
{
    return memcmp(header->magic, "adze weights\n\0\0", sizeof header->magic) == 0 &&
           header->version == ADZE_WEIGHTS_VERSION && header->bytes == (uint64_t)model->weight_bytes &&
           header->hash == model->artifact->weights_hash;
}

static AdzeStatus map_file(const AdzeModel *model, const char *path, void **mapping, AdzeMessage message)
{
    const size_t bytes = sizeof(AdzeWeightsHeader) + (size_t)model->weight_bytes;
    struct stat file;
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return adze_fail(message, ADZE_FILE, "%s: %s", path, strerror(errno));
    const bool complete = fstat(descriptor, &file) == 0 && (uint64_t)file.st_size >= bytes;
    *mapping = complete ? mmap(NULL, bytes, PROT_READ, MAP_SHARED, descriptor, 0) : MAP_FAILED;
    (void)close(descriptor);
    if (!complete)
        return adze_fail(message, ADZE_FILE, "%s: the file is cut short", path);
    if (*mapping == MAP_FAILED)
        return adze_fail(message, ADZE_FILE, "%s: %s", path, strerror(errno));
    if (is_ours(model, *mapping))
        return ADZE_OK;
    (void)munmap(*mapping, bytes);
    return adze_fail(message, ADZE_FILE, "%s: these are not the weights of this model", path);
}

static const void *publish(const AdzeModel *model, void *mapping)
{
    const void *known = NULL, *weights = (const char *)mapping + sizeof(AdzeWeightsHeader);
    if (atomic_compare_exchange_strong(&model->artifact->state->weights, &known, weights))
        return weights;
    (void)munmap(mapping, sizeof(AdzeWeightsHeader) + (size_t)model->weight_bytes);
    return known;
}

static AdzeStatus load_weights(const AdzeModel *model, const char *path, const void **weights, AdzeMessage message)
{
    char beside[PATH_MAX];
    void *mapping = NULL;
    if (!path && !find_file(model, beside))
        return adze_fail(message, ADZE_FILE, "cannot tell where the model's library is: give weights_path");
    const AdzeStatus status = map_file(model, path ? path : beside, &mapping, message);
    if (status == ADZE_OK)
        *weights = publish(model, mapping);
    return status;
}

ADZE_RUNTIME AdzeStatus adze_weights_open(const AdzeModel *model, const char *path, const void **weights,
                                          AdzeMessage message)
{
    const AdzeArtifact *artifact = model->artifact;
    *weights = artifact->weights;
    if (*weights || !model->weights_file)
        return ADZE_OK;
    *weights = atomic_load_explicit(&artifact->state->weights, memory_order_acquire);
    return *weights ? ADZE_OK : load_weights(model, path, weights, message);
}
