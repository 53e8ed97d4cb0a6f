#include "recompress.h"

#include <stdio.h>

#include <jpeglib.h> /* needs stdio.h */

#include <jerror.h>

#include "coefficients.h"
#include "decoder.h"
#include "markers.h"
#include "writer.h"

_Static_assert(GPT_TABLE_SLOTS == NUM_QUANT_TBLS, "each table slot of a JPEG has a requantiser");

void gpt_workspace_free(gpt_workspace *self)
{
    gpt_entropy_free(&self->entropy);
}

/* Does the work; failures leave through decoder->escape. */
static enum gpt_outcome recompress(gpt_decoder *decoder, const uint8_t *tile, size_t size, int quality, int is_exact,
                                   gpt_workspace *workspace, gpt_writer *writer)
{
    j_decompress_ptr source = &decoder->source;
    gpt_requantiser *const requantisers = workspace->requantisers;
    jvirt_barray_ptr *coefficients;

    gpt_decoder_read_header(decoder, tile, size);
    if (source->data_precision != BITS_IN_JSAMPLE)
        ERREXIT1(source, JERR_BAD_PRECISION, source->data_precision);
    if (quality >= decoder->quality)
        return GPT_OUTCOME_KEPT_QUALITY;
    if (gpt_has_all_qtables(source) && !gpt_prepare_requantisers(source, quality, is_exact, requantisers))
        return GPT_OUTCOME_KEPT_UNCHANGED;
    coefficients = gpt_decoder_read_coefficients(decoder, size);
    gpt_decoder_require_all_scans(decoder);
    /* Prepared again, since tables may be defined or redefined between the scans of an image. */
    if (!gpt_has_all_qtables(source))
        ERREXIT1(source, JERR_NO_QUANT_TABLE, 0);
    if (!gpt_prepare_requantisers(source, quality, is_exact, requantisers))
        return GPT_OUTCOME_KEPT_UNCHANGED;
    gpt_requantise_image(source, coefficients, requantisers, &workspace->entropy);
    gpt_write_header(writer, source, requantisers, &workspace->entropy);
    gpt_entropy_write(&workspace->entropy, writer);
    gpt_write_eoi(writer);
    return writer->overflowed ? GPT_OUTCOME_KEPT_NOT_SMALLER : GPT_OUTCOME_RECOMPRESSED;
}

static enum gpt_outcome try_recompress(gpt_decoder *decoder, const uint8_t *tile, size_t size, int quality,
                                       int is_exact, gpt_workspace *workspace, gpt_writer *writer)
{
    if (setjmp(decoder->escape)) {
        /* A failure on decoded coefficients is a limit of the result, not damage of the tile. */
        const int is_unsupported = decoder->is_decoded || gpt_decoder_damage(decoder) == GPT_DAMAGE_UNSUPPORTED;

        return is_unsupported ? GPT_OUTCOME_KEPT_UNSUPPORTED : GPT_OUTCOME_DAMAGED;
    }
    return recompress(decoder, tile, size, quality, is_exact, workspace, writer);
}

enum gpt_outcome gpt_recompress_tile(const uint8_t *tile, size_t size, int quality, enum gpt_table_mode tables,
                                     gpt_workspace *workspace, uint8_t *out, size_t *out_size)
{
    char message[GPT_MESSAGE_SIZE];
    gpt_decoder decoder;
    gpt_writer writer;
    enum gpt_outcome outcome;

    *out_size = 0;
    if (size < 3 || tile[0] != 0xFF || tile[1] != 0xD8 || tile[2] != 0xFF)
        return GPT_OUTCOME_KEPT_NOT_JPEG;
    writer = (gpt_writer){.next = out, .end = out + size - 1}; /* a result that is not smaller overflows */
    gpt_decoder_init(&decoder, message);
    outcome = try_recompress(&decoder, tile, size, quality, tables == GPT_TABLES_EXACT, workspace, &writer);
    if (outcome == GPT_OUTCOME_RECOMPRESSED)
        *out_size = (size_t)(writer.next - out);
    gpt_decoder_destroy(&decoder);
    return outcome;
}
