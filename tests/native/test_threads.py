"""The native modules on many threads, and for many tiles: the same results, and no memory leaks."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from gptool._area import covered
from gptool._bundle import inspect, pack, read_index_v1, read_index_v2
from gptool._files import file_sizes, read_files, read_words
from gptool._jpeg import Outcome, diagnose, huffman_table, qualities, quality, recompress_batch
from gptool.model import Tables
from helpers import jpeg_kinds, jpeg_tiles
from helpers.bundles import bundle_bytes, bundle_v1_bytes
from helpers.jpeg_batches import batch
from helpers.jpeg_requantisation import TABLE_MODES

TILES = 100_000
"""Tiles for each function of `_jpeg`; the other functions are called a tenth as often."""

MAX_GROWTH = 96 * 1024
"""Bytes of memory; a leak of 16 bytes per tile would be 1,600,000."""

MAX_ATTEMPTS = 3

Call = Callable[[], object]


def small_tiles() -> list[bytes]:
    """Return tiles of few blocks with all outcomes at quality 50."""
    image = jpeg_tiles.pixels(16, 16)
    plain = jpeg_tiles.encode_turbo(image)
    return [
        plain,
        jpeg_tiles.encode_pillow(image, progressive=True),
        jpeg_tiles.encode_pillow(image, icc_profile=jpeg_kinds.ICC),
        jpeg_tiles.encode_pillow(image, "CMYK", restart_marker_blocks=1),
        jpeg_tiles.encode_turbo(image, quality=30),
        jpeg_tiles.encode_pillow(image, quality=30, optimize=True),
        jpeg_tiles.encode_pillow(image, quality=60, optimize=True),  # no step of 50 is 1.5 times the step of 60
        jpeg_tiles.encode_pillow(image[:1, :1], "L", optimize=True),
        b"no image",
        jpeg_tiles.with_frame(plain, 0, b"\x0c"),
        jpeg_tiles.with_frame(plain, 1, b"\xff\xdc\xff\xdc"),
        jpeg_tiles.without_segments(plain, jpeg_tiles.DQT),
        jpeg_tiles.encode_pillow(image, progressive=True)[:-40],
        plain[:-20],
        plain[:30],
    ]


# ---- threads ----


def jpeg_calls() -> list[Call]:
    tiles = [*small_tiles(), *map(jpeg_kinds.tile, ("4:2:0", "progressive", "17 x 33", "CMYK", "truncated"))]
    places = batch(tiles * 3)
    batches: list[Call] = [
        lambda request=request, tables=tables: recompress_batch(*places, request, tables=tables)
        for request, tables in itertools.product((10, 50, 70, None), TABLE_MODES)
    ]
    return [
        *batches,
        lambda: qualities(*places),
        lambda: [quality(tile) for tile in tiles],
        lambda: [diagnose(tile) for tile in tiles],
        lambda: huffman_table(np.arange(256, dtype=np.uint32)),
    ]


def bundle_calls() -> list[Call]:
    tiles = small_tiles()
    v2 = bundle_bytes({(i, 3 * i): tile for i, tile in enumerate(tiles)})
    v1, index = bundle_v1_bytes({(i, 3 * i): tile for i, tile in enumerate(tiles)})
    places = batch(tiles * 50)
    return [
        lambda: read_index_v2(v2[64 : 64 + 131072], len(v2)),
        lambda: read_index_v2(v2[64 : 64 + 131072], len(v2) - 1),
        lambda: read_index_v1(index[16:-16], len(v1)),
        lambda: pack(*places),
        lambda: inspect(*places),
        lambda: ignore_value_error(lambda: pack(b"", *places[1:])),
    ]


def file_calls(folder: Path) -> list[Call]:
    paths = [os.fsencode(folder / str(number)) for number in range(30)]
    for number, path in enumerate(paths):
        Path(os.fsdecode(path)).write_bytes(bytes([number]) * 1000 * number)
    sizes = np.arange(30, dtype=np.uint32) * 1000
    file = os.open(paths[-1], os.O_RDONLY)  # open until the process ends
    star = np.random.default_rng(5).uniform(-64, 64, (40, 2))
    edges = np.hstack([star, np.roll(star, -1, 0)])
    return [
        lambda: file_sizes([*paths, b"absent"]),
        lambda: read_files(paths, sizes),
        lambda: ignore_value_error(lambda: file_sizes([*paths, b"a byte of \0"])),
        lambda: ignore_value_error(lambda: read_files(paths, sizes[:-1])),
        lambda: read_words(file, 0, np.arange(0, 20_000, 7, dtype=np.uint64)),
        lambda: covered(edges, -64, 64, 1, 1, 0, 0, 1e-6),
    ]


def ignore_value_error(call: Call) -> None:
    with contextlib.suppress(ValueError):
        call()


def comparable(result: object) -> object:
    """Convert a result to values that can be compared."""
    if isinstance(result, np.ndarray):
        return result.dtype.str, result.tobytes()
    return [comparable(part) for part in result] if isinstance(result, tuple | list) else result


def hammer() -> None:
    """Run all calls on eight threads, first the same ones together, with the shortest switch interval."""
    with tempfile.TemporaryDirectory() as folder:
        calls = [*jpeg_calls(), *bundle_calls(), *file_calls(Path(folder))]
        expected = [comparable(call()) for call in calls]
        sys.setswitchinterval(1e-5)
        repeated = np.repeat(np.arange(len(calls)), 50)
        order = [*repeated, *np.random.default_rng(3).permutation(repeated)]
        with ThreadPoolExecutor(8) as pool:
            for number, found in zip(order, pool.map(lambda number: comparable(calls[number]()), order), strict=True):
                assert found == expected[number], f"call {number}"


# ---- memory ----


def resident_memory() -> int:
    """Return the resident memory of this process in bytes, after free memory was returned to the system."""
    ctypes.CDLL(None).malloc_trim(0)
    [kilobytes] = re.findall(r"^VmRSS:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return 1024 * int(kilobytes)


def memory_growth(call: Call, rounds: int) -> int:
    """Return the growth of memory in bytes by that many rounds of a call, after some rounds to warm up."""
    for _ in range(rounds // 4):
        call()
    before = resident_memory()
    for _ in range(rounds):
        call()
    return resident_memory() - before


def min_growth(call: Call, rounds: int) -> int:
    """Return the smallest growth of some attempts: a leak grows each time, what the system maps or keeps does not."""
    smallest = memory_growth(call, rounds)
    for _ in range(MAX_ATTEMPTS - 1):
        if smallest > MAX_GROWTH:
            smallest = min(smallest, memory_growth(call, rounds))
    return smallest


def measure() -> None:
    """Print the growth of memory by each function as JSON."""
    tiles = small_tiles()
    # A number follows each tile, since equal tiles of a batch are recompressed once.
    places = batch([tile + number.to_bytes(4) for tile, number in zip(itertools.cycle(tiles), range(1000))])
    again = batch([*tiles, *tiles])
    calls: list[tuple[str, Call, int]] = [
        ("recompress_batch, efficient", lambda: recompress_batch(*places, 50, tables="efficient"), TILES // 1000),
        ("recompress_batch, exact", lambda: recompress_batch(*places, 50, tables="exact"), TILES // 1000),
        ("recompress_batch, each twice", lambda: recompress_batch(*again, 50), TILES // len(tiles)),
        ("qualities", lambda: qualities(*places), TILES // 1000),
        ("quality", lambda: [quality(tile) for tile in tiles], TILES // len(tiles)),
        ("diagnose", lambda: [diagnose(tile) for tile in tiles], TILES // len(tiles)),
    ]
    with tempfile.TemporaryDirectory() as folder:
        others = [*bundle_calls(), *file_calls(Path(folder))]
        calls += [(f"call {number} of bundles and files", call, TILES // 10) for number, call in enumerate(others)]
        print(json.dumps({name: min_growth(call, rounds) for name, call, rounds in calls}))


# ---- both in separate processes ----


def run(function: Callable[[], None], **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, __file__, function.__name__],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *sys.path]), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("tables", TABLE_MODES)
def test_small_tiles_have_all_outcomes(tables: Tables) -> None:
    expected = set(Outcome) - {Outcome.NOT_REQUESTED} - ({Outcome.KEPT_UNCHANGED} if tables == "exact" else set())
    assert set(recompress_batch(*batch(small_tiles()), 50, tables=tables)[2]) == expected


@pytest.mark.posix("this path as an argument of a program")
def test_many_threads_get_the_same_results_without_memory_errors() -> None:
    """Python's debug allocators detect writes beyond an object and uses after it was freed."""
    run(hammer, PYTHONMALLOC="debug")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the measurement needs Linux and glibc")
@pytest.mark.skipif("libasan" in os.environ.get("LD_PRELOAD", ""), reason="AddressSanitizer keeps freed memory")
def test_many_tiles_leak_no_memory() -> None:
    found: dict[str, int] = json.loads(run(measure))
    assert {name: size for name, size in found.items() if size > MAX_GROWTH} == {}


if __name__ == "__main__":
    {"hammer": hammer, "measure": measure}[sys.argv[1]]()
