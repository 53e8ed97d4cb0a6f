/* The marker segments of a result: a baseline JPEG of one scan, with Huffman tables of its own. */
#ifndef GPTOOL_MARKERS_H
#define GPTOOL_MARKERS_H

#include <stdio.h>

#include <jpeglib.h> /* wants stdio.h before it */

#include "output.h"
#include "requantise.h"
#include "scan.h"

/* Writes all that stands in front of the entropy-coded data: what says how the colours are meant (JFIF, APP14, ICC
 * profile; EXIF, XMP and comments stay behind), quantisers, frame, Huffman tables and the scan's header.
 */
void write_head(output *out, const struct jpeg_decompress_struct *source, const requantiser plans[NUM_QUANT_TBLS],
                const scan *symbols);

void write_end(output *out);

#endif
