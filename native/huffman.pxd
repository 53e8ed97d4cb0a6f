from libc.stdint cimport uint8_t, uint32_t

cdef extern from "huffman.h" nogil:
    enum:
        GPT_HUFFMAN_SYMBOLS
        GPT_MAX_CODE_LENGTH

    ctypedef struct gpt_huffman_table:
        uint8_t bits[17]
        uint8_t values[256]
        int count

    void gpt_make_huffman_table(const uint32_t *counts, gpt_huffman_table *table)
