/* SPDX-License-Identifier: Apache-2.0
 * A module's data items as an ELF object, written directly: constants of gigabytes pass through no compiler.
 *
 *     .rodata       small constants
 *     .lrodata      constants above LARGE_DATA_BYTES, and files: on x86-64 the linker may place it out of reach of
 * 32-bit displacements; code reads the address of such an item from its pointer ("NAME.address") .data.rel.ro  items
 * that hold addresses, and the pointers to large items .data         writable items
 *
 * Every item is 64-byte aligned. Its symbol is hidden unless it is exported. */
#ifndef ADZE_CODEGEN_ELF_OBJECT_H
#define ADZE_CODEGEN_ELF_OBJECT_H

#include "codegen/loop.h"
#include "codegen/target.h"

enum { LARGE_DATA_BYTES = 64 << 10, DATA_ALIGNMENT = 64 };

/* Whether code must read the item's address from its pointer. */
bool loop_data_is_large(const LoopData *data);

/* Writes all data items of the module to a new file at `path`. Symbols that are neither functions nor data of the
 * module are left undefined for the linker. */
Status elf_object_write(const LoopModule *module, const Target *target, const char *prefix, const char *path,
                        Diag *diag);

#endif
