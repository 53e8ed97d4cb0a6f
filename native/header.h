/* A tile's quality by its header alone, for tiles that are copied: opening a libjpeg object takes as long as copying. */
#ifndef GPTOOL_HEADER_H
#define GPTOOL_HEADER_H

#include <stddef.h>
#include <stdint.h>

#include "quality.h"

/* The table of the tile before, in zigzag order, and what it stands for: mostly that of the next one too. All zero is
 * none yet.
 */
typedef struct {
    uint8_t table[TABLE_SIZE];
    double quality;
} header_memory;

/* Sets *quality to that of the first component's quantisation table, as transcode_quality() does, and returns 1; returns
 * 0 for a header that is out of the ordinary in what is looked at here: libjpeg may judge it. Huffman tables and the
 * scan's header are not looked at.
 */
int header_quality(header_memory *self, const uint8_t *tile, size_t size, double *quality);

#endif
