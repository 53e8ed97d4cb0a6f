#include "requantise.h"

#include <stdlib.h>

enum { MAX_BASELINE_STEP = 255 }; /* baseline JPEG keeps its quantisers in 8 bits */

static void keep(requantiser *self, int i, uint16_t own)
{
    self->step[i] = own;
    self->mul[i] = self->div[i] = 1;
    self->add[i] = 0;
}

int requantiser_snap(requantiser *self, const uint16_t own[TABLE_SIZE], const uint16_t wanted[TABLE_SIZE])
{
    int changes = 0;

    for (int i = 0; i < TABLE_SIZE; i++) {
        uint32_t factor;

        keep(self, i, own[i]);
        if (own[i] == 0)
            continue; /* a damaged table that libjpeg does not mind: nothing to divide by */
        factor = (2u * wanted[i] + own[i]) / (2u * own[i]);
        if (factor * own[i] > MAX_BASELINE_STEP)
            factor = MAX_BASELINE_STEP / own[i];
        if (factor <= 1)
            continue;
        self->step[i] = (uint16_t)(factor * own[i]);
        self->add[i] = (factor - 1) / 2;
        self->div[i] = factor;
        changes = 1;
    }
    return changes;
}

int requantiser_widen(requantiser *self, const uint16_t own[TABLE_SIZE], const uint16_t wanted[TABLE_SIZE])
{
    int changes = 0;

    for (int i = 0; i < TABLE_SIZE; i++) {
        keep(self, i, own[i]);
        if (own[i] == 0 || wanted[i] <= own[i])
            continue;
        /* |level| * own / wanted, rounded up from .60 on and never at .50, where the levels of an image that was
         * quantised before pile up and would be coded for nothing.
         */
        self->step[i] = wanted[i];
        self->mul[i] = 10u * own[i];
        self->add[i] = 4u * wanted[i];
        self->div[i] = 10u * wanted[i];
        changes = 1;
    }
    return changes;
}

void requantise_block(const requantiser *self, int16_t block[TABLE_SIZE])
{
    for (int i = 0; i < TABLE_SIZE; i++) {
        const int level = block[i];

        if (level != 0) {
            const int moved = (int)(((uint32_t)abs(level) * self->mul[i] + self->add[i]) / self->div[i]);

            block[i] = (int16_t)(level < 0 ? -moved : moved);
        }
    }
}
