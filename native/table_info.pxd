from libc.stdint cimport uint8_t

cdef extern from "table_info.h" nogil:
    ctypedef struct gpt_table_cache:
        pass

    ctypedef struct gpt_table_info:
        double quality
        int is_foreign

    gpt_table_info gpt_read_table_info(gpt_table_cache *cache, const uint8_t *tile, size_t size)
