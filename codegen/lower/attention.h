/* SPDX-License-Identifier: Apache-2.0
 * What the files of attention share: its numbers, and the pieces of a block of keys. */
#ifndef ADZE_CODEGEN_LOWER_ATTENTION_H
#define ADZE_CODEGEN_LOWER_ATTENTION_H

#include "codegen/lower/contract.h"

/* q, k or v as read: a view, or a dense copy in the temporary. Strides in elements, of batch, head, row, column. */
typedef struct AttentionOperand {
    Value value;
    uint32_t buffer;
    ElementType element;
    Dim offset, stride[4];
} AttentionOperand;

typedef struct Attention {
    const LowerContext *context;
    const Graph *region;
    Module *module;
    const Node *hub;
    LoweredGroup *lowered;
    AttentionOperand q, k, v;
    bool has_mask, causal;
    double scale;
    Dim batch, heads, groups, queries, keys, depth, width;
    Dim space[3]; /* how the result is seen: batch and head, query, column */
    LoopKind kind;
    ElementType sum;
    uint32_t lanes;
    uint32_t tile_rows;
    uint32_t query_block;   /* rows of an item */
    uint32_t key_block;     /* keys whose scores are held at once: part of the arithmetic, set by the type alone */
    uint32_t score_vectors; /* in a panel of keys */
    uint32_t depth_block;   /* rows of a panel of keys */
    uint32_t value_vectors; /* in a tile of the result */
    uint32_t width_block;   /* columns of an item, a multiple of value_vectors * lanes */
    bool panels;            /* v was packed: [batch, group][panels][keys][value_vectors * lanes] */
    Dim temporary;
    Epilogue epilogue;
} Attention;

/* A kernel while it is emitted. */
typedef struct AttentionMain {
    const Attention *a;
    Expression *expression;
    LoopFunction *f;
    Reg scores, panel, sums;    /* locals: [query_block][key_block], [depth_block][panel], [query_block][width_block] */
    Reg largest, total, factor; /* locals, a row each: maximum and sum so far, what earlier sums are multiplied by */
    Reg queries, keys, depth, width; /* sizes */
    Reg batch, head;                 /* of the item */
    Reg row, rows;                   /* of the item: first query, how many */
    Reg column, columns;             /* of the item: first column, how many */
    Reg q, k, v;                     /* pointers to the item's batch and head */
} AttentionMain;

/* Scores of keys first … first + count - 1 for the item's rows, not yet scaled. */
void attention_scores(const AttentionMain *m, Reg first, Reg count);
/* Scales and masks them, and turns them into weights; updates largest, total and factor. */
void attention_weights(const AttentionMain *m, Reg first, Reg count);

#endif
