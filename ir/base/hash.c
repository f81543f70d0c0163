/* SPDX-License-Identifier: Apache-2.0
 * Hashing of bytes, a word at a time. */
#include "ir/base/hash.h"

#include <string.h>

uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t count)
{
    const unsigned char *at = bytes;
    hash = hash_word(hash, count);
    for (; count >= 8; count -= 8, at += 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        hash = hash_word(hash, word);
    }
    uint64_t tail = 0;
    memcpy(&tail, at, count);
    return hash_word(hash, tail);
}
