"""Export jobs: status, messages, progress, inputs and results, the job's folder, and failures."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from pathlib import Path
from typing import Any, ClassVar

import pytest

from gptool import Job, export_tiles_job, verify
from gptool.cache import open_cache
from gptool.tool import estimate_export_tiles_size_job
from helpers.caches import make_cache, square, world
from helpers.checks import check_nothing_left, check_package
from helpers.job_checks import ELAPSED, TIME, report_of
from helpers.tile_readers import read_tiles

Seen = list[tuple[str, int, Any]]


def watch(seen: Seen) -> Any:
    """Record status, number of messages and progress of a job at each change."""
    return lambda job: seen.append((job.status, len(job.messages), job.progress))


SENT = {"levels": "0-2,5", "tilePackage": "true", "optimizeTilesForSize": "true", "compressionQuality": "50"}


class TestSuccess:
    @pytest.fixture
    def seen(self) -> Seen:
        return []

    @pytest.fixture
    def job(self, cache: Path, tmp_path: Path, seen: Seen) -> Job:
        return export_tiles_job(SENT, cache=cache, output_directory=tmp_path / "a" / "b", on_change=watch(seen))

    def test_status_changes(self, job: Job, seen: Seen) -> None:
        states = [status for i, (status, _, _) in enumerate(seen) if i == 0 or seen[i - 1][0] != status]
        assert states == ["esriJobSubmitted", "esriJobExecuting", "esriJobSucceeded"]
        assert [count for _, count, _ in seen] == sorted(count for _, count, _ in seen)
        assert seen[-1] == ("esriJobSucceeded", len(job.messages), None)

    def test_to_json(self, job: Job) -> None:
        value = job.to_json()
        assert list(value) == ["jobId", "jobStatus", "results", "inputs", "messages"]
        assert re.fullmatch("j[0-9a-f]{32}", value["jobId"])
        assert value["results"] == {"out_service_url": {"paramUrl": "results/out_service_url"}}
        assert value["inputs"]["levels"] == {"paramUrl": "inputs/levels"}
        assert set(value["inputs"]) == {*SENT, "exportBy", "nearestLevel", "tables", "optimizePng"}
        json.dumps(value)

    def test_first_and_last_message_have_times(self, job: Job) -> None:
        assert re.fullmatch(f"Start Time: {TIME}", job.messages[0].description)
        assert re.fullmatch(f"Succeeded at {TIME} {ELAPSED}", job.messages[-1].description)
        messages = job.to_json()["messages"]
        assert all(list(message) == ["type", "description"] for message in messages)
        assert {message["type"] for message in messages} == {
            "esriJobMessageTypeInformative",
            "esriJobMessageTypeWarning",
        }
        assert ("Warning", "level 5 holds no selected tiles") in job.messages

    def test_results_and_inputs(self, job: Job, tmp_path: Path) -> None:
        result = job.result("out_service_url")
        assert result == {
            "paramName": "out_service_url",
            "dataType": "GPString",
            "value": str(tmp_path / "a" / "b" / job.job_id),
        }
        assert job.input("levels") == {"paramName": "levels", "dataType": "GPString", "value": "0-2,5"}
        assert job.input("compressionQuality")["dataType"] == "GPLong"
        for name in ("nonsense", "areaOfInterest"):
            with pytest.raises(KeyError):
                job.input(name)
        with pytest.raises(KeyError):
            job.result("nonsense")

    def test_job_folder_holds_package_and_report(self, job: Job, cache: Path) -> None:
        folder = Path(job.result("out_service_url")["value"])
        assert sorted(path.name for path in folder.iterdir()) == ["report.json", f"{cache.name}.tpkx"]
        check_package(folder / f"{cache.name}.tpkx", levels={0, 1, 2})
        assert [path.name for path in folder.parent.iterdir()] == [job.job_id]

    def test_report_json(self, job: Job, cache: Path) -> None:
        report, package = report_of(job), Path(job.result("out_service_url")["value"], f"{cache.name}.tpkx")
        assert report["jobId"] == job.job_id
        assert report["result"] == {
            "name": package.name,
            "size": package.stat().st_size,
            "sha256": hashlib.sha256(package.read_bytes()).hexdigest(),
        }
        verification = report["verification"]
        assert verification == {
            name: value for name, value in verify(package, tiles="none").to_json().items() if name != "location"
        }
        assert verification["passed"]
        assert verification["rules"]
        assert not any(rule.startswith("tiles.") for rule in verification["rules"])
        assert report["request"]["levels"] == [0, 1, 2, 5]
        assert report["request"]["compressionQuality"] == 50
        tiles, sources = read_tiles(package), world()
        for level in report["levels"]:
            here = [address for address in tiles if address[0] == level["level"]]
            assert level["planned"] == {"tiles": len(here), "bytes": sum(len(sources[a]) for a in here)}
            assert level["written"] == {"tiles": len(here), "bytes": sum(len(tiles[a]) for a in here)}
            assert level["tilesRecompressed"] == len(here)
        assert [level["level"] for level in report["levels"]] == [0, 1, 2, 5]
        assert (report["planned"]["tiles"], report["written"]["tiles"], report["damaged"]) == (21, 21, 0)
        assert {
            "type": "esriJobMessageTypeWarning",
            "description": "level 5 holds no selected tiles",
        } in report["messages"]


def test_dataset_is_a_folder_without_digest(cache: Path, tmp_path: Path) -> None:
    job = export_tiles_job({"levels": "0-1"}, cache=open_cache(cache), output_directory=tmp_path)
    report = report_of(job)
    assert (report["result"]["name"], report["result"]["sha256"]) == (cache.name, None)
    assert report["verification"] is None
    dataset = tmp_path / job.job_id / cache.name
    assert sum(path.stat().st_size for path in dataset.rglob("*") if path.is_file()) == report["result"]["size"]
    assert set(read_tiles(dataset)) == {address for address in world() if address[0] < 2}


def test_damaged_tiles_are_in_report_and_messages(tmp_path: Path) -> None:
    tiles = {**square(0, range(1), range(1)), (1, 0, 0): b"nonsense"}
    make_cache(tmp_path / "cache", tiles)
    job = export_tiles_job({}, cache=tmp_path / "cache", output_directory=tmp_path / "jobs")
    assert ("Warning", "damaged or empty: 1 tile, listed with the result") in job.messages
    [damaged] = report_of(job)["damagedTiles"]
    assert (damaged["level"], damaged["row"], damaged["column"]) == (1, 0, 0)


def test_progress_has_a_percentage_while_tiles_are_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gptool.jobs.job.MIN_REPORT_SECONDS", 0)
    cache = make_cache(tmp_path / "cache", square(8, range(120, 136), range(120, 136)))
    answers: list[dict[str, Any]] = []
    export_tiles_job({}, cache=cache, output_directory=tmp_path, on_change=lambda job: answers.append(job.to_json()))
    shown = [answer["progress"] for answer in answers if "progress" in answer]
    assert {"type": "default", "message": "Counting tiles: 64"} in shown
    assert {"type": "step", "message": "Exporting tiles: 256 of 256", "percent": 100} in shown
    percents = [progress["percent"] for progress in shown if progress["type"] == "step"]
    assert percents == sorted(percents)
    assert all(("progress" in answer) == (answer["jobStatus"] == "esriJobExecuting") for answer in answers)


class TestReport:
    def test_report_of_a_job_is_the_file_beside_its_result(self, cache: Path, tmp_path: Path) -> None:
        job = export_tiles_job({"tilePackage": True, "levels": "0"}, cache=cache, output_directory=tmp_path)
        assert job.report == json.loads((tmp_path / job.job_id / "report.json").read_text(encoding="utf-8"))
        assert job.report["succeeded"]

    @pytest.mark.parametrize("parameters", [{"levels": "99"}, {"compressionQuality": "good"}, 7])
    def test_job_that_failed_early_has_a_report(self, cache: Path, tmp_path: Path, parameters: Any) -> None:
        job = export_tiles_job(parameters, cache=cache, output_directory=tmp_path)
        assert job.report
        assert (job.report["succeeded"], job.report["parameters"]) == (False, job.inputs)
        assert job.report["messages"] == [message.to_json() for message in job.messages]


class TestFailure:
    def test_limit_is_exceeded(self, cache: Path, tmp_path: Path) -> None:
        job = export_tiles_job({}, cache=cache, output_directory=tmp_path, max_export_tiles_count=30)
        assert job.planned
        assert (job.planned.tiles, job.planned.bytes) == (len(world()), sum(map(len, world().values())))
        assert [message.description for message in job.messages[1:-1]] == [
            "ERROR 001564: Requested tile count(165) exceeds the maximum allowed number of tiles(30) to be exported "
            "for service world.",
            "Tiles per level: 0: 1, 1: 4, 2: 16, 8: 144.",
            "The deepest levels within the limit are levels=0-2 (exportBy=LevelID) with 21 tiles; deeper levels "
            "require a smaller exportExtent or areaOfInterest.",
            "All tiles fit into 9 tile packages with maxPartTiles=30.",
            "Failed to execute (ExportTiles).",
        ]
        assert [job.messages[i].type for i in (1, 5)] == ["Error", "Error"]
        assert re.fullmatch(f"Failed at {TIME} {ELAPSED}", job.messages[-1].description)
        assert list(job.to_json()) == ["jobId", "jobStatus", "messages"]
        with pytest.raises(KeyError):
            job.result("out_service_url")
        check_nothing_left(tmp_path)

    @pytest.mark.parametrize(
        ("limit", "status"), [(165, "esriJobSucceeded"), (164, "esriJobFailed"), (None, "esriJobSucceeded")]
    )
    def test_limit_is_inclusive(self, cache: Path, tmp_path: Path, limit: int | None, status: str) -> None:
        job = export_tiles_job({}, cache=cache, output_directory=tmp_path, max_export_tiles_count=limit)
        assert job.status == status

    def test_cache_is_missing(self, tmp_path: Path) -> None:
        job = export_tiles_job({}, cache=tmp_path / "nowhere", output_directory=tmp_path)
        assert job.status == "esriJobFailed"
        assert "nowhere: cache not found" in job.messages[1].description

    def test_output_directory_cannot_be_created(self, cache: Path, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("precious")
        job = export_tiles_job({}, cache=cache, output_directory=tmp_path / "file" / "jobs")
        assert job.status == "esriJobFailed"
        assert "is not a folder, and so cannot hold the output" in job.messages[1].description

    def test_internal_error_fails_the_job(
        self, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(*_: object) -> None:
            raise TypeError("oh\nno")

        monkeypatch.setattr("gptool.tool.write_report", fail)
        with caplog.at_level(logging.ERROR):
            job = export_tiles_job({}, cache=cache, output_directory=tmp_path)
        assert job.messages[1] == ("Error", "internal error: TypeError: oh no")
        assert job.job_id in caplog.text
        assert "Traceback" in caplog.text
        check_nothing_left(tmp_path)


class TestServiceOptions:
    """The options that a service passes, and the planned size that it needs."""

    SERVICE: ClassVar = {"job_id": "j1", "service": "Maps/World:ImageServer", "redact": lambda text: text.upper()}

    def test_id_name_and_redaction(self, cache: Path, tmp_path: Path) -> None:
        job = export_tiles_job(SENT, cache=cache, output_directory=tmp_path, **self.SERVICE)
        check_nothing_left(tmp_path, "j1")
        check_nothing_left(tmp_path / "j1", "World.tpkx", "report.json")
        assert ("Warning", "LEVEL 5 HOLDS NO SELECTED TILES") in job.messages
        report = report_of(job)
        assert (job.job_id, report["jobId"], report["cache"]) == ("j1", "j1", "World")
        assert all(message["description"].isupper() for message in report["messages"])

    def test_message_about_the_limit_names_the_service(self, cache: Path, tmp_path: Path) -> None:
        job = export_tiles_job({}, cache=cache, output_directory=tmp_path, max_export_tiles_count=1, **self.SERVICE)
        assert job.messages[1].description.endswith("TO BE EXPORTED FOR SERVICE MAPS/WORLD:IMAGESERVER.")

    def test_estimate_has_the_same_options(self, cache: Path) -> None:
        job = estimate_export_tiles_size_job({"levels": "4"}, cache=cache, **self.SERVICE)
        assert "EXPECTED TILES OF WORLD, WHICH HAS LEVELS" in job.messages[1].description

    def test_internal_error_has_no_details(self, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object) -> None:
            raise TypeError(f"in {tmp_path}")

        monkeypatch.setattr("gptool.tool.write_report", fail)
        job = export_tiles_job({}, cache=cache, output_directory=tmp_path, **self.SERVICE)
        assert job.messages[-3].description == "INTERNAL ERROR: TYPEERROR"

    def test_size_is_planned_before_a_byte_is_copied(self, cache: Path, tmp_path: Path) -> None:
        def record(job: Job) -> None:
            calls.append((job.planned and job.planned[:2], list(tmp_path.iterdir())))

        calls: list[Any] = []
        export_tiles_job({"levels": "0-1"}, cache=cache, output_directory=tmp_path, on_change=record)
        planned = 5, sum(len(tile) for (level, _, _), tile in world().items() if level < 2)
        assert {plan for plan, _ in calls} == {None, planned}
        assert (planned, []) in calls


@pytest.mark.parametrize("parameters", [None, [], "levels=0", 5])
def test_parameters_that_are_not_a_mapping_fail_the_job(cache: Path, tmp_path: Path, parameters: Any) -> None:
    job = export_tiles_job(parameters, cache=cache, output_directory=tmp_path)
    assert job.messages[1].description.startswith("parameters are not a mapping; found ")
    assert job.status == "esriJobFailed"


def test_keys_that_are_not_strings_are_ignored(cache: Path, tmp_path: Path) -> None:
    sent: Any = {None: 1, 1: 2, b"levels": b"0", "levels": "1"}
    assert report_of(export_tiles_job(sent, cache=cache, output_directory=tmp_path))["written"]["tiles"] == 4


def test_output_directory_within_the_cache_is_rejected_and_not_created(cache: Path) -> None:
    folder = cache / "_alllayers" / "new" / "jobs"
    job = export_tiles_job({}, cache=cache, output_directory=folder)
    assert "the output is the cache or a part of it" in job.messages[1].description
    assert not folder.parent.exists()


def test_each_job_has_a_folder_of_its_own(cache: Path, tmp_path: Path) -> None:
    jobs = [export_tiles_job({"levels": "0"}, cache=cache, output_directory=tmp_path) for _ in range(3)]
    assert len({job.job_id for job in jobs}) == len(list(tmp_path.iterdir())) == 3
