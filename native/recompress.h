/* Recompression of one JPEG tile in the DCT domain.
 *
 * Pure functions: they keep no pointer that they are given, share no state between calls, do not print and do not exit.
 */
#ifndef GPT_RECOMPRESS_H
#define GPT_RECOMPRESS_H

#include <stddef.h>
#include <stdint.h>

#include "codes.h"
#include "entropy.h"
#include "requantise.h"

enum { GPT_TABLE_SLOTS = 4 }; /* quantisation tables of a JPEG */

/* How the new quantisation tables are made, see gpt_requantiser_prepare(). */
enum gpt_table_mode {
    GPT_TABLES_EFFICIENT = 0, /* integer multiples of the tile's steps */
    GPT_TABLES_EXACT = 1      /* the IJG tables of the requested quality, where they are coarser */
};

/* Memory that is reused from one call to the next. All zero is an empty workspace. */
typedef struct {
    gpt_requantiser requantisers[GPT_TABLE_SLOTS];
    gpt_entropy entropy;
} gpt_workspace;

void gpt_workspace_free(gpt_workspace *self);

/* Recompresses tile[0..size) to `quality` (1..100) into out[0..size), and sets *out_size to the bytes written.
 *
 * `out` must have a capacity of `size` bytes and must not overlap `tile`. For every outcome but
 * GPT_OUTCOME_RECOMPRESSED its content is undefined and *out_size is 0: the caller copies the tile. A recompressed tile
 * is always smaller than the tile, and none of its quantisation steps is finer. It has no EXIF, XMP, comments, or bytes
 * that follow the first image.
 */
enum gpt_outcome gpt_recompress_tile(const uint8_t *tile, size_t size, int quality, enum gpt_table_mode tables,
                                     gpt_workspace *workspace, uint8_t *out, size_t *out_size);

#endif
