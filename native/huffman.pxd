from libc.stdint cimport uint8_t, uint32_t

cdef extern from "huffman.h" nogil:
    enum:
        HUFFMAN_SYMBOLS
        HUFFMAN_LONGEST

    ctypedef struct huffman_counts:
        uint32_t count[256]

    void huffman_make_table(const huffman_counts *self, uint8_t *bits, uint8_t *values)
