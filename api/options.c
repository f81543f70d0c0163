/* SPDX-License-Identifier: Apache-2.0
 * What the passes must know of the target. */
#include "api/api.h"
#include "codegen/lower/contract.h"

PassOptions engine_pass_options(const Engine *engine)
{
    PassOptions pass = pass_options_default();
    for (int element = 0; element < ELEMENT_COUNT; element++)
        pass.dot_panel_width[element] = contract_panel_width(&engine->target, (ElementType)element);
    pass.convolution_panel_width = convolution_panel_width(&engine->target);
    return pass;
}
