#include "compare.h"

#include <string.h>

#include "block.h"
#include "decoder.h"
#include "judge.h"

/* ---- one tile ---- */

/* Returns whether the components' sampling factors divide the largest, which upsampling requires. */
static int has_usable_sampling(const struct jpeg_decompress_struct *image)
{
    for (int c = 0; c < image->num_components; c++) {
        const jpeg_component_info *info = &image->comp_info[c];

        if (image->max_h_samp_factor % info->h_samp_factor != 0 || image->max_v_samp_factor % info->v_samp_factor != 0)
            return 0;
    }
    return 1;
}

static enum gpt_damage check(gpt_decoder *self, const uint8_t *tile, size_t size, gpt_shape *shape)
{
    if (setjmp(self->escape))
        return gpt_decoder_damage(self);
    gpt_decoder_read_header(self, tile, size);
    shape->height = self->source.image_height;
    shape->width = self->source.image_width;
    shape->components = (uint32_t)self->source.num_components;
    gpt_decoder_read_coefficients(self, size);
    return has_usable_sampling(&self->source) ? GPT_DAMAGE_NONE : GPT_DAMAGE_UNSUPPORTED;
}

enum gpt_damage gpt_check_tile(const uint8_t *tile, size_t size, gpt_shape *shape)
{
    gpt_decoder self;
    char message[GPT_MESSAGE_SIZE];
    enum gpt_damage damage;

    memset(shape, 0, sizeof *shape);
    gpt_decoder_init(&self, message);
    damage = check(&self, tile, size, shape);
    gpt_decoder_destroy(&self);
    return damage;
}

/* ---- a tile and its source ---- */

/* A decoded tile. */
typedef struct {
    gpt_decoder decoder;
    jvirt_barray_ptr *coefficients;
    char message[GPT_MESSAGE_SIZE];
} decoded_tile;

/* Decodes a tile. Returns 0 if it is damaged or unsupported. */
static int decode(decoded_tile *self, const uint8_t *tile, size_t size)
{
    if (setjmp(self->decoder.escape))
        return 0;
    gpt_decoder_read_header(&self->decoder, tile, size);
    self->coefficients = gpt_decoder_read_coefficients(&self->decoder, size);
    return 1;
}

/* Returns the quantisation table that the component was decoded with. */
static const uint16_t *qtable(const struct jpeg_decompress_struct *image, int component)
{
    const JQUANT_TBL *used = image->comp_info[component].quant_table;

    return used != NULL ? used->quantval : gpt_component_qtable(image, component);
}

/* Returns whether two tiles have blocks at the same places. */
static int has_same_shape(const struct jpeg_decompress_struct *source, const struct jpeg_decompress_struct *tile)
{
    if (source->image_width != tile->image_width || source->image_height != tile->image_height ||
        source->num_components != tile->num_components || source->jpeg_color_space != tile->jpeg_color_space)
        return 0;
    for (int c = 0; c < source->num_components; c++) {
        const jpeg_component_info *a = &source->comp_info[c], *b = &tile->comp_info[c];

        if (a->h_samp_factor != b->h_samp_factor || a->v_samp_factor != b->v_samp_factor ||
            a->width_in_blocks != b->width_in_blocks || a->height_in_blocks != b->height_in_blocks)
            return 0;
    }
    return 1;
}

/* Returns whether a coefficient is what requantisation of another can give. */
static int is_requantised(int64_t old, int64_t old_step, int64_t new, int64_t new_step)
{
    const int64_t difference = new * new_step - old * old_step;

    if (new_step == old_step)
        return new == old;
    return (new == 0 || (new < 0) == (old < 0)) && 10 * (difference < 0 ? -difference : difference) <= 6 * new_step;
}

static enum gpt_relation compare_rows(JBLOCKROW source, const uint16_t *source_steps, JBLOCKROW tile,
                                      const uint16_t *steps, JDIMENSION blocks)
{
    enum gpt_relation relation = GPT_RELATION_SAME;

    for (JDIMENSION b = 0; b < blocks; b++) {
        if (memcmp(source[b], tile[b], sizeof source[b]) == 0 &&
            memcmp(source_steps, steps, GPT_BLOCK_SIZE * sizeof *steps) == 0)
            continue;
        relation = GPT_RELATION_COARSER;
        for (int i = 0; i < GPT_BLOCK_SIZE; i++) {
            if (!is_requantised(source[b][i], source_steps[i], tile[b][i], steps[i]))
                return GPT_RELATION_OTHER_COEFFICIENTS;
        }
    }
    return relation;
}

static enum gpt_relation compare_component(decoded_tile *source, decoded_tile *tile, int component)
{
    j_decompress_ptr images[] = {&source->decoder.source, &tile->decoder.source};
    const uint16_t *source_steps = qtable(images[0], component), *steps = qtable(images[1], component);
    const jpeg_component_info *info = &images[0]->comp_info[component];
    enum gpt_relation relation = GPT_RELATION_SAME;

    if (source_steps == NULL || steps == NULL) /* a component without a scan, and so without coefficients */
        return source_steps == steps ? GPT_RELATION_SAME : GPT_RELATION_OTHER_SHAPE;
    for (int i = 0; i < GPT_BLOCK_SIZE; i++) {
        if (steps[i] < source_steps[i])
            return GPT_RELATION_FINER_STEPS;
    }
    for (JDIMENSION row = 0; row < info->height_in_blocks; row++) {
        JBLOCKARRAY rows[2];
        enum gpt_relation found;

        for (int i = 0; i < 2; i++) {
            decoded_tile *each = i == 0 ? source : tile;

            rows[i] = images[i]->mem->access_virt_barray((j_common_ptr)images[i], each->coefficients[component], row, 1,
                                                         FALSE);
        }
        found = compare_rows(rows[0][0], source_steps, rows[1][0], steps, info->width_in_blocks);
        if (found == GPT_RELATION_OTHER_COEFFICIENTS)
            return found;
        if (found == GPT_RELATION_COARSER)
            relation = found;
    }
    return relation;
}

static enum gpt_relation compare_images(decoded_tile *source, decoded_tile *tile)
{
    enum gpt_relation relation = GPT_RELATION_SAME;

    if (!has_same_shape(&source->decoder.source, &tile->decoder.source))
        return GPT_RELATION_OTHER_SHAPE;
    for (int c = 0; c < source->decoder.source.num_components; c++) {
        const enum gpt_relation found = compare_component(source, tile, c);

        if (found > GPT_RELATION_COARSER)
            return found;
        if (found == GPT_RELATION_COARSER)
            relation = found;
    }
    return relation;
}

/* Compares two decoded tiles. libjpeg's memory manager may fail in either. */
static enum gpt_relation compare(decoded_tile *source, decoded_tile *tile)
{
    if (setjmp(source->decoder.escape))
        return GPT_RELATION_UNREADABLE;
    if (setjmp(tile->decoder.escape))
        return GPT_RELATION_UNREADABLE;
    return compare_images(source, tile);
}

enum gpt_relation gpt_compare_tiles(const uint8_t *source, size_t source_size, const uint8_t *tile, size_t tile_size)
{
    decoded_tile original, copy;
    enum gpt_relation relation;

    if (source_size == tile_size && memcmp(source, tile, tile_size) == 0)
        return GPT_RELATION_SAME;
    gpt_decoder_init(&original.decoder, original.message);
    gpt_decoder_init(&copy.decoder, copy.message);
    if (decode(&original, source, source_size) && decode(&copy, tile, tile_size))
        relation = compare(&original, &copy);
    else
        relation = GPT_RELATION_UNREADABLE;
    gpt_decoder_destroy(&copy.decoder);
    gpt_decoder_destroy(&original.decoder);
    return relation;
}
