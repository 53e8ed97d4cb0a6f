"""Jobs and estimates in parts: the folder, report.json, and the limit on tiles."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from gptool import export_tiles, export_tiles_job, verify
from gptool.jobs.job import Job
from gptool.jobs.status import JobStatus
from gptool.tool import estimate_export_tiles_size_job
from gptool.verification import Verification
from helpers.checks import check_nothing_left
from helpers.tile_readers import read_tiles


def texts(job: Job) -> list[str]:
    return [message.description for message in job.messages]


def test_folder_has_the_parts_their_manifest_and_a_report(cache: Path, tmp_path: Path) -> None:
    sent = {"tilePackage": "true", "maxPartTiles": "40", "storageFormatType": "compact"}
    job = export_tiles_job(sent, cache=cache, output_directory=tmp_path / "jobs")
    assert job.status is JobStatus.SUCCEEDED, job.messages
    folder = tmp_path / "jobs" / job.job_id
    assert job.results["out_service_url"] == str(folder)
    assert {path.name for path in folder.iterdir()} == {cache.name, "report.json"}
    manifest = json.loads((folder / cache.name / "manifest.json").read_bytes())
    names = [part["name"] for part in manifest["parts"]]
    assert len(names) > 2
    assert {path.name for path in (folder / cache.name).iterdir()} == {"manifest.json", *names}
    assert {Path(name).suffix for name in names} == {".tpk"}
    whole = read_tiles(export_tiles(cache, tmp_path / "whole.tpk").path)
    found = [address for name in names for address in read_tiles(folder / cache.name / name)]
    assert sorted(found) == sorted(whole)

    report = json.loads((folder / "report.json").read_bytes())
    assert (report["request"]["maxPartTiles"], report["request"]["maxPartSize"]) == (40, None)
    assert (report["result"]["sha256"], report["verification"]) == (None, None)
    for part in report["parts"]:
        data = (folder / cache.name / part["name"]).read_bytes()
        assert (part["bytes"], part["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
        assert part["verification"]["passed"]
    assert f"The result is divided into {len(names)} parts (.tpk)" in texts(job)


def test_verification_of_parts_can_be_cancelled(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs: list[Job] = []

    def verify_and_cancel(package: Path, **options: Any) -> Verification:
        jobs[0].cancel()
        return verify(package, **options)

    monkeypatch.setattr("gptool.jobs.report.verify", verify_and_cancel)
    sent = {"tilePackage": "true", "maxPartTiles": "40"}
    job = export_tiles_job(sent, cache=cache, output_directory=tmp_path / "jobs", on_change=jobs.append)
    assert job.status is JobStatus.CANCELLED
    check_nothing_left(tmp_path)


def test_limit_is_that_of_each_part(cache: Path, tmp_path: Path) -> None:
    def run(**sent: str) -> Job:
        options = {"cache": cache, "output_directory": tmp_path / "jobs", "max_export_tiles_count": 50}
        return export_tiles_job({"tilePackage": "true", **sent}, **options)  # type: ignore[arg-type]

    failed = run()
    assert failed.status is JobStatus.FAILED
    [advice] = [text for text in texts(failed) if "maxPartTiles" in text]
    assert advice.startswith("All tiles fit into ")
    assert advice.endswith(" tile packages with maxPartTiles=50.")
    for sent in ({"maxPartTiles": "50"}, {"maxPartTiles": "100000"}, {"maxPartSize": "1 TB"}):
        job = run(**sent)
        assert job.status is JobStatus.SUCCEEDED, job.messages
        assert job.report is not None
        assert f"{len(job.report['parts'])} tile packages" in advice
        assert max(part["tiles"] for part in job.report["parts"]) <= 50


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ({}, "maxPartSize: parts are tile packages; found tilePackage=false, expected tilePackage=true"),
        ({"tilePackage": "true", "targetSize": "1 MB"}, "targetSize: contradicts maxPartSize; found targetSize"),
    ],
)
def test_contradictions(cache: Path, tmp_path: Path, sent: dict[str, str], message: str) -> None:
    job = export_tiles_job({"maxPartSize": "1 MB", **sent}, cache=cache, output_directory=tmp_path / "jobs")
    assert job.status is JobStatus.FAILED
    assert any(text.startswith(message) for text in texts(job)), texts(job)
    assert not (tmp_path / "jobs").exists() or not list((tmp_path / "jobs").iterdir())


def test_estimate_says_how_many_parts(cache: Path) -> None:
    job = estimate_export_tiles_size_job({"tilePackage": "true", "maxPartTiles": "40"}, cache=cache)
    assert job.status is JobStatus.SUCCEEDED
    assert any(" bytes as " in text and " parts (.tpkx) named " in text for text in texts(job)), texts(job)
    about = estimate_export_tiles_size_job(
        {"tilePackage": "true", "maxPartSize": "1MB", "optimizeTilesForSize": "true", "compressionQuality": "40"},
        cache=cache,
    )
    assert any(text.startswith("The result is divided into about ") for text in texts(about))
