"""Numbers formatted for people, and names that may have been meant."""

from __future__ import annotations

import pytest

from gptool.text import format_bytes, format_count, nearest_name


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, "0 B"),
        (1, "1 B"),
        (999, "999 B"),
        (999.6, "1.0 kB"),
        (1000, "1.0 kB"),
        (1234, "1.2 kB"),
        (9_500_000, "9.5 MB"),
        (99_949_999, "99.9 MB"),
        (99_950_000, "100 MB"),
        (999_499_999, "999 MB"),
        (999_500_000, "1.0 GB"),
        (2**40, "1.1 TB"),
        (10**18, "1000000 TB"),
    ],
)
def test_bytes_have_two_or_three_significant_digits(count: float, expected: str) -> None:
    assert format_bytes(count) == expected


@pytest.mark.parametrize(("count", "expected"), [(0, "0 tiles"), (1, "1 tile"), (2, "2 tiles"), (1024, "1,024 tiles")])
def test_counts_agree_with_their_noun(count: int, expected: str) -> None:
    assert format_count(count, "tile") == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lvels", "levels"),
        ("export_by", "exportBy"),
        ("Export-Extent", "exportExtent"),
        ("quality", None),
        ("", None),
        ("x" * 100_000, None),
    ],
)
def test_nearest_name_is_one_that_may_have_been_meant(name: str, expected: str | None) -> None:
    assert nearest_name(name, ("levels", "exportBy", "exportExtent", "compressionQuality")) == expected
