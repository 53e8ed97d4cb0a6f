from libc.stdint cimport uint8_t, uint32_t

from codes cimport gpt_damage, gpt_relation

cdef extern from "compare.h" nogil:
    ctypedef struct gpt_shape:
        uint32_t height
        uint32_t width
        uint32_t components

    gpt_damage gpt_check_tile(const uint8_t *tile, size_t size, gpt_shape *shape)
    gpt_relation gpt_compare_tiles(const uint8_t *source, size_t source_size, const uint8_t *tile, size_t tile_size)
