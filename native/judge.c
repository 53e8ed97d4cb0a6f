#include "judge.h"

const uint16_t *gpt_component_qtable(const struct jpeg_decompress_struct *source, int component)
{
    const int slot = source->comp_info[component].quant_tbl_no;

    if (slot < 0 || slot >= NUM_QUANT_TBLS || source->quant_tbl_ptrs[slot] == NULL)
        return NULL;
    return source->quant_tbl_ptrs[slot]->quantval;
}

int gpt_has_all_qtables(const struct jpeg_decompress_struct *source)
{
    for (int c = 0; c < source->num_components; c++) {
        if (gpt_component_qtable(source, c) == NULL)
            return 0;
    }
    return 1;
}

int gpt_is_chroma(const struct jpeg_decompress_struct *source, int component)
{
    const J_COLOR_SPACE space = source->jpeg_color_space;

    return (space == JCS_YCbCr || space == JCS_YCCK) && (component == 1 || component == 2);
}

/* Loads the tables in use. Returns their slots as bits, and sets *is_foreign to whether one is no IJG table. */
static unsigned load_tables(const struct jpeg_decompress_struct *source, gpt_requantiser requantisers[NUM_QUANT_TBLS],
                            int *is_foreign)
{
    unsigned slots = 0;

    *is_foreign = 0;
    for (int c = 0; c < source->num_components; c++) {
        const int slot = source->comp_info[c].quant_tbl_no;

        if (slots & 1u << slot) /* a table that several components share is judged by the first of them */
            continue;
        gpt_requantiser_load(&requantisers[slot], gpt_component_qtable(source, c), gpt_is_chroma(source, c));
        *is_foreign |= !requantisers[slot].is_ijg;
        slots |= 1u << slot;
    }
    return slots;
}

enum gpt_outcome gpt_judge(const struct jpeg_decompress_struct *source, const gpt_request *request,
                           gpt_requantiser requantisers[NUM_QUANT_TBLS])
{
    int is_foreign, is_left_alone, is_below = 0, changes = 0;
    const unsigned slots = load_tables(source, requantisers, &is_foreign);

    is_left_alone = is_foreign && request->declared_quality != 0 && request->quality >= request->declared_quality;
    for (int slot = 0; slot < NUM_QUANT_TBLS; slot++) {
        gpt_requantiser *requantiser = &requantisers[slot];

        if (slots & 1u << slot) {
            const int is_table_below = !is_left_alone && request->quality < requantiser->own_quality;

            is_below |= is_table_below;
            changes |= gpt_requantiser_prepare(requantiser, is_table_below ? request->quality : GPT_KEEP_STEPS,
                                               request->tables == GPT_TABLES_EXACT);
        }
    }
    if (changes)
        return GPT_OUTCOME_RECOMPRESSED;
    if (request->quality == GPT_KEEP_STEPS)
        return GPT_OUTCOME_KEPT_NOT_SMALLER;
    return is_below ? GPT_OUTCOME_KEPT_UNCHANGED : GPT_OUTCOME_KEPT_QUALITY;
}
