#include "scan.h"

#include <stdlib.h>
#include <string.h>

#include "zigzag.h"

enum { DC_BITS = 11, AC_BITS = 10 }; /* the largest levels that baseline coding has symbols for */
enum { RUN_OF_16 = 0xF0, END_OF_BLOCK = 0x00, BLOCK_SYMBOLS = 64, MOST_BITS = 15, LENGTH_BITS = 5 };

void scan_begin(scan *self)
{
    self->used = 0;
    memset(self->counts, 0, sizeof self->counts);
}

void scan_free(scan *self)
{
    free(self->symbols);
    self->symbols = NULL;
    self->room = 0;
}

int scan_reserve(scan *self, size_t blocks)
{
    const size_t needed = self->used + blocks * BLOCK_SYMBOLS;
    uint32_t *moved;

    if (needed <= self->room)
        return 1;
    moved = realloc(self->symbols, (needed + needed / 2) * sizeof *moved);
    if (moved == NULL)
        return 0;
    self->symbols = moved;
    self->room = needed + needed / 2;
    return 1;
}

/* A symbol in the making, for each level or difference of 16 bits: the number of bits that follow it, in the low half of
 * the symbol's byte, and those bits: of negative numbers, of one less (T.81, F.1.2.1).
 */
static uint32_t follow[1 << 16];

void scan_init(void)
{
    for (int level = INT16_MIN; level <= INT16_MAX; level++) {
        const unsigned needed = level == 0 ? 0 : 32 - (unsigned)__builtin_clz((unsigned)abs(level));
        const unsigned bits = needed < MOST_BITS ? needed : MOST_BITS;

        follow[level & 0xFFFF] = bits << 16 | ((unsigned)(level - (level < 0)) & ((1u << bits) - 1));
    }
}

void scan_add(scan *self, int table, int difference, const int16_t block[64], uint64_t nonzero)
{
    const uint32_t dc = (uint32_t)(SCAN_DC + table) << 24, ac = (uint32_t)(SCAN_AC + table) << 24;
    uint32_t *at = self->symbols + self->used;
    int next = 1;

    /* Whatever does not fit 16 bits is as little codable as what needs all of them. */
    *at = dc | follow[(difference == (int16_t)difference ? difference : INT16_MAX) & 0xFFFF];
    self->counts[*at++ >> 16]++;
    for (nonzero &= ~UINT64_C(1); nonzero != 0; nonzero &= nonzero - 1) {
        const int place = __builtin_ctzll(nonzero);
        unsigned run = (unsigned)(place - next);
        uint32_t symbol;

        for (; run > 15; run -= 16) {
            *at = ac | RUN_OF_16 << 16;
            self->counts[*at++ >> 16]++;
        }
        symbol = (ac | run << 20) + follow[(uint16_t)block[ZIGZAG[place]]];
        self->counts[symbol >> 16]++;
        *at++ = symbol;
        next = place + 1;
    }
    if (next < 64) {
        *at = ac | END_OF_BLOCK << 16;
        self->counts[*at++ >> 16]++;
    }
    self->used = (size_t)(at - self->symbols);
}

int scan_end(scan *self)
{
    uint32_t uncodable = 0;

    for (int table = 0; table < SCAN_TABLES; table++) {
        const uint32_t *counts = self->counts + table * HUFFMAN_SYMBOLS;

        for (int run = 0; run < HUFFMAN_SYMBOLS; run += 16) {
            for (int bits = (table < SCAN_AC ? DC_BITS : AC_BITS) + 1; bits < 16; bits++)
                uncodable |= counts[run + bits];
        }
        huffman_make_table(counts, &self->tables[table]);
    }
    return uncodable == 0;
}

/* For each symbol its code, shifted past the bits that follow it, and the length of both: 16 + 11 bits at most, and
 * LENGTH_BITS for the length.
 */
static void make_codes(const scan *self, uint32_t codes[SCAN_TABLES * HUFFMAN_SYMBOLS])
{
    for (int table = 0; table < SCAN_TABLES; table++) {
        const uint8_t *value = self->tables[table].values;
        uint32_t code = 0;

        for (unsigned length = 1; length <= HUFFMAN_LONGEST; length++, code <<= 1) {
            for (int n = 0; n < self->tables[table].bits[length]; n++, code++, value++) {
                const unsigned bits = *value & 15;

                codes[table * HUFFMAN_SYMBOLS + *value] = code << (bits + LENGTH_BITS) | (length + bits);
            }
        }
    }
}

/* Writes the upper `count` bytes of a word; a byte of ones is followed by a zero, so that it is no marker. */
static void put_word(output *out, uint64_t word, int count)
{
    for (int i = 0; i < count; i++) {
        const unsigned byte = word >> (56 - 8 * i) & 0xFF;

        put_byte(out, byte);
        if (byte == 0xFF)
            put_byte(out, 0);
    }
}

static int has_byte_of_ones(uint64_t word)
{
    const uint64_t top = UINT64_C(0x8080808080808080);

    return (word & top & ~(word + UINT64_C(0x0101010101010101))) != 0;
}

static void put_whole_word(output *out, uint64_t word)
{
    if (has_byte_of_ones(word) || out->end - out->at < 8) {
        put_word(out, word, 8);
        return;
    }
    for (int i = 0; i < 8; i++) /* compilers make one store of it */
        out->at[i] = (uint8_t)(word >> (56 - 8 * i));
    out->at += 8;
}

void scan_write(const scan *self, output *out)
{
    uint32_t codes[SCAN_TABLES * HUFFMAN_SYMBOLS]; /* set only for the symbols that come */
    uint64_t pending = 0; /* its low `held` bits wait to be written */
    unsigned held = 0;

    make_codes(self, codes);
    for (size_t i = 0; i < self->used; i++) {
        const uint32_t symbol = self->symbols[i];
        const uint32_t entry = codes[symbol >> 16];
        const unsigned length = entry & ((1u << LENGTH_BITS) - 1);
        const uint64_t bits = entry >> LENGTH_BITS | (symbol & 0xFFFF);

        held += length;
        if (held < 64) {
            pending = pending << length | bits;
        } else {
            held -= 64;
            put_whole_word(out, pending << (length - held) | bits >> held);
            if (out->overflown)
                return;
            pending = bits;
        }
    }
    if (held > 0) {
        const int count = (int)(held + 7) / 8, fill = 8 * count - (int)held;

        pending = pending << fill | ((1u << fill) - 1); /* the last byte is filled up with ones */
        put_word(out, pending << (64 - 8 * count), count);
    }
}
