"""Sizes in bytes, as texts and numbers."""

from __future__ import annotations

from typing import Any

import pytest

from gptool.errors import ParameterError
from gptool.request.sizes import MAX_SIZE, read_size
from gptool.text import format_bytes

SIZES: dict[Any, int] = {
    "500MB": 500_000_000,
    "1.5 GB": 1_500_000_000,
    "200 MiB": 200 * 1024**2,
    "1.5GiB": 3 * 2**29,
    " 12 kb ": 12_000,
    "7 B": 7,
    "2TiB": 2 * 1024**4,
    ".5 tb": 500_000_000_000,
    "1.": 1,
    "0.0015kB": 1,
    "123456": 123_456,
    123_456: 123_456,
    1.5e9: 1_500_000_000,
}


@pytest.mark.parametrize(("value", "size"), SIZES.items())
def test_sizes(value: Any, size: int) -> None:
    assert read_size(value, "targetSize") == size


@pytest.mark.parametrize("size", [1, 999, 12_000, 345_000_000, 6_700_000_000])
def test_sizes_that_gptool_prints_are_read(size: int) -> None:
    assert read_size(format_bytes(size), "targetSize") == size


@pytest.mark.parametrize(
    ("value", "what"),
    [
        *((value, "value is not a size") for value in ("5 pounds", "MB", "1e9", "1,5 GB", "1 500 MB", "-5MB", "1GBit")),
        *((value, "value is not a size") for value in (True, [5], {"MB": 5}, float("nan"), float("inf"), -1, "٣MB")),
        *((value, "value is out of range") for value in (0, "0 MB", "0.4", "999999999999999TB", MAX_SIZE + 1)),
    ],
)
def test_invalid_size_is_one_sentence(value: Any, what: str) -> None:
    with pytest.raises(ParameterError) as caught:
        read_size(value, "targetSize")
    error = caught.value
    assert str(error).startswith(f"targetSize: {what}; found ")
    assert str(error).endswith("expected a size of 1 byte or more such as 500MB, 1.5 GB, 200 MiB or a number of bytes")
