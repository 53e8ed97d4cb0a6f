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
#include "judge.h"
#include "requantise.h"

enum { GPT_TABLE_SLOTS = 4 }; /* quantisation tables of a JPEG */

/* Memory that is reused from one call to the next. All zero is an empty workspace. */
typedef struct {
    gpt_requantiser requantisers[GPT_TABLE_SLOTS];
    gpt_entropy entropy;
} gpt_workspace;

void gpt_workspace_free(gpt_workspace *self);

/* Recompresses tile[0..size) into out[0..size), and sets *out_size to the bytes written.
 *
 * `out` must have a capacity of `size` bytes and must not overlap `tile`. The outcome is GPT_OUTCOME_RECOMPRESSED if the
 * request changes the coefficients, and GPT_OUTCOME_OPTIMISED if they stay and only their Huffman tables are new. For
 * every other outcome the content of `out` is undefined and *out_size is 0: the caller copies the tile. A result is
 * always smaller than the tile, and none of its quantisation steps is finer. It has no EXIF, XMP, comments, or bytes
 * that follow the first image.
 */
enum gpt_outcome gpt_recompress_tile(const uint8_t *tile, size_t size, const gpt_request *request,
                                     gpt_workspace *workspace, uint8_t *out, size_t *out_size);

/* Returns what gpt_judge() does by the header of tile[0..size) alone, which may end before the image does. For a header
 * that can't be judged, the outcome that recompression would have.
 */
enum gpt_outcome gpt_judge_tile(const uint8_t *tile, size_t size, const gpt_request *request);

#endif
