"""One tile at a time: its quality, what becomes of each kind, and the arithmetic, against a second implementation."""

import io
from collections.abc import Sequence
from functools import cache

import jpegs
import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray
from PIL import Image

from gptool._jpeg import Outcome, qualities, quality, recompress
from gptool.model import Tables

Ints = NDArray[np.int64]

MODES: tuple[Tables, ...] = ("efficient", "exact")

EXPECTED = dict.fromkeys(jpegs.KINDS, Outcome.RECOMPRESSED) | {
    "1 x 1, optimised": Outcome.KEPT_NOT_SMALLER,
    "without tables": Outcome.DAMAGED,
    "12 bits": Outcome.KEPT_UNSUPPORTED,
    "lossless": Outcome.KEPT_UNSUPPORTED,
    "truncated": Outcome.DAMAGED,
    "8192 x 8192 promised": Outcome.DAMAGED,
    "65500 x 65500 promised": Outcome.KEPT_UNSUPPORTED,
    "PNG": Outcome.KEPT_NOT_JPEG,
    "no image": Outcome.KEPT_NOT_JPEG,
    "nothing": Outcome.KEPT_NOT_JPEG,
}
"""What becomes of each kind at quality 50."""

RECOMPRESSED = [kind for kind, outcome in EXPECTED.items() if outcome == Outcome.RECOMPRESSED]
ONE_TABLE_FOR_ALL = {"grayscale", "grayscale, sampled 2 x 2", "CMYK", "RGB", "one table for all"}
"""Kinds whose only table is a luminance table."""

property_test = settings(derandomize=True, database=None, deadline=None, max_examples=300)


# ---- what should come out, said once more in NumPy ----


@cache
def ijg(quality: int) -> dict[int, Ints]:
    """Return the IJG tables, luminance and chrominance, as libjpeg itself writes them."""
    return jpegs.tables(jpegs.turbo(jpegs.pixels(8, 8), quality=max(quality, 1)))


def snapped(own: Ints, wanted: Ints, levels: Ints) -> tuple[Ints, Ints]:
    """Return table and levels by the rule of "efficient": multiples of the old steps, the nearest level, ties to 0."""
    factor = np.floor(wanted / own + 0.5).astype(int)
    factor = np.maximum(1, np.minimum(factor, 255 // own))
    return factor * own, np.sign(levels) * np.ceil(abs(levels) / factor - 0.5).astype(int)


def widened(own: Ints, wanted: Ints, levels: Ints) -> tuple[Ints, Ints]:
    """Return table and levels by the rule of "exact": the wanted steps if coarser, levels rounded up from .60 on."""
    step = np.maximum(own, wanted)
    return step, np.sign(levels) * ((10 * abs(levels) * own + 4 * step) // (10 * step))


RULES = {"efficient": snapped, "exact": widened}


def batch(tiles: Sequence[bytes]) -> tuple[bytes, NDArray[np.uint64], NDArray[np.uint32]]:
    """Return the tiles in one buffer, and where they are."""
    sizes = np.array([len(tile) for tile in tiles], np.uint32)
    return b"".join(tiles), np.cumsum(sizes, dtype=np.uint64) - sizes, sizes


def split(output: NDArray[np.uint8], sizes: NDArray[np.uint32]) -> list[bytes]:
    return [part.tobytes() for part in np.split(output, np.cumsum(sizes)[:-1])]


def header(tile: bytes) -> dict[int, bytes]:
    return dict(jpegs.segments(tile))


# ---- quality ----


def test_quality_of_ijg_tables_is_exact() -> None:
    found = [quality(jpegs.turbo(jpegs.pixels(8, 8), quality=q)) for q in range(1, 101)]
    assert found == list(range(1, 101))


@pytest.mark.parametrize("q", range(3, 99))
def test_quality_of_another_table_is_near_that_of_the_ijg_table_of_its_scale(q: int) -> None:
    table = ijg(q)[0].copy()
    first, *_, last = np.flatnonzero((table > 2) & (table < 254))
    table[first] += 1
    table[last] -= 1  # no IJG table any more; but the sum stays, and the mean scale with it
    tile = jpegs.pillow(jpegs.pixels(8, 8), "L", qtables=[table.tolist()], quality=-1)
    assert quality(tile) == pytest.approx(q, abs=0.34)


@pytest.mark.parametrize("kind", ["PNG", "no image", "nothing", "without tables", "12 bits", "lossless"])
def test_quality_of_what_has_none_is_none(kind: str) -> None:
    assert quality(jpegs.tile(kind)) is None


def test_qualities_are_those_of_single_calls_and_nan_for_none() -> None:
    tiles = [jpegs.tile(kind) for kind in jpegs.KINDS]
    expected = [np.nan if (found := quality(tile)) is None else found for tile in tiles]
    np.testing.assert_array_equal(qualities(*batch(tiles)), expected)


# ---- recompress: each kind of tile ----


def test_outcomes_keep_their_numbers() -> None:
    assert [outcome.name for outcome in sorted(Outcome)] == [
        "RECOMPRESSED",
        "KEPT_QUALITY",
        "KEPT_UNCHANGED",
        "KEPT_NOT_SMALLER",
        "KEPT_NOT_JPEG",
        "KEPT_UNSUPPORTED",
        "DAMAGED",
    ]
    assert sorted(Outcome) == list(range(7))


@pytest.mark.parametrize("tables", MODES)
@pytest.mark.parametrize(("kind", "expected"), EXPECTED.items(), ids=str)
def test_outcome_of_each_kind(kind: str, expected: Outcome, tables: Tables) -> None:
    tile = jpegs.tile(kind)
    output, outcome = recompress(tile, 50, tables=tables)
    assert outcome is expected
    if expected is Outcome.RECOMPRESSED:
        assert len(output) < len(tile)
    else:
        assert output == tile


@pytest.mark.parametrize(
    ("own", "request_", "expected"),
    [
        (75, 100, (Outcome.KEPT_QUALITY, Outcome.KEPT_QUALITY)),
        (75, 75, (Outcome.KEPT_QUALITY, Outcome.KEPT_QUALITY)),
        (75, 70, (Outcome.KEPT_UNCHANGED, Outcome.RECOMPRESSED)),  # no step of 70 is 1.5 times that of 75
        (75, 50, (Outcome.RECOMPRESSED, Outcome.RECOMPRESSED)),
        (1, 0, (Outcome.KEPT_QUALITY, Outcome.KEPT_QUALITY)),  # 0 counts as 1
    ],
)
def test_outcome_of_each_request(own: int, request_: int, expected: tuple[Outcome, Outcome]) -> None:
    tile = jpegs.turbo(jpegs.pixels(), quality=own)
    assert tuple(recompress(tile, request_, tables=tables)[1] for tables in MODES) == expected


@pytest.mark.parametrize("kind", RECOMPRESSED)
def test_the_result_is_the_same_image_in_baseline_huffman_coding(kind: str) -> None:
    tile = jpegs.tile(kind)
    before, after = header(tile), header(recompress(tile, 50)[0])
    [frame] = [before[marker] for marker in jpegs.SOFS if marker in before]
    expected = 0xC1 if kind == "16-bit tables" else 0xC0  # baseline has 8-bit tables only
    assert [marker for marker in jpegs.SOFS if marker in after] == [expected]
    assert after[expected] == frame  # size, components, sampling, table slots


@pytest.mark.parametrize("kind", RECOMPRESSED)
def test_of_the_other_segments_only_those_with_a_say_in_the_colours_stay(kind: str) -> None:
    tile = jpegs.tile(kind)
    before, after = jpegs.segments(tile), jpegs.segments(recompress(tile, 50)[0])
    coding = {*jpegs.SOFS, jpegs.DQT, jpegs.DHT, jpegs.SOS}
    colours = {jpegs.APP0, jpegs.APP2, jpegs.APP14}
    assert sorted(part for part in after if part[0] not in coding) == sorted(
        part for part in before if part[0] in colours
    )


def test_only_the_first_image_of_a_tile_is_read() -> None:
    alone = recompress(jpegs.tile("4:2:0"), 50)
    assert recompress(jpegs.tile("two images"), 50) == alone
    assert recompress(jpegs.tile("bytes after the end"), 50) == alone


def test_huffman_tables_are_made_for_the_tile() -> None:
    """The standard ones name all 2 * (12 + 162) symbols, a small tile needs few."""
    tile = jpegs.tile("4:2:0")
    before, after = (
        sum(len(data) for marker, data in jpegs.segments(each) if marker == jpegs.DHT)
        for each in (tile, recompress(tile, 50)[0])
    )
    assert before == 4 * 17 + 2 * (12 + 162)
    assert after < before / 2


# ---- recompress: the arithmetic ----


def check_against_the_rule(tile: bytes, request: int, tables: Tables, *, luminance_only: bool) -> None:
    output, outcome = recompress(tile, request, tables=tables)
    assert outcome is Outcome.RECOMPRESSED
    before, after = jpegs.tables(tile), jpegs.tables(output)
    for component, (slot, old, new) in enumerate(
        zip(jpegs.slots(tile), jpegs.levels(tile), jpegs.levels(output), strict=True)
    ):
        wanted = ijg(request)[int(component in (1, 2) and not luminance_only)]
        table, levels = RULES[tables](before[slot], wanted, old)
        np.testing.assert_array_equal(after[slot], table)
        np.testing.assert_array_equal(new, levels)


@pytest.mark.parametrize("tables", MODES)
@pytest.mark.parametrize("kind", RECOMPRESSED)
def test_tables_and_levels_follow_the_rule_in_every_kind(kind: str, tables: Tables) -> None:
    check_against_the_rule(jpegs.tile(kind), 50, tables, luminance_only=kind in ONE_TABLE_FOR_ALL)


@pytest.mark.parametrize("tables", MODES)
@pytest.mark.parametrize("own", [75, 90, 100])
@pytest.mark.parametrize("request_", [0, 1, 10, 25, 40, 50])
def test_tables_and_levels_follow_the_rule_at_every_quality(own: int, request_: int, tables: Tables) -> None:
    tile = jpegs.turbo(jpegs.pixels(seed=own), quality=own)
    check_against_the_rule(tile, request_, tables, luminance_only=False)


@pytest.mark.parametrize("tables", MODES)
def test_pixels_move_no_further_than_the_rule_lets_them(tables: Tables) -> None:
    """Seen from outside, in decoded pixels: the result's blocks are multiples of its steps, and near the tile's."""
    tile = jpegs.turbo(jpegs.pixels(), jpegs.tj.TJSAMP_GRAY)
    output, _ = recompress(tile, 30, tables=tables)
    step = jpegs.tables(output)[0]
    before, after = transform(tile), transform(output)
    noise = 4.1  # rounding moves no pixel by more than 0.5, so no coefficient of 64 pixels by more than 4
    assert (step > 2 * noise).all()  # or what follows would say nothing
    assert (abs(after - np.rint(after / step) * step) <= noise).all()
    furthest = step * {"efficient": 0.5, "exact": 0.6}[tables]
    assert (abs(after - before) <= furthest + 2 * noise).all()


def transform(tile: bytes) -> NDArray[np.float64]:
    """Return the 8 x 8 DCT of the decoded pixels, (blocks, 64)."""
    with Image.open(io.BytesIO(tile)) as image:
        pixels = np.array(image, float) - 128
    k, n = np.mgrid[:8, :8]
    dct = np.where(k, 0.5, np.sqrt(0.125)) * np.cos((2 * n + 1) * k * np.pi / 16)
    blocks = pixels.reshape(len(pixels) // 8, 8, -1, 8).swapaxes(1, 2)
    return (dct @ blocks @ dct.T).reshape(-1, 64)


@pytest.mark.parametrize("tables", MODES)
@pytest.mark.parametrize("own", [20, 36, 52, 68, 84, 100])
def test_never_finer_never_larger_and_a_second_run_changes_nothing(own: int, tables: Tables) -> None:
    tile = jpegs.turbo(jpegs.pixels(seed=own), quality=own)
    for request in range(0, 101, 4):
        output, outcome = recompress(tile, request, tables=tables)
        assert (len(output) < len(tile)) is (outcome is Outcome.RECOMPRESSED)
        assert (output == tile) is (outcome is not Outcome.RECOMPRESSED)
        assert all((jpegs.tables(output)[slot] >= table).all() for slot, table in jpegs.tables(tile).items())
        again, outcome = recompress(output, request, tables=tables)
        assert again == output
        assert outcome in (Outcome.KEPT_QUALITY, Outcome.KEPT_UNCHANGED, Outcome.KEPT_NOT_SMALLER)


@pytest.mark.parametrize("tables", MODES)
def test_a_step_of_zero_stays_as_it_is(tables: Tables) -> None:
    tile = jpegs.edited(
        jpegs.tile("grayscale"), lambda m, data: (m, data[:-1] + b"\0") if m == jpegs.DQT else (m, data)
    )
    output, outcome = recompress(tile, 50, tables=tables)
    assert outcome is Outcome.RECOMPRESSED
    assert jpegs.tables(output)[0][63] == 0
