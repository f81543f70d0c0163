/* SPDX-License-Identifier: Apache-2.0
 * Writes a relocatable ELF64 object in two steps: lay out sections, symbols and relocations; then write the file front
 * to back. Contents of items are written from where they are, never gathered in memory. */
#include "codegen/elf_object.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "codegen/symbols.h"
#include "ir/base/vec.h"

typedef enum {
    SECTION_NULL,
    SECTION_CONSTANT,
    SECTION_LARGE,
    SECTION_RELOCATED,
    SECTION_RELOCATED_RELA,
    SECTION_WRITABLE,
    SECTION_WRITABLE_RELA,
    SECTION_STACK_NOTE,
    SECTION_SYMBOLS,
    SECTION_STRINGS,
    SECTION_NAMES,
    SECTION_COUNT
} SectionNumber;

enum { RELA_BYTES = sizeof(Elf64_Rela), SYMBOL_BYTES = sizeof(Elf64_Sym), POINTER_BYTES = 8 };

static const char *const section_name[SECTION_COUNT] = {
    "",           ".rodata",         ".lrodata", ".data.rel.ro", ".rela.data.rel.ro", ".data",
    ".rela.data", ".note.GNU-stack", ".symtab",  ".strtab",      ".shstrtab",
};

typedef struct Machine {
    const char *architecture; /* start of the triple */
    uint16_t machine;
    uint32_t absolute; /* relocation of a 64-bit address */
    uint64_t large;    /* flag of sections out of reach of 32-bit displacements */
} Machine;

static const Machine machines[] = {
    {"x86_64", EM_X86_64, R_X86_64_64, 0x10000000},
    {"aarch64", EM_AARCH64, R_AARCH64_ABS64, 0},
};

typedef struct Layout {
    const LoopModule *module;
    const Machine *machine;
    const char *prefix, *where;
    Arena *arena;
    Diag *diag;
    SymbolNames names;
    Elf64_Shdr section[SECTION_COUNT];
    Elf64_Sym *symbol;
    uint32_t symbol_count, symbol_capacity;
    Elf64_Rela *rela[SECTION_COUNT]; /* by the section they change */
    uint32_t rela_count[SECTION_COUNT], rela_capacity[SECTION_COUNT];
    char *string;
    uint32_t string_count, string_capacity;
    uint64_t *item_bytes;                    /* by data item */
    uint32_t *item_symbol, *function_symbol; /* 0: none yet */
} Layout;

bool loop_data_is_large(const LoopData *data)
{
    return data->path != NULL || (data->bytes > LARGE_DATA_BYTES && !data->writable);
}

static Status out_of_memory(Layout *layout)
{
    return diag_fail(layout->diag, STATUS_OUT_OF_MEMORY, layout->where, "out of memory");
}

/* ---- layout ---- */

static Status add_string(Layout *layout, const char *text, uint32_t *offset)
{
    const size_t length = strlen(text) + 1;
    if (length > UINT32_MAX - layout->string_count)
        return out_of_memory(layout);
    if (!vec_reserve(layout->arena, (void **)&layout->string, &layout->string_capacity,
                     layout->string_count + (uint32_t)length, 1))
        return out_of_memory(layout);
    *offset = layout->string_count;
    memcpy(layout->string + layout->string_count, text, length);
    layout->string_count += (uint32_t)length;
    return STATUS_OK;
}

static Status add_symbol(Layout *layout, const char *name, Elf64_Sym symbol, uint32_t *number)
{
    if (!name || !VEC_GROW(layout->arena, layout, symbol))
        return out_of_memory(layout);
    TRY(add_string(layout, name, &symbol.st_name));
    *number = layout->symbol_count;
    layout->symbol[layout->symbol_count++] = symbol;
    return STATUS_OK;
}

/* A symbol that some other object defines. */
static Status add_undefined(Layout *layout, const char *name, uint32_t *number)
{
    const Elf64_Sym symbol = {.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_NOTYPE), .st_other = STV_HIDDEN};
    return add_symbol(layout, name, symbol, number);
}

static Status add_rela(Layout *layout, SectionNumber section, uint64_t offset, uint32_t symbol, int64_t addend)
{
    uint32_t *count = &layout->rela_count[section];
    if (!vec_reserve(layout->arena, (void **)&layout->rela[section], &layout->rela_capacity[section], *count + 1,
                     RELA_BYTES))
        return out_of_memory(layout);
    layout->rela[section][(*count)++] = (Elf64_Rela){
        .r_offset = offset, .r_info = ELF64_R_INFO((uint64_t)symbol, layout->machine->absolute), .r_addend = addend};
    return STATUS_OK;
}

static bool has_addresses(const LoopData *data)
{
    for (uint32_t i = 0; i < data->part_count; i++)
        if (data->part[i].symbol)
            return true;
    return false;
}

static SectionNumber section_of(const LoopData *data)
{
    if (data->writable)
        return SECTION_WRITABLE;
    if (has_addresses(data))
        return SECTION_RELOCATED;
    return loop_data_is_large(data) ? SECTION_LARGE : SECTION_CONSTANT;
}

static Status item_size(Layout *layout, const LoopData *data, uint64_t *bytes)
{
    *bytes = 0;
    if (!data->path) {
        for (uint32_t i = 0; i < data->part_count; i++)
            if (__builtin_add_overflow(*bytes, data->part[i].bytes, bytes))
                return diag_fail(layout->diag, STATUS_FAILED, data->name, "more bytes than an object can hold");
        return STATUS_OK;
    }
    struct stat info;
    if (stat(data->path, &info) != 0)
        return diag_fail(layout->diag, STATUS_IO, data->path, "%s", strerror(errno));
    *bytes = (uint64_t)info.st_size;
    return STATUS_OK;
}

static uint64_t aligned(uint64_t offset, uint64_t alignment)
{
    return (offset + alignment - 1) & ~(alignment - 1);
}

static Elf64_Sym object_symbol(SectionNumber section, uint64_t offset, uint64_t bytes, bool exported)
{
    return (Elf64_Sym){
        .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT),
        .st_other = exported ? STV_DEFAULT : STV_HIDDEN,
        .st_shndx = (uint16_t)section,
        .st_value = offset,
        .st_size = bytes,
    };
}

static Status place_item(Layout *layout, uint32_t index)
{
    const LoopData *data = &layout->module->data[index];
    const SectionNumber section = section_of(data);
    Elf64_Shdr *header = &layout->section[section];
    uint64_t bytes;
    TRY(item_size(layout, data, &bytes));
    header->sh_size = aligned(header->sh_size, DATA_ALIGNMENT);
    const Elf64_Sym symbol = object_symbol(section, header->sh_size, bytes, data->exported);
    const char *name = symbol_text(layout->arena, layout->prefix, data->name, data->exported);
    layout->item_bytes[index] = bytes;
    header->sh_size += bytes;
    return add_symbol(layout, name, symbol, &layout->item_symbol[index]);
}

/* The pointer that code reads a large item's address from: after all items of its section. */
static Status place_pointer(Layout *layout, uint32_t index)
{
    const LoopData *data = &layout->module->data[index];
    Elf64_Shdr *header = &layout->section[SECTION_RELOCATED];
    header->sh_size = aligned(header->sh_size, POINTER_BYTES);
    const char *name = symbol_text(layout->arena, layout->prefix, data->name, data->exported);
    name = name ? arena_printf(layout->arena, "%s.address", name) : NULL;
    uint32_t number;
    TRY(add_symbol(layout, name, object_symbol(SECTION_RELOCATED, header->sh_size, POINTER_BYTES, false), &number));
    TRY(add_rela(layout, SECTION_RELOCATED, header->sh_size, layout->item_symbol[index], 0));
    header->sh_size += POINTER_BYTES;
    return STATUS_OK;
}

static Status reference(Layout *layout, const char *name, uint32_t *symbol)
{
    const SymbolName *found = symbol_find(&layout->names, name);
    if (!found) {
        for (*symbol = 1; *symbol < layout->symbol_count; ++*symbol)
            if (layout->symbol[*symbol].st_shndx == SHN_UNDEF &&
                strcmp(layout->string + layout->symbol[*symbol].st_name, name) == 0)
                return STATUS_OK;
        return add_undefined(layout, name, symbol);
    }
    uint32_t *known = found->is_data ? &layout->item_symbol[found->index] : &layout->function_symbol[found->index];
    if (*known == 0)
        TRY(add_undefined(layout, symbol_text(layout->arena, layout->prefix, name, false), known));
    *symbol = *known;
    return STATUS_OK;
}

static Status relocate_item(Layout *layout, uint32_t index)
{
    const LoopData *data = &layout->module->data[index];
    uint64_t offset = layout->symbol[layout->item_symbol[index]].st_value;
    for (uint32_t i = 0; i < data->part_count && !data->path; i++) {
        const LoopDataPart *part = &data->part[i];
        uint32_t symbol;
        if (part->symbol && part->bytes != POINTER_BYTES)
            return diag_fail(layout->diag, STATUS_FAILED, data->name, "an address has 8 bytes, not %zu", part->bytes);
        if (part->symbol) {
            TRY(reference(layout, part->symbol, &symbol));
            TRY(add_rela(layout, section_of(data), offset, symbol, part->addend));
        }
        offset += part->bytes;
    }
    return STATUS_OK;
}

static void describe_section(Layout *layout, SectionNumber number, uint32_t type, uint64_t flags, uint64_t alignment)
{
    Elf64_Shdr *header = &layout->section[number];
    header->sh_type = type;
    header->sh_flags = flags;
    header->sh_addralign = alignment;
}

static void describe_rela(Layout *layout, SectionNumber number, SectionNumber target)
{
    describe_section(layout, number, SHT_RELA, SHF_INFO_LINK, 8);
    Elf64_Shdr *header = &layout->section[number];
    header->sh_size = (uint64_t)layout->rela_count[target] * RELA_BYTES;
    header->sh_entsize = RELA_BYTES;
    header->sh_link = SECTION_SYMBOLS;
    header->sh_info = target;
}

static void describe_sections(Layout *layout)
{
    describe_section(layout, SECTION_CONSTANT, SHT_PROGBITS, SHF_ALLOC, DATA_ALIGNMENT);
    describe_section(layout, SECTION_LARGE, SHT_PROGBITS, SHF_ALLOC | layout->machine->large, DATA_ALIGNMENT);
    describe_section(layout, SECTION_RELOCATED, SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, DATA_ALIGNMENT);
    describe_section(layout, SECTION_WRITABLE, SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, DATA_ALIGNMENT);
    describe_section(layout, SECTION_STACK_NOTE, SHT_PROGBITS, 0, 1);
    describe_rela(layout, SECTION_RELOCATED_RELA, SECTION_RELOCATED);
    describe_rela(layout, SECTION_WRITABLE_RELA, SECTION_WRITABLE);
    describe_section(layout, SECTION_SYMBOLS, SHT_SYMTAB, 0, 8);
    Elf64_Shdr *symbols = &layout->section[SECTION_SYMBOLS];
    symbols->sh_size = (uint64_t)layout->symbol_count * SYMBOL_BYTES;
    symbols->sh_entsize = SYMBOL_BYTES;
    symbols->sh_link = SECTION_STRINGS;
    symbols->sh_info = 1; /* the first global symbol */
    describe_section(layout, SECTION_STRINGS, SHT_STRTAB, 0, 1);
    layout->section[SECTION_STRINGS].sh_size = layout->string_count;
    describe_section(layout, SECTION_NAMES, SHT_STRTAB, 0, 1);
}

static void place_sections(Layout *layout)
{
    uint64_t offset = sizeof(Elf64_Ehdr);
    uint32_t name = 0;
    for (uint32_t i = 0; i < SECTION_COUNT; i++) {
        layout->section[i].sh_name = name;
        name += (uint32_t)strlen(section_name[i]) + 1;
    }
    layout->section[SECTION_NAMES].sh_size = name;
    for (uint32_t i = 1; i < SECTION_COUNT; i++) {
        offset = aligned(offset, layout->section[i].sh_addralign);
        layout->section[i].sh_offset = offset;
        offset += layout->section[i].sh_size;
    }
}

static Status lay_out(Layout *layout)
{
    const LoopModule *module = layout->module;
    uint32_t none;
    TRY(symbol_names(module, layout->arena, &layout->names, layout->diag));
    layout->item_bytes = ARENA_NEW(layout->arena, uint64_t, module->data_count);
    layout->item_symbol = ARENA_NEW(layout->arena, uint32_t, module->data_count);
    layout->function_symbol = ARENA_NEW(layout->arena, uint32_t, module->function_count);
    if (!layout->item_bytes || !layout->item_symbol || !layout->function_symbol)
        return out_of_memory(layout);
    TRY(add_symbol(layout, "", (Elf64_Sym){0}, &none));
    for (uint32_t i = 0; i < module->data_count; i++)
        TRY(place_item(layout, i));
    for (uint32_t i = 0; i < module->data_count; i++)
        TRY(relocate_item(layout, i));
    for (uint32_t i = 0; i < module->data_count; i++)
        if (loop_data_is_large(&module->data[i]))
            TRY(place_pointer(layout, i));
    describe_sections(layout);
    place_sections(layout);
    return STATUS_OK;
}

/* ---- writing; a short write shows in ferror at the end ---- */

static void write_zeros(FILE *file, uint64_t count)
{
    static const char zeros[4096];
    for (; count > sizeof zeros; count -= sizeof zeros)
        fwrite(zeros, 1, sizeof zeros, file);
    fwrite(zeros, 1, count, file);
}

static void write_parts(FILE *file, const LoopData *data)
{
    for (uint32_t i = 0; i < data->part_count; i++) {
        const LoopDataPart *part = &data->part[i];
        if (part->data && !part->symbol)
            fwrite(part->data, 1, part->bytes, file);
        else
            write_zeros(file, part->bytes);
    }
}

static Status write_file(Layout *layout, FILE *file, const char *path, uint64_t bytes)
{
    char buffer[1 << 15];
    FILE *from = fopen(path, "rb");
    if (!from)
        return diag_fail(layout->diag, STATUS_IO, path, "%s", strerror(errno));
    uint64_t left = bytes;
    while (left > 0) {
        const size_t count = fread(buffer, 1, left < sizeof buffer ? left : sizeof buffer, from);
        if (count == 0)
            break;
        fwrite(buffer, 1, count, file);
        left -= count;
    }
    fclose(from);
    return left == 0 ? STATUS_OK
                     : diag_fail(layout->diag, STATUS_IO, path, "the file became shorter while it was read");
}

static Status write_items(Layout *layout, FILE *file, SectionNumber section)
{
    uint64_t offset = 0;
    for (uint32_t i = 0; i < layout->module->data_count; i++) {
        const LoopData *data = &layout->module->data[i];
        if (section_of(data) != section)
            continue;
        const uint64_t start = aligned(offset, DATA_ALIGNMENT);
        write_zeros(file, start - offset);
        offset = start + layout->item_bytes[i];
        if (data->path)
            TRY(write_file(layout, file, data->path, layout->item_bytes[i]));
        else
            write_parts(file, data);
    }
    write_zeros(file, layout->section[section].sh_size - offset); /* pointers to large items */
    return STATUS_OK;
}

static void write_relocations(Layout *layout, FILE *file, SectionNumber changed)
{
    if (layout->rela_count[changed] != 0)
        fwrite(layout->rela[changed], RELA_BYTES, layout->rela_count[changed], file);
}

static Status write_section(Layout *layout, FILE *file, SectionNumber number)
{
    switch (number) {
    case SECTION_CONSTANT:
    case SECTION_LARGE:
    case SECTION_RELOCATED:
    case SECTION_WRITABLE:
        return write_items(layout, file, number);
    case SECTION_RELOCATED_RELA:
    case SECTION_WRITABLE_RELA:
        write_relocations(layout, file, (SectionNumber)layout->section[number].sh_info);
        break;
    case SECTION_SYMBOLS:
        fwrite(layout->symbol, SYMBOL_BYTES, layout->symbol_count, file);
        break;
    case SECTION_STRINGS:
        fwrite(layout->string, 1, layout->string_count, file);
        break;
    case SECTION_NAMES:
        for (uint32_t i = 0; i < SECTION_COUNT; i++)
            fwrite(section_name[i], 1, strlen(section_name[i]) + 1, file);
        break;
    default:
        break;
    }
    return STATUS_OK;
}

static Elf64_Ehdr file_header(const Layout *layout, uint64_t section_headers)
{
    Elf64_Ehdr header = {
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT, ELFOSABI_NONE},
        .e_type = ET_REL,
        .e_machine = layout->machine->machine,
        .e_version = EV_CURRENT,
        .e_shoff = section_headers,
        .e_ehsize = sizeof header,
        .e_shentsize = sizeof(Elf64_Shdr),
        .e_shnum = SECTION_COUNT,
        .e_shstrndx = SECTION_NAMES,
    };
    return header;
}

static Status write_object(Layout *layout, FILE *file)
{
    const Elf64_Shdr *last = &layout->section[SECTION_COUNT - 1];
    const uint64_t end = last->sh_offset + last->sh_size, section_headers = aligned(end, 8);
    const Elf64_Ehdr header = file_header(layout, section_headers);
    fwrite(&header, sizeof header, 1, file);
    uint64_t offset = sizeof header;
    for (uint32_t i = 1; i < SECTION_COUNT; i++) {
        write_zeros(file, layout->section[i].sh_offset - offset);
        TRY(write_section(layout, file, (SectionNumber)i));
        offset = layout->section[i].sh_offset + layout->section[i].sh_size;
    }
    write_zeros(file, section_headers - offset);
    fwrite(layout->section, sizeof(Elf64_Shdr), SECTION_COUNT, file);
    return STATUS_OK;
}

static Status write_to_path(Layout *layout, const char *path)
{
    FILE *file = fopen(path, "wb");
    if (!file)
        return diag_fail(layout->diag, STATUS_IO, path, "%s", strerror(errno));
    const Status status = write_object(layout, file);
    const bool failed = ferror(file) != 0;
    if ((fclose(file) != 0 || failed) && status == STATUS_OK)
        return diag_fail(layout->diag, STATUS_IO, path, "writing failed: %s", strerror(errno));
    return status;
}

static const Machine *find_machine(const Target *target)
{
    for (size_t i = 0; i < sizeof machines / sizeof machines[0]; i++)
        if (strncmp(target->triple, machines[i].architecture, strlen(machines[i].architecture)) == 0)
            return &machines[i];
    return NULL;
}

Status elf_object_write(const LoopModule *module, const Target *target, const char *prefix, const char *path,
                        Diag *diag)
{
    Arena arena;
    arena_init(&arena);
    Layout layout = {.module = module,
                     .machine = find_machine(target),
                     .prefix = prefix,
                     .where = path,
                     .arena = &arena,
                     .diag = diag};
    if (!layout.machine)
        return diag_fail(diag, STATUS_UNSUPPORTED, target->name, "no object format for %s", target->triple);
    Status status = lay_out(&layout);
    if (status == STATUS_OK)
        status = write_to_path(&layout, path);
    arena_release(&arena);
    return status;
}
