"""Exports of MBTiles, compared with exports of a compact V2 cache of the same tiles."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle, product
from pathlib import Path

import pytest
from inputs import Pixels, encode_different, make_rectangle

import gptool
from helpers.mbtiles import make_mbtiles, make_normalised_mbtiles

LEVEL, CORNER = 9, 20
SIDE, SIDE_ONCE = 448, 40
DIFFERENT_TILES = 1021  # a prime number: neighbours differ in rows and in columns
MIN_ROUNDS = 3

BASELINE = "compact V2"
FLAT, NORMALISED = "MBTiles, flat", "MBTiles, normalised"
REQUESTS = {"copied": None, "recompressed": 50}
GOALS = {"copied": "<= 3", "recompressed": "<= 1.2"}


@pytest.fixture(scope="module")
def sources(world: Pixels, once: bool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """The caches by their names: each has the same square of tiles."""
    folder, places = tmp_path_factory.mktemp("mbtiles"), range(CORNER, CORNER + (SIDE_ONCE if once else SIDE))
    different = encode_different(world, DIFFERENT_TILES)
    addresses = ((LEVEL, row, column) for row, column in product(places, repeat=2))
    tiles = dict(zip(addresses, cycle(different), strict=False))
    yield {
        BASELINE: make_rectangle(folder / "relief", LEVEL, places, places, different),
        FLAT: make_mbtiles(folder / "flat.mbtiles", tiles),
        NORMALISED: make_normalised_mbtiles(folder / "normalised.mbtiles", tiles),
    }
    shutil.rmtree(folder)


def export(source: Path, folder: Path, quality: int | None) -> Path:
    return gptool.export_tiles(source, folder / "out.tpkx", compression_quality=quality, workers=2).path


def clear(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def check(count: int, result: Path) -> dict[str, str]:
    assert gptool.estimate_export_tiles_size(result).total_tiles_to_export == count
    return {}


@pytest.mark.parametrize("request_", REQUESTS)
@pytest.mark.parametrize("name", [FLAT, NORMALISED])
def bench_mbtiles(
    sources: dict[str, Path], folder: Path, once: bool, name: str, request_: str, measure: Callable[..., None]
) -> None:
    count = (SIDE_ONCE if once else SIDE) ** 2
    measure(
        partial(export, sources[name], folder, REQUESTS[request_]),
        partial(export, sources[BASELINE], folder, REQUESTS[request_]),
        group=f"export of {count:,} tiles to .tpkx, {request_}, wall time",
        baseline_name=BASELINE,
        name=name,
        tiles=count,
        goal=GOALS[request_],
        check=partial(check, count),
        reset=partial(clear, folder),
        min_rounds=MIN_ROUNDS,
    )
