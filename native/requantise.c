#include "requantise.h"

#include <stdlib.h>
#include <string.h>

#include "zigzag.h"

enum { MAX_BASELINE_STEP = 255 }; /* baseline JPEG keeps its quantisers in 8 bits */

/* spread[row][byte]: the zigzag bits of the coefficients of a row of a block that the bits of `byte` stand for. */
static uint64_t spread[8][256];

/* Turns eight bytes of 0 or 1 into the bits of one byte; which bit stands for which byte, spread[] knows. */
static unsigned gather(const uint8_t flags[8])
{
    uint64_t bytes;

    memcpy(&bytes, flags, sizeof bytes);
    return (unsigned)(bytes * UINT64_C(0x0102040810204080) >> 56);
}

void requantise_init(void)
{
    memset(spread, 0, sizeof spread);
    for (int k = 0; k < TABLE_SIZE; k++) {
        const int row = ZIGZAG[k] / 8;
        uint8_t flags[8] = {0};
        unsigned bit;

        flags[ZIGZAG[k] % 8] = 1;
        bit = gather(flags);
        for (unsigned byte = 0; byte < 256; byte++) {
            if (byte & bit)
                spread[row][byte] |= UINT64_C(1) << k;
        }
    }
}

int requantiser_snap(requantiser *self, const uint16_t own[TABLE_SIZE], const uint16_t wanted[TABLE_SIZE])
{
    int changes = 0;

    self->exact = 0;
    for (int i = 0; i < TABLE_SIZE; i++) {
        /* A quantiser of 0 is damage that libjpeg does not mind: it stays. */
        uint32_t factor = own[i] == 0 ? 1 : (2u * wanted[i] + own[i]) / (2u * own[i]);

        if (factor * own[i] > MAX_BASELINE_STEP)
            factor = MAX_BASELINE_STEP / own[i];
        if (factor < 1)
            factor = 1;
        self->step[i] = (uint16_t)(factor * own[i]);
        self->factor[i] = (uint16_t)factor;
        self->half[i] = (uint16_t)((factor - 1) / 2);
        self->inverse[i] = (uint16_t)(factor == 1 ? 0 : 65536u / factor + 1);
        changes |= factor > 1;
    }
    return changes;
}

int requantiser_widen(requantiser *self, const uint16_t own[TABLE_SIZE], const uint16_t wanted[TABLE_SIZE])
{
    int changes = 0;

    self->exact = 1;
    for (int i = 0; i < TABLE_SIZE; i++) {
        const int coarser = own[i] != 0 && wanted[i] > own[i];

        self->own[i] = own[i];
        self->step[i] = coarser ? wanted[i] : own[i];
        self->ratio[i] = 1.0f / (10.0f * (float)self->step[i]);
        changes |= coarser;
    }
    return changes;
}

/* Without a branch or a division, and in 16 bits, so that compilers turn it into vectors. The product with the inverse
 * is the quotient or one more (|level| < 2^16), which the comparison puts right.
 */
static void snap_block(const requantiser *self, int16_t block[TABLE_SIZE], uint8_t nonzero[TABLE_SIZE])
{
    for (int i = 0; i < TABLE_SIZE; i++) {
        const int16_t level = block[i];
        const uint16_t sign = (uint16_t)(level >> 15);
        const uint16_t sum = (uint16_t)((((uint16_t)level ^ sign) - sign) + self->half[i]);
        const uint16_t most = (uint16_t)((uint32_t)sum * self->inverse[i] >> 16);
        const uint16_t quotient = (uint16_t)(most - ((uint16_t)(most * self->factor[i]) > sum));
        const uint16_t moved = self->factor[i] == 1 ? sum : quotient;

        block[i] = (int16_t)((moved ^ sign) - sign);
        nonzero[i] = moved != 0;
    }
}

static uint64_t zigzag_bits(const uint8_t nonzero[TABLE_SIZE])
{
    uint64_t bits = 0;

    for (int row = 0; row < 8; row++)
        bits |= spread[row][gather(nonzero + 8 * row)];
    return bits;
}

/* |level| * own / step, rounded up from .60 on; the product with the ratio is at most one off the quotient. */
static uint32_t widen(const requantiser *self, int i, uint32_t magnitude)
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
    uint64_t bits, left;

    for (int i = 0; i < TABLE_SIZE; i++)
        nonzero[i] = block[i] != 0;
    for (left = bits = zigzag_bits(nonzero); left != 0; left &= left - 1) {
        const int k = __builtin_ctzll(left), i = ZIGZAG[k], level = block[i];

        if (self->step[i] != self->own[i]) {
            const int moved = (int)widen(self, i, (uint32_t)abs(level));

            block[i] = (int16_t)(level < 0 ? -moved : moved);
            if (moved == 0)
                bits &= ~(UINT64_C(1) << k);
        }
    }
    return bits;
}

uint64_t requantise_block(const requantiser *self, int16_t block[TABLE_SIZE])
{
    uint8_t nonzero[TABLE_SIZE];

    if (self->exact)
        return widen_block(self, block);
    snap_block(self, block, nonzero);
    return zigzag_bits(nonzero);
}
