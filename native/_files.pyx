"""Many small reads without the GIL: the sizes and the bytes of an exploded cache's tiles, the sizes in a V1 bundle.

All functions may be called from any number of threads at a time.
"""

import os

import numpy as np

from libc.errno cimport EINTR, errno
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from posix.fcntl cimport O_NONBLOCK, O_RDONLY, open
from posix.stat cimport S_ISREG, stat, struct_stat
from posix.types cimport off_t
from posix.unistd cimport close, pread, read

from cpython.bytes cimport PyBytes_AS_STRING

from buffers cimport first_byte, little_endian


cdef enum:
    NOT_A_FILE = -1
    WORD = 4
    WINDOW = 4096  # bytes that are read at a time: a page, which the system reads anyway


cdef const char **_addresses(list paths) except NULL:
    """Return the addresses of the paths' bytes, to be freed by the caller; they live as long as the list does."""
    cdef const char **addresses = <const char **>malloc(max(len(paths), 1) * sizeof(char *))
    cdef bytes path
    cdef Py_ssize_t i
    if addresses == NULL:
        raise MemoryError
    try:
        for i in range(len(paths)):
            path = paths[i]
            if b"\0" in path:
                raise ValueError("a path with a byte of 0")
            addresses[i] = PyBytes_AS_STRING(path)
    except BaseException:
        free(addresses)
        raise
    return addresses


def file_sizes(list paths not None):
    """Return the sizes of files.

    Parameters
    ----------
    paths : list of bytes

    Returns
    -------
    sizes : int64[n]
        Bytes, -1 for what is no regular file; only of the files before the one that could not be found.
    failure : int
        Its errno, 0 when all were found.
    """
    cdef const char **addresses = _addresses(paths)
    cdef Py_ssize_t i = 0, n = len(paths)
    cdef int failure = 0
    cdef struct_stat status
    sizes = np.empty(n, np.int64)
    cdef int64_t[::1] view = sizes
    try:
        with nogil:
            while i < n:
                if stat(addresses[i], &status) != 0:
                    failure = errno
                    break
                view[i] = status.st_size if S_ISREG(status.st_mode) else NOT_A_FILE
                i += 1
    finally:
        free(addresses)
    return sizes[:i], failure


cdef int _read_file(const char *path, uint8_t *target, size_t size, bint *whole) noexcept nogil:
    """Read a file that should have `size` bytes, return 0 or errno. `whole`: whether it has."""
    cdef int file = open(path, O_RDONLY | O_NONBLOCK)  # a pipe must not make us wait
    cdef size_t done = 0
    cdef ssize_t count
    cdef uint8_t beyond
    cdef int failure = 0
    whole[0] = False
    if file < 0:
        return errno
    while True:
        count = read(file, target + done, size - done) if done < size else read(file, &beyond, 1)
        if count < 0 and errno == EINTR:
            continue
        if count < 0:
            failure = errno
        elif count == 0:
            whole[0] = done == size
        elif done < size:
            done += <size_t>count
            continue
        break
    close(file)
    return failure


def read_files(list paths not None, const uint32_t[::1] sizes not None):
    """Return the bytes of files, one after the other.

    Parameters
    ----------
    paths : list of n bytes
    sizes : uint32[n]
        The bytes that each has.

    Returns
    -------
    data : uint8[sum(sizes)]
    done : int
        Files that were read before one that could not be, or had another size; n when all were.
    failure : int
        The errno of that one, 0 when all were read or one had another size.

    Raises
    ------
    ValueError
        When there are more sizes than paths, or fewer.
    """
    cdef Py_ssize_t i = 0, n = len(paths)
    if sizes.shape[0] != n:
        raise ValueError(f"paths and sizes: found {n} and {sizes.shape[0]} entries, expected as many")
    cdef const char **addresses = _addresses(paths)
    cdef int failure = 0
    cdef bint whole
    cdef const uint8_t[::1] view
    cdef uint8_t *target
    try:
        data = np.empty(int(np.sum(sizes, dtype=np.uint64)), np.uint8)
        view = data
        target = <uint8_t *>first_byte(view)
        with nogil:
            while i < n:
                failure = _read_file(addresses[i], target, sizes[i], &whole)
                if failure != 0 or not whole:
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
        The byte of the file from which offsets count.
    offsets : uint64[n]
        Best in ascending order: neighbours are read together.

    Returns
    -------
    words : uint32[n]
    done : int
        Words that were read before the file came to its end; n when all were.

    Raises
    ------
    OSError
        When the file can't be read.
    """
    cdef uint8_t window[WINDOW]
    cdef uint64_t begin = 0, length = 0  # the window holds `length` bytes from offset `begin` on
    cdef Py_ssize_t i = 0, n = offsets.shape[0]
    cdef ssize_t count
    cdef int failure = 0
    words = np.empty(n, np.uint32)
    cdef uint32_t[::1] view = words
    with nogil:
        while i < n:
            if offsets[i] < begin or length < WORD or offsets[i] - begin > length - WORD:
                count = pread(file, window, WINDOW, <off_t>(start + offsets[i]))
                if count < 0 and errno == EINTR:
                    continue
                if count < 0:
                    failure = errno
                if count < WORD:
                    break
                begin, length = offsets[i], <uint64_t>count
            view[i] = <uint32_t>little_endian(&window[offsets[i] - begin], WORD)
            i += 1
    if failure != 0:
        raise OSError(failure, os.strerror(failure))
    return words, i
