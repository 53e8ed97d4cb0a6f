/* libjpeg-turbo's decoder, as far as the quantised coefficients of one tile, with its errors as codes.
 *
 * Functions that can fail leave through longjmp(decoder->escape, 1): their caller has called setjmp() before.
 */
#ifndef GPT_DECODER_H
#define GPT_DECODER_H

#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <jpeglib.h> /* needs stdio.h */

#include "codes.h"

enum { GPT_MESSAGE_SIZE = 200 };

/* The decoder of one tile. libjpeg's objects keep the tables of the previous image, and a tile without tables would
 * silently be decoded with them: so each tile gets a new object, which costs well under 1 % of the time of a tile.
 */
typedef struct {
    struct jpeg_decompress_struct source;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf escape;
    int is_strict;          /* a warning is an error: set while the entropy-coded data are decoded */
    int is_truncated;       /* libjpeg met the end of the bytes before the end of the image */
    int is_decoded;         /* all of the tile was decoded: what fails later is not the fault of the tile */
    enum gpt_damage damage; /* of a failure that is no libjpeg error */
    char *message;          /* of a failure: GPT_MESSAGE_SIZE bytes that the caller owns */
} gpt_decoder;

/* Initialises a decoder, which gpt_decoder_destroy() releases, also after a failure. Allocates nothing. `message` must
 * have GPT_MESSAGE_SIZE bytes and is set to "".
 */
void gpt_decoder_init(gpt_decoder *self, char *message);

void gpt_decoder_destroy(gpt_decoder *self);

/* Fails with a message and a kind of damage. */
_Noreturn void gpt_decoder_fail(gpt_decoder *self, enum gpt_damage damage, const char *message);

/* Reads the header of tile[0..size). Fails if it is damaged or unsupported. */
void gpt_decoder_read_header(gpt_decoder *self, const uint8_t *tile, size_t size);

/* Decodes the coefficients of all components. Fails at the first error or warning. */
jvirt_barray_ptr *gpt_decoder_read_coefficients(gpt_decoder *self, size_t size);

/* Fails if scans are missing: decoders show such an image in different ways, smoothed or with guessed coefficients. To
 * be called after gpt_decoder_read_coefficients().
 */
void gpt_decoder_require_all_scans(gpt_decoder *self);

/* Returns what a failure means. */
enum gpt_damage gpt_decoder_damage(const gpt_decoder *self);

/* Decodes all of a tile and returns what is wrong with it. `message` is set to libjpeg's text, "" if nothing is. */
enum gpt_damage gpt_diagnose_tile(const uint8_t *tile, size_t size, char message[GPT_MESSAGE_SIZE]);

#endif
