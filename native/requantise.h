/* Requantisation: quantised coefficients are moved from a tile's quantisation steps to coarser ones. Plain arithmetic
 * without libjpeg.
 */
#ifndef GPT_REQUANTISE_H
#define GPT_REQUANTISE_H

#include <stdint.h>

#include "block.h"

enum { GPT_KEEP_STEPS = 0 }; /* in place of a quality: the coefficients stay as they are */

/* The requantisation of one quantisation table; arrays are in natural order. All zero: nothing loaded. */
typedef struct {
    int is_loaded, is_prepared;
    uint16_t own_step[GPT_BLOCK_SIZE]; /* the tile's steps */
    int is_chroma;                     /* whether the table is judged as a chrominance table */
    double own_quality;                /* see gpt_ijg_quality() */
    int is_ijg;                        /* see gpt_is_ijg_table() */
    int quality, is_exact, changes;    /* what it is prepared for; whether any step but that of DC changes */
    uint32_t dc_factor;                /* see gpt_requantiser_set_dc() */
    uint16_t step[GPT_BLOCK_SIZE];     /* the new steps, none finer than the tile's */
    /* new = sign * ((scale * |old| + bias) / divisor), by inverse = 65536 * scale / divisor, at most 65535. */
    uint16_t scale[GPT_BLOCK_SIZE], bias[GPT_BLOCK_SIZE], divisor[GPT_BLOCK_SIZE], inverse[GPT_BLOCK_SIZE];
} gpt_requantiser;

/* Loads a table. If it is the one that is loaded, which is usual for tiles of one cache, nothing is computed. */
void gpt_requantiser_load(gpt_requantiser *self, const uint16_t own_step[GPT_BLOCK_SIZE], int is_chroma);

/* Prepares the requantisation from the loaded table to the IJG table of `quality` (1..100), or GPT_KEEP_STEPS. If it is
 * prepared for the same parameters, nothing is computed. Returns 1 if any quantisation step changes, else 0.
 *
 * Efficient tables (is_exact 0): each new step is an integer multiple of the tile's, the nearest to the IJG step.
 * Coefficients are rounded to nearest, ties to zero. A second run changes nothing.
 * Exact tables (is_exact 1): the IJG step where it is coarser than the tile's. Rounding has a dead zone: fractions are
 * rounded up from .60 and never at .50, where the coefficients of an image that was quantised before accumulate.
 *
 * Colours fade if what carries them is rounded towards 0. So the DC coefficient (see gpt_requantiser_set_dc()) and the
 * two lowest frequencies of chrominance have fine steps in both: the largest odd multiple of the tile's that is neither
 * above the IJG step nor above 15.
 */
int gpt_requantiser_prepare(gpt_requantiser *self, int quality, int is_exact);

/* Sets the DC step for the blocks of one image: `dc_factor` times the tile's, the largest odd multiple that is neither
 * above the IJG step nor above 9, or 6 of chrominance. An image that is not varied, whose blocks are mostly equal, keeps
 * the step: all of its blocks would be rounded alike.
 */
void gpt_requantiser_set_dc(gpt_requantiser *self, int is_varied);

/* Requantises the coefficients of one 8 x 8 block, natural order, in place. Returns which are nonzero afterwards: bit k
 * stands for the k-th coefficient in zigzag order.
 */
uint64_t gpt_requantise_block(const gpt_requantiser *self, int16_t block[GPT_BLOCK_SIZE]);

#endif
