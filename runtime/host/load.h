/* SPDX-License-Identifier: Apache-2.0
 * Opens a compiled model's library: what adze/model.h describes under LOADING, with messages. Not part of artifacts. */
#ifndef ADZE_RUNTIME_HOST_LOAD_H
#define ADZE_RUNTIME_HOST_LOAD_H

#include "adze/model.h"

/* *library is for adze_library_close, which ends the model's life too. message may be NULL. */
AdzeStatus adze_library_open(const char *path, const AdzeModel **model, void **library, char *message,
                             size_t message_bytes);
void adze_library_close(void *library);

/* What adze_workspace_bytes can't go below: the most bytes alive at once. -1 when a symbol is out of range. */
int64_t adze_model_workspace_bound(const AdzeModel *model, const int64_t *symbol);

#endif
