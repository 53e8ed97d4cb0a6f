/* Checks of tiles as they are, and of pairs of tiles: is one a coarser quantisation of the other? */
#ifndef GPT_COMPARE_H
#define GPT_COMPARE_H

#include <stddef.h>
#include <stdint.h>

#include "codes.h"

/* What a tile's header states. */
typedef struct {
    uint32_t height, width; /* pixels; 0 if the header can't be read */
    uint32_t components;
} gpt_shape;

/* Decodes all of a tile and returns what is wrong with it: as gpt_diagnose_tile(), and GPT_DAMAGE_UNSUPPORTED for
 * sampling factors that libjpeg-turbo can't turn into pixels.
 */
enum gpt_damage gpt_check_tile(const uint8_t *tile, size_t size, gpt_shape *shape);

/* Returns how a tile relates to its source.
 *
 * A coefficient counts as requantised if its value differs from that of the source by at most 0.6 of its quantisation
 * step, and has the same sign or is 0: rounding to nearest gives at most 0.5, rounding with a dead zone 0.6. Where the
 * step is the source's, the coefficient must be the source's.
 */
enum gpt_relation gpt_compare_tiles(const uint8_t *source, size_t source_size, const uint8_t *tile, size_t tile_size);

#endif
