/* The coefficients of a block of 8 x 8 samples. */
#ifndef GPT_BLOCK_H
#define GPT_BLOCK_H

#include <stdint.h>

enum { GPT_BLOCK_SIZE = 64 }; /* coefficients of a block, and quantisation steps of a table */

/* The zigzag order (ITU-T T.81, figure A.6): GPT_ZIGZAG[k] is the index in natural (row-major) order of the k-th
 * coefficient in zigzag order.
 */
static const uint8_t GPT_ZIGZAG[GPT_BLOCK_SIZE] = {
    0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,  12, 19, 26, 33, 40, 48,
    41, 34, 27, 20, 13, 6,  7,  14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23,
    30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63};

#endif
