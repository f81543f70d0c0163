/* SPDX-License-Identifier: Apache-2.0
 * Inside family pointwise: the space worked over. */
#ifndef ADZE_CODEGEN_LOWER_POINTWISE_H
#define ADZE_CODEGEN_LOWER_POINTWISE_H

#include "codegen/lower/nest.h"

typedef struct Space {
    Dim dim[MAX_RANK];
    uint32_t rank;
    uint32_t lane_axis; /* lanes of stores run along it */
    uint32_t lanes;
    bool is_tiled; /* lanes of loads run along tile_axis: tiles of lanes by lanes are transposed in registers */
    uint32_t tile_axis;
} Space;

/* False: out of memory. */
bool space_choose(const LowerContext *context, const Graph *region, Space *space);
Site space_site(const Space *space, const AxisIndex *index, uint32_t lanes, Reg active);

/* All results at a site; register i is result i. */
void make_elements(Expression *e, const Site *site, Reg *made);
void store_elements(Expression *e, const Site *site, const Reg *made);

/* A space with tiles: the whole kernel. Gives the number of items. */
Dim emit_tiles(Expression *e, const Space *space);

#endif
