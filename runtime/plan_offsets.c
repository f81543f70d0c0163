/* SPDX-License-Identifier: Apache-2.0
 * Offsets of buffers in one arena, from when each is alive. Buffers are placed one after the other into the tightest
 * gap between those already placed that are alive in a common step. The order decides how well that goes. Several are
 * tried: largest first, most bytes times steps first, longest alive first; each time, while the arena is above the
 * bound, the buffer that sticks out at the top goes to the front and all are placed again. After that, pairs change
 * places in the best order so far. The number of rounds depends on the count alone. Very many are placed once, in the
 * order they come to life. */
#include "runtime/runtime.h"

#include <string.h>

typedef struct Planner {
    const AdzeBuffer *buffer;
    const int64_t *bytes;
    int64_t *trial;   /* offsets of this round */
    uint32_t *order;  /* buffers in the order they are placed */
    uint32_t *placed; /* buffers placed, by offset */
    uint32_t *kept;   /* the best order so far */
    uint32_t count, placed_count;
    int64_t *offset; /* the best so far */
    int64_t least, best;
} Planner;

enum { PLAN_BUFFER_SCRATCH = sizeof(int64_t) + 4 * sizeof(uint32_t) }; /* a multiple of 8 */

ADZE_RUNTIME size_t adze_plan_scratch_bytes(uint32_t count)
{
    return (size_t)count * PLAN_BUFFER_SCRATCH;
}

/* ---- sorting (heap sort: no memory, no bad cases) ---- */

typedef bool OrderLess(const Planner *planner, uint32_t a, uint32_t b);

static bool larger_first(const Planner *planner, uint32_t a, uint32_t b)
{
    if (planner->bytes[a] != planner->bytes[b])
        return planner->bytes[a] > planner->bytes[b];
    return a < b;
}

static uint64_t steps_alive(const AdzeBuffer *buffer)
{
    return (uint64_t)buffer->last - buffer->first + 1;
}

/* Bytes times steps; the product of bytes and steps stays below 2^95, so 32 bits of the bytes may go. */
static uint64_t area(const Planner *planner, uint32_t index)
{
    const uint64_t bytes = (uint64_t)planner->bytes[index];
    return steps_alive(&planner->buffer[index]) * (bytes < UINT32_MAX ? bytes : UINT32_MAX);
}

static bool wider_first(const Planner *planner, uint32_t a, uint32_t b)
{
    const uint64_t of_a = area(planner, a), of_b = area(planner, b);
    return of_a != of_b ? of_a > of_b : a < b;
}

static bool longer_first(const Planner *planner, uint32_t a, uint32_t b)
{
    const uint64_t of_a = steps_alive(&planner->buffer[a]), of_b = steps_alive(&planner->buffer[b]);
    return of_a != of_b ? of_a > of_b : larger_first(planner, a, b);
}

static bool earlier_first(const Planner *planner, uint32_t a, uint32_t b)
{
    return planner->buffer[a].first < planner->buffer[b].first;
}

static bool earlier_last(const Planner *planner, uint32_t a, uint32_t b)
{
    return planner->buffer[a].last < planner->buffer[b].last;
}

static void sift_down(const Planner *planner, OrderLess *less, uint32_t *item, uint32_t from, uint32_t count)
{
    for (uint32_t child; (child = 2 * from + 1) < count; from = child) {
        if (child + 1 < count && less(planner, item[child], item[child + 1]))
            child++;
        if (!less(planner, item[from], item[child]))
            return;
        const uint32_t moved = item[from];
        item[from] = item[child];
        item[child] = moved;
    }
}

static void sort_buffers(const Planner *planner, OrderLess *less, uint32_t *item)
{
    for (uint32_t i = 0; i < planner->count; i++)
        item[i] = i;
    for (uint32_t i = planner->count / 2; i-- > 0;)
        sift_down(planner, less, item, i, planner->count);
    for (uint32_t end = planner->count; end > 1;) {
        const uint32_t largest = item[0];
        item[0] = item[--end];
        item[end] = largest;
        sift_down(planner, less, item, 0, end);
    }
}

/* ---- the bound ---- */

static int64_t most_alive(Planner *planner)
{
    int64_t alive = 0, most = 0;
    sort_buffers(planner, earlier_first, planner->order);
    sort_buffers(planner, earlier_last, planner->placed);
    for (uint32_t i = 0, dead = 0; i < planner->count; i++) {
        const uint32_t start = planner->buffer[planner->order[i]].first;
        for (; planner->buffer[planner->placed[dead]].last < start; dead++)
            alive -= planner->bytes[planner->placed[dead]];
        alive += planner->bytes[planner->order[i]];
        most = alive > most ? alive : most;
    }
    return most;
}

/* ---- placing ---- */

static bool alive_together(const AdzeBuffer *a, const AdzeBuffer *b)
{
    return a->first <= b->last && b->first <= a->last;
}

static int64_t find_gap(const Planner *planner, uint32_t index)
{
    const int64_t bytes = planner->bytes[index];
    int64_t top = 0, best = -1, best_room = INT64_MAX;
    for (uint32_t i = 0; i < planner->placed_count; i++) {
        const uint32_t other = planner->placed[i];
        if (!alive_together(&planner->buffer[index], &planner->buffer[other]))
            continue;
        const int64_t room = planner->trial[other] - top, end = planner->trial[other] + planner->bytes[other];
        if (room >= bytes && room < best_room) {
            best = top;
            best_room = room;
        }
        top = end > top ? end : top;
    }
    return best >= 0 ? best : top;
}

static void insert_placed(Planner *planner, uint32_t index)
{
    uint32_t low = 0, high = planner->placed_count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (planner->trial[planner->placed[middle]] <= planner->trial[index])
            low = middle + 1;
        else
            high = middle;
    }
    memmove(planner->placed + low + 1, planner->placed + low, (planner->placed_count - low) * sizeof *planner->placed);
    planner->placed[low] = index;
    planner->placed_count++;
}

/* Places all in order; gives the arena's bytes, and at which place in the order the buffer at its top is. Stops early,
 * giving INT64_MAX, when `limit` is reached: the round is lost then, but its top is known. */
static int64_t place_all(Planner *planner, int64_t limit, uint32_t *top)
{
    int64_t total = 0;
    planner->placed_count = 0;
    for (uint32_t i = 0; i < planner->count; i++) {
        const uint32_t index = planner->order[i];
        planner->trial[index] = 0;
        if (planner->bytes[index] == 0)
            continue;
        planner->trial[index] = find_gap(planner, index);
        const int64_t end = planner->trial[index] + planner->bytes[index];
        if (end > total) {
            total = end;
            *top = i;
        }
        if (total >= limit)
            return INT64_MAX;
        insert_placed(planner, index);
    }
    return total;
}

static void move_to_front(Planner *planner, uint32_t place)
{
    const uint32_t index = planner->order[place];
    memmove(planner->order + 1, planner->order, place * sizeof *planner->order);
    planner->order[0] = index;
}

static uint32_t round_count(uint32_t count)
{
    const uint64_t steps = (uint64_t)count * count + 1, rounds = (UINT64_C(1) << 24) / steps;
    return rounds > 128 ? 128 : (uint32_t)rounds + 1;
}

/* Places all in order; whether that is the best so far, which is kept then. */
static bool try_order(Planner *planner, uint32_t *top)
{
    const int64_t total = place_all(planner, planner->best, top);
    if (total >= planner->best)
        return false;
    planner->best = total;
    memcpy(planner->offset, planner->trial, planner->count * sizeof *planner->offset);
    memcpy(planner->kept, planner->order, planner->count * sizeof *planner->kept);
    return true;
}

static void improve_by_top(Planner *planner, OrderLess *first, uint32_t rounds)
{
    uint32_t top = 0;
    sort_buffers(planner, first, planner->order);
    for (uint32_t i = 0; i < rounds && planner->best > planner->least; i++) {
        (void)try_order(planner, &top);
        move_to_front(planner, top);
    }
}

static void swap_places(Planner *planner, uint32_t a, uint32_t b)
{
    const uint32_t index = planner->order[a];
    planner->order[a] = planner->order[b];
    planner->order[b] = index;
}

static void improve_by_swaps(Planner *planner, uint32_t rounds)
{
    uint64_t random = 1;
    uint32_t top;
    memcpy(planner->order, planner->kept, planner->count * sizeof *planner->order);
    for (uint32_t i = 0; i < rounds && planner->best > planner->least; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        const uint32_t a = (uint32_t)(random >> 32) % planner->count, b = (uint32_t)(random >> 16) % planner->count;
        swap_places(planner, a, b);
        if (!try_order(planner, &top))
            swap_places(planner, a, b);
    }
}

/* ---- very many ---- */

/* Beyond this, orders can't be tried: each costs the square of the count. */
enum { MOST_TRIED = 8192 };

static void forget_dead(Planner *planner, uint32_t step)
{
    uint32_t alive = 0;
    for (uint32_t i = 0; i < planner->placed_count; i++)
        if (planner->buffer[planner->placed[i]].last >= step)
            planner->placed[alive++] = planner->placed[i];
    planner->placed_count = alive;
}

/* Places all as they come to life, among those alive then. */
static int64_t place_by_time(Planner *planner)
{
    int64_t total = 0;
    sort_buffers(planner, earlier_first, planner->order);
    planner->placed_count = 0;
    planner->trial = planner->offset;
    for (uint32_t i = 0; i < planner->count; i++) {
        const uint32_t index = planner->order[i];
        planner->trial[index] = 0;
        if (planner->bytes[index] == 0)
            continue;
        forget_dead(planner, planner->buffer[index].first);
        planner->trial[index] = find_gap(planner, index);
        const int64_t end = planner->trial[index] + planner->bytes[index];
        total = end > total ? end : total;
        insert_placed(planner, index);
    }
    return total;
}

ADZE_RUNTIME int64_t adze_plan_offsets(const AdzeBuffer *buffer, uint32_t count, const int64_t *bytes, int64_t *offset,
                                       void *scratch, int64_t *bound)
{
    Planner planner = {
        .buffer = buffer, .bytes = bytes, .count = count, .trial = scratch, .offset = offset, .best = INT64_MAX};
    planner.order = (uint32_t *)(planner.trial + count);
    planner.placed = planner.order + count;
    planner.kept = planner.placed + count;
    planner.least = most_alive(&planner);
    if (bound)
        *bound = planner.least;
    if (count == 0)
        return 0;
    if (count > MOST_TRIED)
        return place_by_time(&planner);
    const uint32_t share = round_count(count) / 4;
    improve_by_top(&planner, larger_first, share + 1);
    improve_by_top(&planner, wider_first, share);
    improve_by_top(&planner, longer_first, share);
    improve_by_swaps(&planner, share);
    return planner.best;
}
