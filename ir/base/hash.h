/* SPDX-License-Identifier: Apache-2.0
 * 64-bit hashing of bytes and words: the same on every machine, not meant against attackers. */
#ifndef ADZE_IR_BASE_HASH_H
#define ADZE_IR_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* Mixes one word into a running hash. */
static inline uint64_t hash_word(uint64_t hash, uint64_t word)
{
    hash ^= word + 0x9E3779B97F4A7C15u + (hash << 6) + (hash >> 2);
    hash *= 0xBF58476D1CE4E5B9u;
    return hash ^ (hash >> 31);
}

/* Hash of `count` bytes, chained from `hash` (start with 0). About 8 bytes a step. */
uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t count);

#endif
