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
static int is_chroma(const struct jpeg_decompress_struct *source, int component)
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
        uint16_t wanted[TABLE_SIZE];

        if (planned & 1u << slot)
            continue;
        planned |= 1u << slot;
        quality_table(quality, is_chroma(source, c), wanted);
        changes |= (exact ? requantiser_widen : requantiser_snap)(&plans[slot], own_table(source, c), wanted);
    }
    return changes;
}

/* ---- levels and symbols ---- */

/* How one component's blocks stand in the scan: `across` x `down` of them in each MCU, as far as there are real ones. */
typedef struct {
    JDIMENSION across, down, mcus_across, mcus_down;
} block_layout;

/* The result has one scan; with one component its MCU is a block, with more they are interleaved (T.81, A.2). */
static block_layout layout_of(const struct jpeg_decompress_struct *source, const jpeg_component_info *component)
{
    const JDIMENSION mcu_width = (JDIMENSION)source->max_h_samp_factor * DCTSIZE;
    const JDIMENSION mcu_height = (JDIMENSION)source->max_v_samp_factor * DCTSIZE;

    if (source->num_components == 1)
        return (block_layout){1, 1, component->width_in_blocks, component->height_in_blocks};
    return (block_layout){
        .across = (JDIMENSION)component->h_samp_factor,
        .down = (JDIMENSION)component->v_samp_factor,
        .mcus_across = (source->image_width + mcu_width - 1) / mcu_width,
        .mcus_down = (source->image_height + mcu_height - 1) / mcu_height,
    };
}

/* Counts the DC symbols of a row of MCUs: each value is coded as the difference to the one before it in the scan. */
static int count_dc(huffman_counts *counts, const block_layout *layout, JDIMENSION width, JBLOCKARRAY rows,
                    JDIMENSION rows_here, int *last)
{
    int codable = 1;

    for (JDIMENSION first = 0; first < width; first += layout->across) {
        for (JDIMENSION row = 0; row < rows_here; row++) {
            for (JDIMENSION i = first; i < first + layout->across && i < width; i++) {
                codable &= huffman_count_dc(counts, rows[row][i][0] - *last);
                *last = rows[row][i][0];
            }
        }
    }
    return codable;
}

/* Moves the levels of one component and counts its symbols. Returns 0 when some can't be coded. */
static int requantise_component(j_decompress_ptr source, const jpeg_component_info *component,
                                jvirt_barray_ptr coefficients, const requantiser *plan, huffman_counts *dc,
                                huffman_counts *ac)
{
    const block_layout layout = layout_of(source, component);
    const JDIMENSION height = component->height_in_blocks, width = component->width_in_blocks;
    /* Places of the last MCUs that have no real block are coded as blocks of no difference and no AC level. */
    const JDIMENSION places = layout.mcus_across * layout.across * layout.mcus_down * layout.down;
    int last = 0, codable = 1;

    for (JDIMENSION first = 0; first < height; first += layout.down) {
        const JDIMENSION rows_here = height - first < layout.down ? height - first : layout.down;
        JBLOCKARRAY rows =
            source->mem->access_virt_barray((j_common_ptr)source, coefficients, first, rows_here, TRUE);

        for (JDIMENSION row = 0; row < rows_here; row++) {
            for (JDIMENSION i = 0; i < width; i++) {
                const uint64_t nonzero = requantise_block(plan, rows[row][i]);

                codable &= huffman_count_ac(ac, rows[row][i], nonzero & ~UINT64_C(1));
            }
        }
        codable &= count_dc(dc, &layout, width, rows, rows_here, &last);
    }
    dc->count[0] += places - width * height;
    ac->count[0] += places - width * height;
    return codable;
}

void requantise_image(j_decompress_ptr source, j_compress_ptr result, jvirt_barray_ptr *coefficients,
                      const requantiser plans[NUM_QUANT_TBLS], symbol_counts *counts)
{
    int codable = 1;

    memset(counts, 0, sizeof *counts);
    for (int c = 0; c < source->num_components; c++) {
        const jpeg_component_info *component = &source->comp_info[c], *coded = &result->comp_info[c];

        codable &= requantise_component(source, component, coefficients[c], &plans[component->quant_tbl_no],
                                        &counts->dc[coded->dc_tbl_no], &counts->ac[coded->ac_tbl_no]);
    }
    if (!codable)
        ERREXIT(result, JERR_BAD_DCT_COEF);
}

static void set_table(JHUFF_TBL *table, const huffman_counts *counts)
{
    int used = 0;

    for (int i = 0; i < HUFFMAN_SYMBOLS; i++)
        used |= counts->count[i] != 0;
    if (used)
        huffman_make_table(counts, table->bits, table->huffval);
}

void set_huffman_tables(j_compress_ptr result, const symbol_counts *counts)
{
    for (int i = 0; i < 2; i++) {
        set_table(result->dc_huff_tbl_ptrs[i], &counts->dc[i]);
        set_table(result->ac_huff_tbl_ptrs[i], &counts->ac[i]);
    }
}
