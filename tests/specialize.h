/* SPDX-License-Identifier: Apache-2.0
 * A module with its symbols' values filled in: the static twin of a symbolic model. */
#ifndef ADZE_TESTS_SPECIALIZE_H
#define ADZE_TESTS_SPECIALIZE_H

#include "ir/ir.h"

/* Copies a module, symbol i (bound by inputs) being symbol[i] everywhere; symbols that data decide stay. NULL on
 * failure, the message being in diag. */
Module *module_specialize(Module *from, const int64_t *symbol, Diag *diag);

#endif
