"""The recompression policy: which tiles of a batch are recompressed, which are copied, and which are damaged."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptool._jpeg import Outcome
from gptool.cache import TileBatch
from gptool.jpeg.damage import TileDamage
from gptool.jpeg.recompression import Recompression, recompress_tiles
from gptool.model import ImageInfo
from helpers.caches import jpeg_tile, png_tile

LERC = b"Lerc2 " + bytes(50)


def make_batch(*tiles: bytes) -> TileBatch:
    sizes = np.array([len(tile) for tile in tiles], np.uint32)
    offsets = np.cumsum([0, *sizes[:-1]]).astype(np.uint64)
    return TileBatch(np.arange(len(tiles)) + 7, np.frombuffer(b"".join(tiles), np.uint8), offsets, sizes)


def test_without_quality_every_tile_is_copied() -> None:
    tiles = jpeg_tile(1), png_tile(1), LERC
    batch, found = recompress_tiles(make_batch(*tiles), Recompression())
    assert tuple(batch.tile(i) for i in range(3)) == tiles
    assert found.outcomes == {Outcome.NOT_REQUESTED: 3}
    assert found.qualities == {85: 1}
    assert found.damaged == []


@pytest.mark.parametrize(
    ("format_", "stated", "declared"), [("JPEG", 75, 75), ("MIXED", 1, 1), ("JPEG", 0, None), ("PNG32", 75, None)]
)
def test_declared_quality_is_that_of_jpeg_tiles(format_: str, stated: int, declared: int | None) -> None:
    image = ImageInfo(format_, stated, 3, None)
    recompression = Recompression.for_cache(image, quality=80, tables="exact", optimize=True)
    assert recompression == Recompression(80, "exact", True, declared)


@pytest.mark.parametrize(
    ("recompression", "requested"),
    [
        (Recompression(), False),
        (Recompression(declared_quality=75), False),
        (Recompression(0), True),
        (Recompression(optimize=True), True),
    ],
)
def test_a_quality_is_a_request_too(recompression: Recompression, requested: bool) -> None:
    assert recompression.is_requested == requested


def test_mixed_batch() -> None:
    tiles = jpeg_tile(1), png_tile(1), LERC, jpeg_tile(2, quality=40), jpeg_tile(3)
    batch, found = recompress_tiles(make_batch(*tiles), Recompression(50))
    assert found.outcomes == {Outcome.RECOMPRESSED: 2, Outcome.KEPT_NOT_JPEG: 2, Outcome.OPTIMISED: 1}
    assert [len(batch.tile(i)) < len(tile) for i, tile in enumerate(tiles)] == [True, False, False, True, True]
    assert [batch.tile(i) == tile for i, tile in enumerate(tiles)] == [False, True, True, False, False]
    assert (found.optimised_bytes_read, found.optimised_bytes_written) == (len(tiles[3]), len(batch.tile(3)))
    assert (found.capped, found.unchanged) == ({40: 1}, {})
    assert sum(found.qualities.values()) == 3
    assert found.qualities[40] == 1
    assert list(batch.positions) == [7, 8, 9, 10, 11]


DAMAGED = {
    "truncated JPEG": (jpeg_tile(1)[:-300], TileDamage.JPEG_TRUNCATED, "damaged JPEG: Premature end of JPEG file"),
    "truncated PNG": (png_tile(1)[:-5], TileDamage.PNG_TRUNCATED, "PNG is truncated"),
    "PNG without its first 4 bytes": (png_tile(1)[4:], TileDamage.UNKNOWN_FORMAT, "starts with 0d 0a 1a 0a"),
    "zeros": (bytes(100), TileDamage.UNKNOWN_FORMAT, "starts with 00 00 00"),
    "one byte": (b"\xff", TileDamage.UNKNOWN_FORMAT, "starts with ff"),
    "JPEG with a corrupt scan": (
        jpeg_tile(1)[:-200] + b"\xff\xd9" * 50 + jpeg_tile(1)[-100:],
        TileDamage.JPEG_CORRUPT_DATA,
        "damaged JPEG: ",
    ),
}


@pytest.mark.parametrize(
    ("recompression", "outcome"),
    [
        (Recompression(50), Outcome.RECOMPRESSED),
        (Recompression(90), Outcome.OPTIMISED),
        (Recompression(optimize=True), Outcome.OPTIMISED),
    ],
    ids=str,
)
@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_tile_is_copied_and_reported(name: str, recompression: Recompression, outcome: Outcome) -> None:
    """Damage behind the header is found also if the tile would keep its quality."""
    tile, damage, reason = DAMAGED[name]
    batch, found = recompress_tiles(make_batch(jpeg_tile(2), tile), recompression)
    assert batch.tile(1) == tile
    assert len(batch.tile(0)) < len(jpeg_tile(2))
    assert found.outcomes == {outcome: 1, Outcome.DAMAGED: 1}
    [tile_found] = found.damaged
    assert (tile_found.position, tile_found.damage) == (8, damage)
    assert reason in tile_found.reason


def test_extraneous_bytes_between_segments_are_not_damage() -> None:
    """libjpeg-turbo skips them; a recompressed tile is never reported as damaged."""
    tile = jpeg_tile(1)
    start = tile.index(b"\xff\xdb")
    stray = tile[:start] + b"\0\0\xff\xff" + tile[start + 1 :]
    for quality_, outcome in ((None, Outcome.NOT_REQUESTED), (50, Outcome.RECOMPRESSED)):
        _, found = recompress_tiles(make_batch(stray), Recompression(quality_))
        assert found.outcomes == {outcome: 1}


@settings(derandomize=True, database=None, deadline=None)
@given(place=st.integers(3, 900), junk=st.binary(min_size=1, max_size=6), requested=st.sampled_from([None, 50, 90]))
def test_outcome_says_whether_a_tile_has_changed(place: int, junk: bytes, requested: int | None) -> None:
    tile = jpeg_tile(1)
    tile = tile[:place] + junk + tile[place + len(junk) - 1 :]
    batch, found = recompress_tiles(make_batch(tile), Recompression(requested))
    assert (batch.tile(0) != tile) == bool(found.outcomes[Outcome.RECOMPRESSED] + found.outcomes[Outcome.OPTIMISED])
    assert len(found.damaged) == found.outcomes[Outcome.DAMAGED]


def test_truncated_tiles_are_reported_without_decoding() -> None:
    batch, found = recompress_tiles(make_batch(jpeg_tile(1)[:-300], png_tile(1)[:-5]), Recompression())
    assert found.outcomes == {Outcome.DAMAGED: 2}
    assert batch.tile(0) == jpeg_tile(1)[:-300]
