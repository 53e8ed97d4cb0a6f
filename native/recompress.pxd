from libc.stdint cimport uint8_t

from codes cimport gpt_outcome

cdef extern from "recompress.h" nogil:
    enum:
        GPT_KEEP_STEPS

    enum gpt_table_mode:
        GPT_TABLES_EFFICIENT
        GPT_TABLES_EXACT

    ctypedef struct gpt_request:
        int quality
        gpt_table_mode tables
        int declared_quality

    gpt_outcome gpt_judge_tile(const uint8_t *tile, size_t size, const gpt_request *request)
