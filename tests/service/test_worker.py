"""A worker process by itself: its tasks and updates, when it ends, and the paths that its messages must not contain."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import urljoin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptool.errors import GptoolError
from gptool.jobs.record import JobResult, new_job_id
from gptool.jobs.redaction import path_redactor
from gptool.model import Message
from gptool.service.queue.protocol import WorkerTask, WorkerUpdate, decode_update, encode_line
from gptool.service.queue.worker import page_links
from helpers.bundles import bundle_path
from helpers.caches import jpeg_tile, make_cache, world
from helpers.gate import Gate
from helpers.packages import make_tpkx
from helpers.waiting import TIMEOUT, wait_until

OUT_OF_MEMORY = (
    "job needs more memory than it may have; expected fewer levels or a simpler area, "
    "or a higher jobMemory of the service"
)

Worker = subprocess.Popen[bytes]


@contextmanager
def worker_process(memory: int = 10**10) -> Iterator[Worker]:
    command = [sys.executable, "-P", "-m", "gptool.service.queue.worker", str(memory)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker:
        try:
            yield worker
        finally:
            worker.kill()


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with worker_process() as worker:
        yield worker


def make_task(
    cache: Path, output: Path, inputs: dict[str, Any], operation: str = "ExportTiles", job_id: str = ""
) -> WorkerTask:
    job_id = job_id or new_job_id()
    return WorkerTask(
        job_id,
        operation,
        inputs,
        service="Maps/World",
        full_service_name="Maps/World:ImageServer",
        cache_location=str(cache),
        output_directory=str(output),
        work_folder=str(output / "work" / job_id),
        max_export_tiles_count=1000,
        threads=1,
        dask="",
    )


def run_task(worker: Worker, *lines: WorkerTask | str) -> list[WorkerUpdate]:
    """Send lines to a worker. Return all updates of the job."""
    assert worker.stdin
    assert worker.stdout
    for line in lines:
        worker.stdin.write(encode_line(line))
    worker.stdin.flush()
    updates = [decode_update(worker.stdout.readline())]
    while not updates[-1].status.is_ended:
        updates.append(decode_update(worker.stdout.readline()))
    return updates


def messages_of(updates: list[WorkerUpdate]) -> list[Message]:
    return [message for update in updates for message in update.messages]


class TestJobs:
    def test_tasks_are_executed_one_after_another(self, worker: Worker, cache: Path, tmp_path: Path) -> None:
        first, second = (
            make_task(cache, tmp_path, {"levels": "0-1", "tilePackage": package}, job_id="j" + digit * 32)
            for digit, package in (("1", "true"), ("2", False))
        )
        for task, name in ((first, "World.tpkx"), (second, "World")):
            updates = run_task(worker, task)
            folder = Path(task.work_folder, task.job_id)
            size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            assert updates[-1].status == "esriJobSucceeded"
            assert [update.result for update in updates if update.result] == [
                JobResult(name, is_file=name.endswith(".tpkx"), size=size)
            ]
            messages = messages_of(updates)
            assert messages[0].description.startswith("Start Time")
            assert messages[-1].description.startswith("Succeeded at")
            assert len(set(messages)) == len(messages), "each message is sent once"
            planned = next(update for update in updates if update.planned)
            assert planned.status == "esriJobExecuting", "the size is known before tiles are copied"

    def test_estimate_has_a_value_and_no_files(self, worker: Worker, cache: Path, tmp_path: Path) -> None:
        [*_, last] = run_task(worker, make_task(cache, tmp_path, {}, "EstimateExportTilesSize"))
        assert last.status == "esriJobSucceeded"
        assert last.result
        assert last.result.estimate
        assert last.result == JobResult(estimate=last.result.estimate)
        assert last.result.estimate["totalTilesToExport"] == len(world())
        assert list(tmp_path.iterdir()) == []

    def test_only_the_cancelled_job_is_cancelled(self, worker: Worker, cache: Path, tmp_path: Path) -> None:
        task = make_task(cache, tmp_path, {})
        updates = run_task(worker, "j" + "2" * 32, task.job_id, task)
        assert updates[-1].status == "esriJobCancelled"
        assert list(tmp_path.iterdir()) == []
        [*_, last] = run_task(worker, task._replace(job_id="j" + "3" * 32))
        assert last.status == "esriJobSucceeded"

    @pytest.mark.skipif(sys.platform == "darwin", reason="macOS does not limit the memory of data")
    @pytest.mark.posix("a limit on the memory of a process, which Wine does not enforce")
    def test_job_that_needs_too_much_memory_fails_and_the_next_succeeds(self, cache: Path, tmp_path: Path) -> None:
        squares = [[[x, y], [x, y + 1], [x + 1, y + 1], [x, y]] for x in range(0, 900, 3) for y in range(0, 900, 3)]
        area = {"rings": squares, "spatialReference": {"wkid": 102100}}
        with worker_process(230_000_000) as worker:
            updates = run_task(worker, make_task(cache, tmp_path, {"areaOfInterest": area}))
            assert (updates[-1].status, messages_of(updates)[1]) == ("esriJobFailed", Message("Error", OUT_OF_MEMORY))
            assert list(tmp_path.iterdir()) == []
            updates = run_task(worker, make_task(cache, tmp_path, {"levels": "0"}))
            assert updates[-1].status == "esriJobSucceeded"

    @pytest.mark.posix("SIGTERM")
    def test_sigterm_does_not_stop_the_job(self, worker: Worker, cache: Path, tmp_path: Path) -> None:
        """Whoever stops the service may send it to all of its processes."""
        worker.send_signal(signal.SIGTERM)
        updates = run_task(worker, make_task(cache, tmp_path, {"levels": "0"}))
        assert updates[-1].status == "esriJobSucceeded"

    @pytest.mark.posix("priorities of processes")
    def test_worker_has_a_lower_priority_than_the_service(self, worker: Worker) -> None:
        assert os.getpriority(os.PRIO_PROCESS, worker.pid) > os.getpriority(os.PRIO_PROCESS, os.getpid())


@pytest.mark.posix("the number of bytes in a pipe")
def test_executing_job_is_cancelled(cache: Path, tmp_path: Path, gate: Gate) -> None:
    task = make_task(cache, tmp_path, {})
    with worker_process() as worker, gate.closed():
        assert worker.stdin
        worker.stdin.write(encode_line(task))
        worker.stdin.flush()
        gate.wait()
        worker.stdin.write(encode_line(task.job_id))
        worker.stdin.flush()
        wait_until_read(worker.stdin)
        gate.open()
        assert run_task(worker)[-1].status == "esriJobCancelled"
        assert list(tmp_path.iterdir()) == []


def wait_until_read(pipe: IO[bytes]) -> None:
    """Wait until the other process has read all that was written."""
    import fcntl
    import termios

    wait_until(lambda: fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)) == bytes(4))


def test_worker_ends_when_its_standard_input_does(cache: Path, tmp_path: Path, gate: Gate) -> None:
    with worker_process() as worker, gate.closed():
        assert worker.stdin
        assert worker.stdout
        worker.stdin.write(encode_line(make_task(cache, tmp_path, {})))
        worker.stdin.flush()
        gate.wait()
        assert not decode_update(worker.stdout.readline()).status.is_ended
        worker.stdin.close()
        assert worker.wait(TIMEOUT) == 0


def break_conf(cache: Path, output: Path) -> None:
    (cache / "conf.xml").write_text("<nonsense")


def remove_tiles(cache: Path, output: Path) -> None:
    shutil.rmtree(cache / "_alllayers")


def remove_cache(cache: Path, output: Path) -> None:
    shutil.rmtree(cache)


def break_bundle(cache: Path, output: Path) -> None:
    bundle_path(cache / "_alllayers", 0, 0, 0).write_bytes(b"x" * 200)


def block_output(cache: Path, output: Path) -> None:
    output.write_text("a file")


def add_unknown_level(cache: Path, output: Path) -> None:
    """Add a level of which a warning tells, if nothing else is wrong."""
    (cache / "_alllayers" / "L40").mkdir()
    (cache / "_alllayers" / "L40" / "x").write_bytes(b"")


FAULTS = {
    break_conf: "Maps/World/conf.xml: ",
    remove_tiles: "Maps/World: contains no _alllayers folder, nor do its subfolders",
    remove_cache: "Maps/World: cache not found",
    break_bundle: "Maps/World/_alllayers/L00/R0000C0000.bundle: ",
    block_output: "the output directory: is not a folder, and so cannot hold the output",
    add_unknown_level: "Maps/World/_alllayers/L40: level is not in the tiling scheme",
}


class TestRedaction:
    """Messages contain no path of the machine."""

    @pytest.mark.parametrize("make", FAULTS, ids=lambda make: make.__name__)
    @pytest.mark.parametrize(
        "name",
        [
            pytest.param("World", id="plain name"),
            pytest.param(
                "a  cache\t'of' \"Ü\" \udcff",
                id="special characters",
                marks=pytest.mark.posix("names that Windows does not allow"),
            ),
        ],
    )
    def test_message_of_an_error(self, worker: Worker, tmp_path: Path, make: Any, name: str) -> None:
        tiles = {(0, 0, 0): jpeg_tile(1), (1, 0, 0): jpeg_tile(2)}
        cache, output = make_cache(tmp_path / "my caches" / name, tiles), tmp_path / "my output"
        make(cache, output)
        updates = run_task(worker, make_task(cache, output, {}))
        text = "\n".join(message.description for message in messages_of(updates))
        assert FAULTS[make] in text
        for part in (tmp_path.name, "my caches", "my output", "/tmp", str(Path.home())):
            assert part not in text
        assert text.replace("\n", "").isprintable()

    def test_message_about_a_package(self, worker: Worker, tmp_path: Path) -> None:
        package = make_tpkx(tmp_path / "x.tpkx", world())
        package.write_bytes(package.read_bytes()[:-30])
        [message] = [
            message.description
            for message in messages_of(run_task(worker, make_task(package, tmp_path / "out", {})))
            if message.type == "Error" and "Failed" not in message.description
        ]
        assert message.startswith("Maps/World: ")
        assert tmp_path.name not in message

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("/data/World/conf.xml: broken", "Maps/World/conf.xml: broken"),
            ("/data/World: no tiles; /data/World2: another", "Maps/World: no tiles; a path: another"),
            ("[Errno 2] No such file: '/data/World'", "[Errno 2] No such file: 'Maps/World'"),
            ("/srv/out put/work/x: cannot be written", "the output directory/work/x: cannot be written"),
            ("in /usr/lib/python3/x.py, (/etc/passwd)", "in a path, (a path)"),
            (
                "found https://example.com/a/b, 1 / 2, 1/2, Maps/World",
                "found https://example.com/a/b, 1 / 2, 1/2, Maps/World",
            ),
            ("ERROR 001564: Maps/World:ImageServer.", "ERROR 001564: Maps/World:ImageServer."),
        ],
    )
    def test_text(self, text: str, expected: str) -> None:
        assert path_redactor("Maps/World", Path("/data/World"), Path("/srv/out put"))(text) == expected

    @given(st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=5))
    def test_any_folder_name(self, names: list[str]) -> None:
        location = Path("/", *("<" + re.sub("[/\0<]", "-", name) + ">" for name in names))
        error = GptoolError("not XML", where=location / "conf.xml", found=repr(str(location.parent / "<others>")))
        text = path_redactor("World", location, Path("/out"))(str(error))
        assert text.startswith("World/conf.xml: not XML; found ")
        assert "<" not in text


@pytest.mark.parametrize("service_type", ["ImageServer", "MapServer"])
def test_page_of_samples_leads_to_its_job_and_to_the_form(service_type: str) -> None:
    name = f"Maps/Wörld & 50 %:{service_type}"
    task = make_task(Path(), Path(), {}, "SampleCompressions", "j1")._replace(full_service_name=name)
    links = page_links(task)
    above = f"https://x.example/tiles/arcgis/rest/services/Maps/W%C3%B6rld%20%26%2050%20%25/{service_type}"
    page = "https://x.example/tiles/arcgis/rest/directories/arcgisoutput/j1/samples.html"
    assert urljoin(page, links.job) == f"{above}/sampleCompressions/jobs/j1"
    assert urljoin(page, links.form) == f"{above}/exportTiles?job=j1&quality="
