"""Tiles with the headers of LERC. Nothing here decodes them."""

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
