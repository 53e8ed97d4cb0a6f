"""Checked access to buffers of bytes, and to many tiles in one buffer by offset and size."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t


cdef inline const uint8_t[::1] bytes_of(buffer) except *:
    """Return a view of the bytes of any contiguous buffer; raise ValueError if it is not contiguous."""
    from numpy import frombuffer, uint8
    return frombuffer(buffer, uint8)


cdef inline const uint8_t[::1] bytes_of_tiles(
    source, const uint64_t[::1] offsets, const uint32_t[::1] sizes
) except *:
    """Return a view of the bytes of `source`; raise ValueError unless every tile lies within it."""
    cdef const uint8_t[::1] view = bytes_of(source)
    cdef Py_ssize_t i
    check_lengths("offsets", offsets.shape[0], "sizes", sizes.shape[0])
    for i in range(offsets.shape[0]):
        if offsets[i] > <uint64_t>view.shape[0] or sizes[i] > <uint64_t>view.shape[0] - offsets[i]:
            raise ValueError(
                f"tile {i}: lies outside the source; found {sizes[i]} bytes at offset {offsets[i]}, "
                f"expected them within {view.shape[0]} bytes"
            )
    return view


cdef inline int check_lengths(str first, Py_ssize_t first_length, str second, Py_ssize_t second_length) except -1:
    """Raise ValueError unless two arrays have the same length."""
    if first_length != second_length:
        raise ValueError(f"{first} and {second}: lengths differ; found {first_length} and {second_length} entries")
    return 0


cdef inline const uint8_t *first_byte(const uint8_t[::1] view) noexcept nogil:
    """Return the address of the first byte; for an empty view, which has none, any valid address."""
    return &view[0] if view.shape[0] else <const uint8_t *><const char *>b""


# Without loops, so that compilers make a single load of the bytes.

cdef inline uint32_t uint32_at(const uint8_t *bytes) noexcept nogil:
    """Return the little-endian number of four bytes."""
    return bytes[0] | <uint32_t>bytes[1] << 8 | <uint32_t>bytes[2] << 16 | <uint32_t>bytes[3] << 24


cdef inline uint64_t uint40_at(const uint8_t *bytes) noexcept nogil:
    """Return the little-endian number of five bytes."""
    return uint32_at(bytes) | <uint64_t>bytes[4] << 32


cdef inline uint64_t uint64_at(const uint8_t *bytes) noexcept nogil:
    """Return the little-endian number of eight bytes."""
    return uint32_at(bytes) | <uint64_t>uint32_at(bytes + 4) << 32
