"""Many small reads without the GIL: sizes and bytes of the tiles of an exploded cache, tile sizes in a V1 bundle.

All functions are thread-safe.
"""

import os
import sys

import numpy as np

from libc.stdint cimport int64_t, intptr_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc

from cpython.bytes cimport PyBytes_AsString

from buffers cimport check_lengths, first_byte, uint32_at


cdef extern from "system.h" nogil:
    int64_t gpt_file_size(const char *path, int64_t *time, int *failure)
    intptr_t gpt_open_file(const char *path, int *failure)
    void gpt_close_file(intptr_t file)
    Py_ssize_t gpt_read_at(intptr_t file, void *target, size_t size, uint64_t offset, int *failure)


if sys.platform == "win32":
    # Descriptors belong to a C runtime, and this module may have been compiled with another one than Python.
    from msvcrt import get_osfhandle as _handle
else:
    def _handle(file):
        return file


cdef enum:
    WORD_SIZE = 4
    WINDOW_SIZE = 4096  # bytes read at a time: a page, which the system reads anyway


cdef const char **_addresses(list paths) except NULL:
    """Return the addresses of the paths' bytes, valid as long as the list. The caller frees the array."""
    cdef const char **addresses = <const char **>malloc(max(len(paths), 1) * sizeof(char *))
    cdef bytes path
    cdef Py_ssize_t i
    if addresses == NULL:
        raise MemoryError
    try:
        for i in range(len(paths)):
            path = paths[i]
            if b"\0" in path:
                raise ValueError(f"path contains a NUL byte; found {path!r}")
            addresses[i] = PyBytes_AsString(path)
    except BaseException:
        free(addresses)
        raise
    return addresses


def file_sizes(list paths not None):
    """Return the sizes of files; see `file_states`."""
    sizes, _, failure = file_states(paths)
    return sizes, failure


def file_states(list paths not None):
    """Return the sizes of files and the times of their last modification.

    Parameters
    ----------
    paths : list of bytes

    Returns
    -------
    sizes : int64[n]
        Bytes; -1 if it is not a regular file. If a file can't be queried, only the sizes of the files before it.
    times : int64[n]
        Nanoseconds, or units of 100 ns on Windows, as the system counts them; of the same files.
    failure : int
        The errno of the file that can't be queried, 0 if there is none.

    Raises
    ------
    ValueError
        If a path contains a NUL byte.
    """
    cdef const char **addresses = _addresses(paths)
    cdef Py_ssize_t i = 0, n = len(paths)
    cdef int failure = 0
    sizes, times = np.empty(n, np.int64), np.empty(n, np.int64)
    cdef int64_t[::1] view = sizes
    cdef int64_t[::1] time_view = times
    try:
        with nogil:
            while i < n:
                view[i] = gpt_file_size(addresses[i], &time_view[i], &failure)
                if failure != 0:
                    break
                i += 1
    finally:
        free(addresses)
    return sizes[:i], times[:i], failure


cdef int _read_file(const char *path, uint8_t *target, size_t size, bint *is_whole) noexcept nogil:
    """Read a file of `size` bytes and return 0 or errno. Set `is_whole` to whether the file has that size."""
    cdef int failure = 0
    cdef intptr_t file = gpt_open_file(path, &failure)
    cdef size_t done = 0
    cdef Py_ssize_t count = 1
    cdef uint8_t beyond
    is_whole[0] = False
    if failure != 0:
        return failure
    while count > 0 and done < size:
        count = gpt_read_at(file, target + done, size - done, done, &failure)
        if count > 0:
            done += <size_t>count
    if failure == 0 and done == size:
        is_whole[0] = gpt_read_at(file, &beyond, 1, size, &failure) == 0
    gpt_close_file(file)
    return failure


def read_files(list paths not None, const uint32_t[::1] sizes not None):
    """Return the bytes of files, one after the other.

    Parameters
    ----------
    paths : list of n bytes
    sizes : uint32[n]
        The expected size of each, bytes.

    Returns
    -------
    data : uint8[sum(sizes)]
    done : int
        Number of files read before one that can't be read or has another size; n if all were read.
    failure : int
        The errno of the file that can't be read; 0 if all were read or one has another size.

    Raises
    ------
    ValueError
        If paths and sizes differ in length, or a path contains a NUL byte.
    """
    cdef Py_ssize_t i = 0, n = len(paths)
    check_lengths("paths", n, "sizes", sizes.shape[0])
    cdef const char **addresses = _addresses(paths)
    cdef int failure = 0
    cdef bint is_whole
    cdef const uint8_t[::1] view
    cdef uint8_t *target
    try:
        data = np.empty(int(np.sum(sizes, dtype=np.uint64)), np.uint8)
        view = data
        target = <uint8_t *>first_byte(view)
        with nogil:
            while i < n:
                failure = _read_file(addresses[i], target, sizes[i], &is_whole)
                if failure != 0 or not is_whole:
                    break
                target += sizes[i]
                i += 1
    finally:
        free(addresses)
    return data, i, failure


def read_words(int file, uint64_t start, const uint64_t[::1] offsets not None):
    """Return the little-endian u32 at each offset of a file.

    Parameters
    ----------
    file : int
        The descriptor of an open file.
    start : int
        The position in the file to which offsets are relative, bytes.
    offsets : uint64[n]
        Bytes. Ascending order is fastest: neighbours are read together.

    Returns
    -------
    words : uint32[n]
    done : int
        Number of words read before one that lies past the end of the file; n if all were read.

    Raises
    ------
    OSError
        If the file can't be read.
    """
    cdef uint8_t window[WINDOW_SIZE]
    cdef uint64_t begin = 0, length = 0  # the window holds `length` bytes from offset `begin`
    cdef Py_ssize_t i = 0, n = offsets.shape[0]
    cdef Py_ssize_t count
    cdef int failure = 0
    cdef intptr_t handle = _handle(file)
    words = np.empty(n, np.uint32)
    cdef uint32_t[::1] view = words
    with nogil:
        while i < n:
            if offsets[i] < begin or length < WORD_SIZE or offsets[i] - begin > length - WORD_SIZE:
                count = gpt_read_at(handle, window, WINDOW_SIZE, start + offsets[i], &failure)
                if count < WORD_SIZE:
                    break
                begin, length = offsets[i], <uint64_t>count
            view[i] = uint32_at(&window[offsets[i] - begin])
            i += 1
    if failure != 0:
        raise OSError(failure, os.strerror(failure))
    return words, i


def read_at(int file, uint64_t offset, uint8_t[::1] target not None):
    """Read from an open file at an offset into `target`, and return how many bytes were read at once: 0 at its end.

    Parameters
    ----------
    file : int
        The descriptor of an open file.
    offset : int
        Bytes.
    target : uint8[n]

    Raises
    ------
    OSError
        If the file can't be read.
    """
    cdef int failure = 0
    cdef Py_ssize_t count
    cdef uint8_t *start = <uint8_t *>first_byte(target)
    cdef intptr_t handle = _handle(file)
    with nogil:
        count = gpt_read_at(handle, start, target.shape[0], offset, &failure)
    if failure != 0:
        raise OSError(failure, os.strerror(failure))
    return count
