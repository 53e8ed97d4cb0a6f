/* The progressive version of a result, which libjpeg-turbo's encoder writes: rare in caches. */
#ifndef GPT_PROGRESSIVE_H
#define GPT_PROGRESSIVE_H

#include <stdio.h>

#include <jpeglib.h> /* needs stdio.h */

#include "requantise.h"
#include "writer.h"

/* Writes the coefficients of an image, which are quantised by the steps of the requantisers, as a progressive JPEG with
 * libjpeg's usual scans and Huffman tables of their own. Returns 0 if it does not fit, or can't be encoded, else 1.
 */
int gpt_write_progressive(gpt_writer *writer, j_decompress_ptr source, jvirt_barray_ptr *coefficients,
                          const gpt_requantiser requantisers[NUM_QUANT_TBLS]);

#endif
