from libc.stdint cimport uint8_t

from codes cimport gpt_damage

cdef extern from "decoder.h" nogil:
    enum:
        GPT_MESSAGE_SIZE

    gpt_damage gpt_diagnose_tile(const uint8_t *tile, size_t size, char *message)
