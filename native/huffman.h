/* Huffman tables made for one tile: symbols are counted while the coefficients are at hand, so that libjpeg-turbo's
 * fast encoder writes the tile at once instead of walking all of it a second time for its statistics.
 */
#ifndef GPTOOL_HUFFMAN_H
#define GPTOOL_HUFFMAN_H

#include <stdint.h>

enum {
    HUFFMAN_SYMBOLS = 256,
    HUFFMAN_LONGEST = 16,
    /* The magnitudes that baseline coding has symbols for, in bits. */
    HUFFMAN_DC_BITS = 11,
    HUFFMAN_AC_BITS = 10
};

/* How often each symbol of one table comes (ITU-T T.81, F.1.2). */
typedef struct {
    uint32_t count[HUFFMAN_SYMBOLS];
} huffman_counts;

/* Counts the AC symbols of a block. `nonzero` has bit k set when coefficient k in zigzag order is not 0; bit 0, the DC
 * coefficient's, must not be set. Returns 0 when a level is too large for baseline coding, else 1.
 */
int huffman_count_ac(huffman_counts *self, const int16_t block[64], uint64_t nonzero);

/* Counts the symbol of one DC difference. Returns 0 when it is too large for baseline coding, else 1. */
int huffman_count_dc(huffman_counts *self, int difference);

/* Makes the table with the shortest output for these counts, at least one of which must not be 0.
 *
 * bits[n] becomes the number of codes of n bits, values the symbols in the order of their codes (T.81, K.2; no code is
 * longer than 16 bits or all ones).
 */
void huffman_make_table(const huffman_counts *self, uint8_t bits[HUFFMAN_LONGEST + 1], uint8_t values[HUFFMAN_SYMBOLS]);

#endif
