#include "table_info.h"

#include <math.h>
#include <string.h>

#include "decoder.h"
#include "ijg_quality.h"
#include "judge.h"

enum { SOF0 = 0xC0, SOF2 = 0xC2, DHT = 0xC4, SOS = 0xDA, DQT = 0xDB, DRI = 0xDD };
enum { APP0 = 0xE0, APP15 = 0xEF, COM = 0xFE };
enum { TABLE_SLOTS = 4 };

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
        parameters[5] > GPT_MAX_COMPONENTS || length != 6 + 3 * (size_t)parameters[5])
        return 0;
    self->frame = parameters;
    return 1;
}

/* Returns the table of a component; NULL if it was not defined. */
static const uint8_t *component_table(const header *self, int component)
{
    const uint8_t slot = self->frame[8 + 3 * component];

    return slot < TABLE_SLOTS ? self->tables[slot] : NULL;
}

static int has_all_tables(const header *self)
{
    for (int c = 0; self->frame != NULL && c < self->frame[5]; c++) {
        if (component_table(self, c) == NULL)
            return 0;
    }
    return self->frame != NULL;
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
            return has_all_tables(self);
        if (marker == DQT)
            is_usual = parse_dqt(self, parameters, length - 2);
        else if (marker >= SOF0 && marker <= SOF2)
            is_usual = parse_sof(self, parameters, length - 2);
        if (!is_usual)
            return 0;
    }
    return 0;
}

static void to_natural(const uint8_t zigzag[GPT_BLOCK_SIZE], uint16_t natural[GPT_BLOCK_SIZE])
{
    for (int k = 0; k < GPT_BLOCK_SIZE; k++)
        natural[GPT_ZIGZAG[k]] = zigzag[k];
}

static gpt_table_info judge_header(gpt_table_cache *cache, const header *parsed)
{
    gpt_table_info info = {.is_foreign = 0};

    for (int c = 0; c < parsed->frame[5]; c++) {
        const uint8_t *steps = component_table(parsed, c);

        if (!cache->tables[c].is_known || memcmp(cache->tables[c].steps, steps, GPT_BLOCK_SIZE) != 0) {
            uint16_t natural[GPT_BLOCK_SIZE];

            to_natural(steps, natural);
            memcpy(cache->tables[c].steps, steps, GPT_BLOCK_SIZE);
            cache->tables[c].quality = gpt_ijg_quality(natural, 0);
            cache->tables[c].is_ijg = gpt_is_ijg_table(natural);
            cache->tables[c].is_known = 1;
        }
        info.is_foreign |= !cache->tables[c].is_ijg;
    }
    info.quality = cache->tables[0].quality;
    return info;
}

/* ---- unusual headers, read by libjpeg ---- */

static void read_by_libjpeg(gpt_decoder *decoder, const uint8_t *tile, size_t size, gpt_table_info *info)
{
    if (setjmp(decoder->escape))
        return;
    gpt_decoder_read_header(decoder, tile, size);
    for (int c = 0; c < decoder->source.num_components; c++) {
        const uint16_t *steps = gpt_component_qtable(&decoder->source, c);

        if (c == 0 && steps != NULL)
            info->quality = gpt_ijg_quality(steps, 0);
        info->is_foreign |= steps != NULL && !gpt_is_ijg_table(steps);
    }
}

gpt_table_info gpt_read_table_info(gpt_table_cache *cache, const uint8_t *tile, size_t size)
{
    gpt_table_info info = {.quality = NAN};
    char message[GPT_MESSAGE_SIZE];
    header parsed = {0};
    gpt_decoder decoder;

    if (size < 4 || tile[0] != 0xFF || tile[1] != 0xD8)
        return info;
    if (parse_segments(&parsed, tile, size))
        return judge_header(cache, &parsed);
    gpt_decoder_init(&decoder, message);
    read_by_libjpeg(&decoder, tile, size, &info);
    gpt_decoder_destroy(&decoder);
    return info;
}
