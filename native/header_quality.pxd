from libc.stdint cimport uint8_t

cdef extern from "header_quality.h" nogil:
    ctypedef struct gpt_quality_cache:
        double quality

    int gpt_header_quality(gpt_quality_cache *cache, const uint8_t *tile, size_t size, double *quality)
