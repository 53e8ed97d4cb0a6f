"""Ten requests at random for each real cache: what is planned, estimated and written is one, and is what was meant."""

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
CONFIDENCE = 0.9
"""Part of the results that must lie in their intervals, which are meant to hold 95 %."""


class Outcome(NamedTuple):
    """What came of a request.

    Attributes
    ----------
    estimate, job : Job
        Of the estimate, and of the export.
    interval : (int, int)
        Bytes; none without a result, and so for the others.
    report : mapping
        report.json.
    size : int
        Bytes of the result.
    tiles : frozenset of Address
        Found in it.
    changed : mapping
        Those of them that are no longer the source's, to the byte.
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
    asked: SampleRequest
    outcome: Outcome

    @property
    def recompresses(self) -> bool:
        return self.asked.parameters["optimizeTilesForSize"] == "true"


def weigh_and_export(source: SampleCache, sent: dict[str, Any], folder: Path) -> Outcome:
    estimate = estimate_export_tiles_size_job(sent, cache=source.path)
    job = run_job(source.path, folder, sent, max_export_tiles_count=None)
    if job.status != "esriJobSucceeded":
        return Outcome(estimate, job)
    path = result_of(job)
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    tiles = read_tiles(path)
    outcome = Outcome(
        estimate,
        job,
        interval_of(source, sent),
        json.loads((path.parent / "report.json").read_bytes()),
        sum(file.stat().st_size for file in files),
        frozenset(tiles),
        {address: tile for address, tile in tiles.items() if source.tiles.get(address) != tile},
    )
    shutil.rmtree(path.parent)
    return outcome


def interval_of(source: SampleCache, sent: dict[str, Any]) -> tuple[int, int]:
    """The estimate's, which the job tells in words only."""
    return estimate_export_tiles_size(
        source.path,
        levels=sent.get("levels"),
        export_by=sent.get("exportBy", "LevelID"),
        export_extent=sent.get("exportExtent"),
        area_of_interest=sent.get("areaOfInterest"),
        tile_package=sent["tilePackage"] == "true",
        storage_format_type=sent["storageFormatType"],
        compression_quality=sent["compressionQuality"] if sent["optimizeTilesForSize"] == "true" else None,
    ).interval


@pytest.fixture(scope="module")
def run_of(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, int], Run]:
    """Runs the request of a cache and a number, once."""
    folder = tmp_path_factory.mktemp("requests")

    @cache
    def source_of(name: str) -> SampleCache:
        return SampleCache(samples / name, open_cache(samples / name).scheme, read_tiles(samples / name))

    @cache
    def run_once(name: str, number: int) -> Run:
        source = source_of(name)
        asked = draw_request(source, number)
        return Run(source, asked, weigh_and_export(source, asked.parameters, folder))

    return run_once


def check_nothing_was_selected(outcome: Outcome) -> None:
    for job in (outcome.job, outcome.estimate):
        assert job.status == "esriJobFailed"
        assert "selection contains no tiles" in texts_of(job, "Error")[0]
        assert job.results == {}


def check_tiles_are_those_meant(source: SampleCache, asked: SampleRequest, tiles: frozenset[Address]) -> None:
    """None that is surely meant is absent, none that surely is not is there; without a margin both are one."""
    assert source.selected_tiles(asked, -asked.tolerance) <= tiles <= source.selected_tiles(asked, asked.tolerance)


def check_counts_are_one(outcome: Outcome) -> None:
    report, found = outcome.report, len(outcome.tiles)
    assert report["planned"]["tiles"] == report["written"]["tiles"] == found
    assert outcome.estimate.results["out_service_url"]["totalTilesToExport"] == found
    levels = {level["level"]: level["planned"]["tiles"] for level in report["levels"] if level["planned"]["tiles"]}
    assert levels == Counter(level for level, _, _ in outcome.tiles)


def check_size(outcome: Outcome, *, recompresses: bool) -> None:
    """Exact when nothing is recompressed, or all tiles were for the estimate; the report states it too."""
    size = outcome.estimate.results["out_service_url"]["totalSize"]
    low, high = outcome.interval
    assert low <= size <= high
    assert outcome.report["result"]["size"] == outcome.size
    if not recompresses:
        assert low == high
    if low == high:
        assert size == outcome.size


def check_changed_tiles(source: SampleCache, outcome: Outcome, *, recompresses: bool) -> None:
    """All others are the source's to the byte."""
    assert outcome.report["tilesRecompressed"] == len(outcome.changed)
    assert recompresses or not outcome.changed
    for address, tile in outcome.changed.items():
        assert tile.startswith(b"\xff\xd8\xff")
        assert len(tile) < len(source.tiles[address])


@pytest.mark.parametrize(("name", "number"), REQUESTS)
def test_plan_estimate_and_result_agree(run_of: Callable[[str, int], Run], name: str, number: int) -> None:
    here = run_of(name, number)
    source, asked, outcome = here.source, here.asked, here.outcome
    check_tiles_are_those_meant(source, asked, outcome.tiles)
    if not outcome.tiles:
        check_nothing_was_selected(outcome)
        return
    check_counts_are_one(outcome)
    check_size(outcome, recompresses=here.recompresses)
    check_changed_tiles(source, outcome, recompresses=here.recompresses)


def test_sizes_of_what_is_recompressed_lie_in_their_intervals(run_of: Callable[[str, int], Run]) -> None:
    runs = [run_of(*request) for request in REQUESTS]
    outcomes = [run.outcome for run in runs if run.recompresses and run.outcome.tiles]
    inside = [outcome.interval[0] <= outcome.size <= outcome.interval[1] for outcome in outcomes]
    assert sum(inside) >= CONFIDENCE * len(inside)
    assert any(low < high for low, high in (outcome.interval for outcome in outcomes))


@pytest.mark.parametrize("quality", [35, 50, 80])
def test_sizes_of_large_boxes_lie_in_their_intervals(samples: Path, tmp_path: Path, quality: int) -> None:
    """Where a sample stands for up to ten times as many tiles; and the intervals are narrow enough to be of use."""
    inside = []
    for i in range(10):
        box = draw_box(random.Random(f"{quality} {i}"))
        request: dict[str, Any] = {"levels": 6, "export_extent": box, "compression_quality": quality}
        estimate = estimate_export_tiles_size(samples / "relief-v2-jpeg", tile_package=True, **request)
        result = export_tiles(samples / "relief-v2-jpeg", tmp_path / "x.tpkx", overwrite=True, **request)
        low, high = estimate.interval
        assert low < high < 1.1 * low
        assert estimate.total_tiles_to_export == result.tiles > 256
        inside.append(low <= result.size <= high)
    assert sum(inside) >= CONFIDENCE * len(inside)


def draw_box(rng: random.Random) -> tuple[float, float, float, float]:
    """A box of 20 to 50 of the tiles' sides at the web's level 6, none of its edges near theirs."""
    side = 2 * WORLD_LIMITS[WEB_MERCATOR][0] / 64
    width, height = rng.randint(20, 50), rng.randint(20, 50)
    column, row = rng.randint(0, 63 - width) + 0.5 - 32, rng.randint(0, 63 - height) + 0.5 - 32
    return column * side, row * side, (column + width) * side, (row + height) * side


def test_requests_are_of_many_kinds(run_of: Callable[[str, int], Run]) -> None:
    """What the others say is worth as much as what they were asked with."""
    runs = [run_of(*request) for request in REQUESTS]
    succeeded = [run for run in runs if run.outcome.tiles]
    assert len(succeeded) >= 0.8 * len(runs)
    assert sum(0 < len(run.outcome.tiles) < len(run.source.tiles) for run in succeeded) >= 0.5 * len(runs)
    assert sum(bool(run.outcome.changed) for run in runs) >= 5
    for name in ("exportBy", "tilePackage", "storageFormatType", "optimizeTilesForSize"):
        assert len({run.asked.parameters.get(name) for run in succeeded}) >= 2
