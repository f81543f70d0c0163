/* SPDX-License-Identifier: Apache-2.0
 * Every transform and construct as a wrapper of a function from a scalar to a scalar: some give its derivative, the
 * others the same values. So a chain of any of them has a known meaning. */
#ifndef ADZE_TESTS_TRANSFORM_CHAIN_H
#define ADZE_TESTS_TRANSFORM_CHAIN_H

#include "adze/adze.h"

typedef enum {
    CHAIN_value_and_grad,
    CHAIN_grad,
    CHAIN_vjp,
    CHAIN_jvp,
    CHAIN_vmap,
    CHAIN_checkpoint,
    CHAIN_custom_vjp,
    CHAIN_custom_function,
    CHAIN_compile,
    CHAIN_cond,
    CHAIN_while,
    CHAIN_scan,
    CHAIN_switch,
    CHAIN_fori,
    CHAIN_COUNT
} ChainLink;

extern const char *const chain_name[CHAIN_COUNT];

/* Whether it gives the derivative. */
bool chain_derives(ChainLink link);
/* Takes inner. */
adze_closure *chain_wrap(adze_context *c, ChainLink link, adze_closure *inner);

#endif
