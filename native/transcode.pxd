from libc.stdint cimport uint8_t

cdef extern from "transcode.h" nogil:
    enum transcode_outcome:
        TRANSCODE_RECOMPRESSED
        TRANSCODE_KEPT_QUALITY
        TRANSCODE_KEPT_UNCHANGED
        TRANSCODE_KEPT_NOT_SMALLER
        TRANSCODE_KEPT_NOT_JPEG
        TRANSCODE_KEPT_UNSUPPORTED
        TRANSCODE_DAMAGED

    enum transcode_tables:
        TRANSCODE_EFFICIENT
        TRANSCODE_EXACT

    enum:
        TRANSCODE_MESSAGE_SIZE

    void transcode_init()
    int transcode_tile(const uint8_t *tile, size_t size, int quality, int tables, uint8_t *out, size_t *out_size)
    void transcode_diagnose(const uint8_t *tile, size_t size, char *message)
    int transcode_quality(const uint8_t *tile, size_t size, double *quality)
