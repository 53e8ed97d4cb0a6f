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

/* How a JPEG tile relates to the tile that it was made of. */
enum gpt_relation {
    GPT_RELATION_SAME = 0,               /* the same bytes, or the same coefficients and quantisation steps */
    GPT_RELATION_COARSER = 1,            /* each coefficient is what requantisation to coarser steps can give */
    GPT_RELATION_UNREADABLE = 2,         /* one of the two can't be decoded */
    GPT_RELATION_OTHER_SHAPE = 3,        /* they differ in size, components, colour space or sampling factors */
    GPT_RELATION_FINER_STEPS = 4,        /* a quantisation step is finer than the source's */
    GPT_RELATION_OTHER_COEFFICIENTS = 5  /* a coefficient is not what requantisation can give */
};

/* The format of a tile by its first bytes. */
enum gpt_tile_kind { GPT_TILE_UNKNOWN = 0, GPT_TILE_JPEG = 1, GPT_TILE_PNG = 2, GPT_TILE_LERC = 3 };

#endif
