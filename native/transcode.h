/* Recompression of one JPEG tile in the DCT domain, through libjpeg-turbo.
 *
 * Pure functions: none keeps a pointer it is given, shares state with another call, prints, or exits.
 */
#ifndef GPTOOL_TRANSCODE_H
#define GPTOOL_TRANSCODE_H

#include <stddef.h>
#include <stdint.h>

#include "requantise.h"
#include "scan.h"

/* What became of a tile. The values are stored in arrays and reports: never renumber. */
enum transcode_outcome {
    TRANSCODE_RECOMPRESSED = 0,
    TRANSCODE_KEPT_QUALITY = 1,     /* the request is not below the tile's own quality */
    TRANSCODE_KEPT_UNCHANGED = 2,   /* no quantiser would change */
    TRANSCODE_KEPT_NOT_SMALLER = 3, /* recompressed, it would not be smaller */
    TRANSCODE_KEPT_NOT_JPEG = 4,
    TRANSCODE_KEPT_UNSUPPORTED = 5, /* a kind of JPEG libjpeg-turbo's coefficient interface does not take */
    TRANSCODE_DAMAGED = 6,
    TRANSCODE_NOT_REQUESTED = 7 /* copied, since no recompression was requested: of callers that copy tiles */
};

enum transcode_tables {
    TRANSCODE_EFFICIENT = 0, /* snapped: each quantiser an integer multiple of the tile's own */
    TRANSCODE_EXACT = 1      /* the IJG tables of the requested quality, where they are coarser than the tile's own */
};

enum { TRANSCODE_MESSAGE_SIZE = 200, TRANSCODE_TABLES = 4 };

/* Memory for the work, lent to one call after the other. All zero is an empty one. */
typedef struct {
    requantiser plans[TRANSCODE_TABLES];
    scan symbols;
} transcode_memory;

void transcode_free(transcode_memory *self);

/* Prepares what all calls share and none changes. To be called once, before any other function. */
void transcode_init(void);

/* Recompresses tile[0..size) to `quality` (1..100) into out[0..size) and sets *out_size to the bytes written.
 *
 * `out` must have room for `size` bytes and must not overlap `tile`. For every outcome but TRANSCODE_RECOMPRESSED its
 * content means nothing and *out_size is 0; the caller keeps the tile as it is. A recompressed tile is always smaller
 * than the tile, and none of its quantisers is finer. EXIF, XMP, comments and whatever follows the first image are left
 * out of it.
 */
int transcode_tile(const uint8_t *tile, size_t size, int quality, int tables, transcode_memory *memory, uint8_t *out,
                   size_t *out_size);

/* Reads all of the tile and puts libjpeg's words for what is wrong with it into `message`, "" for nothing. */
void transcode_diagnose(const uint8_t *tile, size_t size, char message[TRANSCODE_MESSAGE_SIZE]);

/* Returns the IJG quality that the tile's first quantisation table stands for: exact for IJG tables, else an estimate
 * (see quality_of_table). NaN when the tile's header can't be read or has no table.
 */
double transcode_quality(const uint8_t *tile, size_t size);

#endif
