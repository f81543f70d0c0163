/* SPDX-License-Identifier: Apache-2.0
 * What the kernels of convolutions share: the node's numbers, and the image as they read it. */
#ifndef ADZE_CODEGEN_LOWER_CONVOLUTION_H
#define ADZE_CODEGEN_LOWER_CONVOLUTION_H

#include "codegen/lower/window.h"

/* A spatial axis. Tap t of output o reads the padded input at o * stride + t * dilation. */
typedef struct SpatialAxis {
    int64_t stride, dilation, input_dilation;
    Dim in, out, window, low;
    int64_t phases;         /* how many of the stride's phases are used */
    Dim extent;             /* of one phase of the padded image */
    Dim pitch, phase_pitch; /* distance of neighbours within a phase, of phases; in elements */
} SpatialAxis;

/* The image as the main kernel reads it. In the temporary it is padded, and cut into the phases of its strides, so that
 * neighbouring outputs read neighbouring elements:
 *
 *     [batch][channel][phase of axis 0][phase of axis 1]…[extent of axis 0][extent of axis 1]…        phase p: elements
 * p + i * stride
 *
 * A parameter whose outputs are its own pixels (window 1, stride 1, no padding) is read where it is, as one axis. */
typedef struct ConvolutionImage {
    bool in_place;
    uint32_t buffer;
    ElementType element;
    Dim offset, batch_stride, channel_stride; /* in elements */
} ConvolutionImage;

typedef struct Convolution {
    const LowerContext *context;
    const Graph *region;
    Module *module;
    const Node *hub;
    LoweredGroup *lowered;
    Value image_value, weights_value;
    uint32_t spatial;
    SpatialAxis axis[MAX_SPATIAL];
    int64_t groups;
    Dim batch, channels, group_channels; /* of the image */
    Dim outputs, group_outputs;          /* output channels */
    Dim taps, depth, pixels;
    Dim space[3]; /* how the result is seen: batch, output channels, pixels */
    ElementType result, sum;
    LoopKind kind;
    uint32_t lanes;
    ConvolutionImage image;
    Dim temporary; /* bytes so far */
    Epilogue epilogue;
} Convolution;

/* Reads the node. */
Status convolution_read(Convolution *c);

/* Numbers of the product form (convolution_plan.c). */
typedef struct ConvolutionPlan {
    Convolution *c;
    bool packed;
    uint32_t weights_buffer;
    ElementType weights_element;
    Dim weights_offset, weights_row, weights_depth,
        weights_panel;                  /* weights_panel: of packed ones, from panel to panel */
    uint32_t width;                     /* channels in a panel, rows in a tile */
    uint32_t vectors, columns;          /* of a pixel block */
    uint32_t channel_block;             /* output channels of an item, a multiple of the width */
    uint32_t item_blocks;               /* pixel blocks of an item */
    uint32_t depth_block;               /* rows of the panel */
    int64_t block_channels, block_taps; /* the depth block as channels by taps */
    bool one_block;                     /* the whole depth fits */
    uint32_t most_runs, run_vectors;
} ConvolutionPlan;

/* Plans how weights are read: where they are, or from a copy that a kernel of its own makes. */
Status convolution_plan_weights(ConvolutionPlan *plan);
/* Plans blocks and tiles, when weights and image are planned. */
void convolution_plan_product(ConvolutionPlan *plan);

/* Plans the image, and appends the kernel that writes it to the temporary when it isn't read in place. */
Status convolution_image(Convolution *c);

/* Offset of tap number `tap` from the first one of its pixel, in elements. */
Reg convolution_tap_offset(const Convolution *c, Expression *expression, LoopFunction *f, Reg tap);

/* Reserves room in the temporary; gives its byte offset. */
Dim convolution_reserve(Convolution *c, Dim count, uint32_t bytes);

/* Few output channels a group: straight from the input (convolution_direct.c). */
bool is_direct_convolution(const Convolution *c);
Status lower_direct_convolution(Convolution *c);
/* One input channel and few output channels a group, small images: from a padded copy (convolution_channels.c). */
bool is_channel_convolution(const Convolution *c);
Status lower_channel_convolution(Convolution *c);

#endif
