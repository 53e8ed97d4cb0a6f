"""The quality of a tile, the outcome of a request, and the arithmetic, compared with a second implementation."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from gptool._jpeg import Outcome, judge, qualities, quality, recompress, recompress_batch
from gptool.model import Tables
from helpers import jpeg_kinds, jpeg_readers
from helpers.jpeg_batches import batch, split
from helpers.jpeg_huffman import Frame
from helpers.jpeg_outcomes import RECOMPRESSED, WITHOUT_CHROMINANCE
from helpers.jpeg_requantisation import TABLE_MODES, ijg_tables, requantise
from helpers.jpeg_tiles import DQT, encode_pillow, encode_turbo, pixels, tj, with_payload

# ---- quality ----


def test_quality_of_ijg_tables_is_exact() -> None:
    found = [quality(encode_turbo(pixels(8, 8), quality=q)) for q in range(1, 101)]
    assert found == list(range(1, 101))


@pytest.mark.parametrize("q", range(3, 99))
def test_quality_of_other_table_is_near_that_of_ijg_table_of_same_scale(q: int) -> None:
    table = ijg_tables(q)[0].copy()
    first, *_, last = 1 + np.flatnonzero((table[1:] > 2) & (table[1:] < 254))
    table[first] += 1
    table[last] -= 1  # not an IJG table any more, but the sum and so the mean scale are unchanged
    tile = encode_pillow(pixels(8, 8), "L", qtables=[table.tolist()], quality=-1)
    assert quality(tile) == pytest.approx(q, abs=0.34)


@pytest.mark.parametrize("kind", ["PNG", "text", "empty", "without quantisation tables", "12 bits", "lossless"])
def test_quality_is_none_without_a_quantisation_table(kind: str) -> None:
    assert quality(jpeg_kinds.tile(kind)) is None


def test_qualities_equal_single_calls_with_nan_for_none() -> None:
    tiles = [jpeg_kinds.tile(kind) for kind in jpeg_kinds.KINDS]
    expected = [np.nan if (found := quality(tile)) is None else found for tile in tiles]
    np.testing.assert_array_equal(qualities(*batch(tiles)), expected)


# ---- recompress: outcomes ----


@pytest.mark.parametrize(
    ("own", "request_", "expected"),
    [
        (75, None, (Outcome.KEPT_NOT_SMALLER, Outcome.KEPT_NOT_SMALLER)),
        (75, 100, (Outcome.KEPT_QUALITY, Outcome.KEPT_QUALITY)),
        (75, 75, (Outcome.KEPT_QUALITY, Outcome.KEPT_QUALITY)),
        (75, 70, (Outcome.KEPT_UNCHANGED, Outcome.RECOMPRESSED)),  # no step of 70 is 1.5 times the step of 75
        (75, 50, (Outcome.RECOMPRESSED, Outcome.RECOMPRESSED)),
        (1, 0, (Outcome.KEPT_QUALITY, Outcome.KEPT_QUALITY)),  # 0 counts as 1
    ],
)
def test_outcome_of_each_request(own: int, request_: int | None, expected: tuple[Outcome, Outcome]) -> None:
    tile = encode_turbo(pixels(), quality=own)
    optimised = recompress(tile, None)[0]
    assert tuple(recompress(optimised, request_, tables=tables)[1] for tables in TABLE_MODES) == expected
    assert tuple(judge(tile, request_, tables=tables) for tables in TABLE_MODES) == expected
    # What keeps its coefficients is optimised without loss.
    kept = [Outcome.RECOMPRESSED if outcome is Outcome.RECOMPRESSED else Outcome.OPTIMISED for outcome in expected]
    assert [recompress(tile, request_, tables=tables)[1] for tables in TABLE_MODES] == kept


# ---- recompress: the arithmetic ----


def check_requantisation(tile: bytes, request: int, tables: Tables, *, luminance_only: bool) -> None:
    output, outcome = recompress(tile, request, tables=tables)
    assert outcome is Outcome.RECOMPRESSED
    expected = requantise(tile, request, tables, luminance_only=luminance_only)
    steps = jpeg_readers.read_qtables(output)
    for slot, coefficients, (step, expected_coefficients) in zip(
        Frame.of(output).slots, jpeg_readers.read_coefficients(output), expected, strict=True
    ):
        np.testing.assert_array_equal(steps[slot], step)
        np.testing.assert_array_equal(coefficients, expected_coefficients)


@pytest.mark.parametrize("tables", TABLE_MODES)
@pytest.mark.parametrize("kind", RECOMPRESSED)
def test_requantisation_of_every_kind(kind: str, tables: Tables) -> None:
    check_requantisation(jpeg_kinds.tile(kind), 50, tables, luminance_only=kind in WITHOUT_CHROMINANCE)


@pytest.mark.parametrize("tables", TABLE_MODES)
@pytest.mark.parametrize("own", [75, 90, 100])
@pytest.mark.parametrize("request_", [0, 1, 10, 25, 40, 50])
def test_requantisation_at_every_quality(own: int, request_: int, tables: Tables) -> None:
    tile = encode_turbo(pixels(seed=own), quality=own)
    check_requantisation(tile, request_, tables, luminance_only=False)


@pytest.mark.parametrize("tables", TABLE_MODES)
@pytest.mark.parametrize("subsampling", [tj.TJSAMP_420, tj.TJSAMP_422, tj.TJSAMP_440, tj.TJSAMP_411, tj.TJSAMP_444])
@pytest.mark.parametrize("sides", [(1, 1), (7, 65), (8, 8), (9, 16), (16, 17), (25, 31), (65, 1), (200, 33)], ids=str)
def test_requantisation_at_every_size(sides: tuple[int, int], subsampling: int, tables: Tables) -> None:
    check_requantisation(encode_turbo(pixels(*sides), subsampling), 50, tables, luminance_only=False)


# ---- every pair of qualities ----

OWN = range(20, 101)


@pytest.fixture(scope="module")
def tiles() -> list[bytes]:
    """A tile of each quality, and one with reversed steps, some of which are coarser than those of most requests."""
    plain = [encode_turbo(pixels(24, 24, seed=own), quality=own) for own in OWN]
    return [*plain, *(with_payload(tile, DQT, lambda table: table[:1] + table[:0:-1]) for tile in plain)]


def steps(tiles: Sequence[bytes]) -> NDArray[np.int64]:
    return np.array([[table for _, table in sorted(jpeg_readers.read_qtables(tile).items())] for tile in tiles])


@pytest.mark.parametrize("tables", TABLE_MODES)
@pytest.mark.parametrize("request_", range(101))
def test_result_is_never_finer_or_larger_and_a_second_run_changes_nothing(
    tiles: list[bytes], request_: int, tables: Tables
) -> None:
    source, offsets, sizes = batch(tiles)
    output, new_sizes, outcomes = recompress_batch(source, offsets, sizes, request_, tables=tables)
    results = split(output, new_sizes)
    assert set(outcomes) <= {Outcome.RECOMPRESSED, Outcome.OPTIMISED}  # libjpeg's Huffman tables are always longer
    assert (new_sizes < sizes).all()
    for tile, result, outcome in zip(tiles, results, outcomes, strict=True):
        assert (outcome == Outcome.RECOMPRESSED) == bool((steps([result]) != steps([tile])).any())
    assert (steps(results) >= steps(tiles)).all()
    again, _, outcomes = recompress_batch(*batch(results), request_, tables=tables)
    assert again.tobytes() == output.tobytes()
    assert Outcome.RECOMPRESSED not in outcomes
