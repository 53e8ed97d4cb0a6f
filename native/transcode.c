#include "transcode.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h> /* wants stdio.h before it */

#include <jerror.h>

#include "coefficients.h"
#include "quality.h"

_Static_assert(TRANSCODE_MESSAGE_SIZE >= JMSG_LENGTH_MAX, "libjpeg's messages must fit");

/* A tile is at most 8192 x 8192 (what readers of these caches accept); three components of that size fit into this
 * memory, and nobody needs more scans.
 */
enum { MAX_SIDE = 8192, MAX_SCANS = 100 };
static const long MAX_MEMORY = 512L * 1024 * 1024;

static const char ICC_SIGNATURE[] = "ICC_PROFILE"; /* its closing NUL belongs to the signature */

/* One tile's work. libjpeg objects keep the tables of the image before, and a tile without tables of its own would
 * silently be read with them: so every tile gets fresh ones, which costs well under 1 % of its time.
 */
typedef struct {
    struct jpeg_decompress_struct source;
    struct jpeg_compress_struct result;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    struct jpeg_destination_mgr destination;
    jmp_buf escape;
    int strict;    /* a warning is an error: set while the entropy-coded data are read */
    int sound;     /* all of the tile was read; what fails from here on is not its fault */
    int overflown; /* the escape was taken because the result outgrew the tile */
    uint8_t *out;
    size_t capacity;
    char *message; /* TRANSCODE_MESSAGE_SIZE bytes of the caller's */
} transcoder;

/* ---- libjpeg's callbacks: each finds its transcoder in client_data ---- */

static void on_error(j_common_ptr info)
{
    transcoder *self = info->client_data;

    info->err->format_message(info, self->message);
    longjmp(self->escape, 1);
}

static void on_message(j_common_ptr info, int level)
{
    transcoder *self = info->client_data;

    if (level < 0 && self->strict)
        on_error(info);
}

static void on_output(j_common_ptr info)
{
    (void)info;
}

static void escape_with(transcoder *self, const char *message)
{
    snprintf(self->message, TRANSCODE_MESSAGE_SIZE, "%s", message);
    self->errors.msg_code = JMSG_NOMESSAGE;
    longjmp(self->escape, 1);
}

static void on_progress(j_common_ptr info)
{
    transcoder *self = info->client_data;

    if (info->is_decompressor && self->source.input_scan_number > MAX_SCANS)
        escape_with(self, "more scans than any tile needs");
}

static void start_output(j_compress_ptr info)
{
    transcoder *self = info->client_data;

    self->destination.next_output_byte = self->out;
    self->destination.free_in_buffer = self->capacity;
}

static boolean flush_output(j_compress_ptr info)
{
    transcoder *self = info->client_data;

    self->overflown = 1;
    longjmp(self->escape, 1);
}

static void end_output(j_compress_ptr info)
{
    (void)info;
}

/* ---- life ---- */

/* Sets the callbacks. Neither object holds memory yet; both may be destroyed from here on. */
static void prepare(transcoder *self, char *message)
{
    memset(self, 0, sizeof *self);
    message[0] = '\0';
    self->message = message;
    self->source.err = self->result.err = jpeg_std_error(&self->errors);
    self->errors.error_exit = on_error;
    self->errors.emit_message = on_message;
    self->errors.output_message = on_output;
    self->destination.init_destination = start_output;
    self->destination.empty_output_buffer = flush_output;
    self->destination.term_destination = end_output;
    self->progress.progress_monitor = on_progress;
    self->source.client_data = self->result.client_data = self; /* creation keeps err and client_data */
}

static void destroy(transcoder *self)
{
    jpeg_destroy((j_common_ptr)&self->result);
    jpeg_destroy((j_common_ptr)&self->source);
}

static void read_header(transcoder *self, const uint8_t *tile, size_t size)
{
    jpeg_create_decompress(&self->source);
    self->source.progress = &self->progress;
    self->source.mem->max_memory_to_use = MAX_MEMORY;
    jpeg_save_markers(&self->source, JPEG_APP0 + 2, 0xFFFF);
    jpeg_save_markers(&self->source, JPEG_APP0 + 14, 0xFFFF);
    jpeg_mem_src(&self->source, tile, (unsigned long)size);
    jpeg_read_header(&self->source, TRUE);
}

/* ---- one tile ---- */

/* A header may promise anything, and memory is taken before the data are read. A block takes at least two bits of a
 * sequential Huffman scan, or one of a progressive image's first scan. Arithmetic coding has no such floor; a
 * sixteenth of a bit leaves room for tiles that are all sea.
 */
static void refuse_bombs(transcoder *self, size_t size)
{
    j_decompress_ptr source = &self->source;
    const uint64_t sixteenths = source->arith_code ? 1 : source->progressive_mode ? 16 : 32;
    uint64_t blocks = 0;

    if (source->image_width > MAX_SIDE || source->image_height > MAX_SIDE)
        ERREXIT1(source, JERR_IMAGE_TOO_BIG, MAX_SIDE);
    for (int c = 0; c < source->num_components; c++)
        blocks += (uint64_t)source->comp_info[c].width_in_blocks * source->comp_info[c].height_in_blocks;
    if (blocks * sixteenths > (uint64_t)size * 8 * 16)
        escape_with(self, "the header promises more blocks than the bytes can hold");
}

/* Copies what says how the colours are meant, APP14 and the ICC profile; EXIF, XMP and comments stay behind. */
static void copy_colour_markers(transcoder *self)
{
    for (jpeg_saved_marker_ptr m = self->source.marker_list; m != NULL; m = m->next) {
        const int icc = m->data_length >= sizeof ICC_SIGNATURE &&
                        memcmp(m->data, ICC_SIGNATURE, sizeof ICC_SIGNATURE) == 0;

        if (m->marker == JPEG_APP0 + 14 || icc)
            jpeg_write_marker(&self->result, m->marker, m->data, m->data_length);
    }
}

/* Readies the result: the tile's own parameters, but for the quantisers and what depends on the kind of coding. */
static void begin_result(transcoder *self, const requantiser plans[])
{
    j_compress_ptr result = &self->result;

    jpeg_create_compress(result);
    result->dest = &self->destination;
    jpeg_copy_critical_parameters(&self->source, result);
    for (int c = 0; c < result->num_components; c++) {
        const int slot = result->comp_info[c].quant_tbl_no;

        memcpy(result->quant_tbl_ptrs[slot]->quantval, plans[slot].step, sizeof plans[slot].step);
    }
    /* Readers tell the colour space by these markers, so the result has just those of the tile; APP14 is copied. */
    result->write_JFIF_header = self->source.saw_JFIF_marker;
    result->write_Adobe_marker = FALSE;
    result->arith_code = FALSE;
}

static void write_result(transcoder *self, jvirt_barray_ptr *coefficients, const symbol_counts *counts)
{
    j_compress_ptr result = &self->result;

    /* Huffman tables of its own for every tile: 5 to 10 % smaller than the standard ones. */
    set_huffman_tables(result, counts);
    jpeg_write_coefficients(result, coefficients);
    copy_colour_markers(self);
    jpeg_finish_compress(result);
}

/* Which outcome an error stands for: bytes that are no sound JPEG, or limits of libjpeg. */
static int outcome_of_error(const transcoder *self)
{
    if (self->overflown)
        return TRANSCODE_KEPT_NOT_SMALLER;
    if (self->sound)
        return TRANSCODE_KEPT_UNSUPPORTED;
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
        return TRANSCODE_KEPT_UNSUPPORTED;
    default:
        return TRANSCODE_DAMAGED;
    }
}

/* The quality of the first component's table; 0 when it has none. */
static int own_quality(const transcoder *self, double *quality)
{
    const uint16_t *table = own_table(&self->source, 0);

    if (table == NULL)
        return 0;
    *quality = quality_of_table(table);
    return 1;
}

/* Reads all of the tile; a warning means damage, and ends it there. */
static jvirt_barray_ptr *read_coefficients(transcoder *self, size_t size)
{
    jvirt_barray_ptr *coefficients;

    refuse_bombs(self, size);
    self->strict = 1;
    coefficients = jpeg_read_coefficients(&self->source);
    self->strict = 0;
    self->sound = 1;
    return coefficients;
}

/* Does the work; errors leave through self->escape. */
static int recompress(transcoder *self, const uint8_t *tile, size_t size, int quality, int tables)
{
    requantiser plans[NUM_QUANT_TBLS];
    symbol_counts counts;
    jvirt_barray_ptr *coefficients;
    double own;

    read_header(self, tile, size);
    if (self->source.data_precision != BITS_IN_JSAMPLE)
        ERREXIT1(&self->source, JERR_BAD_PRECISION, self->source.data_precision);
    if (own_quality(self, &own) && quality >= own)
        return TRANSCODE_KEPT_QUALITY;
    if (tables_known(&self->source) && !plan_tables(&self->source, quality, tables == TRANSCODE_EXACT, plans))
        return TRANSCODE_KEPT_UNCHANGED;
    coefficients = read_coefficients(self, size);
    /* Planned again, since tables may come or change between the scans of one image. */
    if (!tables_known(&self->source))
        ERREXIT1(&self->source, JERR_NO_QUANT_TABLE, 0);
    if (!plan_tables(&self->source, quality, tables == TRANSCODE_EXACT, plans))
        return TRANSCODE_KEPT_UNCHANGED;
    begin_result(self, plans);
    requantise_image(&self->source, &self->result, coefficients, plans, &counts);
    write_result(self, coefficients, &counts);
    return TRANSCODE_RECOMPRESSED;
}

static int recompress_guarded(transcoder *self, const uint8_t *tile, size_t size, int quality, int tables)
{
    if (setjmp(self->escape))
        return outcome_of_error(self);
    return recompress(self, tile, size, quality, tables);
}

void transcode_init(void)
{
    requantise_init();
}

int transcode_tile(const uint8_t *tile, size_t size, int quality, int tables, uint8_t *out, size_t *out_size)
{
    char message[TRANSCODE_MESSAGE_SIZE];
    transcoder self;
    int outcome;

    *out_size = 0;
    if (size < 3 || tile[0] != 0xFF || tile[1] != 0xD8 || tile[2] != 0xFF)
        return TRANSCODE_KEPT_NOT_JPEG;
    prepare(&self, message);
    self.out = out;
    self.capacity = size; /* output that fills it is already not smaller than the tile */
    outcome = recompress_guarded(&self, tile, size, quality, tables);
    if (outcome == TRANSCODE_RECOMPRESSED)
        *out_size = size - self.destination.free_in_buffer;
    destroy(&self);
    return outcome;
}

static void diagnose_guarded(transcoder *self, const uint8_t *tile, size_t size)
{
    if (setjmp(self->escape))
        return;
    read_header(self, tile, size);
    read_coefficients(self, size);
}

void transcode_diagnose(const uint8_t *tile, size_t size, char message[TRANSCODE_MESSAGE_SIZE])
{
    transcoder self;

    prepare(&self, message);
    diagnose_guarded(&self, tile, size);
    destroy(&self);
}

static int quality_guarded(transcoder *self, const uint8_t *tile, size_t size, double *quality)
{
    if (setjmp(self->escape))
        return 0;
    read_header(self, tile, size);
    return own_quality(self, quality);
}

int transcode_quality(const uint8_t *tile, size_t size, double *quality)
{
    char message[TRANSCODE_MESSAGE_SIZE];
    transcoder self;
    int found;

    prepare(&self, message);
    found = quality_guarded(&self, tile, size, quality);
    destroy(&self);
    return found;
}
