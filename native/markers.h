/* The marker segments of a result. */
#ifndef GPT_MARKERS_H
#define GPT_MARKERS_H

#include <stdio.h>

#include <jpeglib.h> /* needs stdio.h */

#include "entropy.h"
#include "requantise.h"
#include "writer.h"

/* Writes the segments from which readers derive how colours are interpreted: JFIF, APP14 and the ICC profile, each if the
 * tile has it. EXIF, XMP and comments are dropped.
 */
void gpt_write_colour_segments(gpt_writer *writer, const struct jpeg_decompress_struct *source);

/* Writes everything before the entropy-coded segment of a sequential JPEG of one scan: SOI, the colour segments,
 * quantisation tables, frame header, Huffman tables and scan header.
 */
void gpt_write_header(gpt_writer *writer, const struct jpeg_decompress_struct *source,
                      const gpt_requantiser requantisers[NUM_QUANT_TBLS], const gpt_entropy *entropy);

void gpt_write_eoi(gpt_writer *writer);

#endif
