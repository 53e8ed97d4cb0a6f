"""Checks and comparisons of JPEG tiles in batches, against readers that share no code with the native core."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from gptool import _jpeg
from gptool._jpeg import Damage, Relation
from gptool.model import Tables
from helpers import jpeg_kinds
from helpers.jpeg_huffman import Coefficients
from helpers.jpeg_readers import read_coefficients, read_qtables
from helpers.jpeg_tiles import encode_pillow, encode_turbo, pixels

Batch = tuple[bytes, NDArray[np.uint64], NDArray[np.uint32]]


def batch_of(tiles: Sequence[bytes]) -> Batch:
    sizes = np.array([len(tile) for tile in tiles], np.uint32)
    return b"".join(tiles), np.cumsum([0, *sizes[:-1]]).astype(np.uint64), sizes


def relation(source: bytes, tile: bytes) -> Relation:
    [found] = _jpeg.compare_batch(*batch_of([source]), *batch_of([tile]))
    return Relation(found)


def is_coarser(source: bytes, tile: bytes) -> bool:
    """Return True if coefficients and steps are those of a coarser quantisation, by other readers."""
    own, new = read_qtables(source), read_qtables(tile)
    planes: list[tuple[Coefficients, Coefficients]] = list(
        zip(read_coefficients(source), read_coefficients(tile), strict=True)
    )
    for slot, (old, coarse) in enumerate(planes):
        table = min(slot, 1)
        if (new[table] < own[table]).any():
            return False
        difference = abs(coarse * new[table] - old * own[table])
        changed = new[table] > own[table]
        if (10 * difference > 6 * new[table])[..., changed].any() or (coarse != old)[..., ~changed].any():
            return False
    return True


@pytest.mark.parametrize("tables", ["efficient", "exact"])
@pytest.mark.parametrize("quality", [10, 50, 80])
def test_recompressed_tile_is_coarser(quality: int, tables: Tables) -> None:
    source = encode_turbo(pixels(64, 64), quality=90)
    tile, _ = _jpeg.recompress(source, quality, tables=tables)
    assert is_coarser(source, tile)
    assert relation(source, tile) is Relation.COARSER


def test_optimised_tile_is_the_same() -> None:
    source = encode_turbo(pixels(64, 64))
    tile, _ = _jpeg.recompress(source, None)
    assert tile != source
    assert relation(source, tile) is relation(source, source) is Relation.SAME


def test_tile_that_was_encoded_anew_differs() -> None:
    source = encode_turbo(pixels(64, 64), quality=90)
    other = encode_turbo(pixels(64, 64, seed=1), quality=50)
    assert not is_coarser(source, other)
    assert relation(source, other) is Relation.OTHER_COEFFICIENTS


def test_finer_steps_differ() -> None:
    coarse, fine = (encode_turbo(pixels(64, 64), quality=quality) for quality in (50, 90))
    assert relation(coarse, fine) is Relation.FINER_STEPS


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(encode_turbo(pixels(64, 72)), id="width"),
        pytest.param(encode_pillow(pixels(64, 64), "L"), id="components"),
        pytest.param(encode_pillow(pixels(64, 64), subsampling=0), id="sampling"),
    ],
)
def test_other_shapes_differ(other: bytes) -> None:
    assert relation(encode_turbo(pixels(64, 64)), other) is Relation.OTHER_SHAPE


@pytest.mark.parametrize("damaged", [b"", b"\xff\xd8\xff", encode_turbo(pixels(64, 64))[:-60], b"no image"])
def test_damaged_tiles_are_unreadable_unless_they_are_the_same_bytes(damaged: bytes) -> None:
    tile = encode_turbo(pixels(64, 64))
    assert relation(tile, damaged) is relation(damaged, tile) is Relation.UNREADABLE
    assert relation(damaged, damaged) is Relation.SAME


@pytest.mark.parametrize("kind", jpeg_kinds.KINDS)
def test_every_kind_is_coarser_or_the_same_after_recompression(kind: str) -> None:
    source = jpeg_kinds.tile(kind)
    tile, _ = _jpeg.recompress(source, 30)
    assert relation(source, tile) in (Relation.SAME, Relation.COARSER)


def test_check_returns_damage_and_shape() -> None:
    tile = encode_turbo(pixels(40, 72))
    damages, shapes = _jpeg.check_batch(*batch_of([tile, tile[:-30], b"no image", encode_pillow(pixels(8, 8), "L")]))
    assert [Damage(damage) for damage in damages] == [Damage.NONE, Damage.TRUNCATED, Damage.NOT_JPEG, Damage.NONE]
    assert shapes.tolist() == [[40, 72, 3], [40, 72, 3], [0, 0, 0], [8, 8, 1]]


@pytest.mark.parametrize("kind", jpeg_kinds.KINDS)
def test_check_agrees_with_diagnose(kind: str) -> None:
    tile = jpeg_kinds.tile(kind)
    [damage], _ = _jpeg.check_batch(*batch_of([tile]))
    if kind != "sampled 3 x 2, 2 x 1, 1 x 1":
        assert damage == _jpeg.diagnose(tile)[0]
    else:
        assert damage == Damage.UNSUPPORTED


def test_tiles_outside_the_buffer_are_refused() -> None:
    data, offsets, sizes = batch_of([encode_turbo(pixels(8, 8))])
    with pytest.raises(ValueError, match="lies outside the source"):
        _jpeg.check_batch(data, offsets, sizes + np.uint32(1))
    with pytest.raises(ValueError, match="lies outside the source"):
        _jpeg.compare_batch(data, offsets, sizes, data, offsets, sizes + np.uint32(1))
    with pytest.raises(ValueError, match="lengths differ"):
        _jpeg.compare_batch(data, offsets, sizes, data, offsets[:0], sizes[:0])
