#include "recompress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h> /* needs stdio.h */

#include <jerror.h>

#include "coefficients.h"
#include "decoder.h"
#include "markers.h"
#include "progressive.h"
#include "writer.h"

_Static_assert(GPT_TABLE_SLOTS == NUM_QUANT_TBLS, "each table slot of a JPEG has a requantiser");

void gpt_workspace_free(gpt_workspace *self)
{
    gpt_entropy_free(&self->entropy);
}

/* Writes the progressive version of a result over the sequential one if it is smaller. The writer is at the end of the
 * sequential one, which starts at `out`, and may have overflowed.
 */
static void prefer_progressive(gpt_decoder *decoder, jvirt_barray_ptr *coefficients, const gpt_workspace *workspace,
                               uint8_t *out, gpt_writer *writer)
{
    const size_t limit = (size_t)((writer->overflowed ? writer->end : writer->next) - out);
    uint8_t *buffer = malloc(limit + 1);
    gpt_writer shorter;

    if (buffer == NULL) /* not needed for a valid result */
        return;
    shorter = (gpt_writer){.next = buffer, .end = buffer + limit};
    if (gpt_write_progressive(&shorter, &decoder->source, coefficients, workspace->requantisers)) {
        const size_t size = (size_t)(shorter.next - buffer);

        memcpy(out, buffer, size);
        *writer = (gpt_writer){.next = out + size, .end = writer->end};
    }
    free(buffer);
}

static void read_checked_header(gpt_decoder *decoder, const uint8_t *tile, size_t size)
{
    gpt_decoder_read_header(decoder, tile, size);
    if (decoder->source.data_precision != BITS_IN_JSAMPLE)
        ERREXIT1(&decoder->source, JERR_BAD_PRECISION, decoder->source.data_precision);
}

static enum gpt_outcome judge(gpt_decoder *decoder, const gpt_request *request,
                              gpt_requantiser requantisers[GPT_TABLE_SLOTS])
{
    if (!gpt_has_all_qtables(&decoder->source))
        ERREXIT1(&decoder->source, JERR_NO_QUANT_TABLE, 0);
    return gpt_judge(&decoder->source, request, requantisers);
}

/* Does the work; failures leave through decoder->escape. */
static enum gpt_outcome recompress(gpt_decoder *decoder, const uint8_t *tile, size_t size, const gpt_request *request,
                                   gpt_workspace *workspace, uint8_t *out, gpt_writer *writer)
{
    j_decompress_ptr source = &decoder->source;
    jvirt_barray_ptr *coefficients;
    enum gpt_outcome outcome;

    read_checked_header(decoder, tile, size);
    coefficients = gpt_decoder_read_coefficients(decoder, size);
    gpt_decoder_require_all_scans(decoder);
    outcome = judge(decoder, request, workspace->requantisers); /* tables may be defined between the scans */
    gpt_requantise_image(source, coefficients, workspace->requantisers, &workspace->entropy);
    gpt_write_header(writer, source, workspace->requantisers, &workspace->entropy);
    gpt_entropy_write(&workspace->entropy, writer);
    gpt_write_eoi(writer);
    if (source->progressive_mode)
        prefer_progressive(decoder, coefficients, workspace, out, writer);
    if (!writer->overflowed)
        return outcome == GPT_OUTCOME_RECOMPRESSED ? GPT_OUTCOME_RECOMPRESSED : GPT_OUTCOME_OPTIMISED;
    return outcome == GPT_OUTCOME_RECOMPRESSED ? GPT_OUTCOME_KEPT_NOT_SMALLER : outcome;
}

/* Returns the outcome of a failure. One on decoded coefficients is a limit of the result, not damage of the tile. */
static enum gpt_outcome failure(const gpt_decoder *decoder)
{
    const int is_unsupported = decoder->is_decoded || gpt_decoder_damage(decoder) == GPT_DAMAGE_UNSUPPORTED;

    return is_unsupported ? GPT_OUTCOME_KEPT_UNSUPPORTED : GPT_OUTCOME_DAMAGED;
}

static int is_jpeg(const uint8_t *tile, size_t size)
{
    return size >= 3 && tile[0] == 0xFF && tile[1] == 0xD8 && tile[2] == 0xFF;
}

static enum gpt_outcome try_recompress(gpt_decoder *decoder, const uint8_t *tile, size_t size,
                                       const gpt_request *request, gpt_workspace *workspace, uint8_t *out,
                                       size_t *out_size)
{
    gpt_writer writer = {.next = out, .end = out + size - 1}; /* a result that is not smaller overflows */
    enum gpt_outcome outcome;

    if (setjmp(decoder->escape))
        return failure(decoder);
    outcome = recompress(decoder, tile, size, request, workspace, out, &writer);
    if (outcome == GPT_OUTCOME_RECOMPRESSED || outcome == GPT_OUTCOME_OPTIMISED)
        *out_size = (size_t)(writer.next - out);
    return outcome;
}

/* Recompresses a tile by one way: requantised if the request changes it, else optimised. */
static enum gpt_outcome recompress_once(const uint8_t *tile, size_t size, const gpt_request *request,
                                        gpt_workspace *workspace, uint8_t *out, size_t *out_size)
{
    char message[GPT_MESSAGE_SIZE];
    gpt_decoder decoder;
    enum gpt_outcome outcome;

    gpt_decoder_init(&decoder, message);
    outcome = try_recompress(&decoder, tile, size, request, workspace, out, out_size);
    gpt_decoder_destroy(&decoder);
    return outcome;
}

enum gpt_outcome gpt_recompress_tile(const uint8_t *tile, size_t size, const gpt_request *request,
                                     gpt_workspace *workspace, uint8_t *out, size_t *out_size)
{
    enum gpt_outcome outcome;

    *out_size = 0;
    if (!is_jpeg(tile, size))
        return GPT_OUTCOME_KEPT_NOT_JPEG;
    outcome = recompress_once(tile, size, request, workspace, out, out_size);
    /* Requantised tiles are hardly ever larger; the coefficients have changed then, so the tile is read again. */
    if (outcome == GPT_OUTCOME_KEPT_NOT_SMALLER && request->quality != GPT_KEEP_STEPS)
        outcome = recompress_once(tile, size, &(gpt_request){.quality = GPT_KEEP_STEPS}, workspace, out, out_size);
    return outcome;
}

/* ---- by the header ---- */

static enum gpt_outcome try_judge(gpt_decoder *decoder, const uint8_t *tile, size_t size, const gpt_request *request)
{
    gpt_requantiser requantisers[GPT_TABLE_SLOTS] = {0};

    if (setjmp(decoder->escape))
        return failure(decoder);
    read_checked_header(decoder, tile, size);
    return judge(decoder, request, requantisers);
}

enum gpt_outcome gpt_judge_tile(const uint8_t *tile, size_t size, const gpt_request *request)
{
    char message[GPT_MESSAGE_SIZE];
    gpt_decoder decoder;
    enum gpt_outcome outcome;

    if (!is_jpeg(tile, size))
        return GPT_OUTCOME_KEPT_NOT_JPEG;
    gpt_decoder_init(&decoder, message);
    outcome = try_judge(&decoder, tile, size, request);
    gpt_decoder_destroy(&decoder);
    return outcome;
}
