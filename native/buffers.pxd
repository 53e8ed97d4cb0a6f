"""Helpers for functions that take buffers of bytes, and many tiles of one by offset and size."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t


cdef inline const uint8_t *first_byte(const uint8_t[::1] view) noexcept nogil:
    """Return the address of the first byte; an empty view has none, so any valid address stands in."""
    return &view[0] if view.shape[0] else <const uint8_t *><const char *>b""


cdef inline int check_places(Py_ssize_t length, const uint64_t[::1] offsets, const uint32_t[::1] sizes) except -1:
    """Raise ValueError unless every tile lies within a source of `length` bytes."""
    cdef Py_ssize_t i
    if offsets.shape[0] != sizes.shape[0]:
        raise ValueError(f"offsets and sizes: found {offsets.shape[0]} and {sizes.shape[0]} entries, expected as many")
    for i in range(offsets.shape[0]):
        if offsets[i] > <uint64_t>length or sizes[i] > <uint64_t>length - offsets[i]:
            raise ValueError(
                f"tile {i}: found {sizes[i]} bytes at offset {offsets[i]}, expected them within {length} bytes"
            )
    return 0


cdef inline uint64_t little_endian(const uint8_t *at, int count) noexcept nogil:
    """Return the number of `count` bytes, the least significant first."""
    cdef uint64_t value = 0
    cdef int i
    for i in range(count):
        value |= <uint64_t>at[i] << (8 * i)
    return value
