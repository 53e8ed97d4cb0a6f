#include "ijg_quality.h"

enum { MAX_IJG_STEP = 255 };

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

    return (uint16_t)(step < 1 ? 1 : step > MAX_IJG_STEP ? MAX_IJG_STEP : step);
}

void gpt_ijg_table(int quality, int is_chroma, uint16_t steps[GPT_BLOCK_SIZE])
{
    for (int i = 0; i < GPT_BLOCK_SIZE; i++)
        steps[i] = ijg_step(quality, is_chroma, i);
}

/* The DC entry is not compared: a result of recompression has an IJG table with a DC step of its own. */
static int has_ijg_steps(const uint16_t steps[GPT_BLOCK_SIZE], int quality, int is_chroma)
{
    int i = 1;

    while (i < GPT_BLOCK_SIZE && steps[i] == ijg_step(quality, is_chroma, i))
        i++;
    return i == GPT_BLOCK_SIZE;
}

/* Returns the scale, in percent, from the base table to this one, by the entries that were not clipped. */
static double mean_scale(const uint16_t steps[GPT_BLOCK_SIZE], int is_chroma)
{
    long sum = 0, base_sum = 0;

    for (int i = 1; i < GPT_BLOCK_SIZE; i++) {
        if (steps[i] > 1 && steps[i] != MAX_IJG_STEP) {
            sum += steps[i];
            base_sum += BASE_STEPS[is_chroma][i];
        }
    }
    if (base_sum == 0) /* every entry was clipped: the finest table or the coarsest */
        return steps[GPT_BLOCK_SIZE - 1] <= 1 ? 0.0 : 5000.0;
    return 100.0 * (double)sum / (double)base_sum;
}

/* Returns the estimate of a table's quality, and sets *exact to the quality of the same IJG table, 0 if there is none.
 * On IJG tables the estimate is off by at most a third, so only three can be equal; the chrominance tables of 1 to 3,
 * which are the same, count as 1.
 */
static double find_quality(const uint16_t steps[GPT_BLOCK_SIZE], int is_chroma, int *exact)
{
    const double scale = mean_scale(steps, is_chroma);
    const double quality = scale <= 100.0 ? (200.0 - scale) / 2.0 : 5000.0 / scale;
    const int nearest = (int)(quality + 0.5);

    *exact = 0;
    for (int q = nearest - 1; q <= nearest + 1 && *exact == 0; q++) {
        if (q >= 1 && q <= 100 && has_ijg_steps(steps, q, is_chroma))
            *exact = q;
    }
    return quality;
}

double gpt_ijg_quality(const uint16_t steps[GPT_BLOCK_SIZE], int is_chroma)
{
    int exact;
    const double quality = find_quality(steps, is_chroma, &exact);

    return exact != 0 ? exact : quality;
}

int gpt_is_ijg_table(const uint16_t steps[GPT_BLOCK_SIZE])
{
    int luma, chroma;

    find_quality(steps, 0, &luma);
    find_quality(steps, 1, &chroma);
    return luma != 0 || chroma != 0;
}
