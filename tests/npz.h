/* SPDX-License-Identifier: Apache-2.0
 * Arrays in .npz files, for tests: zip files of .npy members that are stored, not compressed, as np.savez writes them.
 */
#ifndef TESTS_NPZ_H
#define TESTS_NPZ_H

#include "ir/ir.h"

typedef struct Npz {
    unsigned char *bytes;
    size_t length;
    size_t directory, member_count; /* where the central directory is, and its entries */
    Arena arena;                    /* of the arrays read */
} Npz;

/* NULL, or what is wrong with the file. */
const char *npz_open(Npz *npz, const char *path);
void npz_close(Npz *npz);
/* The member NAME.npy; NULL, or what is wrong. The elements live as long as the file is open. */
const char *npz_read(Npz *npz, const char *name, HostArray *array);

#endif
