/* SPDX-License-Identifier: Apache-2.0
 * What custom functions share: a closure as the source of batched graphs. */
#ifndef ADZE_API_CUSTOM_H
#define ADZE_API_CUSTOM_H

#include "api/region.h"

/* Of a vmap rule, which it holds, for a node whose first input_count operands are the function's arguments. NULL when
 * memory is out. It is asked only by transforms of the engine's family, so it doesn't hold the engine. */
BatchSource *custom_source_new(Engine *engine, adze_closure *rule, size_t input_count);

#endif
