/* SPDX-License-Identifier: Apache-2.0
 * Arrays from files. Part of adze/adze.h.
 *
 *     adze_tensors *weights = adze_load_safetensors(c, "model.safetensors");
 *     adze_array w = adze_tensors_get(c, weights, "encoder.weight");       // an array that carries an error: no such
 * name adze_tensors_free(weights);                                          // w stays, as long as c */
#ifndef ADZE_IO_H
#define ADZE_IO_H

#include "adze/adze.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The named arrays of a file, and its metadata. */
typedef struct adze_tensors adze_tensors;

/* Reads a .safetensors file, MLX's load of such a file. The file is mapped: loading takes no time and no memory for
 * elements, which are read when they are used, and the file must not be changed while arrays of it live. (Bools, and
 * arrays that aren't aligned in the file, are copied.) Element types are those of the file: F8_E4M3 is ADZE_F8E4M3FN.
 * NULL, and a message that names file and tensor, when the file can't be read, isn't of that format, or has
 * element types or more axes than there are here. Files needn't be trusted. The arrays are the context's; the names and
 * metadata are the result's, which is to be freed. */
ADZE_API adze_tensors *adze_load_safetensors(adze_context *context, const char *path);
ADZE_API void adze_tensors_free(adze_tensors *tensors);

/* In the order in which they lie in the file. Beyond the last: NULL, and an array that carries an error. */
ADZE_API size_t adze_tensors_count(const adze_tensors *tensors);
ADZE_API const char *adze_tensors_name(const adze_tensors *tensors, size_t index);
ADZE_API adze_array adze_tensors_array(adze_context *context, const adze_tensors *tensors, size_t index);
/* By name. Where there is none, an array that carries an error which says so. */
ADZE_API adze_array adze_tensors_get(adze_context *context, const adze_tensors *tensors, const char *name);
/* What the file says about itself; NULL: nothing of that key. */
ADZE_API const char *adze_tensors_metadata(const adze_tensors *tensors, const char *key);

#ifdef __cplusplus
}
#endif
#endif
