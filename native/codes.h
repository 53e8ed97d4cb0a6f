/* The codes that Python sees as enumerations. The values are stored in arrays and reports: never renumber. */
#ifndef GPT_CODES_H
#define GPT_CODES_H

/* The outcome of a tile. */
enum gpt_outcome {
    GPT_OUTCOME_RECOMPRESSED = 0,
    GPT_OUTCOME_KEPT_QUALITY = 1,     /* the requested quality is not below the tile's own */
    GPT_OUTCOME_KEPT_UNCHANGED = 2,   /* no quantisation step would change */
    GPT_OUTCOME_KEPT_NOT_SMALLER = 3, /* the recompressed tile would not be smaller */
    GPT_OUTCOME_KEPT_NOT_JPEG = 4,
    GPT_OUTCOME_KEPT_UNSUPPORTED = 5, /* a kind of JPEG that libjpeg-turbo or this code can't recompress */
    GPT_OUTCOME_DAMAGED = 6,
    GPT_OUTCOME_NOT_REQUESTED = 7,    /* copied: no recompression was requested; never returned by this code */
    GPT_OUTCOME_OPTIMISED = 8         /* the same coefficients with Huffman tables of their own, without metadata */
};

/* What is wrong with a JPEG tile. */
enum gpt_damage {
    GPT_DAMAGE_NONE = 0,
    GPT_DAMAGE_NOT_JPEG = 1,       /* no SOI marker at the start */
    GPT_DAMAGE_TRUNCATED = 2,      /* the bytes end before the image does */
    GPT_DAMAGE_CORRUPT_HEADER = 3, /* a marker segment is missing, invalid or contradicts another */
    GPT_DAMAGE_MISSING_TABLE = 4,  /* a quantisation or Huffman table is missing */
    GPT_DAMAGE_CORRUPT_DATA = 5,   /* entropy-coded data are invalid, incomplete or too long */
    GPT_DAMAGE_IMPLAUSIBLE = 6,    /* more blocks than the bytes can hold, or more than 100 scans */
    GPT_DAMAGE_UNSUPPORTED = 7     /* no damage: a kind of JPEG that libjpeg-turbo or this code can't decode */
};

/* The format of a tile by its first bytes. */
enum gpt_tile_kind { GPT_TILE_UNKNOWN = 0, GPT_TILE_JPEG = 1, GPT_TILE_PNG = 2, GPT_TILE_LERC = 3 };

#endif
