/* The coefficients of an image between libjpeg-turbo's decoder and its encoder: requantised, their symbols counted. */
#ifndef GPTOOL_COEFFICIENTS_H
#define GPTOOL_COEFFICIENTS_H

#include <stdio.h>

#include <jpeglib.h> /* wants stdio.h before it */

#include "huffman.h"
#include "requantise.h"

/* The counts of the symbols of each Huffman table; baseline coding has two of each class. */
typedef struct {
    huffman_counts dc[2], ac[2];
} symbol_counts;

/* Returns the quantisers of a component, natural order; NULL while no table has come for it. */
const uint16_t *own_table(const struct jpeg_decompress_struct *source, int component);

/* Tells whether the header has brought the quantisation table of every component. */
int tables_known(const struct jpeg_decompress_struct *source);

/* Plans the way of each table slot to `quality` (1..100). All tables must be known. Returns 1 when any quantiser changes,
 * else 0.
 */
int plan_tables(const struct jpeg_decompress_struct *source, int quality, int exact,
                requantiser plans[NUM_QUANT_TBLS]);

/* Moves all levels of an image, and counts the symbols it will be coded with in one sequential scan.
 *
 * `result` must have the image's components (jpeg_copy_critical_parameters). Levels that baseline coding has no symbols
 * for are libjpeg's error JERR_BAD_DCT_COEF on `result`: its encoder would write garbage for them.
 */
void requantise_image(j_decompress_ptr source, j_compress_ptr result, jvirt_barray_ptr *coefficients,
                      const requantiser plans[NUM_QUANT_TBLS], symbol_counts *counts);

/* Gives `result` the Huffman tables that are shortest for these counts. */
void set_huffman_tables(j_compress_ptr result, const symbol_counts *counts);

#endif
