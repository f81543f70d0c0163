# SPDX-License-Identifier: Apache-2.0
# Joins the runtime's files into one C text that needs no other file of ours. OUT: the text, ROOT: the repository.
set(headers include/adze/model.h runtime/context.h runtime/cpu.h runtime/artifact.h runtime/runtime.h)
file(GLOB sources RELATIVE ${ROOT} ${ROOT}/runtime/*.c)
list(SORT sources)
set(text "/* SPDX-License-Identifier: Apache-2.0\n * The runtime of models compiled by adze: adze/model.h and runtime/ in one text. */\n")
string(APPEND text "#ifndef _GNU_SOURCE\n#define _GNU_SOURCE\n#endif\n")
foreach(name ${headers} ${sources})
  file(READ ${ROOT}/${name} part)
  # Our own includes go: what they name is already here.
  string(REGEX REPLACE "#include \"[^\n]*\n" "" part "${part}")
  string(APPEND text "\n/* ---- ${name} ---- */\n${part}")
endforeach()
file(WRITE ${OUT} "${text}")
