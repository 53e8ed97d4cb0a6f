#include "requantise.h"

/* GPTOOL_PLAIN_C: for tests, so that both implementations are run on one machine. */
#if defined __SSE2__ && !defined GPTOOL_PLAIN_C
#define WITH_SSE2
#include <emmintrin.h>
#endif

#include <string.h>

#include "ijg_quality.h"

enum {
    MAX_BASELINE_STEP = 255, /* baseline JPEG stores quantisation steps in 8 bits */
    HALF_BLOCK = GPT_BLOCK_SIZE / 2
};

/* ---- tables ---- */

static void prepare_efficient(gpt_requantiser *self, const uint16_t wanted[GPT_BLOCK_SIZE])
{
    for (int i = 0; i < GPT_BLOCK_SIZE; i++) {
        const uint32_t own = self->own_step[i];
        /* A step of 0 is damage that libjpeg accepts: it is kept. */
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

static void prepare_exact(gpt_requantiser *self, const uint16_t wanted[GPT_BLOCK_SIZE])
{
    for (int i = 0; i < GPT_BLOCK_SIZE; i++) {
        const int is_coarser = self->own_step[i] != 0 && wanted[i] > self->own_step[i];

        self->step[i] = is_coarser ? wanted[i] : self->own_step[i];
        self->ratio[i] = 1.0f / (10.0f * (float)self->step[i]);
    }
}

int gpt_requantiser_prepare(gpt_requantiser *self, const uint16_t own_step[GPT_BLOCK_SIZE], int quality, int is_chroma,
                            int is_exact)
{
    uint16_t wanted[GPT_BLOCK_SIZE];

    if (self->quality == quality && self->is_chroma == is_chroma && self->is_exact == is_exact &&
        memcmp(self->own_step, own_step, sizeof self->own_step) == 0)
        return self->changes;
    self->quality = quality;
    self->is_chroma = is_chroma;
    self->is_exact = is_exact;
    memcpy(self->own_step, own_step, sizeof self->own_step);
    gpt_ijg_table(quality, is_chroma, wanted);
    (is_exact ? prepare_exact : prepare_efficient)(self, wanted);
    self->changes = memcmp(self->own_step, self->step, sizeof self->own_step) != 0;
    return self->changes;
}

/* ---- zigzag order ---- */

/* BITS_n lists 2^n masks: for each number of n bits the mask that has a bit at zigzag index a where bit 0 of the number
 * is set, at index b where bit 1 is set, and so on.
 */
#define BITS_1(mask, a) (mask), (mask) | UINT64_C(1) << (a)
#define BITS_2(mask, a, b) BITS_1(mask, a), BITS_1((mask) | UINT64_C(1) << (b), a)
#define BITS_3(mask, a, b, c) BITS_2(mask, a, b), BITS_2((mask) | UINT64_C(1) << (c), a, b)
#define BITS_4(mask, a, b, c, d) BITS_3(mask, a, b, c), BITS_3((mask) | UINT64_C(1) << (d), a, b, c)
#define BITS_5(mask, a, b, c, d, e) BITS_4(mask, a, b, c, d), BITS_4((mask) | UINT64_C(1) << (e), a, b, c, d)
#define BITS_6(mask, a, b, c, d, e, f) BITS_5(mask, a, b, c, d, e), BITS_5((mask) | UINT64_C(1) << (f), a, b, c, d, e)
#define BITS_7(mask, a, b, c, d, e, f, g)                                                                             \
    BITS_6(mask, a, b, c, d, e, f), BITS_6((mask) | UINT64_C(1) << (g), a, b, c, d, e, f)
#define BITS_8(a, b, c, d, e, f, g, h)                                                                                \
    BITS_7(UINT64_C(0), a, b, c, d, e, f, g), BITS_7(UINT64_C(1) << (h), a, b, c, d, e, f, g)

/* ZIGZAG_BITS[row][byte]: the zigzag bits of those coefficients in a row of a block whose bits are set in `byte`, the
 * first coefficient being bit 0. The numbers are the zigzag indices of T.81, figure A.6.
 */
static const uint64_t ZIGZAG_BITS[8][256] = {
    {BITS_8(0, 1, 5, 6, 14, 15, 27, 28)},     {BITS_8(2, 4, 7, 13, 16, 26, 29, 42)},
    {BITS_8(3, 8, 12, 17, 25, 30, 41, 43)},   {BITS_8(9, 11, 18, 24, 31, 40, 44, 53)},
    {BITS_8(10, 19, 23, 32, 39, 45, 52, 54)}, {BITS_8(20, 22, 33, 38, 46, 51, 55, 60)},
    {BITS_8(21, 34, 37, 47, 50, 56, 59, 61)}, {BITS_8(35, 36, 48, 49, 57, 58, 62, 63)}};

/* Converts the bits of the coefficients of half a block from natural to zigzag order; `first` is 0 or HALF_BLOCK. */
static uint64_t to_zigzag(uint32_t bits, int first)
{
    uint64_t result = 0;

    for (int row = 0; row < HALF_BLOCK / 8; row++)
        result |= ZIGZAG_BITS[first / 8 + row][bits >> 8 * row & 0xFF];
    return result;
}

/* Packs bytes of 0 or 1 into bits, the first byte into the lowest bit. */
static uint32_t pack_flags(const uint8_t flags[HALF_BLOCK])
{
    uint32_t bits = 0;

    for (int row = 0; row < HALF_BLOCK / 8; row++) {
        uint64_t bytes = 0;

        for (int i = 0; i < 8; i++) /* compilers merge these into one load */
            bytes |= (uint64_t)flags[8 * row + i] << 8 * i;
        bits |= (uint32_t)(bytes * UINT64_C(0x0102040810204080) >> 56) << 8 * row;
    }
    return bits;
}

/* ---- efficient tables ---- */

/* Requantises half a block in 16-bit arithmetic without a division: the product with the inverse is the quotient or one
 * less, since the dividend is below 2^16, and the remainder shows which. Returns the bits of the coefficients that are
 * nonzero afterwards, natural order. The lower half of a block, with the high frequencies, is often all zero.
 */
#ifdef WITH_SSE2

static __m128i load_8(const void *source)
{
    return _mm_loadu_si128(source);
}

static uint32_t requantise_half(const gpt_requantiser *self, int first, int16_t coefficients[HALF_BLOCK])
{
    const __m128i zero = _mm_setzero_si128();
    __m128i values[4];
    uint32_t zeros;

    for (int i = 0; i < 4; i++)
        values[i] = load_8(coefficients + 8 * i);
    zeros = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(
        _mm_or_si128(_mm_or_si128(values[0], values[1]), _mm_or_si128(values[2], values[3])), zero));
    if (zeros == 0xFFFF)
        return 0;
    for (int i = 0; i < 4; i++) {
        const int at = first + 8 * i;
        const __m128i factor = load_8(self->factor + at), sign = _mm_srai_epi16(values[i], 15);
        const __m128i magnitude = _mm_sub_epi16(_mm_xor_si128(values[i], sign), sign);
        const __m128i dividend = _mm_add_epi16(magnitude, load_8(self->half + at));
        const __m128i quotient = _mm_mulhi_epu16(dividend, load_8(self->inverse + at));
        const __m128i remainder = _mm_sub_epi16(dividend, _mm_mullo_epi16(quotient, factor));

        /* The comparison is -1 where the quotient is right, so that nothing is added to it. */
        values[i] = _mm_add_epi16(quotient, _mm_add_epi16(_mm_set1_epi16(1), _mm_cmpgt_epi16(factor, remainder)));
        _mm_storeu_si128((__m128i *)(coefficients + 8 * i), _mm_sub_epi16(_mm_xor_si128(values[i], sign), sign));
    }
    zeros = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_packs_epi16(values[0], values[1]), zero));
    zeros |= (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_packs_epi16(values[2], values[3]), zero)) << 16;
    return ~zeros;
}

#else

/* Without a branch, so that compilers vectorise it. */
static uint32_t requantise_half(const gpt_requantiser *self, int first, int16_t coefficients[HALF_BLOCK])
{
    uint8_t nonzero[HALF_BLOCK];

    for (int i = 0; i < HALF_BLOCK; i++) {
        const uint16_t factor = self->factor[first + i], sign = (uint16_t)(coefficients[i] >> 15);
        const uint16_t dividend = (uint16_t)((((uint16_t)coefficients[i] ^ sign) - sign) + self->half[first + i]);
        const uint16_t quotient = (uint16_t)((uint32_t)dividend * self->inverse[first + i] >> 16);
        const int16_t remainder = (int16_t)(dividend - quotient * factor);
        const uint16_t value = (uint16_t)(quotient + (remainder >= (int16_t)factor));

        coefficients[i] = (int16_t)((value ^ sign) - sign);
        nonzero[i] = value != 0;
    }
    return pack_flags(nonzero);
}

#endif

/* ---- exact tables ---- */

/* Returns magnitude * own_step / step, rounded up from .60. The product with the ratio is at most one off. */
static uint32_t divide_exactly(const gpt_requantiser *self, int i, uint32_t magnitude)
{
    const uint32_t dividend = 10u * self->own_step[i] * magnitude + 4u * self->step[i], divisor = 10u * self->step[i];
    uint32_t quotient = (uint32_t)((float)dividend * self->ratio[i]);

    quotient -= quotient * divisor > dividend;
    quotient += (quotient + 1) * divisor <= dividend;
    return quotient;
}

static uint64_t requantise_block_exactly(const gpt_requantiser *self, int16_t block[GPT_BLOCK_SIZE])
{
    uint8_t nonzero[GPT_BLOCK_SIZE];
    uint64_t bits;

    for (int i = 0; i < GPT_BLOCK_SIZE; i++)
        nonzero[i] = block[i] != 0;
    bits = to_zigzag(pack_flags(nonzero), 0) | to_zigzag(pack_flags(nonzero + HALF_BLOCK), HALF_BLOCK);
    for (uint64_t pending = bits; pending != 0; pending &= pending - 1) {
        const int k = __builtin_ctzll(pending), i = GPT_ZIGZAG[k], old = block[i];

        if (self->step[i] != self->own_step[i]) {
            const int magnitude = (int)divide_exactly(self, i, (uint32_t)(old < 0 ? -old : old));

            block[i] = (int16_t)(old < 0 ? -magnitude : magnitude);
            bits &= ~((uint64_t)(magnitude == 0) << k);
        }
    }
    return bits;
}

uint64_t gpt_requantise_block(const gpt_requantiser *self, int16_t block[GPT_BLOCK_SIZE])
{
    if (self->is_exact)
        return requantise_block_exactly(self, block);
    return to_zigzag(requantise_half(self, 0, block), 0) |
           to_zigzag(requantise_half(self, HALF_BLOCK, block + HALF_BLOCK), HALF_BLOCK);
}
