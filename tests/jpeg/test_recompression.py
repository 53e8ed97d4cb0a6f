"""The policy: what is recompressed, what passes through, and why."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptool._jpeg import Outcome, quality
from gptool.cache import TileBatch
from gptool.jpeg.damage import TileDamage
from gptool.jpeg.recompression import Recompression, recompress_tiles
from helpers.caches import jpeg_tile, png_tile

LERC = b"Lerc2 " + bytes(50)


def make_batch(*tiles: bytes) -> TileBatch:
    sizes = np.array([len(tile) for tile in tiles], np.uint32)
    offsets = np.cumsum([0, *sizes[:-1]]).astype(np.uint64)
    return TileBatch(np.arange(len(tiles)) + 7, np.frombuffer(b"".join(tiles), np.uint8), offsets, sizes)


def test_without_a_quality_every_tile_passes_through() -> None:
    tiles = jpeg_tile(1), png_tile(1), LERC
    batch, tally = recompress_tiles(make_batch(*tiles), Recompression())
    assert tuple(batch.tile(i) for i in range(3)) == tiles
    assert tally.outcomes == {Outcome.NOT_REQUESTED: 3}
    assert tally.qualities == {85: 1}
    assert tally.damaged == []


def test_a_mixed_batch() -> None:
    tiles = jpeg_tile(1), png_tile(1), LERC, jpeg_tile(2, quality=40), jpeg_tile(3)
    batch, tally = recompress_tiles(make_batch(*tiles), Recompression(50))
    assert tally.outcomes == {Outcome.RECOMPRESSED: 2, Outcome.KEPT_NOT_JPEG: 2, Outcome.KEPT_QUALITY: 1}
    assert [len(batch.tile(i)) < len(tile) for i, tile in enumerate(tiles)] == [True, False, False, False, True]
    assert [batch.tile(i) == tile for i, tile in enumerate(tiles)] == [False, True, True, True, False]
    assert sum(tally.qualities.values()) == 3
    assert tally.qualities[40] == 1
    assert list(batch.positions) == [7, 8, 9, 10, 11]


DAMAGED = {
    "a JPEG cut short": (jpeg_tile(1)[:-300], TileDamage.JPEG_TRUNCATED, "damaged JPEG: Premature end of JPEG file"),
    "a PNG cut short": (png_tile(1)[:-5], TileDamage.PNG_TRUNCATED, "PNG is truncated"),
    "a PNG without its first 4 bytes": (png_tile(1)[4:], TileDamage.UNKNOWN_FORMAT, "starts with 0d 0a 1a 0a"),
    "zeros": (bytes(100), TileDamage.UNKNOWN_FORMAT, "starts with 00 00 00"),
    "one byte": (b"\xff", TileDamage.UNKNOWN_FORMAT, "starts with ff"),
    "a JPEG with a broken scan": (
        jpeg_tile(1)[:-200] + b"\xff\xd9" * 50 + jpeg_tile(1)[-100:],
        TileDamage.JPEG_CORRUPT_DATA,
        "damaged JPEG: ",
    ),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_tiles_pass_through_and_are_told(name: str) -> None:
    tile, damage, reason = DAMAGED[name]
    batch, tally = recompress_tiles(make_batch(jpeg_tile(2), tile), Recompression(50))
    assert batch.tile(1) == tile
    assert quality(batch.tile(0)) < 85
    assert tally.outcomes == {Outcome.RECOMPRESSED: 1, Outcome.DAMAGED: 1}
    [found] = tally.damaged
    assert (found.position, found.damage) == (8, damage)
    assert reason in found.reason


def test_stray_bytes_between_segments_are_no_damage() -> None:
    """libjpeg passes over them; what it recompressed is never called damaged."""
    tile = jpeg_tile(1)
    start = tile.index(b"\xff\xdb")
    stray = tile[:start] + b"\0\0\xff\xff" + tile[start + 1 :]
    for quality_, outcome in ((None, Outcome.NOT_REQUESTED), (50, Outcome.RECOMPRESSED)):
        _, tally = recompress_tiles(make_batch(stray), Recompression(quality_))
        assert tally.outcomes == {outcome: 1}


@settings(derandomize=True, database=None, deadline=None)
@given(place=st.integers(3, 900), junk=st.binary(min_size=1, max_size=6), wanted=st.sampled_from([None, 50, 90]))
def test_what_is_told_to_be_damaged_is_what_it_was(place: int, junk: bytes, wanted: int | None) -> None:
    tile = jpeg_tile(1)
    tile = tile[:place] + junk + tile[place + len(junk) - 1 :]
    batch, tally = recompress_tiles(make_batch(tile), Recompression(wanted))
    assert (batch.tile(0) != tile) == (tally.outcomes == {Outcome.RECOMPRESSED: 1})
    assert len(tally.damaged) == tally.outcomes[Outcome.DAMAGED]


def test_tiles_cut_short_are_told_even_where_nothing_is_decoded() -> None:
    batch, tally = recompress_tiles(make_batch(jpeg_tile(1)[:-300], png_tile(1)[:-5]), Recompression())
    assert tally.outcomes == {Outcome.DAMAGED: 2}
    assert batch.tile(0) == jpeg_tile(1)[:-300]
