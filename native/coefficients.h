/* An image as coefficient arrays of libjpeg-turbo's decoder: its tables, and the requantisation of all its blocks. */
#ifndef GPT_COEFFICIENTS_H
#define GPT_COEFFICIENTS_H

#include <stdio.h>

#include <jpeglib.h> /* needs stdio.h */

#include "entropy.h"
#include "requantise.h"

/* Returns the quantisation table of a component, natural order; NULL if none was read yet. */
const uint16_t *gpt_component_qtable(const struct jpeg_decompress_struct *source, int component);

/* Returns whether the quantisation tables of all components were read. */
int gpt_has_all_qtables(const struct jpeg_decompress_struct *source);

/* Returns whether a component is coded as chrominance: it uses the chrominance base table, and Huffman tables 1. */
int gpt_is_chroma(const struct jpeg_decompress_struct *source, int component);

/* Prepares the requantiser of each table slot in use for `quality` (1..100); all tables must have been read. Returns 1
 * if any quantisation step changes, else 0.
 */
int gpt_prepare_requantisers(const struct jpeg_decompress_struct *source, int quality, int is_exact,
                             gpt_requantiser requantisers[NUM_QUANT_TBLS]);

/* Requantises all coefficients of an image in place, and adds their symbols to `entropy` in the order of one
 * interleaved sequential scan.
 *
 * What a single baseline scan can't represent raises a libjpeg error on `source`: too many components, sampling factors
 * with too many blocks in an MCU, quantisation tables that changed between scans, and coefficients that are too large.
 */
void gpt_requantise_image(j_decompress_ptr source, jvirt_barray_ptr *coefficients,
                          const gpt_requantiser requantisers[NUM_QUANT_TBLS], gpt_entropy *entropy);

#endif
