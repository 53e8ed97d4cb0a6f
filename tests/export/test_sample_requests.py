"""Ten random requests for each real cache: the plan, the estimate and the result agree, and contain the right tiles."""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from gptool import Job, estimate_export_tiles_size, export_tiles, open_cache
from gptool.tool import estimate_export_tiles_size_job
from helpers.bundles import Address
from helpers.job_checks import result_of, run_job, texts_of
from helpers.sample_requests import (
    SELECTION_FORMS,
    WEB_MERCATOR,
    WORLD_LIMITS,
    SampleCache,
    SampleRequest,
    draw_request,
)
from helpers.samples import SAMPLES
from helpers.tile_readers import read_tiles

REQUESTS = [(name, number) for name in SAMPLES for number in range(len(SELECTION_FORMS))]
MIN_INSIDE = 0.9
"""Share of the results that must lie in their 95 % intervals."""


class Outcome(NamedTuple):
    """The outcome of a request. All but the jobs are empty if there is no result.

    Attributes
    ----------
    estimate, job : Job
        The jobs of the estimate and of the export.
    interval : (int, int)
        The confidence interval of the estimate, bytes.
    report : mapping
        The content of report.json.
    size : int
        Size of the result, bytes.
    tiles : frozenset of Address
        The tiles of the result.
    changed : mapping of Address to bytes
        The tiles of the result that differ from those of the source.
    """

    estimate: Job
    job: Job
    interval: tuple[int, int] = (0, 0)
    report: Mapping[str, Any] = MappingProxyType({})
    size: int = 0
    tiles: frozenset[Address] = frozenset()
    changed: Mapping[Address, bytes] = MappingProxyType({})


class Run(NamedTuple):
    source: SampleCache
    request: SampleRequest
    outcome: Outcome

    @property
    def optimizes(self) -> bool:
        return self.request.parameters["optimizeTilesForSize"] == "true"


def estimate_and_export(source: SampleCache, parameters: dict[str, Any], folder: Path) -> Outcome:
    estimate = estimate_export_tiles_size_job(parameters, cache=source.path)
    job = run_job(source.path, folder, parameters, max_export_tiles_count=None)
    if job.status != "esriJobSucceeded":
        return Outcome(estimate, job)
    path = result_of(job)
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    tiles = read_tiles(path)
    outcome = Outcome(
        estimate,
        job,
        estimate_interval(source, parameters),
        json.loads((path.parent / "report.json").read_bytes()),
        sum(file.stat().st_size for file in files),
        frozenset(tiles),
        {address: tile for address, tile in tiles.items() if source.tiles.get(address) != tile},
    )
    shutil.rmtree(path.parent)
    return outcome


def estimate_interval(source: SampleCache, parameters: dict[str, Any]) -> tuple[int, int]:
    """Return the confidence interval of the estimate, which the job states in a message only."""
    optimize = parameters["optimizeTilesForSize"] == "true"
    return estimate_export_tiles_size(
        source.path,
        levels=parameters.get("levels"),
        export_by=parameters.get("exportBy", "LevelID"),
        export_extent=parameters.get("exportExtent"),
        area_of_interest=parameters.get("areaOfInterest"),
        tile_package=parameters["tilePackage"] == "true",
        storage_format_type=parameters["storageFormatType"],
        optimize_tiles_for_size=optimize,
        compression_quality=parameters["compressionQuality"] if optimize else None,
    ).interval


@pytest.fixture(scope="module")
def run_request(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, int], Run]:
    """A function that runs the request of a cache and a number, once."""
    folder = tmp_path_factory.mktemp("requests")

    @cache
    def open_source(name: str) -> SampleCache:
        return SampleCache(samples / name, open_cache(samples / name).scheme, read_tiles(samples / name))

    @cache
    def run_once(name: str, number: int) -> Run:
        source = open_source(name)
        request = draw_request(source, number)
        return Run(source, request, estimate_and_export(source, request.parameters, folder))

    return run_once


def check_empty_selection(outcome: Outcome) -> None:
    for job in (outcome.job, outcome.estimate):
        assert job.status == "esriJobFailed"
        assert "selection contains no tiles" in texts_of(job, "Error")[0]
        assert job.results == {}


def check_selected_tiles(source: SampleCache, request: SampleRequest, tiles: frozenset[Address]) -> None:
    """Check that the tiles are those of the area, up to its tolerance."""
    assert (
        source.selected_tiles(request, -request.tolerance) <= tiles <= source.selected_tiles(request, request.tolerance)
    )


def check_counts(outcome: Outcome) -> None:
    report, found = outcome.report, len(outcome.tiles)
    assert report["planned"]["tiles"] == report["written"]["tiles"] == found
    assert outcome.estimate.results["out_service_url"]["totalTilesToExport"] == found
    levels = {level["level"]: level["planned"]["tiles"] for level in report["levels"] if level["planned"]["tiles"]}
    assert levels == Counter(level for level, _, _ in outcome.tiles)


def check_size(outcome: Outcome, *, optimizes: bool) -> None:
    """Check the size: it is exact if tiles are copied, or if the estimate has recompressed all of them."""
    size = outcome.estimate.results["out_service_url"]["totalSize"]
    low, high = outcome.interval
    assert low <= size <= high
    assert outcome.report["result"]["size"] == outcome.size
    if not optimizes:
        assert low == high
    if low == high:
        assert size == outcome.size


def check_changed_tiles(source: SampleCache, outcome: Outcome, *, optimizes: bool) -> None:
    """Check that only JPEG tiles are changed, and only if tiles are optimised for size."""
    assert outcome.report["tilesRecompressed"] + outcome.report["tilesOptimised"] == len(outcome.changed)
    assert optimizes or not outcome.changed
    for address, tile in outcome.changed.items():
        assert tile.startswith(b"\xff\xd8\xff")
        assert len(tile) < len(source.tiles[address])


@pytest.mark.parametrize(("name", "number"), REQUESTS)
def test_plan_estimate_and_result_agree(run_request: Callable[[str, int], Run], name: str, number: int) -> None:
    run = run_request(name, number)
    source, request, outcome = run.source, run.request, run.outcome
    check_selected_tiles(source, request, outcome.tiles)
    if not outcome.tiles:
        check_empty_selection(outcome)
        return
    check_counts(outcome)
    check_size(outcome, optimizes=run.optimizes)
    check_changed_tiles(source, outcome, optimizes=run.optimizes)


def test_sizes_of_optimised_results_lie_in_their_intervals(run_request: Callable[[str, int], Run]) -> None:
    runs = [run_request(*request) for request in REQUESTS]
    outcomes = [run.outcome for run in runs if run.optimizes and run.outcome.tiles]
    inside = [outcome.interval[0] <= outcome.size <= outcome.interval[1] for outcome in outcomes]
    assert sum(inside) >= MIN_INSIDE * len(inside)
    assert any(low < high for low, high in (outcome.interval for outcome in outcomes))


@pytest.mark.parametrize("quality", [35, 50, 80])
def test_sizes_of_large_extents_lie_in_their_intervals(samples: Path, tmp_path: Path, quality: int) -> None:
    """Intervals are narrow; where one would not be, more tiles are sampled, in a small level all of them."""
    inside = []
    for i in range(10):
        box = draw_extent(random.Random(f"{quality} {i}"))
        request: dict[str, Any] = {"levels": 6, "export_extent": box, "compression_quality": quality}
        estimate = estimate_export_tiles_size(samples / "relief-v2-jpeg", output="x.tpkx", **request)
        result = export_tiles(samples / "relief-v2-jpeg", tmp_path / "x.tpkx", overwrite=True, **request)
        low, high = estimate.interval
        assert low <= high < 1.05 * low
        assert estimate.total_tiles_to_export == result.tiles > 256
        inside.append(low <= result.size <= high)
    assert sum(inside) >= MIN_INSIDE * len(inside)


def draw_extent(rng: random.Random) -> tuple[float, float, float, float]:
    """Return an extent 20 to 50 tiles wide and high at web level 6, whose edges lie in the middle of tiles."""
    side = 2 * WORLD_LIMITS[WEB_MERCATOR][0] / 64
    width, height = rng.randint(20, 50), rng.randint(20, 50)
    column, row = rng.randint(0, 63 - width) + 0.5 - 32, rng.randint(0, 63 - height) + 0.5 - 32
    return column * side, row * side, (column + width) * side, (row + height) * side


def test_requests_are_diverse(run_request: Callable[[str, int], Run]) -> None:
    """The other tests are conclusive only if the requests differ."""
    runs = [run_request(*request) for request in REQUESTS]
    succeeded = [run for run in runs if run.outcome.tiles]
    assert len(succeeded) >= 0.8 * len(runs)
    assert sum(0 < len(run.outcome.tiles) < len(run.source.tiles) for run in succeeded) >= 0.5 * len(runs)
    assert sum(bool(run.outcome.changed) for run in runs) >= 5
    for name in ("exportBy", "tilePackage", "storageFormatType", "optimizeTilesForSize"):
        assert len({run.request.parameters.get(name) for run in succeeded}) >= 2
