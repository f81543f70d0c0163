/* SPDX-License-Identifier: Apache-2.0
 * Compiled functions on disk: a folder of libraries, each named by its key and followed by a seal (key, size,
 * checksum), which loaders of libraries don't mind. Many processes may use it at once: entries appear whole, by rename,
 * never change, and may vanish at any time, which mappings outlive. A damaged one isn't found, and is replaced. The
 * folder must be the user's alone, since code comes from it; where anything is in the way, there simply is no cache. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "api/compiled.h"
#include "ir/base/hash.h"

enum { KEY_DIGITS = 32, CHUNK = 1 << 18, STALE_SECONDS = 3600 };

static const uint64_t seal_magic = 0x31454843415A4441; /* "ADZACHE1" */
static const char suffix[] = ".so";

typedef struct Seal {
    uint64_t magic, key[2], bytes, checksum;
} Seal;

/* ---- keys ---- */

static void mix(DiskKey *key, const void *data, size_t bytes)
{
    key->word[0] = hash_bytes(hash_word(key->word[0], bytes), data, bytes);
    key->word[1] = hash_bytes(hash_word(key->word[1], ~(uint64_t)bytes), data, bytes);
}

static void mix_text(DiskKey *key, const char *text)
{
    mix(key, text, strlen(text));
}

/* The program or library that holds this code. */
typedef struct Self {
    ElfW(Addr) address;
    const void *id;
    size_t bytes;
} Self;

static void find_note(Self *self, const struct dl_phdr_info *info, const ElfW(Phdr) * segment)
{
    const char *at = (const char *)(info->dlpi_addr + segment->p_vaddr), *end = at + segment->p_memsz;
    while (end - at >= (ptrdiff_t)sizeof(ElfW(Nhdr))) {
        const ElfW(Nhdr) *note = (const void *)at;
        const char *name = at + sizeof *note, *data = name + ((note->n_namesz + 3) & ~3u);
        if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 && memcmp(name, "GNU", 4) == 0) {
            self->id = data;
            self->bytes = note->n_descsz;
            return;
        }
        at = data + ((note->n_descsz + 3) & ~3u);
    }
}

static int visit_object(struct dl_phdr_info *info, size_t size, void *user)
{
    Self *self = user;
    bool mine = false;
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        const ElfW(Addr) start = info->dlpi_addr + segment->p_vaddr;
        mine =
            mine || (segment->p_type == PT_LOAD && self->address >= start && self->address - start < segment->p_memsz);
    }
    for (int i = 0; mine && i < info->dlpi_phnum && self->id == NULL; i++)
        if (info->dlpi_phdr[i].p_type == PT_NOTE)
            find_note(self, info, &info->dlpi_phdr[i]);
    return mine;
}

/* What tells this compiler from others: the build's id, or the file it is in. */
static bool mix_compiler(DiskKey *key)
{
    Dl_info place;
    struct stat info;
    Self self = {.address = (ElfW(Addr))(uintptr_t)&mix_compiler};
    dl_iterate_phdr(visit_object, &self);
    if (self.id != NULL) {
        mix(key, self.id, self.bytes);
        return true;
    }
    if (dladdr((const void *)(uintptr_t)&mix_compiler, &place) == 0 || stat(place.dli_fname, &info) != 0)
        return false;
    const int64_t file[] = {(int64_t)info.st_ino, info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec};
    mix_text(key, place.dli_fname);
    mix(key, file, sizeof file);
    return true;
}

bool disk_key(const adze_graph *graph, const Target *target, DiskKey *key)
{
    *key = (DiskKey){{0x243F6A8885A308D3, 0x13198A2E03707344}};
    mix_text(key, target->name);
    mix_text(key, target->llvm_cpu);
    mix_text(key, target->llvm_features);
    mix_text(key, default_pipeline);
    mix(key, strbuf_text(&graph->text), graph->text.length);
    return mix_compiler(key);
}

/* ---- the folder ---- */

bool disk_cache_is_on(const adze_compile_options *options)
{
    const char *setting = secure_getenv("ADZE_CACHE");
    return !options->no_disk_cache && (setting == NULL || strcmp(setting, "0") != 0);
}

static bool folder_path(const adze_compile_options *options, char *path, size_t bytes)
{
    const char *cache = secure_getenv("XDG_CACHE_HOME"), *home = secure_getenv("HOME");
    int length = -1;
    if (options->cache_directory != NULL)
        length = snprintf(path, bytes, "%s", options->cache_directory);
    else if (cache != NULL && cache[0] == '/')
        length = snprintf(path, bytes, "%s/adze", cache);
    else if (home != NULL && home[0] == '/')
        length = snprintf(path, bytes, "%s/.cache/adze", home);
    return length > 0 && (size_t)length < bytes;
}

static void make_folders(char *path)
{
    for (char *at = path + 1; *at != 0; at++)
        if (*at == '/') {
            *at = 0;
            mkdir(path, 0700);
            *at = '/';
        }
    mkdir(path, 0700);
}

/* A descriptor of the folder; -1: none that is ours alone. */
static int open_folder(const adze_compile_options *options, char *path, size_t bytes, bool make)
{
    struct stat info;
    if (!folder_path(options, path, bytes))
        return -1;
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (folder < 0 && errno == ENOENT && make) {
        make_folders(path);
        folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    }
    if (folder >= 0 && fstat(folder, &info) == 0 && info.st_uid == geteuid() && (info.st_mode & 022) == 0)
        return folder;
    if (folder >= 0)
        close(folder);
    return -1;
}

static void entry_name(const DiskKey *key, char name[KEY_DIGITS + sizeof suffix])
{
    snprintf(name, KEY_DIGITS + sizeof suffix, "%016llx%016llx%s", (unsigned long long)key->word[0],
             (unsigned long long)key->word[1], suffix);
}

/* ---- seals ---- */

/* Four hashes side by side, which is as fast as memory: large entries are checked at every start. */
static uint64_t checksum_chunk(uint64_t hash, const char *data, size_t bytes)
{
    enum { LANES = 4 };
    uint64_t lane[LANES] = {hash, 1, 2, 3}, word[LANES];
    const size_t whole = bytes / sizeof word * sizeof word;
    for (size_t at = 0; at < whole; at += sizeof word) {
        memcpy(word, data + at, sizeof word);
        for (int i = 0; i < LANES; i++)
            lane[i] = hash_word(lane[i], word[i]);
    }
    return hash_bytes(hash_bytes(0, lane, sizeof lane), data + whole, bytes - whole);
}

/* Of the first `bytes` bytes, read, not mapped: a file that shrinks meanwhile is no fault. */
static bool checksum_of(int file, uint64_t bytes, uint64_t *checksum)
{
    char *buffer = malloc(CHUNK);
    bool good = buffer != NULL;
    *checksum = bytes;
    for (uint64_t at = 0; good && at < bytes;) {
        const size_t wanted = bytes - at < CHUNK ? (size_t)(bytes - at) : CHUNK;
        good = pread(file, buffer, wanted, (off_t)at) == (ssize_t)wanted;
        if (good)
            *checksum = checksum_chunk(*checksum, buffer, wanted);
        at += wanted;
    }
    free(buffer);
    return good;
}

static bool is_sealed(int file, const DiskKey *key)
{
    Seal seal;
    struct stat info;
    uint64_t checksum;
    if (fstat(file, &info) != 0 || !S_ISREG(info.st_mode) || info.st_uid != geteuid() || (info.st_mode & 022) != 0 ||
        info.st_size <= (off_t)sizeof seal)
        return false;
    const uint64_t bytes = (uint64_t)info.st_size - sizeof seal;
    return pread(file, &seal, sizeof seal, (off_t)bytes) == (ssize_t)sizeof seal && seal.magic == seal_magic &&
           seal.bytes == bytes && memcmp(seal.key, key->word, sizeof seal.key) == 0 &&
           checksum_of(file, bytes, &checksum) && checksum == seal.checksum;
}

static bool add_seal(int file, const DiskKey *key)
{
    struct stat info;
    Seal seal = {.magic = seal_magic, .key = {key->word[0], key->word[1]}};
    if (fstat(file, &info) != 0 || fchmod(file, 0600) != 0)
        return false;
    seal.bytes = (uint64_t)info.st_size;
    return checksum_of(file, seal.bytes, &seal.checksum) &&
           pwrite(file, &seal, sizeof seal, info.st_size) == (ssize_t)sizeof seal;
}

/* ---- what the folder holds ---- */

typedef struct Entry {
    char name[KEY_DIGITS + sizeof suffix];
    struct timespec used;
    uint64_t bytes;
} Entry;

typedef struct Listing {
    Entry *entry;
    size_t count, capacity;
    uint64_t bytes;
} Listing;

static void remove_stale(int folder, const char *name, const struct stat *info)
{
    if (time(NULL) - info->st_mtim.tv_sec < STALE_SECONDS)
        return;
    if (!S_ISDIR(info->st_mode)) {
        unlinkat(folder, name, 0);
        return;
    }
    const int inner = openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *directory = inner < 0 ? NULL : fdopendir(inner);
    for (const struct dirent *file; directory != NULL && (file = readdir(directory)) != NULL;)
        unlinkat(inner, file->d_name, 0);
    if (directory != NULL)
        closedir(directory);
    unlinkat(folder, name, AT_REMOVEDIR);
}

static void list_entry(int folder, const char *name, Listing *listing)
{
    struct stat info;
    const size_t length = strlen(name);
    if (fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return;
    if (strstr(name, ".tmp") != NULL)
        remove_stale(folder, name, &info);
    if (length != KEY_DIGITS + sizeof suffix - 1 || strcmp(name + KEY_DIGITS, suffix) != 0)
        return;
    if (listing->count == listing->capacity) {
        const size_t capacity = listing->capacity == 0 ? 64 : 2 * listing->capacity;
        Entry *grown = realloc(listing->entry, capacity * sizeof *grown);
        if (grown == NULL)
            return;
        listing->entry = grown;
        listing->capacity = capacity;
    }
    Entry *entry = &listing->entry[listing->count++];
    memcpy(entry->name, name, length + 1);
    entry->used = info.st_mtim;
    entry->bytes = (uint64_t)info.st_size;
    listing->bytes += entry->bytes;
}

static int by_use(const void *a, const void *b)
{
    const struct timespec *x = &((const Entry *)a)->used, *y = &((const Entry *)b)->used;
    if (x->tv_sec != y->tv_sec)
        return x->tv_sec < y->tv_sec ? -1 : 1;
    return (x->tv_nsec > y->tv_nsec) - (x->tv_nsec < y->tv_nsec);
}

/* Removes what wasn't used for longest, until the rest is small enough. */
static void shrink(int folder, uint64_t limit)
{
    Listing listing = {0};
    const int inner = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = inner < 0 ? NULL : fdopendir(inner);
    if (directory == NULL)
        return;
    for (const struct dirent *file; (file = readdir(directory)) != NULL;)
        if (file->d_name[0] != '.')
            list_entry(folder, file->d_name, &listing);
    closedir(directory);
    if (listing.bytes > limit)
        qsort(listing.entry, listing.count, sizeof *listing.entry, by_use);
    for (size_t i = 0; i < listing.count && listing.bytes > limit; i++) {
        unlinkat(folder, listing.entry[i].name, 0);
        listing.bytes -= listing.entry[i].bytes;
    }
    free(listing.entry);
}

/* ---- entries ---- */

static void *load(const char *folder, const char *name)
{
    char path[4096];
    const int length = snprintf(path, sizeof path, "%s/%s", folder, name);
    return length > 0 && (size_t)length < sizeof path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
}

void *disk_cache_open(const adze_compile_options *options, const DiskKey *key)
{
    char path[3072], name[KEY_DIGITS + sizeof suffix];
    const int folder = open_folder(options, path, sizeof path, false);
    void *library = NULL;
    if (folder < 0)
        return NULL;
    entry_name(key, name);
    const int file = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (file >= 0 && is_sealed(file, key)) {
        futimens(file, NULL); /* used now */
        library = load(path, name);
    }
    if (file >= 0)
        close(file);
    close(folder);
    return library;
}

static bool write_sealed(const Program *program, const DiskKey *key, const char *path, uint64_t limit)
{
    Diag diag;
    struct stat info;
    diag_init(&diag);
    bool good = codegen_write(program, OUTPUT_SO, path, &diag) == STATUS_OK;
    const int file = good ? open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW) : -1;
    good = file >= 0 && add_seal(file, key) && fstat(file, &info) == 0 && (uint64_t)info.st_size <= limit;
    if (file >= 0)
        good = close(file) == 0 && good;
    diag_release(&diag);
    return good;
}

void *disk_cache_add(const adze_compile_options *options, const DiskKey *key, const Program *program)
{
    char path[3072], name[KEY_DIGITS + sizeof suffix], temporary[4096];
    const uint64_t limit = options->cache_bytes == 0 ? (uint64_t)1 << 30 : options->cache_bytes;
    const int folder = open_folder(options, path, sizeof path, true);
    void *library = NULL;
    if (folder < 0)
        return NULL;
    entry_name(key, name);
    snprintf(temporary, sizeof temporary, "%s/%.*s.%ld.%p.tmp", path, KEY_DIGITS, name, (long)getpid(),
             (const void *)program);
    if (faccessat(folder, ".", W_OK, AT_EACCESS) == 0) {
        const char *plain = strrchr(temporary, '/') + 1;
        if (write_sealed(program, key, temporary, limit) && renameat(folder, plain, folder, name) == 0) {
            library = load(path, name);
            shrink(folder, limit);
        } else
            unlinkat(folder, plain, 0);
    }
    close(folder);
    return library;
}
