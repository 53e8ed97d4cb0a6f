from libc.stdint cimport uint8_t, uint32_t

cdef extern from "huffman.h" nogil:
    enum:
        HUFFMAN_SYMBOLS
        HUFFMAN_LONGEST

    ctypedef struct huffman_table:
        uint8_t bits[17]
        uint8_t values[256]
        int used

    void huffman_make_table(const uint32_t *counts, huffman_table *table)
