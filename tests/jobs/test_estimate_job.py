"""Jobs that estimate the size of an export."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gptool import Job, export_tiles_job
from gptool.tool import estimate_export_tiles_size_job
from helpers.caches import make_cache, square
from helpers.checks import check_nothing_left
from helpers.job_checks import report_of


def test_job_is_cancelled_while_tiles_are_recompressed(cache: Path) -> None:
    def cancel(job: Job) -> None:
        if job.progress and "Estimating" in job.progress.message:
            job.cancel()

    sent = {"optimizeTilesForSize": "true", "compressionQuality": "40"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gptool.jobs.job.MIN_REPORT_SECONDS", 0)
        job = estimate_export_tiles_size_job(sent, cache=cache, on_change=cancel)
    assert job.status == "esriJobCancelled"


@pytest.mark.parametrize("tile_package", ["true", "false"])
@pytest.mark.parametrize("storage", ["compact", "compactV2"])
def test_size_is_exact_without_recompression(cache: Path, tmp_path: Path, tile_package: str, storage: str) -> None:
    sent = {"levels": "0-2", "tilePackage": tile_package, "storageFormatType": storage}
    value = estimate_export_tiles_size_job(sent, cache=cache).result("out_service_url")["value"]
    report = report_of(export_tiles_job(sent, cache=cache, output_directory=tmp_path))
    assert value == {"totalSize": report["result"]["size"], "totalTilesToExport": report["written"]["tiles"]}


def test_estimate_has_no_limit_and_a_confidence_interval(tmp_path: Path) -> None:
    cache = make_cache(tmp_path / "cache", square(8, range(120, 140), range(120, 140)))
    sent = {"optimizeTilesForSize": "true", "compressionQuality": "40"}
    job = estimate_export_tiles_size_job(sent, cache=cache)
    assert job.operation == "EstimateExportTilesSize"
    [line] = [message.description for message in job.messages if "confidence" in message.description]
    assert re.fullmatch(
        r"400 tiles, [0-9]+ bytes as a cache raster dataset named cache; with 95% confidence [0-9]+ to [0-9]+, "
        r"from a sample of 2[0-9]{2} tiles",
        line,
    )
    check_nothing_left(tmp_path, "cache")


def test_invalid_parameter_fails_the_job(cache: Path) -> None:
    job = estimate_export_tiles_size_job({"levels": "x"}, cache=cache)
    assert job.messages[-2] == ("Error", "Failed to execute (EstimateExportTilesSize).")
    assert job.messages[1].description.startswith("levels: value is not a list of levels; found 'x'")
