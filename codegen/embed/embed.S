/* SPDX-License-Identifier: Apache-2.0
 * Files inside the library: from adze_embedded_NAME to adze_embedded_NAME_end. See embed.cmake. */
.macro embed name, file
    .globl adze_embedded_\name
    .hidden adze_embedded_\name
    .globl adze_embedded_\name\()_end
    .hidden adze_embedded_\name\()_end
    .balign 64
adze_embedded_\name:
    .incbin "\file"
adze_embedded_\name\()_end:
    .byte 0
.endm

    .section .rodata
    embed runtime_text, runtime_text.c
    embed runtime_x86_64, runtime_x86_64.o
    embed runtime_aarch64, runtime_aarch64.o
    embed model_header, model.h
    .section .note.GNU-stack, "", %progbits
