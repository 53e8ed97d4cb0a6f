/* The entropy encoder: the symbols of a scan are collected and counted block by block during requantisation, and
 * written with Huffman tables made for them. libjpeg's own encoder walks through all coefficients a second time for the
 * counts and a third time to write them.
 */
#ifndef GPT_ENTROPY_H
#define GPT_ENTROPY_H

#include <stddef.h>
#include <stdint.h>

#include "block.h"
#include "huffman.h"
#include "writer.h"

/* Baseline coding has two Huffman tables for DC and two for AC coefficients; here they are numbered 0, 1 and 2, 3. */
enum { GPT_DC_TABLES = 0, GPT_AC_TABLES = 2, GPT_ENTROPY_TABLES = 4 };

/* The scan of one image. All zero is an empty one; gpt_entropy_free() releases its memory. */
typedef struct {
    uint32_t *symbols; /* upper half: table and Huffman symbol; lower half: the additional bits of the symbol */
    size_t count, capacity;
    uint32_t symbol_counts[GPT_ENTROPY_TABLES * GPT_HUFFMAN_SYMBOLS]; /* table by table */
    gpt_huffman_table tables[GPT_ENTROPY_TABLES];                     /* filled by gpt_entropy_make_tables() */
} gpt_entropy;

/* Starts a new scan; memory that is reserved stays. */
void gpt_entropy_reset(gpt_entropy *self);

void gpt_entropy_free(gpt_entropy *self);

/* Reserves memory for the symbols of so many more blocks. Returns 0 if there is not enough, else 1. */
int gpt_entropy_reserve(gpt_entropy *self, size_t blocks);

/* Adds the symbols of one block, for which memory must be reserved.
 *
 * table          0 or 1: the DC table and the AC table of the block's component
 * dc_difference  DC coefficient minus that of the component's previous block
 * block          quantised coefficients, natural order; the DC coefficient is not read
 * nonzero        bit k is set if coefficient k in zigzag order is not 0; bit 0 is ignored
 */
void gpt_entropy_add_block(gpt_entropy *self, int table, int dc_difference, const int16_t block[GPT_BLOCK_SIZE],
                           uint64_t nonzero);

/* Makes the Huffman tables of the symbols. Returns 0 if a coefficient is too large for baseline coding, else 1. */
int gpt_entropy_make_tables(gpt_entropy *self);

/* Writes the entropy-coded segment (T.81, F.1.2). */
void gpt_entropy_write(const gpt_entropy *self, gpt_writer *writer);

#endif
