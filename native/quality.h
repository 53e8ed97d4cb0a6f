/* The IJG quality scale: Annex K base tables, scaled as jpeg_set_quality() does. */
#ifndef GPTOOL_QUALITY_H
#define GPTOOL_QUALITY_H

#include <stdint.h>

enum { TABLE_SIZE = 64 };

/* Fills table[0..64), natural order, with the IJG quantisers of `quality` (1..100); chroma 0: luminance, 1: chrominance. */
void quality_table(int quality, int chroma, uint16_t table[TABLE_SIZE]);

/* The quality of a luminance table, 0..100: the exact one when it is an IJG table, else an estimate from the mean
 * scale of its entries, at most a third off on IJG tables.
 */
double quality_of_table(const uint16_t table[TABLE_SIZE]);

#endif
