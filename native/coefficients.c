#include "coefficients.h"

#include <string.h>

#include <jerror.h>

#include "quality.h"

/* ---- quantisation tables ---- */

const uint16_t *own_table(const struct jpeg_decompress_struct *source, int component)
{
    const int slot = source->comp_info[component].quant_tbl_no;

    if (slot < 0 || slot >= NUM_QUANT_TBLS || source->quant_tbl_ptrs[slot] == NULL)
        return NULL;
    return source->quant_tbl_ptrs[slot]->quantval;
}

int tables_known(const struct jpeg_decompress_struct *source)
{
    for (int c = 0; c < source->num_components; c++) {
        if (own_table(source, c) == NULL)
            return 0;
    }
    return 1;
}

/* Luma or chroma base table? A table shared by several components follows the first that uses it. */
int is_chroma(const struct jpeg_decompress_struct *source, int component)
{
    const J_COLOR_SPACE space = source->jpeg_color_space;

    return (space == JCS_YCbCr || space == JCS_YCCK) && (component == 1 || component == 2);
}

int plan_tables(const struct jpeg_decompress_struct *source, int quality, int exact, requantiser plans[NUM_QUANT_TBLS])
{
    unsigned planned = 0;
    int changes = 0;

    for (int c = 0; c < source->num_components; c++) {
        const int slot = source->comp_info[c].quant_tbl_no;

        if (!(planned & 1u << slot))
            changes |= requantiser_make(&plans[slot], own_table(source, c), quality, is_chroma(source, c), exact);
        planned |= 1u << slot;
    }
    return changes;
}

/* ---- levels and symbols ---- */

/* One component on its way through the scan. */
typedef struct {
    const requantiser *plan;
    JDIMENSION across, down;  /* its blocks in each MCU */
    JDIMENSION width, height; /* its real blocks; the last MCUs may have places for more */
    JBLOCKARRAY rows;         /* of the MCUs at hand, */
    JDIMENSION rows_here;     /* as far as they are real */
    int table;
    int last; /* the DC level before */
} plane;

/* With one component an MCU is a block, with more they are interleaved (T.81, A.2). Returns the blocks of an MCU. */
static JDIMENSION lay_out(const struct jpeg_decompress_struct *source, const requantiser plans[NUM_QUANT_TBLS],
                          plane planes[MAX_COMPS_IN_SCAN])
{
    const int interleaved = source->num_components > 1;
    JDIMENSION blocks = 0;

    for (int c = 0; c < source->num_components; c++) {
        const jpeg_component_info *component = &source->comp_info[c];

        planes[c] = (plane){
            .plan = &plans[component->quant_tbl_no],
            .across = interleaved ? (JDIMENSION)component->h_samp_factor : 1,
            .down = interleaved ? (JDIMENSION)component->v_samp_factor : 1,
            .width = component->width_in_blocks,
            .height = component->height_in_blocks,
            .table = is_chroma(source, c),
        };
        blocks += planes[c].across * planes[c].down;
    }
    return blocks;
}

/* The scan takes each quantisation table as it was when its component was coded; the result can state only one. */
static int tables_changed(const struct jpeg_decompress_struct *source)
{
    for (int c = 0; c < source->num_components; c++) {
        const JQUANT_TBL *used = source->comp_info[c].quant_table;

        if (used != NULL && memcmp(used->quantval, own_table(source, c), sizeof used->quantval) != 0)
            return 1;
    }
    return 0;
}

static JDIMENSION least(JDIMENSION a, JDIMENSION b)
{
    return a < b ? a : b;
}

/* Moves and adds the blocks of one component in one MCU. A place without a real block is coded as no change. */
static void add_blocks(plane *self, JDIMENSION mcu, scan *symbols)
{
    static const JBLOCK NOTHING = {0};
    const JDIMENSION first = mcu * self->across;

    for (JDIMENSION row = 0; row < self->down; row++) {
        for (JDIMENSION i = first; i < first + self->across; i++) {
            if (row < self->rows_here && i < self->width) {
                JCOEFPTR block = self->rows[row][i];
                const uint64_t nonzero = requantise_block(self->plan, block);

                scan_add(symbols, self->table, block[0] - self->last, block, nonzero);
                self->last = block[0];
            } else {
                scan_add(symbols, self->table, 0, NOTHING, 0);
            }
        }
    }
}

void requantise_image(j_decompress_ptr source, jvirt_barray_ptr *coefficients,
                      const requantiser plans[NUM_QUANT_TBLS], scan *symbols)
{
    plane planes[MAX_COMPS_IN_SCAN];
    JDIMENSION blocks, mcus_across, mcus_down;

    if (source->num_components > MAX_COMPS_IN_SCAN)
        ERREXIT2(source, JERR_COMPONENT_COUNT, source->num_components, MAX_COMPS_IN_SCAN);
    if (tables_changed(source))
        ERREXIT1(source, JERR_MISMATCHED_QUANT_TABLE, 0);
    blocks = lay_out(source, plans, planes);
    if (blocks > C_MAX_BLOCKS_IN_MCU)
        ERREXIT(source, JERR_BAD_MCU_SIZE);
    mcus_across = (planes[0].width + planes[0].across - 1) / planes[0].across;
    mcus_down = (planes[0].height + planes[0].down - 1) / planes[0].down;
    scan_begin(symbols);
    for (JDIMENSION y = 0; y < mcus_down; y++) {
        if (!scan_reserve(symbols, (size_t)mcus_across * blocks))
            ERREXIT1(source, JERR_OUT_OF_MEMORY, 0);
        for (int c = 0; c < source->num_components; c++) {
            plane *at = &planes[c];

            at->rows_here = least(at->down, at->height - y * at->down);
            at->rows = source->mem->access_virt_barray((j_common_ptr)source, coefficients[c], y * at->down,
                                                       at->rows_here, TRUE);
        }
        for (JDIMENSION x = 0; x < mcus_across; x++) {
            for (int c = 0; c < source->num_components; c++)
                add_blocks(&planes[c], x, symbols);
        }
    }
    if (!scan_end(symbols))
        ERREXIT(source, JERR_BAD_DCT_COEF);
}
