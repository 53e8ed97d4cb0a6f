"""Exports of a package on a web server, compared with obstore reading the same ranges."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from bench_copy import CORNER, DIFFERENT_TILES, LEVEL, clear
from inputs import QUALITY, Pixels, encode_different, make_rectangle

import gptool
from gptool.cache.object_client import ObjectClient
from gptool.cache.object_requests import MAX_BYTES
from gptool.cache.object_source import REQUEST_BYTES
from helpers.waiting import TIMEOUT

obstore = pytest.importorskip("obstore", reason="obstore is not installed (the extra `cloud`)")

TESTS = Path(__file__).parents[1] / "tests"

AT_ONCE = MAX_BYTES // REQUEST_BYTES
"""The requests for tiles that gptool has in flight at once."""

BASELINE = f"obstore, the same ranges, {AT_ONCE} at once"
DELAYS = {"answers after 100 ms": "0.1", "answers after 20 ms": "0.02"}
GOALS = {"answers after 100 ms": "<= 1.25"}

SIDE, SIDE_ONCE = 336, 40
"""Rows and columns, also with --benchmark-disable: many, as the start of an export waits for a few answers alone."""

RECOMPRESSED = "-12500000,2500000,-2500000,12500000"
"""The extent of the tiles that are recompressed."""

MAX_BYTES_READ = 1.2
"""Limit of the bytes that are read, as a multiple of those of tiles and indexes."""


class Input(NamedTuple):
    """A package on a server, what an export reads of it, and the bytes of its tiles and indexes."""

    answers: str
    address: str
    ranges: list[tuple[int, int]]
    needed: int
    tiles: int

    @property
    def title(self) -> str:
        return f"copy of {self.tiles:,} tiles, {self.needed / 1e6:.0f} MB, from a web server, {self.answers}, wall time"


@contextmanager
def file_server(folder: Path, delay: str) -> Iterator[str]:
    """Run a server of the files of a folder, whose answers begin after some seconds, and yield its address."""
    command = [sys.executable, "-P", "-m", "helpers.object_server", folder, delay]
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as process:
        assert process.stdin
        assert process.stdout
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        process.stdin.close()
        process.wait(TIMEOUT)


@pytest.fixture(scope="module")
def package(world: Pixels, once: bool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    side = SIDE_ONCE if once else SIDE
    folder, places = tmp_path_factory.mktemp("stores"), range(CORNER, CORNER + side)
    make_rectangle(folder / "relief", LEVEL, places, places, encode_different(world, DIFFERENT_TILES))
    yield gptool.export_tiles(folder / "relief", folder / "relief.tpkx").path
    shutil.rmtree(folder)


@pytest.fixture(scope="module", params=DELAYS.items(), ids=DELAYS)
def given(package: Path, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Input]:
    name, delay = request.param
    ranges, read = list[tuple[int, int]](), ObjectClient.read

    def record(client: ObjectClient, url: Any, start: int, size: int, state: Any) -> Any:
        ranges.append((start, size))
        return read(client, url, start, size, state)

    with file_server(package.parent, delay) as address, pytest.MonkeyPatch.context() as patch:
        patch.setattr(ObjectClient, "read", record)
        result = gptool.export_tiles(f"{address}/{package.name}", tmp_path_factory.mktemp("first") / "x.tpkx")
        patch.undo()
        index = 64 + 131_072
        bundles = sum(size in range(index, index + 1024) for _, size in ranges)
        yield Input(name, address, ranges, result.bytes_read + bundles * index, result.tiles)


def read_ranges(given: Input, name: str) -> int:
    """Read the ranges by obstore alone, and return their bytes."""
    store = obstore.store.HTTPStore.from_url(given.address, client_options={"allow_http": True})

    def read(part: tuple[int, int]) -> int:
        return len(obstore.get_range(store, name, start=part[0], length=part[1]))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return sum(pool.map(read, given.ranges))


def check(given: Input, result: gptool.ExportResult) -> dict[str, str]:
    assert result.tiles == given.tiles
    read = sum(size for _, size in given.ranges)
    assert given.needed <= read <= MAX_BYTES_READ * given.needed
    return {"requests": str(len(given.ranges)), "bytes read %": f"{100 * read / given.needed:.2f}"}


def bench_copy(given: Input, package: Path, folder: Path, measure: Callable[..., None]) -> None:
    measure(
        partial(gptool.export_tiles, f"{given.address}/{package.name}", folder / "x.tpkx", workers=2),
        partial(read_ranges, given, package.name),
        group=given.title,
        baseline_name=BASELINE,
        name="export_tiles",
        goal=GOALS.get(given.answers, ""),
        check=partial(check, given),
        reset=partial(clear, folder),
        min_rounds=3,
    )


def bench_recompression(given: Input, package: Path, folder: Path, measure: Callable[..., None]) -> None:
    """The processors need not wait for the server."""

    def export(cache: str | Path) -> gptool.ExportResult:
        return gptool.export_tiles(
            cache, folder / "x.tpkx", workers=2, compression_quality=QUALITY, export_extent=RECOMPRESSED
        )

    measure(
        partial(export, f"{given.address}/{package.name}"),
        partial(export, package),
        group=f"export to q{QUALITY} of a part of it, {given.answers}, wall time",
        baseline_name="the same from a disk",
        name="export_tiles",
        check=lambda result: {"tiles": str(result.tiles)},
        reset=partial(clear, folder),
        min_rounds=3,
    )
