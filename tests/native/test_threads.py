"""The native modules under many threads at once, and over many tiles: the same results, and no memory that stays."""

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
from helpers import jpegs, jpegs_made
from helpers.caches import bundle_bytes, bundle_v1_bytes
from helpers.jpeg_batches import batch
from helpers.jpegs_rules import MODES

TILES = 100_000
"""Tiles through each function of `_jpeg`; the others are called a tenth as often."""

MOST = 96 * 1024
"""Bytes that memory may grow by meanwhile: a leak of 16 bytes a tile would be 1,600,000."""

ATTEMPTS = 3

Job = Callable[[], object]


def small_tiles() -> list[bytes]:
    """Tiles of few blocks, for all outcomes at quality 50."""
    image = jpegs.pixels(16, 16)
    plain = jpegs.turbo(image)
    return [
        plain,
        jpegs.pillow(image, progressive=True),
        jpegs.pillow(image, icc_profile=jpegs.ICC),
        jpegs.pillow(image, "CMYK", restart_marker_blocks=1),
        jpegs.turbo(image, quality=30),
        jpegs.turbo(image, quality=60),  # no step of 50 is 1.5 times that of 60
        jpegs.pillow(image[:1, :1], "L", optimize=True),
        b"no image",
        jpegs_made.with_frame(plain, 0, b"\x0c"),
        jpegs_made.with_frame(plain, 1, b"\xff\xdc\xff\xdc"),
        jpegs_made.without(plain, jpegs_made.DQT),
        jpegs.pillow(image, progressive=True)[:-40],
        plain[:-20],
        plain[:30],
    ]


# ---- threads ----


def jobs_of_jpeg() -> list[Job]:
    tiles = [*small_tiles(), *map(jpegs.tile, ("4:2:0", "progressive", "17 x 33", "CMYK", "truncated"))]
    places = batch(tiles * 3)
    batches: list[Job] = [
        lambda request=request, tables=tables: recompress_batch(*places, request, tables=tables)
        for request, tables in itertools.product((10, 50, 70), MODES)
    ]
    return [
        *batches,
        lambda: qualities(*places),
        lambda: [quality(tile) for tile in tiles],
        lambda: [diagnose(tile) for tile in tiles],
        lambda: huffman_table(np.arange(256, dtype=np.uint32)),
    ]


def jobs_of_bundles() -> list[Job]:
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
        lambda: refused(lambda: pack(b"", *places[1:])),
    ]


def jobs_of_files(folder: Path) -> list[Job]:
    paths = [os.fsencode(folder / str(number)) for number in range(30)]
    for number, path in enumerate(paths):
        Path(os.fsdecode(path)).write_bytes(bytes([number]) * 1000 * number)
    sizes = np.arange(30, dtype=np.uint32) * 1000
    file = os.open(paths[-1], os.O_RDONLY)  # until the process ends
    star = np.random.default_rng(5).uniform(-64, 64, (40, 2))
    edges = np.hstack([star, np.roll(star, -1, 0)])
    return [
        lambda: file_sizes([*paths, b"absent"]),
        lambda: read_files(paths, sizes),
        lambda: refused(lambda: file_sizes([*paths, b"a byte of \0"])),
        lambda: refused(lambda: read_files(paths, sizes[:-1])),
        lambda: read_words(file, 0, np.arange(0, 20_000, 7, dtype=np.uint64)),
        lambda: covered(edges, -64, 64, 1, 1, 0, 0, 1e-6),
    ]


def refused(call: Job) -> None:
    with contextlib.suppress(ValueError):
        call()


def plain(result: object) -> object:
    """Return a result as values that compare."""
    if isinstance(result, np.ndarray):
        return result.dtype.str, result.tobytes()
    return [plain(part) for part in result] if isinstance(result, tuple | list) else result


def hammer() -> None:
    """Let eight threads do everything, first all of them the same, and take turns as often as they can."""
    with tempfile.TemporaryDirectory() as folder:
        jobs = [*jobs_of_jpeg(), *jobs_of_bundles(), *jobs_of_files(Path(folder))]
        expected = [plain(job()) for job in jobs]
        sys.setswitchinterval(1e-5)
        same = np.repeat(np.arange(len(jobs)), 50)
        order = [*same, *np.random.default_rng(3).permutation(same)]
        with ThreadPoolExecutor(8) as pool:
            for number, found in zip(order, pool.map(lambda number: plain(jobs[number]()), order), strict=True):
                assert found == expected[number], f"job {number}"


# ---- memory ----


def resident() -> int:
    """Return the bytes of memory that this process holds, without what is free: there a leak would hide."""
    ctypes.CDLL(None).malloc_trim(0)
    [kilobytes] = re.findall(r"^VmRSS:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return 1024 * int(kilobytes)


def growth(job: Job, rounds: int) -> int:
    """Return by how many bytes memory grows when a job is done that often, once it has taken what it always needs."""
    for _ in range(rounds // 4):
        job()
    before = resident()
    for _ in range(rounds):
        job()
    return resident() - before


def least_growth(job: Job, rounds: int) -> int:
    """Return the least growth of a few attempts: a leak grows each time, what the system maps or keeps does not."""
    least = growth(job, rounds)
    for _ in range(ATTEMPTS - 1):
        if least > MOST:
            least = min(least, growth(job, rounds))
    return least


def measure() -> None:
    """Print as JSON by how many bytes each function made memory grow."""
    tiles = small_tiles()
    # A number behind each: what came before in a batch would not be worked on.
    places = batch([tile + number.to_bytes(4) for tile, number in zip(itertools.cycle(tiles), range(1000))])
    again = batch([*tiles, *tiles])
    jobs: list[tuple[str, Job, int]] = [
        ("recompress_batch, efficient", lambda: recompress_batch(*places, 50, tables="efficient"), TILES // 1000),
        ("recompress_batch, exact", lambda: recompress_batch(*places, 50, tables="exact"), TILES // 1000),
        ("recompress_batch, each twice", lambda: recompress_batch(*again, 50), TILES // len(tiles)),
        ("qualities", lambda: qualities(*places), TILES // 1000),
        ("quality", lambda: [quality(tile) for tile in tiles], TILES // len(tiles)),
        ("diagnose", lambda: [diagnose(tile) for tile in tiles], TILES // len(tiles)),
    ]
    with tempfile.TemporaryDirectory() as folder:
        others = [*jobs_of_bundles(), *jobs_of_files(Path(folder))]
        jobs += [(f"job {number} of bundles and files", job, TILES // 10) for number, job in enumerate(others)]
        print(json.dumps({name: least_growth(job, rounds) for name, job, rounds in jobs}))


# ---- both in a process of their own ----


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


@pytest.mark.parametrize("tables", MODES)
def test_the_small_tiles_have_all_outcomes(tables: Tables) -> None:
    expected = set(Outcome) - {Outcome.NOT_REQUESTED} - ({Outcome.KEPT_UNCHANGED} if tables == "exact" else set())
    assert set(recompress_batch(*batch(small_tiles()), 50, tables=tables)[2]) == expected


def test_threads_get_what_one_gets_and_break_no_memory() -> None:
    """Python's debugging allocators find what was written beyond its objects, or used after it was freed."""
    run(hammer, PYTHONMALLOC="debug")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="memory is measured by means of Linux and glibc")
@pytest.mark.skipif("libasan" in os.environ.get("LD_PRELOAD", ""), reason="AddressSanitizer keeps what is freed")
def test_many_tiles_leave_no_memory_behind() -> None:
    found: dict[str, int] = json.loads(run(measure))
    assert {name: size for name, size in found.items() if size > MOST} == {}


if __name__ == "__main__":
    {"hammer": hammer, "measure": measure}[sys.argv[1]]()
