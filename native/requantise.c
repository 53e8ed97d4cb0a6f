#include "requantise.h"

/* GPTOOL_PLAIN_C: for tests, so that both ways are tried on one machine. */
#if defined __SSE2__ && !defined GPTOOL_PLAIN_C
#define WITH_SSE2
#include <emmintrin.h>
#endif

#include <string.h>

#include "zigzag.h"

enum {
    MAX_BASELINE_STEP = 255, /* baseline JPEG keeps its quantisers in 8 bits */
    HALF = TABLE_SIZE / 2
};

/* spread[row][byte]: the zigzag bits of the coefficients of a row of a block that the bits of `byte` stand for. */
static uint64_t spread[8][256];

void requantise_init(void)
{
    memset(spread, 0, sizeof spread);
    for (int k = 0; k < TABLE_SIZE; k++) {
        for (unsigned byte = 0; byte < 256; byte++)
            spread[ZIGZAG[k] / 8][byte] |= (uint64_t)(byte >> ZIGZAG[k] % 8 & 1) << k;
    }
}

static void snap(requantiser *self, const uint16_t wanted[TABLE_SIZE])
{
    for (int i = 0; i < TABLE_SIZE; i++) {
        const uint32_t own = self->own[i];
        /* A quantiser of 0 is damage that libjpeg does not mind: it stays. */
        uint32_t factor = own == 0 ? 1 : (2u * wanted[i] + own) / (2u * own);

        if (factor * own > MAX_BASELINE_STEP)
            factor = MAX_BASELINE_STEP / own;
        if (factor < 1)
            factor = 1;
        self->step[i] = (uint16_t)(factor * own);
        self->factor[i] = (uint16_t)factor;
        self->half[i] = (uint16_t)((factor - 1) / 2);
        self->inverse[i] = (uint16_t)(factor == 1 ? 65535 : 65536u / factor);
    }
}

static void widen(requantiser *self, const uint16_t wanted[TABLE_SIZE])
{
    for (int i = 0; i < TABLE_SIZE; i++) {
        const int coarser = self->own[i] != 0 && wanted[i] > self->own[i];

        self->step[i] = coarser ? wanted[i] : self->own[i];
        self->ratio[i] = 1.0f / (10.0f * (float)self->step[i]);
    }
}

int requantiser_make(requantiser *self, const uint16_t own[TABLE_SIZE], int quality, int chroma, int exact)
{
    uint16_t wanted[TABLE_SIZE];

    if (self->quality == quality && self->chroma == chroma && self->exact == exact &&
        memcmp(self->own, own, sizeof self->own) == 0)
        return self->changes;
    self->quality = quality;
    self->chroma = chroma;
    self->exact = exact;
    memcpy(self->own, own, sizeof self->own);
    quality_table(quality, chroma, wanted);
    (exact ? widen : snap)(self, wanted);
    self->changes = memcmp(self->own, self->step, sizeof self->own) != 0;
    return self->changes;
}

/* Turns bytes of 0 or 1 into bits, the first byte into the lowest. */
static uint32_t gather(const uint8_t flags[HALF])
{
    uint32_t bits = 0;

    for (int row = 0; row < HALF / 8; row++) {
        uint64_t bytes = 0;

        for (int i = 0; i < 8; i++) /* compilers make one load of it */
            bytes |= (uint64_t)flags[8 * row + i] << 8 * i;
        bits |= (uint32_t)(bytes * UINT64_C(0x0102040810204080) >> 56) << 8 * row;
    }
    return bits;
}

/* Half a block's levels are moved at a time, in 16 bits and without a division: the product with the inverse is the
 * quotient or one less (the dividend is below 2^16), which a look at what is left puts right. Returns which are not 0
 * then: bit i stands for the i-th, natural order. Many blocks have nothing in their lower half, the high frequencies.
 */
#ifdef WITH_SSE2

static __m128i eight(const void *from)
{
    return _mm_loadu_si128(from);
}

static uint32_t snap_half(const requantiser *self, int first, int16_t levels[HALF])
{
    const __m128i zero = _mm_setzero_si128();
    __m128i moved[4];
    uint32_t zeros;

    for (int i = 0; i < 4; i++)
        moved[i] = eight(levels + 8 * i);
    zeros = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(
        _mm_or_si128(_mm_or_si128(moved[0], moved[1]), _mm_or_si128(moved[2], moved[3])), zero));
    if (zeros == 0xFFFF)
        return 0;
    for (int i = 0; i < 4; i++) {
        const int at = first + 8 * i;
        const __m128i factor = eight(self->factor + at), sign = _mm_srai_epi16(moved[i], 15);
        const __m128i magnitude = _mm_sub_epi16(_mm_xor_si128(moved[i], sign), sign);
        const __m128i sum = _mm_add_epi16(magnitude, eight(self->half + at));
        const __m128i least = _mm_mulhi_epu16(sum, eight(self->inverse + at));
        const __m128i left = _mm_sub_epi16(sum, _mm_mullo_epi16(least, factor));

        /* A comparison that holds is -1. */
        moved[i] = _mm_add_epi16(least, _mm_add_epi16(_mm_set1_epi16(1), _mm_cmpgt_epi16(factor, left)));
        _mm_storeu_si128((__m128i *)(levels + 8 * i), _mm_sub_epi16(_mm_xor_si128(moved[i], sign), sign));
    }
    zeros = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_packs_epi16(moved[0], moved[1]), zero));
    zeros |= (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_packs_epi16(moved[2], moved[3]), zero)) << 16;
    return ~zeros;
}

#else

/* Without a branch, so that compilers turn it into vectors. */
static uint32_t snap_half(const requantiser *self, int first, int16_t levels[HALF])
{
    uint8_t nonzero[HALF];

    for (int i = 0; i < HALF; i++) {
        const uint16_t factor = self->factor[first + i], sign = (uint16_t)(levels[i] >> 15);
        const uint16_t sum = (uint16_t)((((uint16_t)levels[i] ^ sign) - sign) + self->half[first + i]);
        const uint16_t least = (uint16_t)((uint32_t)sum * self->inverse[first + i] >> 16);
        const int16_t left = (int16_t)(sum - least * factor);
        const uint16_t moved = (uint16_t)(least + (left >= (int16_t)factor));

        levels[i] = (int16_t)((moved ^ sign) - sign);
        nonzero[i] = moved != 0;
    }
    return gather(nonzero);
}

#endif

/* Returns the bits of the coefficients of half a block, natural order, in zigzag order. */
static uint64_t in_zigzag(uint32_t bits, int first)
{
    uint64_t result = 0;

    for (int row = 0; row < HALF / 8; row++)
        result |= spread[first / 8 + row][bits >> 8 * row & 0xFF];
    return result;
}

/* |level| * own / step, rounded up from .60 on; the product with the ratio is at most one off the quotient. */
static uint32_t widened(const requantiser *self, int i, uint32_t magnitude)
{
    const uint32_t numerator = 10u * self->own[i] * magnitude + 4u * self->step[i], divisor = 10u * self->step[i];
    uint32_t quotient = (uint32_t)((float)numerator * self->ratio[i]);

    quotient -= quotient * divisor > numerator;
    quotient += (quotient + 1) * divisor <= numerator;
    return quotient;
}

static uint64_t widen_block(const requantiser *self, int16_t block[TABLE_SIZE])
{
    uint8_t nonzero[TABLE_SIZE];
    uint64_t bits;

    for (int i = 0; i < TABLE_SIZE; i++)
        nonzero[i] = block[i] != 0;
    bits = in_zigzag(gather(nonzero), 0) | in_zigzag(gather(nonzero + HALF), HALF);
    for (uint64_t left = bits; left != 0; left &= left - 1) {
        const int k = __builtin_ctzll(left), i = ZIGZAG[k], level = block[i];

        if (self->step[i] != self->own[i]) {
            const int moved = (int)widened(self, i, (uint32_t)(level < 0 ? -level : level));

            block[i] = (int16_t)(level < 0 ? -moved : moved);
            bits &= ~((uint64_t)(moved == 0) << k);
        }
    }
    return bits;
}

uint64_t requantise_block(const requantiser *self, int16_t block[TABLE_SIZE])
{
    if (self->exact)
        return widen_block(self, block);
    return in_zigzag(snap_half(self, 0, block), 0) | in_zigzag(snap_half(self, HALF, block + HALF), HALF);
}
