#include "header_quality.h"

#include <string.h>

#include "ijg_quality.h"

enum { SOF0 = 0xC0, SOF2 = 0xC2, DHT = 0xC4, SOS = 0xDA, DQT = 0xDB, DRI = 0xDD };
enum { APP0 = 0xE0, APP15 = 0xEF, COM = 0xFE };
enum { TABLE_SLOTS = 4, MAX_COMPONENTS = 4 };

/* What was parsed so far. */
typedef struct {
    const uint8_t *tables[TABLE_SLOTS]; /* 64 quantisation steps of 8 bits each, zigzag order */
    const uint8_t *frame;               /* the parameters of SOF */
} header;

/* These two take the parameters of a marker segment and return 0 if they are unusual. */

static int parse_dqt(header *self, const uint8_t *parameters, size_t length)
{
    for (; length >= 1 + GPT_BLOCK_SIZE; parameters += 1 + GPT_BLOCK_SIZE, length -= 1 + GPT_BLOCK_SIZE) {
        if (parameters[0] >= TABLE_SLOTS) /* the upper half is 1 for steps of 16 bits */
            return 0;
        self->tables[parameters[0]] = parameters + 1;
    }
    return length == 0;
}

static int parse_sof(header *self, const uint8_t *parameters, size_t length)
{
    if (self->frame != NULL || length < 6 || parameters[0] != 8 || parameters[5] < 1 ||
        parameters[5] > MAX_COMPONENTS || length != 6 + 3 * (size_t)parameters[5] || parameters[8] >= TABLE_SLOTS)
        return 0;
    self->frame = parameters;
    return 1;
}

/* Parses the marker segments before the first scan; returns 0 if one of them is unusual. */
static int parse_segments(header *self, const uint8_t *tile, size_t size)
{
    size_t at = 2, length;

    for (; at + 4 <= size && tile[at] == 0xFF; at += 2 + length) {
        const uint8_t marker = tile[at + 1], *parameters = tile + at + 4;
        int is_usual = (marker >= APP0 && marker <= APP15) || marker == COM || marker == DHT || marker == DRI;

        length = (size_t)tile[at + 2] << 8 | tile[at + 3];
        if (length < 2 || length > size - at - 2)
            return 0;
        if (marker == SOS)
            return self->frame != NULL && self->tables[self->frame[8]] != NULL;
        if (marker == DQT)
            is_usual = parse_dqt(self, parameters, length - 2);
        else if (marker >= SOF0 && marker <= SOF2)
            is_usual = parse_sof(self, parameters, length - 2);
        if (!is_usual)
            return 0;
    }
    return 0;
}

int gpt_header_quality(gpt_quality_cache *cache, const uint8_t *tile, size_t size, double *quality)
{
    uint16_t natural[GPT_BLOCK_SIZE];
    header parsed = {0};
    const uint8_t *steps;

    if (size < 4 || tile[0] != 0xFF || tile[1] != 0xD8 || !parse_segments(&parsed, tile, size))
        return 0;
    steps = parsed.tables[parsed.frame[8]];
    if (cache->quality == 0 || memcmp(cache->steps, steps, sizeof cache->steps) != 0) {
        memcpy(cache->steps, steps, sizeof cache->steps);
        for (int k = 0; k < GPT_BLOCK_SIZE; k++)
            natural[GPT_ZIGZAG[k]] = steps[k];
        cache->quality = gpt_ijg_quality(natural);
    }
    *quality = cache->quality;
    return 1;
}
