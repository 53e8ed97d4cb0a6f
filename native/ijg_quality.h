/* The IJG quality scale: the base tables of T.81, Annex K, scaled as jpeg_set_quality() does. */
#ifndef GPT_IJG_QUALITY_H
#define GPT_IJG_QUALITY_H

#include <stdint.h>

#include "block.h"

/* Fills steps[0..64), natural order, with the IJG quantisation table of `quality` (1..100): the chrominance table if
 * is_chroma, else the luminance table.
 */
void gpt_ijg_table(int quality, int is_chroma, uint16_t steps[GPT_BLOCK_SIZE]);

/* Returns the quality, 0..100, of a table in natural order: exact for an IJG table, else an estimate from the mean scale
 * of its entries to those of the base table. The DC entry, steps[0], is ignored.
 */
double gpt_ijg_quality(const uint16_t steps[GPT_BLOCK_SIZE], int is_chroma);

/* Returns whether a table is an IJG table of any quality, luminance or chrominance, but for its DC entry. */
int gpt_is_ijg_table(const uint16_t steps[GPT_BLOCK_SIZE]);

#endif
