"""Jobs that are cancelled or interrupted, and callbacks that raise."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest

from gptool import Job, export_tiles_job
from helpers.caches import HALF_WAY
from helpers.checks import check_nothing_left
from helpers.gate import Gate
from helpers.job_checks import ELAPSED, TIME


class TestCancel:
    @pytest.mark.parametrize("at", ["esriJobSubmitted", "esriJobExecuting"])
    def test_from_the_thread_of_the_job(self, cache: Path, tmp_path: Path, at: str) -> None:
        def cancel(job: Job) -> None:
            if job.status == at:
                job.cancel()
                assert job.status == "esriJobCancelling"

        job = export_tiles_job({}, cache=cache, output_directory=tmp_path, on_change=cancel)
        assert job.status == "esriJobCancelled"
        assert job.messages[-2] == ("Warning", "Cancelled (ExportTiles).")
        assert re.fullmatch(f"Cancelled at {TIME} {ELAPSED}", job.messages[-1].description)
        check_nothing_left(tmp_path)

    def test_from_another_thread_during_the_export(self, cache: Path, tmp_path: Path, gate: Gate) -> None:
        seen: list[Job] = []

        def cancel() -> None:
            with gate:
                gate.wait()
                seen[0].cancel()

        gate.close(after=HALF_WAY)
        other = threading.Thread(target=cancel)
        other.start()
        job = export_tiles_job({}, cache=cache, output_directory=tmp_path / "jobs", on_change=seen.append)
        other.join()
        assert job.status == "esriJobCancelled"
        check_nothing_left(tmp_path)

    def test_job_that_has_ended_is_not_changed(self, cache: Path, tmp_path: Path) -> None:
        job = export_tiles_job({"levels": "0"}, cache=cache, output_directory=tmp_path)
        job.cancel()
        assert job.status == "esriJobSucceeded"

    def test_interrupt_is_raised_and_leaves_no_files(
        self, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupt(job: Job) -> None:
            seen.append(job)
            if job.status == "esriJobExecuting" and job.progress and job.progress.type == "step":
                raise KeyboardInterrupt

        seen: list[Job] = []
        monkeypatch.setattr("gptool.jobs.job.MIN_REPORT_SECONDS", 0)
        with pytest.raises(KeyboardInterrupt):
            export_tiles_job({}, cache=cache, output_directory=tmp_path, on_change=interrupt)
        assert seen[-1].status == "esriJobCancelled"
        check_nothing_left(tmp_path)


class TestOnChange:
    """An exception of `on_change` ends the job; it is not raised."""

    @pytest.mark.parametrize("at", ["esriJobSubmitted", "esriJobExecuting"])
    def test_error_while_the_job_executes(self, cache: Path, tmp_path: Path, at: str) -> None:
        def fail(job: Job) -> None:
            if job.status == at:
                raise RuntimeError("broken")

        job = export_tiles_job({}, cache=cache, output_directory=tmp_path / "jobs", on_change=fail)
        assert (job.status, job.results) == ("esriJobFailed", {})
        assert ("Error", "internal error: RuntimeError: broken") in job.messages
        check_nothing_left(tmp_path)

    def test_error_at_each_call(self, cache: Path, tmp_path: Path) -> None:
        def fail(job: Job) -> None:
            raise RuntimeError("broken")

        assert export_tiles_job({}, cache=cache, output_directory=tmp_path, on_change=fail).status == "esriJobFailed"
        check_nothing_left(tmp_path)

    def test_error_after_the_end(self, cache: Path, tmp_path: Path) -> None:
        def fail(job: Job) -> None:
            if job.status == "esriJobSucceeded":
                raise RuntimeError("too late")

        job = export_tiles_job({"levels": "0"}, cache=cache, output_directory=tmp_path, on_change=fail)
        assert job.status == "esriJobSucceeded"
        assert job.messages[-1].description.startswith("Succeeded at")
        check_nothing_left(tmp_path, job.job_id)
