"""Tiles with the headers of LERC, and a reader of the sizes that they state. Nothing here decodes them."""

from __future__ import annotations

import struct


def lerc1_tile() -> bytes:
    """Return a LERC1 tile: a header, and two parts with the number of their bytes."""
    parts = (struct.pack("<3if", 0, 0, size, 1.0) + bytes(size) for size in (10, 40))
    return b"CntZImage " + struct.pack("<4id", 11, 8, 64, 64, 0.01) + b"".join(parts)


def lerc2_tile(version: int) -> bytes:
    """Return a LERC2 tile of 100 bytes, as its header states; only the header is valid."""
    checksum, values = [0] * (version >= 3), [1] * (version >= 4)
    fields = [version, *checksum, 64, 64, *values, 4096, 8, 100]
    return (b"Lerc2 " + struct.pack(f"<{len(fields)}i", *fields)).ljust(100, b"\0")


def is_whole_lerc(tile: bytes) -> bool:
    """Return whether a LERC tile of either version has the bytes that it states."""
    try:
        if tile.startswith(b"Lerc2 "):
            [version] = struct.unpack_from("<I", tile, 6)
            [size] = struct.unpack_from("<I", tile, 26 + 4 * (version >= 3) + 4 * (version >= 4))
            return bool(size <= len(tile))
        end = 34
        for _ in range(2):
            end += 16 + struct.unpack_from("<4I", tile, end)[2]
        return end <= len(tile)
    except struct.error:  # the header itself is cut
        return False
