#include "decoder.h"

#include <string.h>

#include <jerror.h>


_Static_assert(GPT_MESSAGE_SIZE >= JMSG_LENGTH_MAX, "libjpeg's messages must fit");

/* Readers of these caches accept tiles of up to 8192 x 8192 pixels; three components of that size fit into this memory.
 * No encoder writes so many scans.
 */
enum { MAX_SIDE = 8192, MAX_SCANS = 100 };
static const long MAX_MEMORY = 512L * 1024 * 1024;

enum { DHP = 0xDE }; /* the marker of a hierarchical image, which libjpeg does not know */

/* ---- libjpeg's callbacks: client_data is the decoder ---- */

static void on_error(j_common_ptr info)
{
    gpt_decoder *self = info->client_data;

    info->err->format_message(info, self->message);
    longjmp(self->escape, 1);
}

/* level < 0 is a warning, everything else a trace message. */
static void on_message(j_common_ptr info, int level)
{
    gpt_decoder *self = info->client_data;

    if (level >= 0)
        return;
    if (info->err->msg_code == JWRN_JPEG_EOF)
        self->is_truncated = 1;
    if (self->is_strict) {
        self->damage = self->is_truncated ? GPT_DAMAGE_TRUNCATED : GPT_DAMAGE_CORRUPT_DATA;
        on_error(info);
    }
}

static void on_output(j_common_ptr info)
{
    (void)info;
}

static void on_progress(j_common_ptr info)
{
    gpt_decoder *self = info->client_data;

    if (info->is_decompressor && self->source.input_scan_number > MAX_SCANS)
        gpt_decoder_fail(self, GPT_DAMAGE_IMPLAUSIBLE, "more scans than any encoder writes");
}

/* ---- the decoder ---- */

void gpt_decoder_init(gpt_decoder *self, char *message)
{
    memset(self, 0, sizeof *self);
    message[0] = '\0';
    self->message = message;
    self->source.err = jpeg_std_error(&self->errors);
    self->errors.error_exit = on_error;
    self->errors.emit_message = on_message;
    self->errors.output_message = on_output;
    self->progress.progress_monitor = on_progress;
    self->source.client_data = self; /* jpeg_create_decompress() keeps err and client_data */
}

void gpt_decoder_destroy(gpt_decoder *self)
{
    jpeg_destroy_decompress(&self->source);
}

_Noreturn void gpt_decoder_fail(gpt_decoder *self, enum gpt_damage damage, const char *message)
{
    snprintf(self->message, GPT_MESSAGE_SIZE, "%s", message);
    self->damage = damage;
    longjmp(self->escape, 1);
}

void gpt_decoder_read_header(gpt_decoder *self, const uint8_t *tile, size_t size)
{
    jpeg_create_decompress(&self->source);
    self->source.progress = &self->progress;
    self->source.mem->max_memory_to_use = MAX_MEMORY;
    jpeg_save_markers(&self->source, JPEG_APP0 + 2, 0xFFFF);
    jpeg_save_markers(&self->source, JPEG_APP0 + 14, 0xFFFF);
    jpeg_mem_src(&self->source, tile, (unsigned long)size);
    jpeg_read_header(&self->source, TRUE);
}

/* Rejects decompression bombs: a header may declare any size, and memory is allocated before the data are read. A block
 * takes at least two bits in a sequential Huffman-coded scan, and one bit in the first scan of a progressive image.
 * Arithmetic coding has no such minimum; a sixteenth of a bit admits tiles that are all sea.
 */
static void reject_bomb(gpt_decoder *self, size_t size)
{
    j_decompress_ptr source = &self->source;
    const uint64_t min_sixteenths = source->arith_code ? 1 : source->progressive_mode ? 16 : 32;
    uint64_t blocks = 0;

    if (source->image_width > MAX_SIDE || source->image_height > MAX_SIDE)
        ERREXIT1(source, JERR_IMAGE_TOO_BIG, MAX_SIDE);
    for (int c = 0; c < source->num_components; c++)
        blocks += (uint64_t)source->comp_info[c].width_in_blocks * source->comp_info[c].height_in_blocks;
    if (blocks * min_sixteenths > (uint64_t)size * 8 * 16)
        gpt_decoder_fail(self, GPT_DAMAGE_IMPLAUSIBLE, "header declares more blocks than the tile's bytes can hold");
}

jvirt_barray_ptr *gpt_decoder_read_coefficients(gpt_decoder *self, size_t size)
{
    jvirt_barray_ptr *coefficients;

    reject_bomb(self, size);
    self->is_strict = 1;
    coefficients = jpeg_read_coefficients(&self->source);
    self->is_strict = 0;
    self->is_decoded = 1;
    return coefficients;
}

void gpt_decoder_require_all_scans(gpt_decoder *self)
{
    const j_decompress_ptr source = &self->source;

    for (int c = 0; c < source->num_components; c++) {
        int is_complete = source->comp_info[c].quant_table != NULL; /* set by the component's first scan */

        for (int i = 0; source->progressive_mode && i < DCTSIZE2; i++)
            is_complete &= source->coef_bits[c][i] == 0;
        if (!is_complete)
            gpt_decoder_fail(self, GPT_DAMAGE_UNSUPPORTED, "scans are missing");
    }
}

enum gpt_damage gpt_decoder_damage(const gpt_decoder *self)
{
    if (self->damage != GPT_DAMAGE_NONE)
        return self->damage;
    switch (self->errors.msg_code) {
    case JERR_ARITH_NOTIMPL:
    case JERR_BAD_PRECISION:
    case JERR_COMPONENT_COUNT:
    case JERR_IMAGE_TOO_BIG:
    case JERR_MISMATCHED_QUANT_TABLE:
    case JERR_NO_BACKING_STORE:
    case JERR_NOTIMPL:
    case JERR_NOT_COMPILED:
    case JERR_OUT_OF_MEMORY:
    case JERR_SOF_UNSUPPORTED:
    case JERR_WIDTH_OVERFLOW:
        return GPT_DAMAGE_UNSUPPORTED;
    case JERR_UNKNOWN_MARKER:
        return self->errors.msg_parm.i[0] == DHP ? GPT_DAMAGE_UNSUPPORTED : GPT_DAMAGE_CORRUPT_HEADER;
    case JERR_INPUT_EMPTY:
    case JERR_NO_SOI:
        return GPT_DAMAGE_NOT_JPEG;
    case JERR_NO_ARITH_TABLE:
    case JERR_NO_HUFF_TABLE:
    case JERR_NO_QUANT_TABLE:
        return GPT_DAMAGE_MISSING_TABLE;
    default:
        return self->is_truncated ? GPT_DAMAGE_TRUNCATED : GPT_DAMAGE_CORRUPT_HEADER;
    }
}

/* ---- a tile in one call ---- */

static enum gpt_damage diagnose(gpt_decoder *self, const uint8_t *tile, size_t size)
{
    if (setjmp(self->escape))
        return gpt_decoder_damage(self);
    gpt_decoder_read_header(self, tile, size);
    gpt_decoder_read_coefficients(self, size);
    return GPT_DAMAGE_NONE;
}

enum gpt_damage gpt_diagnose_tile(const uint8_t *tile, size_t size, char message[GPT_MESSAGE_SIZE])
{
    gpt_decoder self;
    enum gpt_damage damage;

    gpt_decoder_init(&self, message);
    damage = diagnose(&self, tile, size);
    gpt_decoder_destroy(&self);
    return damage;
}
