/* Moving the levels of DCT coefficients from a tile's own quantisers to coarser ones. Plain arithmetic, no libjpeg. */
#ifndef GPTOOL_REQUANTISE_H
#define GPTOOL_REQUANTISE_H

#include <stdint.h>

#include "quality.h"

/* The way of one quantisation table, and how the levels of each coefficient move. All zero is none yet. */
typedef struct {
    int quality, chroma, exact, changes; /* what it was made for, and whether any quantiser changes */
    uint16_t own[TABLE_SIZE];
    uint16_t step[TABLE_SIZE]; /* the new quantisers, none finer than the old */
    /* snapped: level' = sign * ((|level| + half) / factor), by way of inverse = 65536 / factor (65535 for 1) */
    uint16_t factor[TABLE_SIZE], half[TABLE_SIZE], inverse[TABLE_SIZE];
    /* exact: level' = sign * ((10 * own * |level| + 4 * step) / (10 * step)), by way of ratio = 1 / (10 * step) */
    float ratio[TABLE_SIZE];
} requantiser;

/* Builds what requantise_block looks up. To be called once, before anything else here. */
void requantise_init(void);

/* Makes the way of a tile's own table to the IJG tables of `quality` (1..100); nothing is done when it is made already,
 * as mostly for tiles of one cache. Returns 1 when any quantiser changes, else 0.
 *
 * Snapped ("efficient") tables: each new quantiser is an integer multiple of the old one, the nearest to the wanted.
 * Levels go to the nearest, ties to zero. A second run changes nothing.
 * Exact tables: the wanted quantisers where they are coarser than the old, with a dead zone: a level is rounded up from
 * .60 on and never at .50, where the levels of an image that was quantised before pile up.
 */
int requantiser_make(requantiser *self, const uint16_t own[TABLE_SIZE], int quality, int chroma, int exact);

/* Moves the levels of one 8 x 8 block, natural order, in place. Returns which of them are not 0 then: bit k stands for
 * the k-th in zigzag order.
 */
uint64_t requantise_block(const requantiser *self, int16_t block[TABLE_SIZE]);

#endif
