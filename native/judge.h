/* What a request means for a tile, by the tile's quantisation tables. */
#ifndef GPT_JUDGE_H
#define GPT_JUDGE_H

#include <stdint.h>
#include <stdio.h>

#include <jpeglib.h> /* needs stdio.h */

#include "codes.h"
#include "requantise.h"

/* How the new quantisation tables are made, see gpt_requantiser_prepare(). */
enum gpt_table_mode {
    GPT_TABLES_EFFICIENT = 0, /* integer multiples of the tile's steps */
    GPT_TABLES_EXACT = 1      /* the IJG tables of the requested quality, where they are coarser */
};

/* What is to be done with tiles. */
typedef struct {
    int quality; /* 1..100, or GPT_KEEP_STEPS: only what does not change a pixel */
    enum gpt_table_mode tables;
    int declared_quality; /* 1..100: the quality that the cache declares; 0 if unknown */
} gpt_request;

/* Returns the quantisation table of a component, natural order; NULL if none was read yet. */
const uint16_t *gpt_component_qtable(const struct jpeg_decompress_struct *source, int component);

/* Returns whether the quantisation tables of all components were read. */
int gpt_has_all_qtables(const struct jpeg_decompress_struct *source);

/* Returns whether a component is coded as chrominance: it uses the chrominance base table, and Huffman tables 1. */
int gpt_is_chroma(const struct jpeg_decompress_struct *source, int component);

/* Returns GPT_OUTCOME_RECOMPRESSED if the request changes a quantisation step, or why not: GPT_OUTCOME_KEPT_QUALITY,
 * GPT_OUTCOME_KEPT_UNCHANGED, or GPT_OUTCOME_KEPT_NOT_SMALLER if the request is GPT_KEEP_STEPS. Prepares the requantiser
 * of each table slot in use. All tables must have been read.
 *
 * Each table is judged by its own quality. That of tables which are not IJG's is an estimate, so a tile that has one is
 * left alone by a request at or above the quality that the cache declares.
 */
enum gpt_outcome gpt_judge(const struct jpeg_decompress_struct *source, const gpt_request *request,
                           gpt_requantiser requantisers[NUM_QUANT_TBLS]);

#endif
