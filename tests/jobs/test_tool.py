"""The job: its states, messages, progress, inputs and results, its folder, and how it fails or is cancelled."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import threading
from pathlib import Path
from typing import Any, ClassVar

import pytest

from gptool import Job, errors, export_tiles_job
from gptool.cache import open_cache
from gptool.tool import estimate_export_tiles_size_job
from helpers.caches import HALF_WAY, make_cache, square, world
from helpers.checks import check_nothing_left, check_package
from helpers.gate import Gate
from helpers.tile_readers import read_tiles

TIME = r"[A-Z][a-z]+day, [A-Z][a-z]+ [1-9][0-9]?, [0-9]{4} [1-9][0-9]?:[0-9]{2}:[0-9]{2} [AP]M"
ELAPSED = r"\(Elapsed Time: [0-9]+\.[0-9]{2} seconds\)"

Seen = list[tuple[str, int, Any]]


def watch(seen: Seen) -> Any:
    """Note a job's status, messages and progress at every change."""
    return lambda job: seen.append((job.status, len(job.messages), job.progress))


def report_of(job: Job) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(Path(job.result("out_service_url")["value"], "report.json").read_text())
    return value


SENT = {"levels": "0-2,5", "tilePackage": "true", "optimizeTilesForSize": "true", "compressionQuality": "50"}


class TestSuccess:
    @pytest.fixture
    def seen(self) -> Seen:
        return []

    @pytest.fixture
    def job(self, cache: Path, tmp_path: Path, seen: Seen) -> Job:
        return export_tiles_job(SENT, cache=cache, output_directory=tmp_path / "a" / "b", on_change=watch(seen))

    def test_states(self, job: Job, seen: Seen) -> None:
        states = [status for i, (status, _, _) in enumerate(seen) if i == 0 or seen[i - 1][0] != status]
        assert states == ["esriJobSubmitted", "esriJobExecuting", "esriJobSucceeded"]
        assert [count for _, count, _ in seen] == sorted(count for _, count, _ in seen)
        assert seen[-1] == ("esriJobSucceeded", len(job.messages), None)

    def test_json(self, job: Job) -> None:
        value = job.to_json()
        assert list(value) == ["jobId", "jobStatus", "results", "inputs", "messages"]
        assert re.fullmatch("j[0-9a-f]{32}", value["jobId"])
        assert value["results"] == {"out_service_url": {"paramUrl": "results/out_service_url"}}
        assert value["inputs"]["levels"] == {"paramUrl": "inputs/levels"}
        assert set(value["inputs"]) == {*SENT, "exportBy"}
        json.dumps(value)

    def test_messages_start_and_end_with_times(self, job: Job) -> None:
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

    def test_its_folder(self, job: Job, cache: Path) -> None:
        folder = Path(job.result("out_service_url")["value"])
        assert sorted(path.name for path in folder.iterdir()) == ["report.json", f"{cache.name}.tpkx"]
        check_package(folder / f"{cache.name}.tpkx", levels={0, 1, 2})
        assert [path.name for path in folder.parent.iterdir()] == [job.job_id]

    def test_report(self, job: Job, cache: Path) -> None:
        report, package = report_of(job), Path(job.result("out_service_url")["value"], f"{cache.name}.tpkx")
        assert report["jobId"] == job.job_id
        assert report["result"] == {
            "name": package.name,
            "size": package.stat().st_size,
            "sha256": hashlib.sha256(package.read_bytes()).hexdigest(),
        }
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


def test_a_dataset_has_no_digest_and_a_folder_of_its_own(cache: Path, tmp_path: Path) -> None:
    job = export_tiles_job({"levels": "0-1"}, cache=open_cache(cache), output_directory=tmp_path)
    report = report_of(job)
    assert (report["result"]["name"], report["result"]["sha256"]) == (cache.name, None)
    dataset = tmp_path / job.job_id / cache.name
    assert sum(path.stat().st_size for path in dataset.rglob("*") if path.is_file()) == report["result"]["size"]
    assert set(read_tiles(dataset)) == {address for address in world() if address[0] < 2}


def test_damaged_tiles_are_reported_and_said(tmp_path: Path) -> None:
    tiles = {**square(0, range(1), range(1)), (1, 0, 0): b"nonsense"}
    make_cache(tmp_path / "cache", tiles)
    job = export_tiles_job({}, cache=tmp_path / "cache", output_directory=tmp_path / "jobs")
    assert ("Warning", "damaged or empty: 1 tile, listed with the result") in job.messages
    [damaged] = report_of(job)["damagedTiles"]
    assert (damaged["level"], damaged["row"], damaged["column"]) == (1, 0, 0)


def test_progress_tells_percent_while_it_executes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


class TestFailure:
    def test_the_limit(self, cache: Path, tmp_path: Path) -> None:
        job = export_tiles_job({}, cache=cache, output_directory=tmp_path, max_export_tiles_count=30)
        assert [message.description for message in job.messages[1:-1]] == [
            "ERROR 001564: Requested tile count(165) exceeds the maximum allowed number of tiles(30) to be exported "
            "for service world.",
            "Tiles per level: 0: 1, 1: 4, 2: 16, 8: 144.",
            "The deepest levels within the limit are levels=0-2 (exportBy=LevelID) with 21 tiles; deeper levels "
            "require a smaller exportExtent or areaOfInterest.",
            "Failed to execute (ExportTiles).",
        ]
        assert [job.messages[i].type for i in (1, 4)] == ["Error", "Error"]
        assert re.fullmatch(f"Failed at {TIME} {ELAPSED}", job.messages[-1].description)
        assert list(job.to_json()) == ["jobId", "jobStatus", "messages"]
        with pytest.raises(KeyError):
            job.result("out_service_url")
        check_nothing_left(tmp_path)

    @pytest.mark.parametrize(
        ("limit", "status"), [(165, "esriJobSucceeded"), (164, "esriJobFailed"), (None, "esriJobSucceeded")]
    )
    def test_the_limit_is_allowed(self, cache: Path, tmp_path: Path, limit: int | None, status: str) -> None:
        job = export_tiles_job({}, cache=cache, output_directory=tmp_path, max_export_tiles_count=limit)
        assert job.status == status

    def test_a_broken_cache(self, tmp_path: Path) -> None:
        job = export_tiles_job({}, cache=tmp_path / "nowhere", output_directory=tmp_path)
        assert job.status == "esriJobFailed"
        assert "nowhere: cache not found" in job.messages[1].description

    def test_a_folder_that_can_not_be_written(self, cache: Path, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("precious")
        job = export_tiles_job({}, cache=cache, output_directory=tmp_path / "file" / "jobs")
        assert job.status == "esriJobFailed"
        assert "cannot be written: Not a directory" in job.messages[1].description

    def test_an_error_of_the_program_is_a_failed_job_too(
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


class TestForAService:
    """What a service gives a job, and what it learns of it."""

    SERVICE: ClassVar = {"job_id": "j1", "service": "Maps/World:ImageServer", "redact": lambda text: text.upper()}

    def test_its_id_its_name_and_its_words(self, cache: Path, tmp_path: Path) -> None:
        job = export_tiles_job(SENT, cache=cache, output_directory=tmp_path, **self.SERVICE)
        check_nothing_left(tmp_path, "j1")
        check_nothing_left(tmp_path / "j1", "World.tpkx", "report.json")
        assert ("Warning", "LEVEL 5 HOLDS NO SELECTED TILES") in job.messages
        report = report_of(job)
        assert (job.job_id, report["jobId"], report["cache"]) == ("j1", "j1", "World")
        assert all(message["description"].isupper() for message in report["messages"])

    def test_the_limit_is_its_own(self, cache: Path, tmp_path: Path) -> None:
        job = export_tiles_job({}, cache=cache, output_directory=tmp_path, max_export_tiles_count=1, **self.SERVICE)
        assert job.messages[1].description.endswith("TO BE EXPORTED FOR SERVICE MAPS/WORLD:IMAGESERVER.")

    def test_an_estimate_is_told_as_well(self, cache: Path) -> None:
        job = estimate_export_tiles_size_job({"levels": "4"}, cache=cache, **self.SERVICE)
        assert "EXPECTED TILES OF WORLD, WHICH HAS LEVELS" in job.messages[1].description

    def test_an_error_of_the_program_does_not_say_what_it_was(
        self, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> None:
            raise TypeError(f"in {tmp_path}")

        monkeypatch.setattr("gptool.tool.write_report", fail)
        job = export_tiles_job({}, cache=cache, output_directory=tmp_path, **self.SERVICE)
        assert job.messages[-3].description == "INTERNAL ERROR: TYPEERROR"

    def test_the_plan_is_told_before_a_byte_is_copied(self, cache: Path, tmp_path: Path) -> None:
        def look(job: Job) -> None:
            told.append((job.planned and job.planned[:2], list(tmp_path.iterdir())))

        told: list[Any] = []
        export_tiles_job({"levels": "0-1"}, cache=cache, output_directory=tmp_path, on_change=look)
        planned = 5, sum(len(tile) for (level, _, _), tile in world().items() if level < 2)
        assert {plan for plan, _ in told} == {None, planned}
        assert (planned, []) in told


class TestCancel:
    @pytest.mark.parametrize("at", ["esriJobSubmitted", "esriJobExecuting"])
    def test_within_its_thread(self, cache: Path, tmp_path: Path, at: str) -> None:
        def cancel(job: Job) -> None:
            if job.status == at:
                job.cancel()
                assert job.status == "esriJobCancelling"

        job = export_tiles_job({}, cache=cache, output_directory=tmp_path, on_change=cancel)
        assert job.status == "esriJobCancelled"
        assert job.messages[-2] == ("Warning", "Cancelled (ExportTiles).")
        assert re.fullmatch(f"Cancelled at {TIME} {ELAPSED}", job.messages[-1].description)
        check_nothing_left(tmp_path)

    def test_from_another_thread_while_tiles_are_written(self, cache: Path, tmp_path: Path, gate: Gate) -> None:
        handed: list[Job] = []

        def cancel() -> None:
            with gate:
                gate.wait()
                handed[0].cancel()

        gate.close(after=HALF_WAY)
        other = threading.Thread(target=cancel)
        other.start()
        job = export_tiles_job({}, cache=cache, output_directory=tmp_path / "jobs", on_change=handed.append)
        other.join()
        assert job.status == "esriJobCancelled"
        check_nothing_left(tmp_path)

    def test_one_that_has_ended_stays_as_it_is(self, cache: Path, tmp_path: Path) -> None:
        job = export_tiles_job({"levels": "0"}, cache=cache, output_directory=tmp_path)
        job.cancel()
        assert job.status == "esriJobSucceeded"

    def test_an_interrupt_goes_on_and_leaves_nothing(
        self, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupt(job: Job) -> None:
            handed.append(job)
            if job.status == "esriJobExecuting" and job.progress and job.progress.type == "step":
                raise KeyboardInterrupt

        handed: list[Job] = []
        monkeypatch.setattr("gptool.jobs.job.MIN_REPORT_SECONDS", 0)
        with pytest.raises(KeyboardInterrupt):
            export_tiles_job({}, cache=cache, output_directory=tmp_path, on_change=interrupt)
        assert handed[-1].status == "esriJobCancelled"
        check_nothing_left(tmp_path)


class TestOnChange:
    """What it raises ends the job, and nothing more."""

    @pytest.mark.parametrize("at", ["esriJobSubmitted", "esriJobExecuting"])
    def test_while_the_job_runs(self, cache: Path, tmp_path: Path, at: str) -> None:
        def fail(job: Job) -> None:
            if job.status == at:
                raise RuntimeError("no more")

        job = export_tiles_job({}, cache=cache, output_directory=tmp_path / "jobs", on_change=fail)
        assert (job.status, job.results) == ("esriJobFailed", {})
        assert ("Error", "internal error: RuntimeError: no more") in job.messages
        check_nothing_left(tmp_path)

    def test_always(self, cache: Path, tmp_path: Path) -> None:
        def fail(job: Job) -> None:
            raise RuntimeError("no more")

        assert export_tiles_job({}, cache=cache, output_directory=tmp_path, on_change=fail).status == "esriJobFailed"
        check_nothing_left(tmp_path)

    def test_when_the_job_has_ended(self, cache: Path, tmp_path: Path) -> None:
        def fail(job: Job) -> None:
            if job.status == "esriJobSucceeded":
                raise RuntimeError("too late")

        job = export_tiles_job({"levels": "0"}, cache=cache, output_directory=tmp_path, on_change=fail)
        assert job.status == "esriJobSucceeded"
        assert job.messages[-1].description.startswith("Succeeded at")
        check_nothing_left(tmp_path, job.job_id)


@pytest.mark.parametrize("parameters", [None, [], "levels=0", 5])
def test_what_is_no_parameters(cache: Path, tmp_path: Path, parameters: Any) -> None:
    job = export_tiles_job(parameters, cache=cache, output_directory=tmp_path)
    assert job.messages[1].description.startswith("parameters are not a mapping; found ")
    assert job.status == "esriJobFailed"


def test_keys_that_are_no_names_are_ignored(cache: Path, tmp_path: Path) -> None:
    sent: Any = {None: 1, 1: 2, b"levels": b"0", "levels": "1"}
    assert report_of(export_tiles_job(sent, cache=cache, output_directory=tmp_path))["written"]["tiles"] == 4


def test_a_place_within_the_cache_is_refused_and_not_made(cache: Path) -> None:
    place = cache / "_alllayers" / "new" / "jobs"
    job = export_tiles_job({}, cache=cache, output_directory=place)
    assert "the output is the cache or a part of it" in job.messages[1].description
    assert not place.parent.exists()


class TestEstimate:
    def test_it_can_be_cancelled_while_it_recompresses(self, cache: Path) -> None:
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
    def test_it_is_what_the_export_gives_to_the_byte(
        self, cache: Path, tmp_path: Path, tile_package: str, storage: str
    ) -> None:
        sent = {"levels": "0-2", "tilePackage": tile_package, "storageFormatType": storage}
        value = estimate_export_tiles_size_job(sent, cache=cache).result("out_service_url")["value"]
        report = report_of(export_tiles_job(sent, cache=cache, output_directory=tmp_path))
        assert value == {"totalSize": report["result"]["size"], "totalTilesToExport": report["written"]["tiles"]}

    def test_it_is_not_limited_and_says_how_sure_it_is(self, tmp_path: Path) -> None:
        cache = make_cache(tmp_path / "cache", square(8, range(120, 140), range(120, 140)))
        sent = {"optimizeTilesForSize": "true", "compressionQuality": "40"}
        job = estimate_export_tiles_size_job(sent, cache=cache)
        assert job.operation == "EstimateExportTilesSize"
        [line] = [message.description for message in job.messages if "confidence" in message.description]
        assert re.fullmatch(
            r"400 tiles, [0-9]+ bytes as a cache raster dataset; with 95% confidence [0-9]+ to [0-9]+, "
            r"from a sample of 256 tiles",
            line,
        )
        check_nothing_left(tmp_path, "cache")

    def test_it_fails_like_the_export(self, cache: Path) -> None:
        job = estimate_export_tiles_size_job({"levels": "x"}, cache=cache)
        assert job.messages[-2] == ("Error", "Failed to execute (EstimateExportTilesSize).")
        assert job.messages[1].description.startswith("levels: value is not a list of levels; found 'x'")


def test_ids_differ_and_the_error_tree_has_one_root(cache: Path, tmp_path: Path) -> None:
    jobs = [export_tiles_job({"levels": "0"}, cache=cache, output_directory=tmp_path) for _ in range(3)]
    assert len({job.job_id for job in jobs}) == len(list(tmp_path.iterdir())) == 3
    assert issubclass(errors.TooManyTilesError, errors.GptoolError)
