/* Recompression of many tiles, one after the other. */
#ifndef GPTOOL_BATCH_H
#define GPTOOL_BATCH_H

#include <stddef.h>
#include <stdint.h>

/* Recompresses `count` tiles as transcode_tile() does: tile i is source[offsets[i]..+sizes[i]), all within the source.
 *
 * The results follow each other in `out`, which must have room for all tiles; one that was kept is there as it was.
 * out_sizes and outcomes have an entry for each, *written is the sum of out_sizes. A tile whose bytes came
 * before (sea, blank) is not worked on twice. Returns 0 when the system has no memory for the work, else 1.
 */
int transcode_batch(const uint8_t *source, const uint64_t *offsets, const uint32_t *sizes, size_t count, int quality,
                    int tables, uint8_t *out, uint32_t *out_sizes, uint8_t *outcomes, size_t *written);

#endif
