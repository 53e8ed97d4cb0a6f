/* Optimal Huffman tables for the symbols of one tile. */
#ifndef GPT_HUFFMAN_H
#define GPT_HUFFMAN_H

#include <stdint.h>

enum { GPT_HUFFMAN_SYMBOLS = 256, GPT_MAX_CODE_LENGTH = 16 };

/* A table as a DHT segment holds it (T.81, B.2.4.2). */
typedef struct {
    uint8_t bits[GPT_MAX_CODE_LENGTH + 1]; /* bits[n]: number of codes of n bits; no code is all ones */
    uint8_t values[GPT_HUFFMAN_SYMBOLS];   /* the symbols, in the order of their codes */
    int count;                             /* number of symbols */
} gpt_huffman_table;

/* Fills the table that codes symbols of these frequencies in the fewest bits; an empty one if all are 0. */
void gpt_make_huffman_table(const uint32_t counts[GPT_HUFFMAN_SYMBOLS], gpt_huffman_table *table);

#endif
