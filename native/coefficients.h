/* The requantisation of all blocks of an image, which are coefficient arrays of libjpeg-turbo's decoder. */
#ifndef GPT_COEFFICIENTS_H
#define GPT_COEFFICIENTS_H

#include <stdio.h>

#include <jpeglib.h> /* needs stdio.h */

#include "entropy.h"
#include "requantise.h"

/* Requantises all coefficients of an image in place, and adds their symbols to `entropy` in the order of one
 * interleaved sequential scan.
 *
 * What a single baseline scan can't represent raises a libjpeg error on `source`: too many components, sampling factors
 * with too many blocks in an MCU, quantisation tables that changed between scans, and coefficients that are too large.
 */
void gpt_requantise_image(j_decompress_ptr source, jvirt_barray_ptr *coefficients,
                          gpt_requantiser requantisers[NUM_QUANT_TBLS], gpt_entropy *entropy);

#endif
