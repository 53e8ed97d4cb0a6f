/* Bytes written to memory that may be too short for them: from the first that does not fit on, nothing is written. */
#ifndef GPTOOL_OUTPUT_H
#define GPTOOL_OUTPUT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct {
    uint8_t *at, *end;
    int overflown; /* something did not fit; nothing more is written */
} output;

static inline void put_bytes(output *self, const void *bytes, size_t count)
{
    if (self->overflown || (size_t)(self->end - self->at) < count) {
        self->overflown = 1;
        return;
    }
    memcpy(self->at, bytes, count);
    self->at += count;
}

static inline void put_byte(output *self, unsigned byte)
{
    const uint8_t value = (uint8_t)byte;

    put_bytes(self, &value, 1);
}

static inline void put_pair(output *self, unsigned value)
{
    put_byte(self, value >> 8);
    put_byte(self, value & 0xFF);
}

#endif
