/* What the quantisation tables of a tile say about it. A separate, small parser reads usual headers, and libjpeg the
 * others: creating a libjpeg object takes as long as copying a tile.
 */
#ifndef GPT_TABLE_INFO_H
#define GPT_TABLE_INFO_H

#include <stddef.h>
#include <stdint.h>

#include "block.h"

enum { GPT_MAX_COMPONENTS = 4 };

/* The last tables, by component, in zigzag order: mostly the next tile has the same. All zero is an empty cache. */
typedef struct {
    struct {
        uint8_t steps[GPT_BLOCK_SIZE];
        int is_known, is_ijg;
        double quality;
    } tables[GPT_MAX_COMPONENTS];
} gpt_table_cache;

typedef struct {
    double quality; /* of the first component's table, see gpt_ijg_quality(); NaN if the header can't be read */
    int is_foreign; /* whether the table of any component is not an IJG table, see gpt_is_ijg_table() */
} gpt_table_info;

/* Returns what the quantisation tables of tile[0..size) say. */
gpt_table_info gpt_read_table_info(gpt_table_cache *cache, const uint8_t *tile, size_t size);

#endif
