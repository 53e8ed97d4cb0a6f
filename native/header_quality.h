/* The quality of a JPEG tile by a separate, small parser, for tiles that are copied: creating a libjpeg object takes as
 * long as copying a tile.
 */
#ifndef GPT_HEADER_QUALITY_H
#define GPT_HEADER_QUALITY_H

#include <stddef.h>
#include <stdint.h>

#include "block.h"

/* The last table, in zigzag order, and its quality: mostly the next tile has the same. All zero is an empty cache. */
typedef struct {
    uint8_t steps[GPT_BLOCK_SIZE];
    double quality;
} gpt_quality_cache;

/* Sets *quality to the quality of the first component's quantisation table, as gpt_tile_quality() does, and returns 1.
 * Returns 0 if a part of the header that this parser reads is unusual: then libjpeg has to judge it. Huffman tables and
 * the scan header are not read.
 */
int gpt_header_quality(gpt_quality_cache *cache, const uint8_t *tile, size_t size, double *quality);

#endif
