"""Unchanged copies of tiles, compared with `cp -r` of the same bytes and MapProxy's code for compact caches."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
from inputs import Pixels, encode_different, make_rectangle

import gptool

LEVEL, CORNER = 9, 100
"""The level, and the first row and column; the edges of bundles lie at multiples of 128."""

SIDE, SIDE_ONCE = 168, 40
DIFFERENT_TILES = 1024

BASELINE = "cp -r"
DATASET, PACKAGE = "export_tiles, dataset", "export_tiles, .tpkx"
GOALS = {DATASET: "<= 1.5", PACKAGE: "<= 2.5"}

MAPPROXY = Path(__file__).parents[1] / "tests" / "mapproxy" / "environment" / "bin" / "python"
MAPPROXY_GOAL, MAPPROXY_ROUNDS = "<= 0.1", 3
MAPPROXY_COPY = """\
import sys
from mapproxy.cache.compact import CompactCacheV2
from mapproxy.cache.tile import Tile
source = CompactCacheV2(sys.argv[1])
level, corner, side = map(int, sys.argv[2:])
for line in sys.stdin:
    target = CompactCacheV2(line.rstrip())
    for row in range(corner, corner + side):
        for column in range(corner, corner + side):
            tile = Tile((column, row, level))
            assert source.load_tile(tile)
            target.store_tile(tile)
    print("copied", flush=True)
"""


class Input(NamedTuple):
    """A cache of a square of tiles, and the total size of its files."""

    cache: Path
    side: int
    size: int

    @property
    def title(self) -> str:
        return f"copy of {self.side**2:,} tiles, {self.size / 1e6:.0f} MB, wall time"


def total_size(path: Path) -> int:
    """Return the size of a file, or of all files in a folder, bytes."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


@pytest.fixture(scope="module")
def given(world: Pixels, once: bool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Input]:
    side = SIDE_ONCE if once else SIDE
    cache, places = tmp_path_factory.mktemp("copy") / "relief", range(CORNER, CORNER + side)
    make_rectangle(cache, LEVEL, places, places, encode_different(world, DIFFERENT_TILES))
    yield Input(cache, side, total_size(cache))
    shutil.rmtree(cache)


def clear(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


# ---- copies ----


def cp(cache: Path, folder: Path) -> Path:
    subprocess.run(["cp", "-r", cache, folder / "out"], check=True)
    return folder / "out"


def export(cache: Path, folder: Path, *, name: str) -> Path:
    return gptool.export_tiles(cache, folder / name, workers=2).path


METHODS: dict[str, Callable[[Path, Path], Path]] = {
    BASELINE: cp,
    DATASET: partial(export, name="out"),
    PACKAGE: partial(export, name="out.tpkx"),
}


@pytest.fixture(scope="module")
def mapproxy(given: Input) -> Iterator[Callable[[Path], Path]]:
    """A process that copies the cache to each folder it is given, so that the start of Python is not timed."""
    places = LEVEL, CORNER, given.side
    command = [MAPPROXY, "-P", "-c", MAPPROXY_COPY, given.cache / "_alllayers", *map(str, places)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def copy(folder: Path) -> Path:
            assert process.stdin
            assert process.stdout
            print(folder / "copy", file=process.stdin, flush=True)
            assert process.stdout.readline() == "copied\n"
            assert total_size(folder / "copy") == pytest.approx(given.size, rel=0.01)
            return folder / "copy"

        yield copy


# ---- benchmarks ----


def check(given: Input, result: Path) -> dict[str, str]:
    assert gptool.estimate_export_tiles_size(result).total_tiles_to_export == given.side**2
    percent = 100 * total_size(result) / given.size
    assert percent == pytest.approx(100, abs=1)
    return {"bytes %": f"{percent:.1f}"}


@pytest.mark.parametrize("name", METHODS)
def bench_copy(given: Input, folder: Path, name: str, measure: Callable[..., None]) -> None:
    measure(
        partial(METHODS[name], given.cache, folder),
        partial(METHODS[BASELINE], given.cache, folder),
        group=given.title,
        baseline_name=BASELINE,
        name=name,
        tiles=given.side**2,
        goal=GOALS.get(name, ""),
        check=partial(check, given),
        reset=partial(clear, folder),
    )


@pytest.mark.skipif(not MAPPROXY.exists(), reason="MapProxy is not installed: run tests/mapproxy/make_environment")
@pytest.mark.parametrize("name", [DATASET, PACKAGE])
def bench_mapproxy(
    given: Input, folder: Path, name: str, mapproxy: Callable[[Path], Path], measure: Callable[..., None]
) -> None:
    measure(
        partial(METHODS[name], given.cache, folder),
        partial(mapproxy, folder),
        group=given.title,
        baseline_name="MapProxy, tile by tile",
        name=name,
        tiles=given.side**2,
        goal=MAPPROXY_GOAL,
        check=partial(check, given),
        reset=partial(clear, folder),
        min_rounds=MAPPROXY_ROUNDS,
    )
