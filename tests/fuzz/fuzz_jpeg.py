"""The fuzzing target for `_jpeg`: no input may break it, and a recompressed tile must be what the rules require.

An input is a byte for the quality, one for the kind of tables, and a tile.
"""

import coefficients  # built into the fuzzing program
import numpy as np
from numpy.typing import NDArray

from gptool._bundle import inspect
from gptool._jpeg import Damage, Outcome, diagnose, qualities, quality, recompress, recompress_batch
from gptool.model import Tables
from helpers.jpeg_requantisation import TABLE_MODES, is_varied, requantise_component

CHANGED = (Outcome.RECOMPRESSED, Outcome.OPTIMISED)
SOUND = (*CHANGED, Outcome.KEPT_QUALITY, Outcome.KEPT_UNCHANGED, Outcome.KEPT_NOT_SMALLER)


def one_input(data: memoryview) -> None:
    if len(data) < 2:
        return
    request = data[0] % 102 if data[0] % 102 <= 100 else None
    tables, tile = TABLE_MODES[data[1] % 2], data[2:]
    output, outcome = recompress(tile, request, tables=tables)
    damage, text = diagnose(tile)
    assert "\n" not in text
    assert (text == "") == (damage is Damage.NONE)
    assert damage is Damage.NONE or outcome not in SOUND
    assert damage is not Damage.NONE or outcome is not Outcome.DAMAGED
    assert damage is not Damage.NONE or is_whole(tile)
    assert outcome is Outcome.KEPT_NOT_JPEG or damage is not Damage.NOT_JPEG
    assert outcome is not Outcome.DAMAGED or damage is not Damage.UNSUPPORTED
    check_quality(tile)
    check_batch(tile, request, tables, (output, outcome))
    if outcome in CHANGED:
        check_result(tile, request if outcome is Outcome.RECOMPRESSED else None, tables, output)
        assert recompress(output, request, tables=tables)[0] == output
    else:
        assert output == tile


def is_whole(tile: bytes | memoryview) -> bool:
    return bool(inspect(tile, np.zeros(1, np.uint64), np.array([len(tile)], np.uint32))[1][0])


def check_quality(tile: memoryview) -> None:
    found = quality(tile)
    assert found is None or 0 <= found <= 100
    expected = np.nan if found is None else found
    np.testing.assert_array_equal(qualities(tile, np.zeros(2, np.uint64), np.full(2, len(tile), np.uint32)), expected)


def check_batch(tile: memoryview, request: int | None, tables: Tables, expected: tuple[bytes, Outcome]) -> None:
    """Check that a truncated tile before it does not change the result of a tile."""
    sizes = np.array([len(tile), len(tile) // 2, len(tile)], np.uint32)
    output, new_sizes, outcomes = recompress_batch(tile, np.zeros(3, np.uint64), sizes, request, tables=tables)
    parts = np.split(output, np.cumsum(new_sizes)[:-1])
    assert [(parts[i].tobytes(), outcomes[i]) for i in (0, 2)] == [expected] * 2


def check_result(tile: memoryview, request: int | None, tables: Tables, output: bytes) -> None:
    """Check a result against libjpeg-turbo's reading of the tile; without a request no coefficient may differ."""
    assert len(output) < len(tile)
    assert diagnose(output) == (Damage.NONE, "")
    assert is_whole(output)
    (chroma, before), (_, after) = coefficients.read(tile), coefficients.read(output)
    # A table that several components share follows the first of them.
    kinds: dict[int, int] = {}
    flat = {old[0] for old in before if not is_varied(to_numbers(old[4], np.int16))}
    for number, (old, new) in enumerate(zip(before, after, strict=True)):
        slot, own, unchanged = old[0], to_numbers(old[1], np.uint16)[0], to_numbers(old[4], np.int16)
        kind = kinds.setdefault(slot, int(chroma and number in (1, 2)))
        step, expected = own, unchanged
        if request is not None:
            step, expected = requantise_component(own, kind, request, tables, unchanged, varied=slot not in flat)
        assert (new[0], *new[2:4]) == (slot, *old[2:4])
        np.testing.assert_array_equal(to_numbers(new[1], np.uint16)[0], step)
        np.testing.assert_array_equal(to_numbers(new[4], np.int16), expected)


def to_numbers(data: bytes, kind: type) -> NDArray[np.int64]:
    """Return quantisation steps, or coefficients with a row for each block, as numbers that do not overflow."""
    return np.frombuffer(data, kind).astype(np.int64).reshape(-1, 64)
