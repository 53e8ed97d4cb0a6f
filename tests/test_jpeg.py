import io
import mmap
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import jpegs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from gptool._jpeg import Outcome, diagnose, qualities, quality, recompress, recompress_batch
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


# ---- batches ----


def test_a_batch_is_its_single_calls() -> None:
    tiles = [jpegs.tile(kind) for kind in jpegs.KINDS]
    output, sizes, outcomes = recompress_batch(*batch(tiles), 50)
    assert list(zip(split(output, sizes), outcomes, strict=True)) == [recompress(tile, 50) for tile in tiles]
    assert (output.dtype, sizes.dtype, outcomes.dtype) == (np.uint8, np.uint32, np.uint8)


def test_a_batch_of_no_tiles() -> None:
    none = (b"", np.empty(0, np.uint64), np.empty(0, np.uint32))
    assert [len(part) for part in recompress_batch(*none, 50)] == [0, 0, 0]
    assert len(qualities(*none)) == 0


def test_tiles_may_repeat_and_overlap() -> None:
    inner, outer = jpegs.tile("grayscale"), jpegs.pillow(jpegs.pixels(), comment=jpegs.tile("grayscale"))
    at = outer.index(inner)
    offsets, sizes = np.array([0, at, 0, at], np.uint64), np.array([len(outer), len(inner)] * 2, np.uint32)
    output, new_sizes, _ = recompress_batch(outer, offsets, sizes, 50)
    assert split(output, new_sizes) == [recompress(tile, 50)[0] for tile in (outer, inner, outer, inner)]


@pytest.mark.parametrize("kind", ["standard Huffman tables left out", "without tables"])
@pytest.mark.parametrize("before", ["optimised", "progressive", "truncated", "CMYK"])
def test_tables_of_one_tile_are_never_used_for_the_next(kind: str, before: str) -> None:
    tiles = [jpegs.tile(before), jpegs.tile(kind)]
    output, sizes, outcomes = recompress_batch(*batch(tiles), 50)
    assert (split(output, sizes)[1], outcomes[1]) == recompress(tiles[1], 50)


@pytest.mark.parametrize(
    ("offsets", "sizes", "message"),
    [
        ([0, 0], [1], "offsets and sizes: found 2 and 1 entries"),
        ([0], [11], "tile 0: found 11 bytes at offset 0, expected them within 10 bytes"),
        ([0, 5], [10, 6], "tile 1: found 6 bytes at offset 5"),
        ([11], [0], "tile 0: found 0 bytes at offset 11"),
        ([2**64 - 1], [2**32 - 1], "tile 0: found 4294967295 bytes at offset 18446744073709551615"),
    ],
)
def test_tiles_must_lie_within_the_source(offsets: list[int], sizes: list[int], message: str) -> None:
    places = bytes(10), np.array(offsets, np.uint64), np.array(sizes, np.uint32)
    with pytest.raises(ValueError, match=message):
        recompress_batch(*places, 50)
    with pytest.raises(ValueError, match=message):
        qualities(*places)


@pytest.mark.parametrize("request_", [-1, 101])
def test_quality_must_be_0_to_100(request_: int) -> None:
    with pytest.raises(ValueError, match=f"quality: found {request_}, expected 0 to 100"):
        recompress(jpegs.tile("4:2:0"), request_)


def test_quality_must_be_whole() -> None:
    with pytest.raises(TypeError, match="float"):
        recompress(jpegs.tile("4:2:0"), 50.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected 0 to 100"):
        recompress(jpegs.tile("4:2:0"), 2**40)


def test_tables_must_be_known() -> None:
    with pytest.raises(ValueError, match="tables: found 'finest', expected one of efficient, exact"):
        recompress(jpegs.tile("4:2:0"), 50, tables="finest")


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda data: np.frombuffer(data, np.uint8), "mmap"])
def test_any_contiguous_buffer_is_taken(kind: Callable[[bytes], Any] | str, tmp_path: Path) -> None:
    tile = jpegs.tile("4:2:0")
    if callable(kind):
        check_buffer(kind(tile), tile)
    else:
        path = tmp_path / "tile.jpg"
        path.write_bytes(tile)
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            check_buffer(mapped, tile)


def check_buffer(buffer: Any, tile: bytes) -> None:
    places = np.array([0], np.uint64), np.array([len(tile)], np.uint32)
    expected, _ = recompress(tile, 50)
    assert quality(buffer) == qualities(buffer, *places)[0] == jpegs.QUALITY
    assert recompress(buffer, 50)[0] == expected
    assert recompress_batch(buffer, *places, 50)[0].tobytes() == expected
    assert diagnose(buffer) == ""


# ---- threads ----


def test_threads_do_not_disturb_each_other() -> None:
    tiles = [jpegs.tile(kind) for kind in jpegs.KINDS if kind != "512 x 512"] * 10
    jobs = [(request, tables) for request in (5, 30, 50, 70) for tables in MODES] * 2

    def run(job: tuple[int, Tables]) -> list[bytes]:
        return [part.tobytes() for part in recompress_batch(*batch(tiles), job[0], tables=job[1])]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(run, jobs)) == [run(job) for job in jobs]


def test_the_gil_is_released() -> None:
    """The main thread goes on while another recompresses: it never stands still for most of that time."""
    tile = jpegs.tile("512 x 512")
    places = np.zeros(200, np.uint64), np.full(200, len(tile), np.uint32)
    times: list[float] = []

    def run() -> None:
        times.append(time.perf_counter())
        recompress_batch(tile, *places, 50)
        times.append(time.perf_counter())

    worker = threading.Thread(target=run)
    ticks = [time.perf_counter()]
    worker.start()
    while worker.is_alive():
        ticks.append(time.perf_counter())
        time.sleep(0)
    ticks.append(time.perf_counter())
    started, ended = times
    assert np.diff(ticks).max() < (ended - started) / 2


# ---- hostile bytes ----


@pytest.mark.parametrize("tables", MODES)
@pytest.mark.parametrize("kind", ["17 x 33", "1 x 1", "grayscale", "progressive", "restart markers", "CMYK"])
def test_a_tile_cut_anywhere_is_damaged(kind: str, tables: Tables) -> None:
    tile = jpegs.tile(kind)
    cuts = np.arange(len(tile), dtype=np.uint32)
    output, sizes, outcomes = recompress_batch(tile, np.zeros(len(cuts), np.uint64), cuts, 50, tables=tables)
    assert output.tobytes() == b"".join(tile[:cut] for cut in cuts)
    assert (sizes == cuts).all()
    assert set(outcomes[:3]) == {Outcome.KEPT_NOT_JPEG}
    assert set(outcomes[3:]) == {Outcome.DAMAGED}


places_and_bytes = st.lists(st.tuples(st.integers(0, 2**16), st.binary(max_size=4)), min_size=1, max_size=8)


@property_test
@given(
    kind=st.sampled_from(["17 x 33", "progressive", "restart markers", "CMYK", "ICC profile", "16-bit tables"]),
    edits=places_and_bytes,
    request=st.integers(0, 100),
    tables=st.sampled_from(MODES),
)
def test_mutated_tiles_have_an_outcome_and_never_grow(
    kind: str, edits: list[tuple[int, bytes]], request: int, tables: Tables
) -> None:
    tile = bytearray(jpegs.tile(kind))
    for place, new in edits:
        at = place % len(tile)
        tile[at : at + max(len(new), 1)] = new  # overwritten, or a byte less, or a bit more at the end
    output, outcome = recompress(tile, request, tables=tables)
    assert outcome in Outcome
    assert (len(output) < len(tile)) if outcome is Outcome.RECOMPRESSED else (output == tile)
    if outcome is Outcome.RECOMPRESSED:
        assert diagnose(output) == ""
    assert "\n" not in diagnose(tile)
    assert (found := quality(tile)) is None or 0 <= found <= 100


@property_test
@given(tail=st.binary(max_size=200))
def test_noise_behind_the_first_bytes_of_a_jpeg_is_kept(tail: bytes) -> None:
    tile = b"\xff\xd8\xff" + tail
    output, outcome = recompress(tile, 50)
    assert output == tile
    assert outcome in (Outcome.DAMAGED, Outcome.KEPT_UNSUPPORTED)


@pytest.mark.parametrize("scans", [0, 95])
def test_arithmetic_bombs_cost_little(scans: int) -> None:
    """libjpeg fills what an arithmetic scan lacks with zeros, so a few bytes may promise an image of any size."""
    os.environ["TJ_ARITHMETIC"] = "1"
    try:
        tile = jpegs.turbo(jpegs.pixels(), jpegs.tj.TJSAMP_444, flags=jpegs.tj.TJFLAG_PROGRESSIVE)
    except OSError:
        pytest.skip("libjpeg-turbo was built without arithmetic coding")
    finally:
        del os.environ["TJ_ARITHMETIC"]
    bomb = jpegs.with_frame(tile, 1, b"\x20\x00\x20\x00")[:-2]
    bomb += b"\xff\xda\0\x0c\x03\x01\0\x02\0\x03\0\0\0\0" * scans + b"\xff\xd9"
    assert recompress(bomb, 50) == (bomb, Outcome.DAMAGED)
    assert diagnose(bomb) == "the header promises more blocks than the bytes can hold"


def test_a_sampling_that_does_not_fit_one_scan_is_sound_but_unsupported() -> None:
    """16 luminance blocks and two others: separate scans may have them, the interleaved one we would write not."""
    luma, chroma = (jpegs.pillow(jpegs.pixels(side, side), "L") for side in (32, 8))
    head = [part for part in jpegs.segments(luma) if part[0] not in (0xC0, jpegs.SOS)]
    frame = bytes([8, 0, 32, 0, 32, 3, 1, 0x44, 0, 2, 0x11, 0, 3, 0x11, 0])
    tile = b"\xff\xd8" + b"".join(jpegs.segment(*part) for part in [*head, (0xC0, frame)])
    for component, plane in ((1, luma), (2, chroma), (3, chroma)):
        tile += b"\xff\xda\0\x08\x01" + bytes([component, 0, 0, 63, 0]) + jpegs.segments(plane)[-1][1][8:-2]
    tile += b"\xff\xd9"
    assert recompress(tile, 50) == (tile, Outcome.KEPT_UNSUPPORTED)
    assert diagnose(tile) == ""


# ---- markers ----


def test_an_odd_jfif_revision_is_no_damage() -> None:
    tile = jpegs.edited(jpegs.tile("4:2:0"), lambda m, data: (m, b"JFIF\0\x02" + data[6:] if m == jpegs.APP0 else data))
    assert recompress(tile, 50)[1] is Outcome.RECOMPRESSED
    assert diagnose(tile) == ""


def test_app14_is_copied_even_where_jfif_contradicts_it() -> None:
    rgb = jpegs.tile("RGB")
    tile = rgb[:2] + jpegs.segment(jpegs.APP0, b"JFIF\0\1\1\0\0\1\0\1\0\0") + rgb[2:]
    output, _ = recompress(tile, 50)
    assert header(output)[jpegs.APP14] == header(tile)[jpegs.APP14]


# ---- diagnose ----


@pytest.mark.parametrize("own", [1, 2, 50])
def test_all_of_a_tile_is_read_whatever_its_quality(own: int) -> None:
    tile = jpegs.turbo(jpegs.pixels(), quality=own)
    assert diagnose(tile) == ""
    assert diagnose(tile[:-9]) == "Premature end of JPEG file"


@pytest.mark.parametrize("kind", [*RECOMPRESSED, "1 x 1, optimised"])
def test_nothing_is_wrong_with_a_sound_tile(kind: str) -> None:
    assert diagnose(jpegs.tile(kind)) == ""


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("truncated", "Premature end of JPEG file"),
        ("without tables", "Quantization table 0x00 was not defined"),
        ("8192 x 8192 promised", "the header promises more blocks than the bytes can hold"),
        ("65500 x 65500 promised", "Maximum supported image dimension is 8192 pixels"),
        ("12 bits", "Unsupported JPEG data precision 12"),
        ("lossless", "SOF"),
        ("PNG", "Not a JPEG file: starts with 0x89 0x50"),
        ("nothing", "Empty input file"),
    ],
)
def test_diagnosis_of_what_is_wrong(kind: str, expected: str) -> None:
    assert expected in diagnose(jpegs.tile(kind))
