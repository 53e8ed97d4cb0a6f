/* A writer of bytes into a buffer of fixed capacity: from the first write that does not fit, nothing is written. */
#ifndef GPT_WRITER_H
#define GPT_WRITER_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct {
    uint8_t *next, *end;
    int overflowed; /* a write did not fit; later writes do nothing */
} gpt_writer;

static inline void gpt_put_bytes(gpt_writer *self, const void *bytes, size_t count)
{
    if (self->overflowed || (size_t)(self->end - self->next) < count) {
        self->overflowed = 1;
        return;
    }
    memcpy(self->next, bytes, count);
    self->next += count;
}

static inline void gpt_put_u8(gpt_writer *self, unsigned value)
{
    const uint8_t byte = (uint8_t)value;

    gpt_put_bytes(self, &byte, 1);
}

/* Writes 16 bits, big-endian. */
static inline void gpt_put_u16(gpt_writer *self, unsigned value)
{
    gpt_put_u8(self, value >> 8);
    gpt_put_u8(self, value & 0xFF);
}

#endif
