#include "batch.h"

#include <stdlib.h>
#include <string.h>

/* ---- duplicates ---- */

enum { MAX_PROBES = 8, HASHED_WORDS = 16 }; /* few, so that tiles made to collide cost little */

/* The tiles so far by their bytes: an open-addressing hash table of indexes into the batch, plus one. */
typedef struct {
    uint32_t *slots;
    size_t mask;
} tile_set;

static int tile_set_init(tile_set *self, size_t count)
{
    size_t slots = 2;

    while (slots < 2 * count)
        slots *= 2;
    self->mask = slots - 1;
    self->slots = calloc(slots, sizeof *self->slots);
    return self->slots != NULL;
}

/* Hashes words spread over the tile: tiles that differ mostly differ everywhere. */
static uint64_t hash_tile(const uint8_t *tile, size_t size)
{
    uint64_t hash = size;

    for (size_t i = 0; size >= sizeof(uint64_t) && i < HASHED_WORDS; i++) {
        uint64_t word;

        memcpy(&word, tile + (size - sizeof word) * i / (HASHED_WORDS - 1), sizeof word);
        hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15); /* 2^64 / golden ratio: odd, mixes bits well */
        hash ^= hash >> 32;
    }
    return hash;
}

/* Returns the index of an earlier tile with the same bytes; without one, adds this tile and returns its own index. */
static size_t find_or_add(const tile_set *self, const uint8_t *source, const uint64_t *offsets, const uint32_t *sizes,
                          size_t index)
{
    const uint8_t *tile = source + offsets[index];
    const uint64_t hash = hash_tile(tile, sizes[index]);

    for (uint64_t probe = 0; probe < MAX_PROBES; probe++) {
        uint32_t *slot = &self->slots[(hash + probe) & self->mask];
        const size_t other = (size_t)*slot - 1;

        if (*slot == 0) {
            *slot = (uint32_t)(index + 1);
            break;
        }
        if (sizes[other] == sizes[index] && memcmp(source + offsets[other], tile, sizes[index]) == 0)
            return other;
    }
    return index;
}

/* ---- the batch ---- */

int gpt_recompress_batch(const uint8_t *source, const uint64_t *offsets, const uint32_t *sizes, size_t count,
                         const gpt_request *request, uint8_t *out, uint32_t *out_sizes, uint8_t *outcomes,
                         size_t *written)
{
    size_t *out_offsets = malloc((count + 1) * sizeof *out_offsets);
    gpt_workspace workspace = {0};
    tile_set seen;
    int has_memory;

    *written = 0;
    has_memory = tile_set_init(&seen, count) && out_offsets != NULL;
    for (size_t i = 0; has_memory && i < count; i++) {
        const size_t first = find_or_add(&seen, source, offsets, sizes, i);
        size_t size;

        out_offsets[i] = *written;
        if (first < i) {
            outcomes[i] = outcomes[first];
            size = out_sizes[first];
            memcpy(out + *written, out + out_offsets[first], size);
        } else {
            const uint8_t *tile = source + offsets[i];

            outcomes[i] = (uint8_t)gpt_recompress_tile(tile, sizes[i], request, &workspace, out + *written, &size);
            if (size == 0) {
                size = sizes[i];
                memcpy(out + *written, tile, size);
            }
        }
        out_sizes[i] = (uint32_t)size;
        *written += size;
    }
    gpt_workspace_free(&workspace);
    free(seen.slots);
    free(out_offsets);
    return has_memory;
}
