"""The structure of a LERC tile: version 1 and 2 state their sizes in their headers.

See Esri/lerc: `CntZImage.cpp` (version 1) and `Lerc2.h` (version 2).
"""

from __future__ import annotations

import struct

import numpy as np

LERC1, LERC2 = b"CntZImage ", b"Lerc2 "
LERC1_HEADER = struct.Struct("<10s4id")
"""signature, version, type, height, width, maximum error"""

LERC1_PART = struct.Struct("<3if")
"""blocks vertically and horizontally, bytes that follow, maximum value"""

LERC1_VERSION, LERC1_TYPE, MAX_VERSION = 11, 8, 6
CHECKSUM_VERSION, DEPTH_VERSION = 3, 4
FLETCHER_MODULUS = np.uint64(0xFFFF)


def check_lerc(data: bytes) -> tuple[str | None, tuple[int, int]]:
    """Return what is wrong with a LERC tile, None if nothing is; and its width and height, 0 if unknown.

    Bands follow each other, each with a header of its own. GDAL leaves a few bytes behind the last one.
    """
    check = _check_lerc1 if data.startswith(LERC1) else _check_lerc2
    size, at = (0, 0), 0
    while True:
        problem, found, end = check(data, at)
        if problem is not None:
            return problem, size
        if at and found != size:
            return f"bands of {size[0]} x {size[1]} and {found[0]} x {found[1]}", size
        size, at = found, end
        if not data.startswith((LERC1, LERC2), at):
            return None, size


def _check_lerc1(data: bytes, at: int) -> tuple[str | None, tuple[int, int], int]:
    if at + LERC1_HEADER.size > len(data):
        return "truncated header", (0, 0), 0
    signature, version, kind, height, width, _ = LERC1_HEADER.unpack_from(data, at)
    if signature != LERC1 or version != LERC1_VERSION or kind != LERC1_TYPE or min(height, width) <= 0:
        return f"invalid header: version {version}, type {kind}, {width} x {height}", (0, 0), 0
    at += LERC1_HEADER.size
    for _ in range(2):  # which pixels are valid, then their values
        if at + LERC1_PART.size > len(data):
            return "truncated", (width, height), 0
        size = LERC1_PART.unpack_from(data, at)[2]
        at += LERC1_PART.size + size
        if size < 0 or at > len(data):
            return f"truncated: the header states {size} bytes", (width, height), 0
    return None, (width, height), at


def _check_lerc2(data: bytes, at: int) -> tuple[str | None, tuple[int, int], int]:
    start, at = at, at + len(LERC2)
    version = int.from_bytes(data[at : at + 4], "little")
    if data[start:at] != LERC2 or not 1 <= version <= MAX_VERSION:
        return f"no header of a band, or its version is {version}", (0, 0), 0
    at += 4
    checksum_end = at + 4 if version >= CHECKSUM_VERSION else at
    fields = 7 if version >= DEPTH_VERSION else 6  # rows, columns, [depth], valid pixels, block size, bytes, type
    if checksum_end + 4 * fields > len(data):
        return "truncated header", (0, 0), 0
    height, width, *_, blob_size, _ = struct.unpack_from(f"<{fields}i", data, checksum_end)
    if min(height, width) <= 0:
        return f"invalid size {width} x {height}", (0, 0), 0
    end = start + blob_size
    if not checksum_end + 4 * fields <= end <= len(data):
        return f"truncated: {len(data) - start} bytes, the header states {blob_size}", (width, height), 0
    if version >= CHECKSUM_VERSION and _fletcher32(data[checksum_end:end]) != struct.unpack_from("<I", data, at)[0]:
        return "checksum mismatch", (width, height), 0
    return None, (width, height), end


def _fletcher32(data: bytes) -> int:
    """Return the checksum of LERC 2: Fletcher's, of big-endian words; both sums are 0xFFFF where they would be 0."""
    words = np.frombuffer(data + bytes(len(data) % 2), ">u2").astype(np.uint64)
    repetitions = np.arange(len(words), 0, -1, dtype=np.uint64) % FLETCHER_MODULUS
    first = int(words.sum() % FLETCHER_MODULUS) or 0xFFFF
    second = int((words * repetitions).sum() % FLETCHER_MODULUS) or 0xFFFF
    return second << 16 | first
