"""Exports with a target size, compared with the sizes at all qualities."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gptool import ExportResult, estimate_export_tiles_size, export_tiles
from gptool.errors import ExportCancelledError, ParameterError, TargetSizeError
from gptool.export.sampling import choose_points, count_hits
from gptool.export.size_estimates import TILES_PER_POINT
from gptool.model import Phase, Tables
from gptool.request.sizes import read_size
from helpers.bundles import Address
from helpers.caches import conf_text, jpeg_tile, make_cache, make_exploded_cache, make_v1_cache, png_tile, square, world
from helpers.checks import check_nothing_left
from helpers.jpeg_tiles import segment
from helpers.packages import make_tpk, make_tpkx
from helpers.tile_readers import COMPACT

COM = 0xFE
QUALITIES = range(1, 101)
STEPS: list[dict[str, Any]] = [
    *({"compression_quality": quality} for quality in QUALITIES),
    {"optimize_tiles_for_size": True},
    {},
]
"""The requests that a target size chooses from, by quality."""


def read_bytes(path: Path) -> dict[str, bytes]:
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    return {str(file.relative_to(path)): file.read_bytes() for file in files}


@dataclass
class Oracle:
    """The sizes of all results of a cache, as exported one by one."""

    cache: Path
    folder: Path
    name: str
    options: dict[str, Any]

    def __post_init__(self) -> None:
        self.sizes = [sum(map(len, self.files(step).values())) for step in STEPS]

    def files(self, step: dict[str, Any]) -> dict[str, bytes]:
        """Return the files of the result of a step."""
        return read_bytes(self.export(**step).path)

    def best(self, target: int) -> int:
        """Return the highest step that fits; -1 if none does."""
        return max((step for step, size in enumerate(self.sizes) if size <= target), default=-1)

    def export(self, **request: Any) -> ExportResult:
        path = self.folder / self.name
        if path.is_dir():
            shutil.rmtree(path)  # faster than replacing it, which waits for the disk
        path.unlink(missing_ok=True)
        return export_tiles(self.cache, path, **self.options, **request)

    def check(self, target: int) -> ExportResult | None:
        """Export, and check that the result is that of the best step; return it."""
        best = self.best(target)
        if best < 0:
            with pytest.raises(TargetSizeError, match="target_size: ") as caught:
                self.export(target_size=target)
            assert f"{self.sizes[0]:,} bytes" in str(caught.value) or "about" in str(caught.value)
            return None
        result = self.export(target_size=target)
        files = read_bytes(result.path)
        assert result.size == sum(map(len, files.values())) == self.sizes[best] <= target
        assert best == len(STEPS) - 1 or self.sizes[best + 1] > target
        assert files == self.files(STEPS[best])
        choice = result.target
        assert choice is not None
        assert (choice.target_size, choice.quality) == (target, STEPS[best].get("compression_quality"))
        assert choice.next_size in (None, self.sizes[min(best + 1, len(STEPS) - 1)])
        assert f"{result.size:,} bytes" in result.messages[0].description
        return result


def varied(count: int, damaged: bool = False) -> dict[Address, bytes]:
    """Return tiles of level 8 with qualities from 50 to 95, every seventh a PNG and every ninth damaged."""
    tiles = {}
    for i in range(count):
        tile = png_tile(i % 50) if i % 7 == 0 and damaged else jpeg_tile(i % 90, (95, 60, 85, 50, 75)[i % 5])
        tiles[8, 120 + i // 20, 120 + i % 20] = tile[: len(tile) // 2] if damaged and i % 9 == 0 else tile
    return tiles


CACHES: dict[str, tuple[Callable[[Path], Path], str, dict[str, Any]]] = {
    "small V2 to V2": (lambda path: make_cache(path / "c", world()), "x", {}),
    "V1 to dataset, exact": (
        lambda path: make_v1_cache(path / "c", varied(600), conf=conf_text(storage=COMPACT)),
        "x",
        {"tables": "exact"},
    ),
    "exploded to tpk": (lambda path: make_exploded_cache(path / "c", varied(400) | world()), "x.tpk", {}),
    "damaged, mixed tpkx to tpkx, exact": (
        lambda path: make_tpkx(path / "c.tpkx", varied(500, damaged=True)),
        "x.tpkx",
        {"tables": "exact"},
    ),
    "tpk to V1": (
        lambda path: make_tpk(path / "c.tpk", square(8, range(120, 140), range(120, 140))),
        "x",
        {"storage_format_type": "compact"},
    ),
}


@pytest.fixture(scope="module", params=CACHES)
def oracle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Oracle:
    make, name, options = CACHES[request.param]
    path = tmp_path_factory.mktemp("target")
    return Oracle(make(path), path, name, options)


class TestChoice:
    """The highest quality whose result fits."""

    def test_ten_random_targets_of_each_cache(self, oracle: Oracle) -> None:
        numbers = random.Random(oracle.name + str(len(oracle.sizes)))
        low, high = 0.97 * oracle.sizes[0], 1.03 * oracle.sizes[-1]
        for _ in range(10):
            oracle.check(round(numbers.uniform(low, high)))

    def test_exact_sizes_and_one_byte_less(self, oracle: Oracle) -> None:
        for step in (0, 30, 49, 80, len(STEPS) - 2, len(STEPS) - 1):
            oracle.check(oracle.sizes[step])
            oracle.check(oracle.sizes[step] - 1)

    def test_same_bytes_whatever_the_number_of_threads(self, oracle: Oracle) -> None:
        target = (oracle.sizes[20] + oracle.sizes[60]) // 2
        one = oracle.export(target_size=target, workers=1)
        files = read_bytes(one.path)
        four = oracle.export(target_size=target, workers=4)
        assert one.target == four.target
        assert files == read_bytes(four.path)

    def test_estimate_names_about_the_same_quality(self, oracle: Oracle) -> None:
        target = oracle.sizes[40]
        estimate = estimate_export_tiles_size(
            oracle.cache, output=oracle.folder / oracle.name, target_size=target, **oracle.options
        )
        assert estimate.target is not None
        assert estimate.target.quality is not None
        assert abs(oracle.sizes[estimate.target.quality - 1] - target) < 0.1 * target
        assert "about compression_quality" in estimate.messages[0].description


def test_optimisation_is_kept_if_it_is_requested(tmp_path: Path) -> None:
    cache = make_cache(tmp_path / "c", world())
    result = export_tiles(cache, tmp_path / "x.tpkx", target_size="1 GB", optimize_tiles_for_size=True)
    assert result.target is not None
    assert (result.target.method, result.target.next) == ("optimise", None)
    assert result.size == export_tiles(cache, tmp_path / "y.tpkx", optimize_tiles_for_size=True).size


class TestNothingFits:
    def test_smallest_size_and_levels_that_fit(self, tmp_path: Path) -> None:
        cache = make_cache(tmp_path / "c", world())
        smallest = export_tiles(cache, tmp_path / "x.tpkx", compression_quality=1).size
        with pytest.raises(TargetSizeError) as caught:
            export_tiles(cache, tmp_path / "y.tpkx", target_size=smallest - 1)
        error = caught.value
        assert str(error) == (
            f"target_size: no compression_quality makes the result fit; found {smallest - 1:,} bytes, expected at "
            f"least {smallest:,} bytes, the smallest possible size"
        )
        assert "levels=1,2,8" in error.advice[0] or "levels=2,8" in error.advice[0] or "levels=1-2" in error.advice[0]
        for text in error.advice[0].split("levels=")[1:]:
            levels = text.split(" ")[0]
            part = export_tiles(cache, tmp_path / "y.tpkx", levels=levels, target_size=smallest - 1, overwrite=True)
            assert part.size < smallest
        check_nothing_left(tmp_path, "c", "x.tpkx", "y.tpkx")

    def test_smallest_size_is_counted_unless_the_target_is_far_below(self, tmp_path: Path) -> None:
        cache = make_cache(tmp_path / "c", varied(600))
        smallest = export_tiles(cache, tmp_path / "x", compression_quality=1).size
        phases = set[Phase]()

        def progress(phase: Phase, _done: int, _total: int, /) -> None:
            phases.add(phase)

        with pytest.raises(TargetSizeError, match=f"at least {smallest:,} bytes"):
            export_tiles(cache, tmp_path / "y", target_size=smallest - 1, progress=progress)
        assert Phase.EXPORTING in phases
        phases.clear()
        with pytest.raises(TargetSizeError, match=r"at least about [0-9.]+ [kM]B, the smallest") as caught:
            export_tiles(cache, tmp_path / "y", target_size=smallest // 3, progress=progress)
        assert Phase.EXPORTING not in phases
        about = read_size(str(caught.value).split("about ")[1].split(",")[0], "size")
        assert abs(about - smallest) < 0.1 * smallest
        check_nothing_left(tmp_path, "c", "x")

    def test_no_level_fits(self, tmp_path: Path) -> None:
        cache = make_cache(tmp_path / "c", world())
        with pytest.raises(TargetSizeError) as caught:
            export_tiles(cache, tmp_path / "x.tpkx", target_size=1)
        advice = "No single level fits the target size: request a smaller export_extent or area_of_interest."
        assert caught.value.advice == (advice,)
        check_nothing_left(tmp_path, "c")

    def test_other_images_are_copied_or_an_error(self, tmp_path: Path) -> None:
        tiles = {(8, row, column): png_tile(row + column) for row in range(20) for column in range(20)}
        cache = make_cache(tmp_path / "c", tiles, conf=conf_text(format="PNG32"))
        size = export_tiles(cache, tmp_path / "x.tpkx").size
        fitting = export_tiles(cache, tmp_path / "x.tpkx", target_size=size, overwrite=True)
        assert (fitting.size, fitting.target and fitting.target.method) == (size, "copy")
        expected = f"could be recompressed; found {size - 1:,} bytes, expected at least {size:,} bytes"
        with pytest.raises(TargetSizeError, match=expected):
            export_tiles(cache, tmp_path / "y.tpkx", target_size=size - 1)
        with pytest.raises(TargetSizeError, match="no tile is a valid JPEG"):
            export_tiles(cache, tmp_path / "y.tpkx", target_size=size // 2)
        check_nothing_left(tmp_path, "c", "x.tpkx")


SIDE, PADDED, POINTS = 25, 9000, 64


def padded(tile: bytes) -> bytes:
    """Return a tile with a comment, which recompression removes, so that all tiles have the same size."""
    return tile[:2] + segment(COM, bytes(PADDED - len(tile) - 4)) + tile[2:]


def misleading(is_sampled_small: bool) -> Iterator[tuple[Address, bytes]]:
    """Yield tiles of the same size, of which those that a search samples are unlike the others."""
    count = SIDE**2
    points = choose_points(count * PADDED, max(count // TILES_PER_POINT, POINTS), 8)
    sampled = count_hits(points, np.full(count, PADDED, np.uint32)) > 0
    assert 0 < sampled.sum() < count / 4
    for i in range(count):
        size = 32 if sampled[i] == is_sampled_small else 64
        yield (8, i // SIDE, i % SIDE), padded(jpeg_tile(i % 40, 95, size))


@pytest.mark.parametrize("tables", ["efficient", "exact"])
@pytest.mark.parametrize("is_sampled_small", [True, False], ids=["too small", "too large"])
def test_wrong_estimate_is_corrected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_sampled_small: bool, tables: Tables
) -> None:
    monkeypatch.setattr("gptool.export.size_estimates.MIN_POINTS", POINTS)  # so that few tiles are enough
    cache = make_cache(tmp_path / "c", dict(misleading(is_sampled_small)))
    oracle = Oracle(cache, tmp_path, "x", {"tables": tables})
    corrected = 0
    for step in (25, 45, 62, 75, 90):
        target = oracle.sizes[step] + 50
        estimate = estimate_export_tiles_size(cache, target_size=target, output=tmp_path / "x", tables=tables)
        result = oracle.check(target)
        assert result is not None
        assert result.target is not None
        assert estimate.target is not None
        best, estimated = oracle.best(target), (estimate.target.quality or 101) - 1
        assert estimated >= best if is_sampled_small else estimated <= best
        corrected += estimated != best
        assert result.target.passes <= 8
        assert (result.target.passes > 1) == (estimated != best)
    assert corrected >= 2
    check_nothing_left(tmp_path, "c", "x")


class TestCancellation:
    @pytest.mark.parametrize(
        ("phase", "calls"),
        [(Phase.COUNTING, 1), (Phase.ESTIMATING, 1), (Phase.ESTIMATING, 5), (Phase.EXPORTING, 1), (Phase.EXPORTING, 3)],
    )
    def test_nothing_is_left(self, tmp_path: Path, phase: Phase, calls: int) -> None:
        cache, called = make_cache(tmp_path / "c", varied(400) | world()), 0

        def cancel(now: Phase, _done: int, _total: int, /) -> None:
            nonlocal called
            called += now is phase
            if called >= calls:
                raise ExportCancelledError("enough")

        with pytest.raises(ExportCancelledError, match="enough"):
            export_tiles(cache, tmp_path / "x.tpkx", target_size=1_400_000, progress=cancel)
        check_nothing_left(tmp_path, "c")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"target_size": "5MB", "compression_quality": 50},
            "target_size: contradicts compression_quality; found target_size 5000000 and compression_quality 50, "
            "expected one of them",
        ),
        (
            {"target_size": 5, "optimize_tiles_for_size": False},
            "optimize_tiles_for_size: is false although target_size is given; found target_size 5, expected "
            "optimize_tiles_for_size to be true or omitted, or no target_size",
        ),
        (
            {"target_size": "5 pounds"},
            "target_size: value is not a size; found '5 pounds', expected a size of 1 byte or more such as 500MB, "
            "1.5 GB, 200 MiB or a number of bytes",
        ),
    ],
    ids=["quality", "no optimisation", "no size"],
)
def test_contradiction_is_an_error(cache: Path, tmp_path: Path, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError) as caught:
        export_tiles(cache, tmp_path / "x.tpkx", **arguments)
    assert str(caught.value) == message
