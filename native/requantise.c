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
    MAX_LUMA_DC_STEP = 9,    /* a DC step of 8 is one level of a block's mean */
    MAX_CHROMA_DC_STEP = 6,
    MAX_CHROMA_SLOPE_STEP = 15
};

/* ---- tables ---- */

void gpt_requantiser_load(gpt_requantiser *self, const uint16_t own_step[GPT_BLOCK_SIZE], int is_chroma)
{
    if (self->is_loaded && self->is_chroma == is_chroma &&
        memcmp(self->own_step, own_step, sizeof self->own_step) == 0)
        return;
    memcpy(self->own_step, own_step, sizeof self->own_step);
    self->is_chroma = is_chroma;
    self->own_quality = gpt_ijg_quality(own_step, is_chroma);
    self->is_ijg = gpt_is_ijg_table(own_step);
    self->is_loaded = 1;
    self->is_prepared = 0;
}

/* Leaves one coefficient as it is. */
static void keep_step(gpt_requantiser *self, int i)
{
    self->step[i] = self->own_step[i];
    self->scale[i] = self->divisor[i] = 1;
    self->bias[i] = 0;
    self->inverse[i] = 65535;
}

/* Makes the step of one coefficient a multiple of the tile's own: rounding to nearest, ties to zero. */
static void multiply_step(gpt_requantiser *self, int i, uint32_t factor)
{
    if (factor < 2)
        return;
    self->step[i] = (uint16_t)(factor * self->own_step[i]);
    self->bias[i] = (uint16_t)((factor - 1) / 2);
    self->divisor[i] = (uint16_t)factor;
    self->inverse[i] = (uint16_t)(65536 / factor);
}

static void set_efficient_step(gpt_requantiser *self, int i, uint32_t wanted)
{
    const uint32_t own = self->own_step[i];
    const uint32_t factor = (2 * wanted + own) / (2 * own);

    multiply_step(self, i, factor * own <= MAX_BASELINE_STEP ? factor : MAX_BASELINE_STEP / own);
}

static void set_exact_step(gpt_requantiser *self, int i, uint32_t wanted)
{
    const uint32_t own = self->own_step[i];

    if (wanted <= own)
        return;
    self->step[i] = (uint16_t)wanted;
    self->scale[i] = (uint16_t)(10 * own);
    self->bias[i] = (uint16_t)(4 * wanted);
    self->divisor[i] = (uint16_t)(10 * wanted);
    self->inverse[i] = (uint16_t)(65536 * own / wanted);
}

/* Returns the factor of the largest odd multiple of a step that is not above the limit. An odd factor has no ties, so
 * that rounding to nearest has no bias; odd multiples of the result are above the limit, so that a second run changes
 * nothing.
 */
static uint32_t odd_factor(uint32_t own, uint32_t limit)
{
    uint32_t factor = 1;

    while (own != 0 && (factor + 2) * own <= limit)
        factor += 2;
    return factor;
}

static uint32_t min_step(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Chrominance fades if its lowest frequencies are rounded towards 0. */
static int is_low_chroma(const gpt_requantiser *self, int i)
{
    return self->is_chroma && (i == GPT_ZIGZAG[1] || i == GPT_ZIGZAG[2]);
}

static void set_steps(gpt_requantiser *self)
{
    uint16_t wanted[GPT_BLOCK_SIZE];

    gpt_ijg_table(self->quality, self->is_chroma, wanted);
    self->dc_factor =
        odd_factor(self->own_step[0], min_step(wanted[0], self->is_chroma ? MAX_CHROMA_DC_STEP : MAX_LUMA_DC_STEP));
    for (int i = 1; i < GPT_BLOCK_SIZE; i++) {
        if (is_low_chroma(self, i))
            multiply_step(self, i, odd_factor(self->own_step[i], min_step(wanted[i], MAX_CHROMA_SLOPE_STEP)));
        else if (self->own_step[i] != 0) /* a step of 0 is damage that libjpeg accepts */
            (self->is_exact ? set_exact_step : set_efficient_step)(self, i, wanted[i]);
    }
}

void gpt_requantiser_set_dc(gpt_requantiser *self, int is_varied)
{
    keep_step(self, 0);
    if (is_varied)
        multiply_step(self, 0, self->dc_factor);
}

int gpt_requantiser_prepare(gpt_requantiser *self, int quality, int is_exact)
{
    if (self->is_prepared && self->quality == quality && self->is_exact == is_exact)
        return self->changes;
    self->quality = quality;
    self->is_exact = is_exact;
    for (int i = 0; i < GPT_BLOCK_SIZE; i++)
        keep_step(self, i);
    if (quality != GPT_KEEP_STEPS)
        set_steps(self);
    self->changes = memcmp(self->own_step, self->step, sizeof self->own_step) != 0;
    if (!self->changes)
        self->dc_factor = 1;
    self->is_prepared = 1;
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

/* ---- blocks ---- */

/* Requantisation works on rows of eight coefficients in 16-bit arithmetic, without a division: the product of the old
 * coefficient with the inverse is the quotient or up to two less, and the remainder shows which. Its intermediate results
 * wrap around, but the remainder is less than three times the divisor, which fits.
 */
#ifdef WITH_SSE2

static __m128i load_row(const void *row)
{
    return _mm_loadu_si128(row);
}

/* Returns one bit for each of the eight coefficients of two rows: whether it is not 0. */
static uint32_t find_nonzero(__m128i first, __m128i second)
{
    const __m128i zeros = _mm_cmpeq_epi8(_mm_packs_epi16(first, second), _mm_setzero_si128());

    return ~(uint32_t)_mm_movemask_epi8(zeros) & 0xFFFF;
}

static uint64_t find_nonzero_in_block(const int16_t block[GPT_BLOCK_SIZE])
{
    uint64_t bits = 0;

    for (int row = 0; row < 8; row += 2)
        bits |= (uint64_t)find_nonzero(load_row(block + 8 * row), load_row(block + 8 * row + 8)) << 8 * row;
    return bits;
}

/* Requantises a row, of which `first` is the first coefficient; returns the magnitudes. */
static __m128i requantise_row(const gpt_requantiser *self, int first, int16_t row[8])
{
    const __m128i old = load_row(row), divisor = load_row(self->divisor + first);
    const __m128i sign = _mm_srai_epi16(old, 15), magnitude = _mm_sub_epi16(_mm_xor_si128(old, sign), sign);
    const __m128i dividend = _mm_add_epi16(_mm_mullo_epi16(magnitude, load_row(self->scale + first)),
                                           load_row(self->bias + first));
    const __m128i quotient = _mm_mulhi_epu16(magnitude, load_row(self->inverse + first));
    const __m128i remainder = _mm_sub_epi16(dividend, _mm_mullo_epi16(quotient, divisor));
    /* Comparisons are -1 where they hold. */
    const __m128i excess = _mm_add_epi16(_mm_cmpgt_epi16(divisor, remainder),
                                         _mm_cmpgt_epi16(_mm_add_epi16(divisor, divisor), remainder));
    const __m128i value = _mm_add_epi16(_mm_add_epi16(quotient, _mm_set1_epi16(2)), excess);

    _mm_storeu_si128((__m128i *)row, _mm_sub_epi16(_mm_xor_si128(value, sign), sign));
    return value;
}

/* Requantises two rows; returns which coefficients are not 0 afterwards. */
static uint32_t requantise_rows(const gpt_requantiser *self, int first, int16_t rows[16])
{
    const __m128i upper = requantise_row(self, first, rows);

    return find_nonzero(upper, requantise_row(self, first + 8, rows + 8));
}

#else

static uint64_t find_nonzero_in_block(const int16_t block[GPT_BLOCK_SIZE])
{
    uint64_t bits = 0;

    for (int i = 0; i < GPT_BLOCK_SIZE; i++)
        bits |= (uint64_t)(block[i] != 0) << i;
    return bits;
}

static uint32_t requantise_rows(const gpt_requantiser *self, int first, int16_t rows[16])
{
    uint32_t nonzero = 0;

    for (int i = 0; i < 16; i++) {
        const uint16_t divisor = self->divisor[first + i], sign = (uint16_t)(rows[i] >> 15);
        const uint16_t magnitude = (uint16_t)(((uint16_t)rows[i] ^ sign) - sign);
        const uint16_t dividend = (uint16_t)((uint32_t)magnitude * self->scale[first + i] + self->bias[first + i]);
        const uint16_t quotient = (uint16_t)((uint32_t)magnitude * self->inverse[first + i] >> 16);
        const uint16_t remainder = (uint16_t)(dividend - (uint32_t)quotient * divisor);
        const uint16_t value = (uint16_t)(quotient + (remainder >= divisor) + (remainder >= 2 * divisor));

        rows[i] = (int16_t)((value ^ sign) - sign);
        nonzero |= (uint32_t)(value != 0) << i;
    }
    return nonzero;
}

#endif

/* Returns the bits of the coefficients of some rows of a block in zigzag order. */
static uint64_t to_zigzag(uint64_t bits, int first_row, int rows)
{
    uint64_t result = 0;

    for (int row = 0; row < rows; row++)
        result |= ZIGZAG_BITS[first_row + row][bits >> 8 * row & 0xFF];
    return result;
}

uint64_t gpt_requantise_block(const gpt_requantiser *self, int16_t block[GPT_BLOCK_SIZE])
{
    uint64_t bits = find_nonzero_in_block(block), nonzero = 0;

    /* The last rows, with the high frequencies, are mostly 0. */
    if (!self->changes)
        return to_zigzag(bits, 0, 4) | (bits >> 32 != 0 ? to_zigzag(bits >> 32, 4, 4) : 0);
    for (int row = 0; bits != 0; row += 2, bits >>= 16)
        nonzero |= to_zigzag(requantise_rows(self, 8 * row, block + 8 * row), row, 2);
    return nonzero;
}
