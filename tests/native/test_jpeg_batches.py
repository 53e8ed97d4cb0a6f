"""Many tiles in one call: the same results as single calls, from any buffer, on any number of threads."""

import itertools
import mmap
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gptool._jpeg import Damage, Outcome, diagnose, qualities, quality, recompress, recompress_batch
from gptool.model import Tables
from helpers import jpeg_kinds, jpeg_tiles
from helpers.jpeg_batches import batch, split
from helpers.jpeg_requantisation import TABLE_MODES
from helpers.jpeg_tiles import QUALITY, encode_pillow, pixels

# ---- batches ----


def test_batch_equals_single_calls() -> None:
    tiles = [jpeg_kinds.tile(kind) for kind in jpeg_kinds.KINDS]
    output, sizes, outcomes = recompress_batch(*batch(tiles), 50)
    assert list(zip(split(output, sizes), outcomes, strict=True)) == [recompress(tile, 50) for tile in tiles]
    assert (output.dtype, sizes.dtype, outcomes.dtype) == (np.uint8, np.uint32, np.uint8)


def test_empty_batch() -> None:
    none = (b"", np.empty(0, np.uint64), np.empty(0, np.uint32))
    assert [len(part) for part in recompress_batch(*none, 50)] == [0, 0, 0]
    assert len(qualities(*none)) == 0


def test_tiles_may_repeat_and_overlap() -> None:
    inner, outer = jpeg_kinds.tile("grayscale"), encode_pillow(pixels(), comment=jpeg_kinds.tile("grayscale"))
    at = outer.index(inner)
    offsets, sizes = np.array([0, at, 0, at], np.uint64), np.array([len(outer), len(inner)] * 2, np.uint32)
    output, new_sizes, _ = recompress_batch(outer, offsets, sizes, 50)
    assert split(output, new_sizes) == [recompress(tile, 50)[0] for tile in (outer, inner, outer, inner)]


@pytest.mark.parametrize("kind", ["without Huffman tables", "without quantisation tables", "without any tables"])
@pytest.mark.parametrize("previous", ["optimised", "progressive", "truncated", "CMYK"])
def test_tables_of_one_tile_are_never_used_for_the_next(kind: str, previous: str) -> None:
    tiles = [jpeg_kinds.tile(previous), jpeg_kinds.tile(kind)]
    output, sizes, outcomes = recompress_batch(*batch(tiles), 50)
    assert (split(output, sizes)[1], outcomes[1]) == recompress(tiles[1], 50)


@pytest.mark.parametrize(
    ("offsets", "sizes", "message"),
    [
        ([0, 0], [1], "offsets and sizes: lengths differ; found 2 and 1 entries"),
        ([0], [11], "tile 0: lies outside the source; found 11 bytes at offset 0, expected them within 10 bytes"),
        ([0, 5], [10, 6], "tile 1: lies outside the source; found 6 bytes at offset 5"),
        ([11], [0], "tile 0: lies outside the source; found 0 bytes at offset 11"),
        (
            [2**64 - 1],
            [2**32 - 1],
            "tile 0: lies outside the source; found 4294967295 bytes at offset 18446744073709551615",
        ),
    ],
)
def test_tiles_outside_the_source_are_rejected(offsets: list[int], sizes: list[int], message: str) -> None:
    places = bytes(10), np.array(offsets, np.uint64), np.array(sizes, np.uint32)
    with pytest.raises(ValueError, match=message):
        recompress_batch(*places, 50)
    with pytest.raises(ValueError, match=message):
        qualities(*places)


@pytest.mark.parametrize("request_", [-1, 101])
def test_quality_out_of_range_is_rejected(request_: int) -> None:
    with pytest.raises(ValueError, match=f"quality: out of range; found {request_}, expected 0 to 100"):
        recompress(jpeg_kinds.tile("4:2:0"), request_)


def test_quality_must_be_an_integer() -> None:
    with pytest.raises(TypeError, match="float"):
        recompress(jpeg_kinds.tile("4:2:0"), 50.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected 0 to 100"):
        recompress(jpeg_kinds.tile("4:2:0"), 2**40)


def test_unknown_tables_are_rejected() -> None:
    with pytest.raises(ValueError, match="tables: invalid choice; found 'finest', expected one of efficient, exact"):
        recompress(jpeg_kinds.tile("4:2:0"), 50, tables="finest")


BUFFERS: dict[str, Callable[[bytes], Any]] = {
    "bytes": bytes,
    "bytearray": bytearray,
    "memoryview": memoryview,
    "array": lambda data: np.frombuffer(data, np.uint8),
}


@pytest.mark.parametrize("make_buffer", BUFFERS.values(), ids=BUFFERS)
def test_any_contiguous_buffer_is_accepted(make_buffer: Callable[[bytes], Any]) -> None:
    tile = jpeg_kinds.tile("4:2:0")
    check_buffer(make_buffer(tile), tile)


def test_memory_map_is_accepted(tmp_path: Path) -> None:
    tile = jpeg_kinds.tile("4:2:0")
    path = tmp_path / "tile.jpg"
    path.write_bytes(tile)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        check_buffer(mapped, tile)


def check_buffer(buffer: Any, tile: bytes) -> None:
    places = np.array([0], np.uint64), np.array([len(tile)], np.uint32)
    expected, _ = recompress(tile, 50)
    assert quality(buffer) == qualities(buffer, *places)[0] == QUALITY
    assert recompress(buffer, 50)[0] == expected
    assert recompress_batch(buffer, *places, 50)[0].tobytes() == expected
    assert diagnose(buffer) == (Damage.NONE, "")


# ---- threads ----


def test_threads_are_independent() -> None:
    tiles = [jpeg_kinds.tile(kind) for kind in jpeg_kinds.KINDS if kind not in jpeg_kinds.LARGE] * 3
    jobs = [(request, tables) for request in (5, 30, 50, 70) for tables in TABLE_MODES] * 2

    def run(job: tuple[int, Tables]) -> list[bytes]:
        return [part.tobytes() for part in recompress_batch(*batch(tiles), job[0], tables=job[1])]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(run, jobs)) == [run(job) for job in jobs]


def numbered(tile: bytes, count: int) -> list[bytes]:
    """Return tiles that take the same work but differ: a number follows the image."""
    return [tile + number.to_bytes(4) for number in range(count)]


def test_gil_is_released() -> None:
    """The main thread runs during a call of another thread, although the interpreter never makes threads switch."""
    places = batch(numbered(jpeg_kinds.tile("512 x 512"), 200))
    rounds = 0
    seen: list[int] = []

    def run() -> None:
        seen.append(rounds)
        recompress_batch(*places, 50)
        seen.append(rounds)

    worker = threading.Thread(target=run)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    try:
        worker.start()
        while worker.is_alive():
            rounds += 1
            time.sleep(0)  # releases the GIL
        worker.join()
    finally:
        sys.setswitchinterval(interval)
    before, after = seen
    assert after > before


@pytest.mark.posix("a clock of CPU time with fine steps")
def test_equal_tiles_are_recompressed_once() -> None:
    tile = jpeg_kinds.tile("4:2:0")

    def seconds(tiles: list[bytes]) -> float:
        start = time.thread_time()
        output, sizes, outcomes = recompress_batch(*batch(tiles), 50)
        taken = time.thread_time() - start
        assert split(output, sizes) == [recompress(tile, 50)[0]] * len(tiles)
        assert set(outcomes) == {Outcome.RECOMPRESSED}
        return taken

    assert seconds([tile] * 1000) < seconds(numbered(tile, 1000)) / 4


def test_similar_tiles_are_not_confused() -> None:
    """They differ in a single byte, after the image or in its comment."""
    comment = jpeg_tiles.encode_pillow(jpeg_tiles.pixels(), comment=bytes(300))
    at = comment.index(bytes(300))
    tiles = [comment[: at + i] + b"\1" + comment[at + i + 1 :] + bytes([i // 150]) for i in range(300)] * 2
    tiles += [tile + b"\2" for tile in tiles[:300]]
    output, sizes, _ = recompress_batch(*batch(tiles), 84)
    results = split(output, sizes)
    assert results == [recompress(tile, 84)[0] for tile in tiles]
    optimised, sizes, _ = recompress_batch(*batch(tiles), None)
    assert set(split(optimised, sizes)) == {recompress(tiles[0], None)[0]}  # comments and trailing bytes are dropped
    kept, _, _ = recompress_batch(*batch(distinct := [*map(bytes, itertools.product(range(3), repeat=5))]), 100)
    assert kept.tobytes() == b"".join(distinct)
