# SPDX-License-Identifier: Apache-2.0
# The runtime inside libadze_codegen: its text (for emitted C) and it compiled (for .so and .o), so that the compiler needs no
# installed files. One text is made of runtime/*.h, runtime/*.c and adze/model.h; it is compiled for the host's architecture,
# and for the other ones whose cross compiler is there. Never with sanitizers or -march: it checks the CPU.
set(embed_folder ${CMAKE_BINARY_DIR}/embed)
set(embed_text ${embed_folder}/runtime_text.c)
file(MAKE_DIRECTORY ${embed_folder})
file(GLOB embed_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/runtime/*.c ${CMAKE_SOURCE_DIR}/runtime/*.h)
list(APPEND embed_sources ${CMAKE_SOURCE_DIR}/include/adze/model.h)
add_custom_command(
  OUTPUT ${embed_text}
  COMMAND ${CMAKE_COMMAND} -DROOT=${CMAKE_SOURCE_DIR} -DOUT=${embed_text} -P ${CMAKE_CURRENT_LIST_DIR}/join_text.cmake
  DEPENDS ${embed_sources} ${CMAKE_CURRENT_LIST_DIR}/join_text.cmake
  VERBATIM)

set(embed_flags -std=gnu17 -Os -fPIC -fvisibility=hidden -ffunction-sections -fdata-sections -Wall -Wextra -Wno-unused-function -Werror)
set(embed_flags_aarch64 -mno-outline-atomics) # nothing from libgcc
# embed_compile(ARCHITECTURE COMPILER): runtime_ARCHITECTURE.o, empty when there is no compiler.
function(embed_compile architecture compiler)
  set(object ${embed_folder}/runtime_${architecture}.o)
  if(compiler)
    add_custom_command(
      OUTPUT ${object}
      COMMAND ${compiler} ${embed_flags} ${embed_flags_${architecture}} -c ${embed_text} -o ${object}
      DEPENDS ${embed_text}
      VERBATIM)
  else()
    add_custom_command(OUTPUT ${object} COMMAND ${CMAKE_COMMAND} -E touch ${object} VERBATIM)
  endif()
endfunction()

foreach(architecture x86_64 aarch64)
  if(CMAKE_SYSTEM_PROCESSOR STREQUAL architecture)
    embed_compile(${architecture} ${CMAKE_C_COMPILER})
  else()
    find_program(EMBED_COMPILER_${architecture} ${architecture}-linux-gnu-gcc)
    embed_compile(${architecture} "${EMBED_COMPILER_${architecture}}")
  endif()
  list(APPEND embed_objects ${embed_folder}/runtime_${architecture}.o)
endforeach()

set(embed_assembly ${CMAKE_CURRENT_LIST_DIR}/embed.S)
set_source_files_properties(${embed_assembly} PROPERTIES
  OBJECT_DEPENDS "${embed_text};${embed_objects};${CMAKE_SOURCE_DIR}/include/adze/model.h"
  COMPILE_OPTIONS "-I${embed_folder};-I${CMAKE_SOURCE_DIR}/include/adze")
target_sources(adze_codegen PRIVATE ${embed_assembly} ${embed_text})
set_source_files_properties(${embed_text} PROPERTIES HEADER_FILE_ONLY TRUE)
