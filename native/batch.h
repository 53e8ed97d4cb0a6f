/* Recompression of many tiles, one after the other. */
#ifndef GPT_BATCH_H
#define GPT_BATCH_H

#include <stddef.h>
#include <stdint.h>

#include "recompress.h"

/* Recompresses `count` tiles as gpt_recompress_tile() does: tile i is source[offsets[i]..+sizes[i]), within the source.
 *
 * The results follow each other in `out`, which must have the capacity of all tiles together; tiles that are kept are
 * copied. out_sizes and outcomes (values of enum gpt_outcome) have `count` entries, *written is the sum of out_sizes.
 * Tiles with the same bytes (sea, blank) are recompressed once. Returns 0 if there is not enough memory, else 1.
 */
int gpt_recompress_batch(const uint8_t *source, const uint64_t *offsets, const uint32_t *sizes, size_t count,
                         const gpt_request *request, uint8_t *out, uint32_t *out_sizes, uint8_t *outcomes,
                         size_t *written);

#endif
