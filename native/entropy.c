#include "entropy.h"

#include <stdlib.h>
#include <string.h>

#ifdef _MSC_VER
#include <intrin.h>
#endif

enum { MAX_DC_CATEGORY = 11, MAX_AC_CATEGORY = 10 }; /* of baseline coding: T.81, tables F.1 and F.2 */
enum { ZRL = 0xF0, EOB = 0x00 };                     /* symbols for 16 zero coefficients and for the end of a block */
enum { MAX_BLOCK_SYMBOLS = GPT_BLOCK_SIZE, LENGTH_BITS = 5 };

/* Return the number of the lowest bit that is set; one is. */
static int lowest_bit(uint64_t bits)
{
#ifdef _MSC_VER
    unsigned long number;

    _BitScanForward64(&number, bits);
    return (int)number;
#else
    return __builtin_ctzll(bits);
#endif
}

void gpt_entropy_reset(gpt_entropy *self)
{
    self->count = 0;
    memset(self->symbol_counts, 0, sizeof self->symbol_counts);
}

void gpt_entropy_free(gpt_entropy *self)
{
    free(self->symbols);
    self->symbols = NULL;
    self->capacity = 0;
}

int gpt_entropy_reserve(gpt_entropy *self, size_t blocks)
{
    const size_t needed = self->count + blocks * MAX_BLOCK_SYMBOLS;
    uint32_t *grown;

    if (needed <= self->capacity)
        return 1;
    grown = realloc(self->symbols, (needed + needed / 2) * sizeof *grown);
    if (grown == NULL)
        return 0;
    self->symbols = grown;
    self->capacity = needed + needed / 2;
    return 1;
}

/* ---- symbols ---- */

/* RUN_n(x) lists the n numbers from x. */
#define RUN_1(x) (x)
#define RUN_2(x) RUN_1(x), RUN_1((x) + 1)
#define RUN_4(x) RUN_2(x), RUN_2((x) + 2)
#define RUN_8(x) RUN_4(x), RUN_4((x) + 4)
#define RUN_16(x) RUN_8(x), RUN_8((x) + 8)
#define RUN_32(x) RUN_16(x), RUN_16((x) + 16)
#define RUN_64(x) RUN_32(x), RUN_32((x) + 32)
#define RUN_128(x) RUN_64(x), RUN_64((x) + 64)
#define RUN_256(x) RUN_128(x), RUN_128((x) + 128)
#define RUN_512(x) RUN_256(x), RUN_256((x) + 256)
#define RUN_1024(x) RUN_512(x), RUN_512((x) + 512)
#define RUN_2048(x) RUN_1024(x), RUN_1024((x) + 1024)
#define RUN_4096(x) RUN_2048(x), RUN_2048((x) + 2048)
#define RUN_8192(x) RUN_4096(x), RUN_4096((x) + 4096)
#define RUN_16384(x) RUN_8192(x), RUN_8192((x) + 8192)

/* The n positive values, and the n negative ones, of a category. */
#define POSITIVE(category, n) RUN_##n((category) << 16 | (n))
#define NEGATIVE(category, n) RUN_##n((category) << 16)

/* SSSS category, in the upper half, and additional bits of each coefficient or difference of 16 bits (T.81, F.1.2.1).
 * The additional bits are the low bits of a positive number, and of a negative number minus one. -32768, which has
 * category 16, counts as 15: both are too large for baseline coding.
 */
static const uint32_t MAGNITUDE_BITS[1 << 16] = {
    0,
    POSITIVE(1, 1),
    POSITIVE(2, 2),
    POSITIVE(3, 4),
    POSITIVE(4, 8),
    POSITIVE(5, 16),
    POSITIVE(6, 32),
    POSITIVE(7, 64),
    POSITIVE(8, 128),
    POSITIVE(9, 256),
    POSITIVE(10, 512),
    POSITIVE(11, 1024),
    POSITIVE(12, 2048),
    POSITIVE(13, 4096),
    POSITIVE(14, 8192),
    POSITIVE(15, 16384),
    15 << 16 | 0x7FFF,
    NEGATIVE(15, 16384),
    NEGATIVE(14, 8192),
    NEGATIVE(13, 4096),
    NEGATIVE(12, 2048),
    NEGATIVE(11, 1024),
    NEGATIVE(10, 512),
    NEGATIVE(9, 256),
    NEGATIVE(8, 128),
    NEGATIVE(7, 64),
    NEGATIVE(6, 32),
    NEGATIVE(5, 16),
    NEGATIVE(4, 8),
    NEGATIVE(3, 4),
    NEGATIVE(2, 2),
    NEGATIVE(1, 1),
};

void gpt_entropy_add_block(gpt_entropy *self, int table, int dc_difference, const int16_t block[GPT_BLOCK_SIZE],
                           uint64_t nonzero)
{
    const uint32_t dc = (uint32_t)(GPT_DC_TABLES + table) << 24, ac = (uint32_t)(GPT_AC_TABLES + table) << 24;
    uint32_t *next_symbol = self->symbols + self->count;
    int next = 1;

    /* A difference that exceeds 16 bits is as uncodable as the largest one of 16 bits. */
    *next_symbol = dc | MAGNITUDE_BITS[(dc_difference == (int16_t)dc_difference ? dc_difference : INT16_MAX) & 0xFFFF];
    self->symbol_counts[*next_symbol++ >> 16]++;
    for (nonzero &= ~UINT64_C(1); nonzero != 0; nonzero &= nonzero - 1) {
        const int k = lowest_bit(nonzero);
        unsigned run = (unsigned)(k - next);
        uint32_t symbol;

        for (; run > 15; run -= 16) {
            *next_symbol = ac | ZRL << 16;
            self->symbol_counts[*next_symbol++ >> 16]++;
        }
        symbol = (ac | run << 20) + MAGNITUDE_BITS[(uint16_t)block[GPT_ZIGZAG[k]]];
        self->symbol_counts[symbol >> 16]++;
        *next_symbol++ = symbol;
        next = k + 1;
    }
    if (next < GPT_BLOCK_SIZE) {
        *next_symbol = ac | EOB << 16;
        self->symbol_counts[*next_symbol++ >> 16]++;
    }
    self->count = (size_t)(next_symbol - self->symbols);
}

int gpt_entropy_make_tables(gpt_entropy *self)
{
    uint32_t uncodable = 0;

    for (int table = 0; table < GPT_ENTROPY_TABLES; table++) {
        const uint32_t *counts = self->symbol_counts + table * GPT_HUFFMAN_SYMBOLS;
        const int max_category = table < GPT_AC_TABLES ? MAX_DC_CATEGORY : MAX_AC_CATEGORY;

        for (int run = 0; run < GPT_HUFFMAN_SYMBOLS; run += 16) {
            for (int category = max_category + 1; category < 16; category++)
                uncodable |= counts[run + category];
        }
        gpt_make_huffman_table(counts, &self->tables[table]);
    }
    return uncodable == 0;
}

/* ---- the entropy-coded segment ---- */

/* Fills, for each symbol in use, its code followed by zeros for the additional bits, and in the lowest LENGTH_BITS the
 * length of both, at most 16 + 11 bits.
 */
static void make_codes(const gpt_entropy *self, uint32_t codes[GPT_ENTROPY_TABLES * GPT_HUFFMAN_SYMBOLS])
{
    for (int table = 0; table < GPT_ENTROPY_TABLES; table++) {
        const uint8_t *value = self->tables[table].values;
        uint32_t code = 0;

        for (unsigned length = 1; length <= GPT_MAX_CODE_LENGTH; length++, code <<= 1) {
            for (int n = 0; n < self->tables[table].bits[length]; n++, code++, value++) {
                const unsigned category = *value & 15;

                codes[table * GPT_HUFFMAN_SYMBOLS + *value] = code << (category + LENGTH_BITS) | (length + category);
            }
        }
    }
}

/* Writes the upper `count` bytes of a word. A byte of 0xFF is followed by 0, so that it is no marker. */
static void put_stuffed(gpt_writer *writer, uint64_t word, int count)
{
    for (int i = 0; i < count; i++) {
        const unsigned byte = word >> (56 - 8 * i) & 0xFF;

        gpt_put_u8(writer, byte);
        if (byte == 0xFF)
            gpt_put_u8(writer, 0);
    }
}

static int has_ff_byte(uint64_t word)
{
    const uint64_t high_bits = UINT64_C(0x8080808080808080);

    return (word & high_bits & ~(word + UINT64_C(0x0101010101010101))) != 0;
}

static void put_word(gpt_writer *writer, uint64_t word)
{
    if (has_ff_byte(word) || writer->end - writer->next < 8) {
        put_stuffed(writer, word, 8);
        return;
    }
    for (int i = 0; i < 8; i++) /* compilers merge these into one store */
        writer->next[i] = (uint8_t)(word >> (56 - 8 * i));
    writer->next += 8;
}

void gpt_entropy_write(const gpt_entropy *self, gpt_writer *writer)
{
    uint32_t codes[GPT_ENTROPY_TABLES * GPT_HUFFMAN_SYMBOLS]; /* only entries of symbols in use are initialised */
    uint64_t pending = 0;                                     /* its lowest `pending_bits` bits are to be written */
    unsigned pending_bits = 0;

    make_codes(self, codes);
    for (size_t i = 0; i < self->count; i++) {
        const uint32_t symbol = self->symbols[i];
        const uint32_t entry = codes[symbol >> 16];
        const unsigned length = entry & ((1u << LENGTH_BITS) - 1);
        const uint64_t bits = entry >> LENGTH_BITS | (symbol & 0xFFFF);

        pending_bits += length;
        if (pending_bits < 64) {
            pending = pending << length | bits;
        } else {
            pending_bits -= 64;
            put_word(writer, pending << (length - pending_bits) | bits >> pending_bits);
            if (writer->overflowed)
                return;
            pending = bits;
        }
    }
    if (pending_bits > 0) {
        const int count = (int)(pending_bits + 7) / 8, fill = 8 * count - (int)pending_bits;

        pending = pending << fill | ((1u << fill) - 1); /* the last byte is padded with ones (T.81, F.1.2.3) */
        put_stuffed(writer, pending << (64 - 8 * count), count);
    }
}
