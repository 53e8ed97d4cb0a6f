#include "transcode.h"

#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h> /* wants stdio.h before it */

#include <jerror.h>

#include "coefficients.h"
#include "markers.h"
#include "quality.h"

_Static_assert(TRANSCODE_MESSAGE_SIZE >= JMSG_LENGTH_MAX, "libjpeg's messages must fit");
_Static_assert(TRANSCODE_TABLES == NUM_QUANT_TBLS, "each of a JPEG's tables has a plan");

/* A tile is at most 8192 x 8192 (what readers of these caches accept); three components of that size fit into this
 * memory, and nobody needs more scans.
 */
enum { MAX_SIDE = 8192, MAX_SCANS = 100 };
static const long MAX_MEMORY = 512L * 1024 * 1024;

enum { DHP = 0xDE }; /* the marker that begins a hierarchical image, which libjpeg does not know */

/* One tile's work. libjpeg's objects keep the tables of the image before, and a tile without tables of its own would
 * silently be read with them: so every tile gets a fresh one, which costs well under 1 % of its time.
 */
typedef struct {
    struct jpeg_decompress_struct source;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf escape;
    int strict;    /* a warning is an error: set while the entropy-coded data are read */
    int sound;     /* all of the tile was read; what fails from here on is not its fault */
    double quality; /* that of the first component's table, NaN while there is none */
    char *message;  /* TRANSCODE_MESSAGE_SIZE bytes of the caller's */
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

/* ---- life ---- */

/* Sets the callbacks. The object holds no memory yet; it may be destroyed from here on. */
static void prepare(transcoder *self, char *message)
{
    memset(self, 0, sizeof *self);
    self->quality = NAN;
    message[0] = '\0';
    self->message = message;
    self->source.err = jpeg_std_error(&self->errors);
    self->errors.error_exit = on_error;
    self->errors.emit_message = on_message;
    self->errors.output_message = on_output;
    self->progress.progress_monitor = on_progress;
    self->source.client_data = self; /* creation keeps err and client_data */
}

static void destroy(transcoder *self)
{
    jpeg_destroy_decompress(&self->source);
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
    if (own_table(&self->source, 0) != NULL)
        self->quality = quality_of_table(own_table(&self->source, 0));
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

/* Which outcome an error stands for: bytes that are no sound JPEG, or limits of libjpeg. */
static int outcome_of_error(const transcoder *self)
{
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
    case JERR_UNKNOWN_MARKER:
        return self->errors.msg_parm.i[0] == DHP ? TRANSCODE_KEPT_UNSUPPORTED : TRANSCODE_DAMAGED;
    default:
        return TRANSCODE_DAMAGED;
    }
}

/* Reads all of the tile; a warning means damage, and ends it there. */
static jvirt_barray_ptr *read_coefficients(transcoder *self, size_t size)
{
    jvirt_barray_ptr *coefficients;

    refuse_bombs(self, size);
    self->strict = 1;
    coefficients = jpeg_read_coefficients(&self->source);
    self->strict = 0;
    return coefficients;
}

/* Decoders show an image whose last scans are missing in ways of their own, smoothed or with guesses. */
static void refuse_incomplete(transcoder *self)
{
    const j_decompress_ptr source = &self->source;

    for (int c = 0; c < source->num_components; c++) {
        int complete = source->comp_info[c].quant_table != NULL; /* a scan has had it */

        for (int i = 0; source->progressive_mode && i < DCTSIZE2; i++)
            complete &= source->coef_bits[c][i] == 0;
        if (!complete)
            escape_with(self, "scans are missing");
    }
}

/* Does the work; errors leave through self->escape. */
static int recompress(transcoder *self, const uint8_t *tile, size_t size, int quality, int tables,
                      transcode_memory *memory, output *out)
{
    const int exact = tables == TRANSCODE_EXACT;
    requantiser *const plans = memory->plans;
    jvirt_barray_ptr *coefficients;

    read_header(self, tile, size);
    if (self->source.data_precision != BITS_IN_JSAMPLE)
        ERREXIT1(&self->source, JERR_BAD_PRECISION, self->source.data_precision);
    if (quality >= self->quality)
        return TRANSCODE_KEPT_QUALITY;
    if (tables_known(&self->source) && !plan_tables(&self->source, quality, exact, plans))
        return TRANSCODE_KEPT_UNCHANGED;
    coefficients = read_coefficients(self, size);
    self->sound = 1;
    refuse_incomplete(self);
    /* Planned again, since tables may come or change between the scans of one image. */
    if (!tables_known(&self->source))
        ERREXIT1(&self->source, JERR_NO_QUANT_TABLE, 0);
    if (!plan_tables(&self->source, quality, exact, plans))
        return TRANSCODE_KEPT_UNCHANGED;
    requantise_image(&self->source, coefficients, plans, &memory->symbols);
    write_head(out, &self->source, plans, &memory->symbols);
    scan_write(&memory->symbols, out);
    write_end(out);
    return out->overflown ? TRANSCODE_KEPT_NOT_SMALLER : TRANSCODE_RECOMPRESSED;
}

static int recompress_guarded(transcoder *self, const uint8_t *tile, size_t size, int quality, int tables,
                              transcode_memory *memory, output *out)
{
    if (setjmp(self->escape))
        return outcome_of_error(self);
    return recompress(self, tile, size, quality, tables, memory, out);
}

void transcode_free(transcode_memory *self)
{
    scan_free(&self->symbols);
}

void transcode_init(void)
{
    requantise_init();
    scan_init();
}

int transcode_tile(const uint8_t *tile, size_t size, int quality, int tables, transcode_memory *memory, uint8_t *out,
                   size_t *out_size)
{
    char message[TRANSCODE_MESSAGE_SIZE];
    transcoder self;
    output room;
    int outcome;

    *out_size = 0;
    if (size < 3 || tile[0] != 0xFF || tile[1] != 0xD8 || tile[2] != 0xFF)
        return TRANSCODE_KEPT_NOT_JPEG;
    room = (output){.at = out, .end = out + size - 1}; /* what fills all of it is not smaller than the tile */
    prepare(&self, message);
    outcome = recompress_guarded(&self, tile, size, quality, tables, memory, &room);
    if (outcome == TRANSCODE_RECOMPRESSED)
        *out_size = (size_t)(room.at - out);
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

static void quality_guarded(transcoder *self, const uint8_t *tile, size_t size)
{
    if (setjmp(self->escape) == 0)
        read_header(self, tile, size);
}

double transcode_quality(const uint8_t *tile, size_t size)
{
    char message[TRANSCODE_MESSAGE_SIZE];
    transcoder self;

    prepare(&self, message);
    quality_guarded(&self, tile, size);
    destroy(&self);
    return self.quality;
}
