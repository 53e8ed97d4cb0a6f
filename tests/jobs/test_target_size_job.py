"""Jobs and estimates with a target size: the parameter, messages and report.json."""

from __future__ import annotations

import json
from pathlib import Path

from gptool import export_tiles, export_tiles_job
from gptool.jobs.status import JobStatus
from gptool.tool import estimate_export_tiles_size_job


def test_choice_is_in_messages_and_report(cache: Path, tmp_path: Path) -> None:
    sizes = [
        export_tiles(cache, tmp_path / "world.tpkx", compression_quality=quality, overwrite=True).size
        for quality in (40, 41)
    ]
    assert sizes[0] < sizes[1]
    sent = {"tilePackage": "true", "targetSize": f"{sizes[0] / 1000} kB"}
    job = export_tiles_job(sent, cache=cache, output_directory=tmp_path / "jobs")
    assert job.status is JobStatus.SUCCEEDED, job.messages
    texts = [message.description for message in job.messages]
    expected = (
        f"targetSize of {sizes[0]:,} bytes: compressionQuality 40 is the highest quality whose result fits; the result "
        f"has {sizes[0]:,} bytes, with the next step up (quality 41) it would have {sizes[1]:,}"
    )
    assert expected in texts
    [path] = (tmp_path / "jobs").glob("*/report.json")
    report = json.loads(path.read_text(encoding="utf-8"))
    assert (report["request"]["targetSize"], report["result"]["size"]) == (sizes[0], sizes[0])
    assert report["target"] == {
        "targetSize": sizes[0],
        "method": "recompress",
        "compressionQuality": 40,
        "nextMethod": "recompress",
        "nextCompressionQuality": 41,
        "nextSize": sizes[1],
        "passes": 1,
    }


def test_job_fails_if_nothing_fits(cache: Path, tmp_path: Path) -> None:
    job = export_tiles_job({"targetSize": "1 kB"}, cache=cache, output_directory=tmp_path / "jobs")
    assert job.status is JobStatus.FAILED
    texts = [message.description for message in job.messages]
    assert any(text.startswith("targetSize: no compressionQuality makes the result fit; found 1,000") for text in texts)
    assert any("No single level fits the target size" in text for text in texts)
    assert not [path for path in (tmp_path / "jobs").rglob("*") if path.is_file()]


def test_contradiction_names_both_parameters(cache: Path, tmp_path: Path) -> None:
    sent = {"targetSize": "1 MB", "compressionQuality": "50", "optimizeTilesForSize": "true"}
    job = export_tiles_job(sent, cache=cache, output_directory=tmp_path / "jobs")
    expected = (
        "targetSize: contradicts compressionQuality; found targetSize 1000000 and compressionQuality 50, "
        "expected one of them"
    )
    assert expected in [message.description for message in job.messages]


def test_estimate_names_the_quality(cache: Path) -> None:
    job = estimate_export_tiles_size_job({"tilePackage": "true", "targetSize": "1.2MB"}, cache=cache)
    assert job.status is JobStatus.SUCCEEDED, job.messages
    assert 0 < job.results["out_service_url"]["totalSize"] <= 1_200_000
    texts = [message.description for message in job.messages]
    assert any("targetSize of 1,200,000 bytes: about compressionQuality " in text for text in texts), texts


def test_target_size_needs_no_optimisation(cache: Path, tmp_path: Path) -> None:
    """Clients of ArcGIS send `optimizeTilesForSize=false` by themselves."""
    sent = {"optimizeTilesForSize": "false", "targetSize": "1.2MB"}
    job = export_tiles_job(sent, cache=cache, output_directory=tmp_path / "jobs")
    assert job.status is JobStatus.SUCCEEDED, job.messages
    assert job.report is not None
    assert job.report["result"]["size"] <= 1_200_000
