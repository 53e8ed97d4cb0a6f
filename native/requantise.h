/* Requantisation: quantised coefficients are moved from a tile's quantisation steps to coarser ones. Plain arithmetic
 * without libjpeg.
 */
#ifndef GPT_REQUANTISE_H
#define GPT_REQUANTISE_H

#include <stdint.h>

#include "block.h"

/* The requantisation of one quantisation table; arrays are in natural order. All zero: not prepared. */
typedef struct {
    int quality, is_chroma, is_exact, changes; /* the parameters it was prepared for; whether any step changes */
    uint16_t own_step[GPT_BLOCK_SIZE];         /* the tile's steps */
    uint16_t step[GPT_BLOCK_SIZE];             /* the new steps, none finer than the tile's */
    /* Efficient tables: new = sign * ((|old| + half) / factor), by inverse = 65536 / factor (65535 for factor 1). */
    uint16_t factor[GPT_BLOCK_SIZE], half[GPT_BLOCK_SIZE], inverse[GPT_BLOCK_SIZE];
    /* Exact tables: new = sign * ((10 * own_step * |old| + 4 * step) / (10 * step)), by ratio = 1 / (10 * step). */
    float ratio[GPT_BLOCK_SIZE];
} gpt_requantiser;

/* Prepares the requantisation from a tile's table to the IJG table of `quality` (1..100). If it is prepared for the
 * same parameters, which is usual for tiles of one cache, nothing is computed. Returns 1 if any quantisation step
 * changes, else 0.
 *
 * Efficient tables (is_exact 0): each new step is an integer multiple of the tile's, the nearest to the IJG step.
 * Coefficients are rounded to nearest, ties to zero. A second run changes nothing.
 * Exact tables (is_exact 1): the IJG step where it is coarser than the tile's. Rounding has a dead zone: fractions are
 * rounded up from .60 and never at .50, where the coefficients of an image that was quantised before accumulate.
 */
int gpt_requantiser_prepare(gpt_requantiser *self, const uint16_t own_step[GPT_BLOCK_SIZE], int quality, int is_chroma,
                            int is_exact);

/* Requantises the coefficients of one 8 x 8 block, natural order, in place. Returns which are nonzero afterwards: bit k
 * stands for the k-th coefficient in zigzag order.
 */
uint64_t gpt_requantise_block(const gpt_requantiser *self, int16_t block[GPT_BLOCK_SIZE]);

#endif
