from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef extern from "transcode.h" nogil:
    enum transcode_outcome:
        TRANSCODE_RECOMPRESSED
        TRANSCODE_KEPT_QUALITY
        TRANSCODE_KEPT_UNCHANGED
        TRANSCODE_KEPT_NOT_SMALLER
        TRANSCODE_KEPT_NOT_JPEG
        TRANSCODE_KEPT_UNSUPPORTED
        TRANSCODE_DAMAGED
        TRANSCODE_NOT_REQUESTED

    enum transcode_tables:
        TRANSCODE_EFFICIENT
        TRANSCODE_EXACT

    enum:
        TRANSCODE_MESSAGE_SIZE

    void transcode_init()
    void transcode_diagnose(const uint8_t *tile, size_t size, char *message)
    double transcode_quality(const uint8_t *tile, size_t size)

cdef extern from "header.h" nogil:
    ctypedef struct header_memory:
        double quality

    int header_quality(header_memory *self, const uint8_t *tile, size_t size, double *quality)

cdef extern from "batch.h" nogil:
    int transcode_batch(const uint8_t *source, const uint64_t *offsets, const uint32_t *sizes, size_t count,
                        int quality, int tables, uint8_t *out, uint32_t *out_sizes, uint8_t *outcomes,
                        size_t *written)
