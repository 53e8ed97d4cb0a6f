/* Recompression of a batch of tiles by libjpeg-turbo itself: coefficients are read, requantised and written.
 *
 * It shares no code with the core, so that its results also verify those of the core.
 */
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h> /* needs stdio.h */

enum recode_mode { READ_ONLY = 0, STANDARD_TABLES = 1, OPTIMIZE_CODING = 2 };

enum { MAX_BASELINE_STEP = 255 };

/* Reused from tile to tile, which is 1 % faster than new objects. */
typedef struct {
    struct jpeg_decompress_struct source;
    struct jpeg_compress_struct result;
    struct jpeg_error_mgr errors;
    jmp_buf escape;
} recoder;

/* new = truncate((old + half, away from zero) * inverse). The additional 0.5 in half and the rounding of 1 / factor
 * never reach the next integer, and unlike a division the product can be vectorised.
 */
typedef struct {
    float half[DCTSIZE2], inverse[DCTSIZE2];
} divisors;

static void on_error(j_common_ptr info)
{
    longjmp(((recoder *)info->client_data)->escape, 1);
}

/* Returns the highest step of a coefficient that carries colours, 0 of others. */
static int colour_limit(int i, int is_chroma)
{
    if (i == 0)
        return is_chroma ? 6 : 9;
    return is_chroma && (i == 1 || i == DCTSIZE) ? 15 : 0;
}

static int choose_factor(int own, int wanted, int limit)
{
    int factor;

    if (limit > 0) {
        factor = (wanted < limit ? wanted : limit) / own;
        return factor % 2 == 1 ? factor : factor > 1 ? factor - 1 : 1;
    }
    factor = (2 * wanted + own) / (2 * own);
    if (factor > MAX_BASELINE_STEP / own)
        factor = MAX_BASELINE_STEP / own;
    return factor < 1 ? 1 : factor;
}

/* Replaces the wanted steps by multiples of the tile's own. */
static divisors make_divisors(const UINT16 own[DCTSIZE2], UINT16 wanted[DCTSIZE2], int is_chroma, int keeps_dc)
{
    divisors plan;

    for (int i = 0; i < DCTSIZE2; i++) {
        const int factor = i == 0 && keeps_dc ? 1 : choose_factor(own[i], wanted[i], colour_limit(i, is_chroma));

        wanted[i] = (UINT16)(factor * own[i]);
        plan.half[i] = (float)((factor - 1) / 2) + 0.5f;
        plan.inverse[i] = 1.0f / (float)factor;
    }
    return plan;
}

static void divide_block(const divisors *plan, JCOEF block[DCTSIZE2])
{
    for (int i = 0; i < DCTSIZE2; i++) {
        const float old = block[i], half = old < 0 ? -plan->half[i] : plan->half[i];

        block[i] = (JCOEF)((old + half) * plan->inverse[i]);
    }
}

/* Returns whether most blocks have the DC coefficient of the previous one, in a component that uses a table. */
static int keeps_dc(j_decompress_ptr source, jvirt_barray_ptr *coefficients, int slot)
{
    for (int c = 0; c < source->num_components; c++) {
        const jpeg_component_info *component = &source->comp_info[c];
        const JDIMENSION width = component->width_in_blocks, count = width * component->height_in_blocks;
        JDIMENSION changes = 0;
        JCOEF last = 0;

        for (JDIMENSION i = 0; i < count && component->quant_tbl_no == slot; i++) {
            JBLOCKARRAY row =
                source->mem->access_virt_barray((j_common_ptr)source, coefficients[c], i / width, 1, FALSE);
            const JCOEF dc = row[0][i % width][0];

            changes += i > 0 && dc != last;
            last = dc;
        }
        if (component->quant_tbl_no == slot && 2 * changes <= count)
            return 1;
    }
    return 0;
}

static void requantise(recoder *self, jvirt_barray_ptr *coefficients)
{
    j_decompress_ptr source = &self->source;
    divisors plans[NUM_QUANT_TBLS];

    for (int slot = 0; slot < NUM_QUANT_TBLS; slot++) {
        const JQUANT_TBL *own = source->quant_tbl_ptrs[slot];

        if (own != NULL)
            plans[slot] = make_divisors(own->quantval, self->result.quant_tbl_ptrs[slot]->quantval, slot == 1,
                                        keeps_dc(source, coefficients, slot));
    }
    for (int c = 0; c < source->num_components; c++) {
        const jpeg_component_info *component = &source->comp_info[c];

        for (JDIMENSION row = 0; row < component->height_in_blocks; row++) {
            JBLOCKARRAY blocks =
                source->mem->access_virt_barray((j_common_ptr)source, coefficients[c], row, 1, TRUE);

            for (JDIMENSION column = 0; column < component->width_in_blocks; column++)
                divide_block(&plans[component->quant_tbl_no], blocks[0][column]);
        }
    }
}

/* Returns the number of bytes written. */
static size_t write_tile(recoder *self, jvirt_barray_ptr *coefficients, int quality, int mode, uint8_t *out,
                         size_t capacity)
{
    unsigned char *buffer = out;
    unsigned long written = (unsigned long)capacity;

    jpeg_mem_dest(&self->result, &buffer, &written);
    jpeg_copy_critical_parameters(&self->source, &self->result);
    jpeg_set_quality(&self->result, quality, TRUE);
    requantise(self, coefficients);
    self->result.optimize_coding = mode == OPTIMIZE_CODING;
    jpeg_write_coefficients(&self->result, coefficients);
    jpeg_finish_compress(&self->result);
    if (buffer != out) { /* allocated by libjpeg, since the capacity was too small */
        free(buffer);
        longjmp(self->escape, 1);
    }
    return written;
}

static void recode_each(recoder *self, const uint8_t *source, const uint64_t *offsets, const uint32_t *sizes,
                        size_t count, int quality, int mode, uint8_t *out, size_t capacity, uint32_t *new_sizes)
{
    size_t total = 0;

    for (size_t i = 0; i < count; i++) {
        jvirt_barray_ptr *coefficients;

        jpeg_mem_src(&self->source, source + offsets[i], sizes[i]);
        jpeg_read_header(&self->source, TRUE);
        coefficients = jpeg_read_coefficients(&self->source);
        if (self->errors.num_warnings > 0) /* reset for each image */
            longjmp(self->escape, 1);
        new_sizes[i] = 0;
        if (mode != READ_ONLY)
            new_sizes[i] = (uint32_t)write_tile(self, coefficients, quality, mode, out + total, capacity - total);
        jpeg_finish_decompress(&self->source);
        total += new_sizes[i];
    }
}

/* Recodes `count` tiles of `source` into out[0..capacity), one after the other. Returns 0 if a tile is damaged or the
 * capacity is too small, else 1.
 */
int recode_tiles(const uint8_t *source, const uint64_t *offsets, const uint32_t *sizes, size_t count, int quality,
                 int mode, uint8_t *out, size_t capacity, uint32_t *new_sizes)
{
    recoder self;
    int failed;

    self.source.err = self.result.err = jpeg_std_error(&self.errors);
    self.errors.error_exit = on_error;
    self.source.client_data = self.result.client_data = &self;
    jpeg_create_decompress(&self.source);
    jpeg_create_compress(&self.result);
    failed = setjmp(self.escape);
    if (!failed)
        recode_each(&self, source, offsets, sizes, count, quality, mode, out, capacity, new_sizes);
    jpeg_destroy_compress(&self.result);
    jpeg_destroy_decompress(&self.source);
    return !failed;
}
