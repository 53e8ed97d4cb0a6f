/* The marker segments of a recompressed tile: a sequential JPEG of one scan with its own Huffman tables. */
#ifndef GPT_MARKERS_H
#define GPT_MARKERS_H

#include <stdio.h>

#include <jpeglib.h> /* needs stdio.h */

#include "entropy.h"
#include "requantise.h"
#include "writer.h"

/* Writes everything before the entropy-coded segment: the segments that define how colours are interpreted (JFIF,
 * APP14, ICC profile; EXIF, XMP and comments are dropped), quantisation tables, frame header, Huffman tables and scan
 * header.
 */
void gpt_write_header(gpt_writer *writer, const struct jpeg_decompress_struct *source,
                      const gpt_requantiser requantisers[NUM_QUANT_TBLS], const gpt_entropy *entropy);

void gpt_write_eoi(gpt_writer *writer);

#endif
