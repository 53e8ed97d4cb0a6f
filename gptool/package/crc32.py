"""The CRC-32 of two parts together, from theirs: for files whose head is known last.

A CRC is a polynomial over GF(2), reduced modulo P: that of both parts is A * x^(8 * bytes of the second) + B (P and the
order of bits: ISO 3309, as in APPNOTE 4.4.7).
"""

from __future__ import annotations

P = 0xEDB88320
"""Bits reversed, without its highest term: the highest bit is that of x^0."""

ONE = 1 << 31


def combine_crc32(first: int, second: int, size: int) -> int:
    """Return the CRC-32 of two parts together; `size`: bytes of the second."""
    power, square = ONE, ONE >> 8  # x^0, x^8
    while size:
        if size & 1:
            power = _product(power, square)
        square = _product(square, square)
        size >>= 1
    return _product(first, power) ^ second


def _product(a: int, b: int) -> int:
    """Multiply two polynomials modulo P."""
    result = 0
    while a:
        if a & ONE:
            result ^= b
        a = (a << 1) & 0xFFFFFFFF
        b = b >> 1 ^ (P if b & 1 else 0)
    return result
