#include "ijg_quality.h"

/* ITU-T T.81, tables K.1 (luminance) and K.2 (chrominance), natural order. */
static const uint8_t BASE_STEPS[2][GPT_BLOCK_SIZE] = {
    {16, 11, 10, 16, 24,  40,  51,  61,  12, 12, 14, 19, 26,  58,  60,  55,
     14, 13, 16, 24, 40,  57,  69,  56,  14, 17, 22, 29, 51,  87,  80,  62,
     18, 22, 37, 56, 68,  109, 103, 77,  24, 35, 55, 64, 81,  104, 113, 92,
     49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99},
    {17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99,
     24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99,
     99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
     99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99}};

static uint16_t ijg_step(int quality, int is_chroma, int i)
{
    const int scale = quality < 50 ? 5000 / quality : 200 - 2 * quality;
    const int step = (BASE_STEPS[is_chroma][i] * scale + 50) / 100;

    return (uint16_t)(step < 1 ? 1 : step > 255 ? 255 : step);
}

void gpt_ijg_table(int quality, int is_chroma, uint16_t steps[GPT_BLOCK_SIZE])
{
    for (int i = 0; i < GPT_BLOCK_SIZE; i++)
        steps[i] = ijg_step(quality, is_chroma, i);
}

static int is_ijg_table(const uint16_t steps[GPT_BLOCK_SIZE], int quality)
{
    int i = 0;

    while (i < GPT_BLOCK_SIZE && steps[i] == ijg_step(quality, 0, i))
        i++;
    return i == GPT_BLOCK_SIZE;
}

/* Returns the scale, in percent, from the base table to this one, by the entries that were not clipped. */
static double mean_scale(const uint16_t steps[GPT_BLOCK_SIZE])
{
    long sum = 0, base_sum = 0;

    for (int i = 0; i < GPT_BLOCK_SIZE; i++) {
        if (steps[i] > 1 && steps[i] != 255) {
            sum += steps[i];
            base_sum += BASE_STEPS[0][i];
        }
    }
    if (base_sum == 0) /* every entry was clipped: the finest table or the coarsest */
        return steps[GPT_BLOCK_SIZE - 1] <= 1 ? 0.0 : 5000.0;
    return 100.0 * (double)sum / (double)base_sum;
}

double gpt_ijg_quality(const uint16_t steps[GPT_BLOCK_SIZE])
{
    const double scale = mean_scale(steps);
    const double quality = scale <= 100.0 ? (200.0 - scale) / 2.0 : 5000.0 / scale;
    const int nearest = (int)(quality + 0.5);

    /* On IJG tables the estimate is off by at most a third, so only these three can be exact. */
    for (int q = nearest - 1; q <= nearest + 1; q++) {
        if (q >= 1 && q <= 100 && is_ijg_table(steps, q))
            return q;
    }
    return quality;
}
