/* The scan of a result: the symbols of its blocks are gathered and counted while the coefficients are at hand, and
 * written with Huffman tables made for them. libjpeg's own writer walks all coefficients a second time for its
 * statistics, and a third time to write them.
 */
#ifndef GPTOOL_SCAN_H
#define GPTOOL_SCAN_H

#include <stddef.h>
#include <stdint.h>

#include "huffman.h"
#include "output.h"

/* Baseline coding has two Huffman tables for DC symbols and two for AC symbols; here each has a number. */
enum { SCAN_DC = 0, SCAN_AC = 2, SCAN_TABLES = 4 };

/* A scan in the making. All zero is an empty one; scan_free() gives its memory back. */
typedef struct {
    uint32_t *symbols; /* in their order: table and symbol in the upper half, the bits that follow it in the lower */
    size_t used, room;
    uint32_t counts[SCAN_TABLES * HUFFMAN_SYMBOLS]; /* of the symbols of one table after the other */
    huffman_table tables[SCAN_TABLES];              /* once scan_end() has made them */
} scan;

/* Builds what scan_add() looks up. To be called once, before anything else here. */
void scan_init(void);

void scan_begin(scan *self);
void scan_free(scan *self);

/* Makes room for the symbols of so many more blocks. Returns 0 when the system has no memory for them, else 1. */
int scan_reserve(scan *self, size_t blocks);

/* Adds a block, for which there must be room, with DC and AC table `table` (0 or 1). `difference` is that of its DC level
 * to the one before it. `nonzero` has bit k set when level k in zigzag order is not 0; bit 0 is not looked at.
 */
void scan_add(scan *self, int table, int difference, const int16_t block[64], uint64_t nonzero);

/* Makes the Huffman tables for what was added. Returns 0 when some can't be coded: a level too large for baseline
 * coding; else 1.
 */
int scan_end(scan *self);

/* Writes the symbols as entropy-coded data (T.81, F.1.2). */
void scan_write(const scan *self, output *out);

#endif
