"""Exports on executors: pools of processes and threads, and Dask clusters of real processes."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gptool import export_tiles
from gptool.errors import BundleError, GptoolError, OutputError, ParameterError, TargetSizeError
from gptool.export.cluster_worker import DESCRIPTION, Assignment, run_assignments
from gptool.export.runners import unit_runner
from helpers.caches import conf_text, jpeg_tile, make_cache
from helpers.command_line import GPTOOL
from helpers.dask_processes import DaskProcesses
from helpers.gate import Gate
from helpers.waiting import wait_until

LEVEL, SIDE = 10, 8
"""A level whose tiles are in so many bundles a side."""

KINDS = {
    "tpkx": ("x.tpkx", {}),
    "tpk": ("x.tpk", {}),
    "V2": ("v2", {}),
    "V1": ("v1", {"storage_format_type": "compact"}),
}
REQUESTS: dict[str, dict[str, Any]] = {"copied": {}, "recompressed": {"compression_quality": 40}}


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of 64 bundles of four tiles."""
    tiles = {
        (LEVEL, 128 * row + i, 128 * column + 7): jpeg_tile(row + 3 * column + i)
        for row in range(SIDE)
        for column in range(SIDE)
        for i in range(4)
    }
    return make_cache(tmp_path_factory.mktemp("bundles") / "many", tiles, conf=conf_text(range(LEVEL + 1)))


def read_result(path: Path) -> dict[str, bytes]:
    """Return the bytes of all files of a result, by relative path."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in files}


def hidden(folder: Path) -> list[str]:
    """Return the names of what is left behind beside a result."""
    return [path.name for path in folder.glob(".gptool*")]


def connect(address: str) -> None:
    with unit_runner(dask=address):
        pass


@contextmanager
def processes(_folder: Path) -> Iterator[Executor]:
    with ProcessPoolExecutor(2) as pool:
        yield pool


@contextmanager
def threads(_folder: Path) -> Iterator[Executor]:
    with ThreadPoolExecutor(3) as pool:
        yield pool


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
@pytest.mark.parametrize(("name", "kind"), KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("make", [threads, pytest.param(processes, marks=pytest.mark.posix("quick processes"))])
def test_result_is_that_of_threads(
    bundles: Path,
    tmp_path: Path,
    make: Callable[[Path], Any],
    name: str,
    kind: dict[str, Any],
    request_: dict[str, Any],
) -> None:
    expected = export_tiles(bundles, tmp_path / "threads" / name, **kind, **request_)
    with make(tmp_path) as executor:
        found = export_tiles(bundles, tmp_path / "executor" / name, executor=executor, **kind, **request_)
    assert read_result(found.path) == read_result(expected.path)
    assert {level: report.to_json() for level, report in found.levels.items()} == {
        level: report.to_json() for level, report in expected.levels.items()
    }
    assert not hidden(tmp_path / "executor")


@pytest.mark.parametrize("make", [threads, pytest.param(processes, marks=pytest.mark.posix("quick processes"))])
def test_parts_are_those_of_threads(bundles: Path, tmp_path: Path, make: Callable[[Path], Any]) -> None:
    limit: dict[str, Any] = {"max_part_tiles": 40, "compression_quality": 40}
    expected = export_tiles(bundles, tmp_path / "threads" / "parts", **limit)
    with make(tmp_path) as executor:
        found = export_tiles(bundles, tmp_path / "executor" / "parts", executor=executor, **limit)
    assert len(found.parts) > 3
    assert read_result(found.path) == read_result(expected.path)
    assert not hidden(tmp_path / "executor")


class Recorder(Executor):
    """Runs tasks like a thread, through pickles, whose sizes it keeps."""

    def __init__(self) -> None:
        self.sent, self.received, self.unfinished, self.most = list[int](), list[int](), 0, 0
        self._pool = ThreadPoolExecutor(1)

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        task = pickle.dumps((function, arguments, named))
        self.sent.append(len(task))
        self.unfinished += 1
        self.most = max(self.most, self.unfinished)
        return self._pool.submit(self._run, task)

    def _run(self, task: bytes) -> Any:
        function, arguments, named = pickle.loads(task)
        result = pickle.dumps(function(*arguments, **named))
        self.received.append(len(result))
        self.unfinished -= 1
        return pickle.loads(result)


def test_only_addresses_and_records_pass_through_the_executor(bundles: Path, tmp_path: Path) -> None:
    """The polygon of the area, of 400 kB, and the tiles do not; and few tasks wait at a time."""
    ring = [[-2e7 + 2000.0 * i, -1.9e7 + (i % 2)] for i in range(20_000)] + [[2e7, 1.9e7], [-2e7, 1.9e7]]
    area = {"rings": [[*ring, ring[0]]], "spatialReference": {"wkid": 3857}}
    recorder = Recorder()
    result = export_tiles(bundles, tmp_path / "x.tpkx", area_of_interest=area, executor=recorder, workers=2)
    assert result.tiles > 200
    assert max(recorder.sent) < 40_000
    assert max(recorder.received) < 40_000
    assert recorder.most <= 4
    assert 8 <= len(recorder.sent) <= 32


def test_few_tasks_wait_at_a_time(bundles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gptool.export.cluster.MAX_TASK_UNITS", 1)
    recorder, done = Recorder(), list[int]()
    export_tiles(
        bundles, tmp_path / "x", executor=recorder, workers=2, progress=lambda _, tiles, __: done.append(tiles)
    )
    assert len(recorder.sent) == SIDE * SIDE
    assert recorder.most <= 4
    assert done[-1] == 4 * SIDE * SIDE
    assert len(set(done)) > SIDE


@pytest.mark.parametrize(("name", "kind"), KINDS.values(), ids=KINDS)
def test_target_size(bundles: Path, tmp_path: Path, name: str, kind: dict[str, Any]) -> None:
    target = export_tiles(bundles, tmp_path / "wanted" / name, compression_quality=35, **kind).size
    expected = export_tiles(bundles, tmp_path / "threads" / name, target_size=target, **kind)
    with ThreadPoolExecutor(2) as pool:
        found = export_tiles(bundles, tmp_path / "pool" / name, target_size=target, executor=pool, **kind)
        with pytest.raises(TargetSizeError):
            export_tiles(bundles, tmp_path / "pool" / f"small-{name}", target_size=100_000, executor=pool, **kind)
    assert found.target == expected.target
    assert read_result(found.path) == read_result(expected.path)
    assert [path.name for path in (tmp_path / "pool").iterdir()] == [name]


class TestErrors:
    def test_damaged_bundle_is_the_error_of_threads(self, bundles: Path, tmp_path: Path) -> None:
        damaged = shutil.copytree(bundles, tmp_path / "damaged")
        path = next(damaged.rglob("*.bundle"))
        data = bytearray(path.read_bytes())
        data[64:80] = b"\xff" * 16
        path.write_bytes(data)
        with pytest.raises(BundleError) as expected:
            export_tiles(damaged, tmp_path / "x.tpkx")
        with ThreadPoolExecutor(2) as pool, pytest.raises(BundleError) as found:
            export_tiles(damaged, tmp_path / "x.tpkx", executor=pool)
        assert str(found.value) == str(expected.value)
        assert [path.name for path in (tmp_path).iterdir()] == ["damaged"]

    def test_interrupt_stops_the_workers(self, bundles: Path, tmp_path: Path) -> None:
        def interrupt(*_progress: object) -> None:
            raise KeyboardInterrupt

        with ThreadPoolExecutor(2) as pool:
            with pytest.raises(KeyboardInterrupt):
                export_tiles(bundles, tmp_path / "x", compression_quality=30, executor=pool, progress=interrupt)
            assert not list((tmp_path).iterdir())

    def test_broken_pool(self, bundles: Path, tmp_path: Path) -> None:
        pool = ThreadPoolExecutor(1)
        pool.shutdown()
        with pytest.raises(GptoolError, match=r"^executor: a task failed: RuntimeError: cannot schedule"):
            export_tiles(bundles, tmp_path / "x", executor=pool)
        assert not list((tmp_path).iterdir())

    def test_no_executor(self, bundles: Path, tmp_path: Path) -> None:
        with pytest.raises(ParameterError, match=r"^executor: is no executor; found .2., expected a concurrent"):
            export_tiles(bundles, tmp_path / "x", executor="2")  # type: ignore[arg-type]

    def test_worker_does_not_see_the_folder(self, tmp_path: Path) -> None:
        with pytest.raises(OutputError, match=r"cannot be read by the worker on \S+: No such file"):
            run_assignments(tmp_path / "elsewhere", [])

    def test_worker_of_another_version(self, bundles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("gptool.export.cluster.__version__", "9.9")
        with ThreadPoolExecutor(1) as pool, pytest.raises(GptoolError, match=r"has another version of gptool; found"):
            export_tiles(bundles, tmp_path / "x", executor=pool)


class Repeater(ThreadPoolExecutor):
    """Runs each task twice, as a cluster does that believes a worker lost."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        super().submit(function, *arguments, **named)
        return super().submit(function, *arguments, **named)


@pytest.mark.parametrize(("name", "kind"), KINDS.values(), ids=KINDS)
def test_task_that_runs_twice_does_no_harm(bundles: Path, tmp_path: Path, name: str, kind: dict[str, Any]) -> None:
    expected = export_tiles(bundles, tmp_path / "threads" / name, compression_quality=30, **kind)
    with Repeater(2) as pool:
        found = export_tiles(bundles, tmp_path / "twice" / name, compression_quality=30, executor=pool, **kind)
    assert read_result(found.path) == read_result(expected.path)


def test_late_task_writes_nothing(tmp_path: Path) -> None:
    """The description is gone when the export has ended."""
    with pytest.raises(OutputError):
        run_assignments(tmp_path, [Assignment(None, None, ())])  # type: ignore[arg-type]
    assert not (tmp_path / DESCRIPTION).exists()
    assert not list((tmp_path).iterdir())


@pytest.mark.posix("Dask's processes")
class TestDask:
    def export(self, cluster: DaskProcesses, folder: Path, *arguments: object) -> subprocess.Popen[str]:
        """Start `gptool export-tiles` on a cluster, in a folder in which Python finds no other gptool."""
        command = [*GPTOOL, "export-tiles", *map(str, arguments), "--dask", cluster.address, "--json"]
        return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def test_worker_that_is_killed_half_way(self, bundles: Path, tmp_path: Path, gate: Gate) -> None:
        expected = export_tiles(bundles, tmp_path / "threads.tpkx", compression_quality=40)
        (tmp_path / "out").mkdir()
        with gate.closed(after=3), DaskProcesses(tmp_path / "dask", 2, gate.environment) as cluster:
            program = self.export(
                cluster, tmp_path, bundles, tmp_path / "out/threads.tpkx", "--compression-quality", 40
            )
            gate.wait()
            process = gate.arrivals[-1]
            os.kill(process, signal.SIGKILL)
            gate.open()
            out, errors = program.communicate()
            assert program.returncode == 0, errors + cluster.log()
        assert json.loads(out)["size"] == expected.size
        assert (tmp_path / "out/threads.tpkx").read_bytes() == expected.path.read_bytes()
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["threads.tpkx"]

    def test_lost_scheduler(self, bundles: Path, tmp_path: Path, gate: Gate) -> None:
        (tmp_path / "out").mkdir()
        with gate.closed(after=20), DaskProcesses(tmp_path / "dask", 1, gate.environment) as cluster:
            program = self.export(cluster, tmp_path, bundles, tmp_path / "out/x.tpkx", "--compression-quality", 40)
            gate.wait()
            [journal] = (tmp_path / "out").glob(".gptool-*/journal.jsonl")
            wait_until(lambda: b'"unit"' in journal.read_bytes())
            cluster.scheduler.kill()
            wait_until(lambda: program.poll() is not None, cluster.log)
            out, errors = program.communicate()
        assert program.returncode == 1
        assert json.loads(out)["jobStatus"] == "esriJobFailed", errors
        assert [line for line in errors.splitlines() if "tiles" not in line] == [  # of progress
            "Error: --dask: its tasks were cancelled, or its scheduler was lost",
            "Finished bundles are kept beside the output: the same export goes on with them, or anew with --restart.",
        ]
        expected = export_tiles(bundles, tmp_path / "whole" / "x.tpkx", compression_quality=40)
        found = export_tiles(bundles, tmp_path / "out" / "x.tpkx", compression_quality=40)
        assert found.resumed.bundles
        assert read_result(found.path) == read_result(expected.path)
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["x.tpkx"]

    def test_executor_of_a_client_and_parts(self, bundles: Path, tmp_path: Path) -> None:
        from distributed import Client

        expected = export_tiles(bundles, tmp_path / "x.tpk")
        divided = export_tiles(bundles, tmp_path / "parts", max_part_tiles=40)
        with DaskProcesses(tmp_path / "dask", 2) as cluster, Client(cluster.address) as client:
            found = export_tiles(bundles, tmp_path / "dask" / "x.tpk", executor=client.get_executor())
            parts = export_tiles(
                bundles, tmp_path / "dask" / "parts", executor=client.get_executor(), max_part_tiles=40
            )
        assert read_result(found.path) == read_result(expected.path)
        assert read_result(parts.path) == read_result(divided.path)

    def test_no_scheduler(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("gptool.export.dask_cluster.CONNECT_SECONDS", 1)
        with pytest.raises(GptoolError, match=r"^dask: no scheduler answers; found tcp://127.0.0.1:9, expected"):
            connect("tcp://127.0.0.1:9")
        with pytest.raises(ParameterError, match=r"^dask: is no address; found nonsense://x, expected"):
            connect("nonsense://x")

    def test_no_worker(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("gptool.export.dask_cluster.CONNECT_SECONDS", 5)
        with (
            DaskProcesses(tmp_path / "dask", 0) as cluster,
            pytest.raises(GptoolError, match=r"^dask: the scheduler has no worker; found tcp://"),
        ):
            connect(cluster.address)
