/* Moving the levels of DCT coefficients from a tile's own quantisers to coarser ones. Plain arithmetic, no libjpeg. */
#ifndef GPTOOL_REQUANTISE_H
#define GPTOOL_REQUANTISE_H

#include <stdint.h>

#include "quality.h"

/* How each coefficient moves: level' = sign * ((|level| * mul + add) / div). */
typedef struct {
    uint16_t step[TABLE_SIZE]; /* the new quantisers, none finer than the old */
    uint32_t mul[TABLE_SIZE], add[TABLE_SIZE], div[TABLE_SIZE];
} requantiser;

/* Snapped ("efficient") tables: each new quantiser is an integer multiple of the old one, the nearest to the wanted.
 * Levels go to the nearest, ties to zero. Returns 1 when any quantiser changes, else 0. A second run changes nothing.
 */
int requantiser_snap(requantiser *self, const uint16_t own[TABLE_SIZE], const uint16_t wanted[TABLE_SIZE]);

/* Exact tables: the wanted quantisers where they are coarser than the old, with a dead zone. Returns as above. */
int requantiser_widen(requantiser *self, const uint16_t own[TABLE_SIZE], const uint16_t wanted[TABLE_SIZE]);

/* Moves the levels of one 8 x 8 block, natural order, in place. */
void requantise_block(const requantiser *self, int16_t block[TABLE_SIZE]);

#endif
