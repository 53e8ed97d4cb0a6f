"""CRC-32 of parts together."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptool.package.crc32 import combine_crc32


@given(first=st.binary(max_size=300), second=st.binary(max_size=300))
def test_of_two_parts_is_that_of_all(first: bytes, second: bytes) -> None:
    assert combine_crc32(zlib.crc32(first), zlib.crc32(second), len(second)) == zlib.crc32(first + second)


@pytest.mark.parametrize("size", [0, 1, 131_136, (1 << 24) + 12_345])
def test_of_long_parts(size: int) -> None:
    assert combine_crc32(zlib.crc32(b"head"), zlib.crc32(bytes(size)), size) == zlib.crc32(b"head" + bytes(size))
