#include "batch.h"

#include <stdlib.h>
#include <string.h>

#include "transcode.h"

/* ---- tiles that came before ---- */

enum { PROBES = 8, WORDS = 16 }; /* few, so that tiles made to look alike cost little */

/* Tiles by their bytes: a hash table of places in the batch, each plus one. */
typedef struct {
    uint32_t *places;
    size_t mask;
} repeats;

static int make_repeats(repeats *self, size_t count)
{
    size_t slots = 2;

    while (slots < 2 * count)
        slots *= 2;
    self->mask = slots - 1;
    self->places = calloc(slots, sizeof *self->places);
    return self->places != NULL;
}

/* Looks at some words all over the tile: tiles that differ mostly do so everywhere. */
static uint64_t hash_of(const uint8_t *tile, size_t size)
{
    uint64_t hash = size;

    for (size_t i = 0; size >= sizeof(uint64_t) && i < WORDS; i++) {
        uint64_t word;

        memcpy(&word, tile + (size - sizeof word) * i / (WORDS - 1), sizeof word);
        hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15); /* 2^64 / golden ratio: odd, bits well mixed */
        hash ^= hash >> 32;
    }
    return hash;
}

/* Returns the place of an equal tile that came before; else notes this one, and returns `place` itself. */
static size_t first_place(const repeats *self, const uint8_t *source, const uint64_t *offsets, const uint32_t *sizes,
                          size_t place)
{
    const uint8_t *tile = source + offsets[place];
    const uint64_t hash = hash_of(tile, sizes[place]);

    for (uint64_t probe = 0; probe < PROBES; probe++) {
        uint32_t *noted = &self->places[(hash + probe) & self->mask];
        const size_t other = (size_t)*noted - 1;

        if (*noted == 0) {
            *noted = (uint32_t)(place + 1);
            break;
        }
        if (sizes[other] == sizes[place] && memcmp(source + offsets[other], tile, sizes[place]) == 0)
            return other;
    }
    return place;
}

/* ---- the batch ---- */

int transcode_batch(const uint8_t *source, const uint64_t *offsets, const uint32_t *sizes, size_t count, int quality,
                    int tables, uint8_t *out, uint32_t *out_sizes, uint8_t *outcomes, size_t *written)
{
    size_t *starts = malloc((count + 1) * sizeof *starts);
    transcode_memory memory = {0};
    repeats met;
    int made;

    *written = 0;
    made = make_repeats(&met, count) && starts != NULL;
    for (size_t i = 0; made && i < count; i++) {
        const size_t first = first_place(&met, source, offsets, sizes, i);
        size_t size;

        starts[i] = *written;
        if (first < i) {
            outcomes[i] = outcomes[first];
            size = out_sizes[first];
            memcpy(out + *written, out + starts[first], size);
        } else {
            const uint8_t *tile = source + offsets[i];

            outcomes[i] = (uint8_t)transcode_tile(tile, sizes[i], quality, tables, &memory, out + *written, &size);
            if (outcomes[i] != TRANSCODE_RECOMPRESSED) {
                size = sizes[i];
                memcpy(out + *written, tile, size);
            }
        }
        out_sizes[i] = (uint32_t)size;
        *written += size;
    }
    transcode_free(&memory);
    free(met.places);
    free(starts);
    return made;
}
