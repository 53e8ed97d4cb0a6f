/* The coefficients of an image as libjpeg-turbo's decoder leaves them: requantised, their symbols gathered. */
#ifndef GPTOOL_COEFFICIENTS_H
#define GPTOOL_COEFFICIENTS_H

#include <stdio.h>

#include <jpeglib.h> /* wants stdio.h before it */

#include "requantise.h"
#include "scan.h"

/* Returns the quantisers of a component, natural order; NULL while no table has come for it. */
const uint16_t *own_table(const struct jpeg_decompress_struct *source, int component);

/* Tells whether the header has brought the quantisation table of every component. */
int tables_known(const struct jpeg_decompress_struct *source);

/* Plans the way of each table slot to `quality` (1..100); `plans` may hold what was planned before. All tables must be
 * known. Returns 1 when any quantiser changes, else 0.
 */
int plan_tables(const struct jpeg_decompress_struct *source, int quality, int exact,
                requantiser plans[NUM_QUANT_TBLS]);

/* Tells whether a component is coded as chrominance: by its base table, and by the Huffman tables with number 1. */
int is_chroma(const struct jpeg_decompress_struct *source, int component);

/* Moves all levels of an image, and adds their symbols to `symbols` in the order of one interleaved sequential scan.
 *
 * What one such scan can't have is an error of libjpeg's on `source`: too many components, samplings with too many
 * blocks in an MCU, quantisation tables that changed between scans, and levels that baseline coding has no symbols for.
 */
void requantise_image(j_decompress_ptr source, jvirt_barray_ptr *coefficients,
                      const requantiser plans[NUM_QUANT_TBLS], scan *symbols);

#endif
