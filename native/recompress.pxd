cdef extern from "recompress.h" nogil:
    enum gpt_table_mode:
        GPT_TABLES_EFFICIENT
        GPT_TABLES_EXACT
