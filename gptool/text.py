"""Numbers formatted for people."""

from __future__ import annotations

UNITS = ("B", "kB", "MB", "GB", "TB")


def format_bytes(count: float) -> str:
    """Return a number of bytes in powers of 1000 with two or three significant digits, as in `9.5 MB`."""
    for unit in UNITS:
        if count < 999.5 or unit == UNITS[-1]:
            break
        count /= 1000
    return f"{count:.0f} {unit}" if unit == "B" or count >= 99.95 else f"{count:.1f} {unit}"


def format_count(count: int, noun: str) -> str:
    """Return a number with its noun, as in `1 tile` and `1,024 tiles`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
