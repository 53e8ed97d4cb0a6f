#include "quality.h"

/* ITU-T T.81, tables K.1 and K.2, row by row (natural order). */
static const uint8_t BASE[2][TABLE_SIZE] = {
    {16, 11, 10, 16, 24,  40,  51,  61,  12, 12, 14, 19, 26,  58,  60,  55,
     14, 13, 16, 24, 40,  57,  69,  56,  14, 17, 22, 29, 51,  87,  80,  62,
     18, 22, 37, 56, 68,  109, 103, 77,  24, 35, 55, 64, 81,  104, 113, 92,
     49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99},
    {17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99,
     24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99,
     99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
     99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99}};

static uint16_t step_of(int quality, int chroma, int i)
{
    const int scale = quality < 50 ? 5000 / quality : 200 - 2 * quality;
    const int step = (BASE[chroma][i] * scale + 50) / 100;

    return (uint16_t)(step < 1 ? 1 : step > 255 ? 255 : step);
}

void quality_table(int quality, int chroma, uint16_t table[TABLE_SIZE])
{
    for (int i = 0; i < TABLE_SIZE; i++)
        table[i] = step_of(quality, chroma, i);
}

static int is_of_quality(const uint16_t table[TABLE_SIZE], int quality)
{
    int i = 0;

    while (i < TABLE_SIZE && table[i] == step_of(quality, 0, i))
        i++;
    return i == TABLE_SIZE;
}

/* The scale (percent) that turns the base table into this one, from the entries that were not clipped. */
static double mean_scale(const uint16_t table[TABLE_SIZE])
{
    long sum = 0, base = 0;

    for (int i = 0; i < TABLE_SIZE; i++) {
        if (table[i] > 1 && table[i] != 255) {
            sum += table[i];
            base += BASE[0][i];
        }
    }
    if (base == 0)
        return table[TABLE_SIZE - 1] <= 1 ? 0.0 : 5000.0; /* every entry clipped: the finest table, or the coarsest */
    return 100.0 * (double)sum / (double)base;
}

double quality_of_table(const uint16_t table[TABLE_SIZE])
{
    const double scale = mean_scale(table);
    const double quality = scale <= 100.0 ? (200.0 - scale) / 2.0 : 5000.0 / scale;
    const int nearest = (int)(quality + 0.5);

    /* The estimate is within a third of the truth on IJG tables, so only its neighbours can be exact. */
    for (int q = nearest - 1; q <= nearest + 1; q++) {
        if (q >= 1 && q <= 100 && is_of_quality(table, q))
            return q;
    }
    return quality;
}
