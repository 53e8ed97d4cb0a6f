#include "header.h"

#include <string.h>

#include "zigzag.h"

enum { APP0 = 0xE0, APP15 = 0xEF, COM = 0xFE, DQT = 0xDB, DHT = 0xC4, DRI = 0xDD, SOF0 = 0xC0, SOF2 = 0xC2, SOS = 0xDA };
enum { SLOTS = 4, MOST_COMPONENTS = 4 };

/* What a header has said so far. */
typedef struct {
    const uint8_t *tables[SLOTS]; /* 64 quantisers of 8 bits each, zigzag order */
    const uint8_t *frame;         /* the payload of SOF */
} header;

/* Each of these takes a segment's payload; 0: it is out of the ordinary. */

static int take_tables(header *self, const uint8_t *payload, size_t length)
{
    for (; length >= 1 + TABLE_SIZE; payload += 1 + TABLE_SIZE, length -= 1 + TABLE_SIZE) {
        if (payload[0] >= SLOTS) /* its upper half is 1 for quantisers of 16 bits */
            return 0;
        self->tables[payload[0]] = payload + 1;
    }
    return length == 0;
}

static int take_frame(header *self, const uint8_t *payload, size_t length)
{
    if (self->frame != NULL || length < 6 || payload[0] != 8 || payload[5] < 1 || payload[5] > MOST_COMPONENTS ||
        length != 6 + 3 * (size_t)payload[5] || payload[8] >= SLOTS)
        return 0;
    self->frame = payload;
    return 1;
}

/* Reads what stands in front of the first scan; 0: something is out of the ordinary there. */
static int read_segments(header *self, const uint8_t *tile, size_t size)
{
    size_t at = 2, length;

    for (; at + 4 <= size && tile[at] == 0xFF; at += 2 + length) {
        const uint8_t marker = tile[at + 1], *payload = tile + at + 4;
        int usual = (marker >= APP0 && marker <= APP15) || marker == COM || marker == DHT || marker == DRI;

        length = (size_t)tile[at + 2] << 8 | tile[at + 3];
        if (length < 2 || length > size - at - 2)
            return 0;
        if (marker == SOS)
            return self->frame != NULL && self->tables[self->frame[8]] != NULL;
        if (marker == DQT)
            usual = take_tables(self, payload, length - 2);
        else if (marker >= SOF0 && marker <= SOF2)
            usual = take_frame(self, payload, length - 2);
        if (!usual)
            return 0;
    }
    return 0;
}

int header_quality(header_memory *self, const uint8_t *tile, size_t size, double *quality)
{
    uint16_t natural[TABLE_SIZE];
    header found = {0};
    const uint8_t *table;

    if (size < 4 || tile[0] != 0xFF || tile[1] != 0xD8 || !read_segments(&found, tile, size))
        return 0;
    table = found.tables[found.frame[8]];
    if (self->quality == 0 || memcmp(self->table, table, sizeof self->table) != 0) {
        memcpy(self->table, table, sizeof self->table);
        for (int k = 0; k < TABLE_SIZE; k++)
            natural[ZIGZAG[k]] = table[k];
        self->quality = quality_of_table(natural);
    }
    *quality = self->quality;
    return 1;
}
