/* Huffman tables made for one tile: the shortest for the symbols that it has. */
#ifndef GPTOOL_HUFFMAN_H
#define GPTOOL_HUFFMAN_H

#include <stdint.h>

enum { HUFFMAN_SYMBOLS = 256, HUFFMAN_LONGEST = 16 };

/* A table as a DHT segment holds it (T.81, B.2.4.2). */
typedef struct {
    uint8_t bits[HUFFMAN_LONGEST + 1]; /* bits[n]: how many codes have n bits, none more than 16, none all ones */
    uint8_t values[HUFFMAN_SYMBOLS];   /* the symbols in the order of their codes */
    int used;                          /* how many there are */
} huffman_table;

/* Makes the table with the shortest output for symbols that come so often; an empty one when none does. */
void huffman_make_table(const uint32_t counts[HUFFMAN_SYMBOLS], huffman_table *table);

#endif
