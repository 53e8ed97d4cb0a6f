#include "coefficients.h"

#include <string.h>

#include <jerror.h>

#include "judge.h"

/* The progress of one component through the scan. */
typedef struct {
    const gpt_requantiser *requantiser;
    JDIMENSION mcu_width, mcu_height; /* blocks in an MCU */
    JDIMENSION width, height;         /* blocks in the image; the last MCUs may exceed it */
    JBLOCKARRAY rows;                 /* the block rows of the current MCU row, */
    JDIMENSION row_count;             /* as far as they lie within the image */
    int table;
    int last_dc; /* the previous DC coefficient */
} component_scan;

/* Initialises the components, and returns the blocks in an MCU. With one component an MCU is a block; with several the
 * scan is interleaved (T.81, A.2).
 */
static JDIMENSION start_scan(const struct jpeg_decompress_struct *source,
                             const gpt_requantiser requantisers[NUM_QUANT_TBLS],
                             component_scan components[MAX_COMPS_IN_SCAN])
{
    const int is_interleaved = source->num_components > 1;
    JDIMENSION mcu_blocks = 0;

    for (int c = 0; c < source->num_components; c++) {
        const jpeg_component_info *info = &source->comp_info[c];

        components[c] = (component_scan){
            .requantiser = &requantisers[info->quant_tbl_no],
            .mcu_width = is_interleaved ? (JDIMENSION)info->h_samp_factor : 1,
            .mcu_height = is_interleaved ? (JDIMENSION)info->v_samp_factor : 1,
            .width = info->width_in_blocks,
            .height = info->height_in_blocks,
            .table = gpt_is_chroma(source, c),
        };
        mcu_blocks += components[c].mcu_width * components[c].mcu_height;
    }
    return mcu_blocks;
}

/* Returns whether a table was redefined after the scan of its component: the result can have only one definition. */
static int has_changed_qtable(const struct jpeg_decompress_struct *source)
{
    for (int c = 0; c < source->num_components; c++) {
        const JQUANT_TBL *used = source->comp_info[c].quant_table;

        if (used != NULL && memcmp(used->quantval, gpt_component_qtable(source, c), sizeof used->quantval) != 0)
            return 1;
    }
    return 0;
}

static JDIMENSION min_dimension(JDIMENSION a, JDIMENSION b)
{
    return a < b ? a : b;
}

/* Requantises and adds the blocks of one component in one MCU. Padding blocks are coded as a DC difference of 0. */
static void add_mcu_blocks(component_scan *self, JDIMENSION mcu, gpt_entropy *entropy)
{
    static const JBLOCK PADDING = {0};
    const JDIMENSION first = mcu * self->mcu_width;

    for (JDIMENSION row = 0; row < self->mcu_height; row++) {
        for (JDIMENSION i = first; i < first + self->mcu_width; i++) {
            if (row < self->row_count && i < self->width) {
                JCOEFPTR block = self->rows[row][i];
                const uint64_t nonzero = gpt_requantise_block(self->requantiser, block);

                gpt_entropy_add_block(entropy, self->table, block[0] - self->last_dc, block, nonzero);
                self->last_dc = block[0];
            } else {
                gpt_entropy_add_block(entropy, self->table, 0, PADDING, 0);
            }
        }
    }
}

/* Returns whether most blocks of a component differ from the previous one in their DC coefficient. */
static int is_varied(j_decompress_ptr source, jvirt_barray_ptr coefficients, const jpeg_component_info *component)
{
    size_t changes = 0;
    int last = 0;

    for (JDIMENSION y = 0; y < component->height_in_blocks; y++) {
        JBLOCKARRAY rows = source->mem->access_virt_barray((j_common_ptr)source, coefficients, y, 1, FALSE);

        for (JDIMENSION x = 0; x < component->width_in_blocks; x++) {
            changes += (x > 0 || y > 0) && rows[0][x][0] != last;
            last = rows[0][x][0];
        }
    }
    return 2 * changes > (size_t)component->width_in_blocks * component->height_in_blocks;
}

static void set_dc_steps(j_decompress_ptr source, jvirt_barray_ptr *coefficients,
                         gpt_requantiser requantisers[NUM_QUANT_TBLS])
{
    int varied[NUM_QUANT_TBLS] = {1, 1, 1, 1};

    for (int c = 0; c < source->num_components; c++) {
        const int slot = source->comp_info[c].quant_tbl_no;

        if (requantisers[slot].dc_factor > 1)
            varied[slot] &= is_varied(source, coefficients[c], &source->comp_info[c]);
        gpt_requantiser_set_dc(&requantisers[slot], varied[slot]);
    }
}

void gpt_requantise_image(j_decompress_ptr source, jvirt_barray_ptr *coefficients,
                          gpt_requantiser requantisers[NUM_QUANT_TBLS], gpt_entropy *entropy)
{
    component_scan components[MAX_COMPS_IN_SCAN];
    JDIMENSION mcu_blocks, mcu_columns, mcu_rows;

    if (source->num_components > MAX_COMPS_IN_SCAN)
        ERREXIT2(source, JERR_COMPONENT_COUNT, source->num_components, MAX_COMPS_IN_SCAN);
    if (has_changed_qtable(source))
        ERREXIT1(source, JERR_MISMATCHED_QUANT_TABLE, 0);
    set_dc_steps(source, coefficients, requantisers);
    mcu_blocks = start_scan(source, requantisers, components);
    if (mcu_blocks > C_MAX_BLOCKS_IN_MCU)
        ERREXIT(source, JERR_BAD_MCU_SIZE);
    mcu_columns = (components[0].width + components[0].mcu_width - 1) / components[0].mcu_width;
    mcu_rows = (components[0].height + components[0].mcu_height - 1) / components[0].mcu_height;
    gpt_entropy_reset(entropy);
    for (JDIMENSION y = 0; y < mcu_rows; y++) {
        if (!gpt_entropy_reserve(entropy, (size_t)mcu_columns * mcu_blocks))
            ERREXIT1(source, JERR_OUT_OF_MEMORY, 0);
        for (int c = 0; c < source->num_components; c++) {
            component_scan *component = &components[c];
            const JDIMENSION first_row = y * component->mcu_height;

            component->row_count = min_dimension(component->mcu_height, component->height - first_row);
            component->rows = source->mem->access_virt_barray((j_common_ptr)source, coefficients[c], first_row,
                                                              component->row_count, TRUE);
        }
        for (JDIMENSION x = 0; x < mcu_columns; x++) {
            for (int c = 0; c < source->num_components; c++)
                add_mcu_blocks(&components[c], x, entropy);
        }
    }
    if (!gpt_entropy_make_tables(entropy))
        ERREXIT(source, JERR_BAD_DCT_COEF);
}
