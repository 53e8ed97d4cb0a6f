from libc.stdint cimport uint8_t, uint32_t, uint64_t

from recompress cimport gpt_request

cdef extern from "batch.h" nogil:
    int gpt_recompress_batch(const uint8_t *source, const uint64_t *offsets, const uint32_t *sizes, size_t count,
                             const gpt_request *request, uint8_t *out, uint32_t *out_sizes, uint8_t *outcomes,
                             size_t *written)
