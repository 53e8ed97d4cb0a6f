"""A worker by itself: what it takes and tells, when it ends, and what its messages do not say."""

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
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptool.errors import GptoolError
from gptool.jobs.record import new_job_id
from gptool.model import Message
from gptool.service.queue.protocol import News, Order, line_of, read_news
from gptool.service.queue.redaction import path_redactor
from helpers.caches import bundle_path, jpeg_tile, make_cache, make_tpkx, world

Worker = subprocess.Popen[bytes]


@contextmanager
def working() -> Iterator[Worker]:
    command = [sys.executable, "-P", "-m", "gptool.service.queue.worker"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker:
        try:
            yield worker
        finally:
            worker.kill()


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with working() as worker:
        yield worker


def order(cache: Path, output: Path, parameters: dict[str, Any], task: str = "ExportTiles", **changes: Any) -> Order:
    job_id = changes.get("job_id") or new_job_id()
    folder = str(output / "work" / job_id)
    values = (
        job_id,
        task,
        parameters,
        "Maps/World",
        "Maps/World:ImageServer",
        str(cache),
        str(output),
        folder,
        1000,
        1,
    )
    return Order(*values)._replace(**changes)


def told(worker: Worker, *lines: Order | str) -> list[News]:
    """All that a worker tells of a job."""
    assert worker.stdin
    assert worker.stdout
    for line in lines:
        worker.stdin.write(line_of(line))
    worker.stdin.flush()
    news = [read_news(worker.stdout.readline())]
    while news[-1].ended is None:
        news.append(read_news(worker.stdout.readline()))
    return news


def said(news: list[News]) -> list[Message]:
    return [message for one in news for message in one.messages]


class TestJobs:
    def test_one_after_another(self, worker: Worker, cache: Path, tmp_path: Path) -> None:
        first, second = (
            order(cache, tmp_path, {"levels": "0-1", "tilePackage": package}, job_id="j" + digit * 32)
            for digit, package in (("1", "true"), ("2", False))
        )
        for one, package in ((first, "World.tpkx"), (second, "World")):
            news = told(worker, one)
            [ended] = [item.ended for item in news if item.ended]
            folder = Path(one.folder, one.job_id)
            size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            assert ended == ("esriJobSucceeded", package, package.endswith(".tpkx"), size, None)
            assert said(news)[0].description.startswith("Start Time")
            assert said(news)[-1].description.startswith("Succeeded at")
            assert len(set(said(news))) == len(said(news)), "each is told once"
            assert next(item for item in news if item.planned).ended is None, "before it is copied"

    def test_an_estimate(self, worker: Worker, cache: Path, tmp_path: Path) -> None:
        news = told(worker, order(cache, tmp_path, {}, "EstimateExportTilesSize"))
        assert news[-1].ended
        assert (news[-1].ended.status, news[-1].ended.package) == ("esriJobSucceeded", None)
        assert news[-1].ended.estimate
        assert news[-1].ended.estimate["totalTilesToExport"] == len(world())
        assert list(tmp_path.iterdir()) == []

    def test_one_is_cancelled_and_no_other(self, worker: Worker, cache: Path, tmp_path: Path) -> None:
        one = order(cache, tmp_path, {"optimizeTilesForSize": "true", "compressionQuality": "1"})
        news = told(worker, "j" + "2" * 32, one, one.job_id)
        assert news[-1].ended
        assert news[-1].ended.status == "esriJobCancelled"
        assert list(tmp_path.iterdir()) == []
        assert told(worker, one._replace(job_id="j" + "3" * 32))[-1].ended

    def test_whoever_stops_all_processes_of_the_service_does_not_stop_its_job(
        self, worker: Worker, cache: Path, tmp_path: Path
    ) -> None:
        worker.send_signal(signal.SIGTERM)
        news = told(worker, order(cache, tmp_path, {"levels": "0"}))
        assert news[-1].ended
        assert news[-1].ended.status == "esriJobSucceeded"

    def test_it_leaves_the_processors_to_the_service(self, worker: Worker) -> None:
        assert os.getpriority(os.PRIO_PROCESS, worker.pid) > os.getpriority(os.PRIO_PROCESS, os.getpid())


def test_it_ends_when_nobody_gives_orders_any_more(cache: Path, tmp_path: Path) -> None:
    with working() as worker:
        assert worker.stdin
        assert worker.stdout
        worker.stdin.write(line_of(order(cache, tmp_path, {"optimizeTilesForSize": "true", "compressionQuality": "1"})))
        worker.stdin.flush()
        assert read_news(worker.stdout.readline()).ended is None
        worker.stdin.close()
        assert worker.wait(30) == 0


def no_conf(cache: Path, output: Path) -> None:
    (cache / "conf.xml").write_text("<nonsense")


def no_tiles(cache: Path, output: Path) -> None:
    shutil.rmtree(cache / "_alllayers")


def vanished(cache: Path, output: Path) -> None:
    shutil.rmtree(cache)


def broken_bundle(cache: Path, output: Path) -> None:
    bundle_path(cache / "_alllayers", 0, 0, 0).write_bytes(b"x" * 200)


def no_place(cache: Path, output: Path) -> None:
    output.write_text("a file")


def strange_level(cache: Path, output: Path) -> None:
    """Told as a warning, and only where nothing else is wrong."""
    (cache / "_alllayers" / "L40").mkdir()
    (cache / "_alllayers" / "L40" / "x").write_bytes(b"")


FAULTS = {
    no_conf: "Maps/World/conf.xml: ",
    no_tiles: "Maps/World: contains no _alllayers folder, nor do its subfolders",
    vanished: "Maps/World: cache not found",
    broken_bundle: "Maps/World/_alllayers/L00/R0000C0000.bundle: ",
    no_place: "the output directory/work/",
    strange_level: "Maps/World/_alllayers/L40: level is not in the tiling scheme",
}


class TestMessagesTellNoPathOfTheMachine:
    @pytest.mark.parametrize("make", FAULTS, ids=lambda make: make.__name__)
    @pytest.mark.parametrize("name", ["World", "a  cache\t'of' \"Ü\" \udcff"])
    def test_whatever_is_wrong(self, worker: Worker, tmp_path: Path, make: Any, name: str) -> None:
        tiles = {(0, 0, 0): jpeg_tile(1), (1, 0, 0): jpeg_tile(2)}
        cache, output = make_cache(tmp_path / "my caches" / name, tiles), tmp_path / "my output"
        make(cache, output)
        news = told(worker, order(cache, output, {}))
        text = "\n".join(message.description for message in said(news))
        assert FAULTS[make] in text
        for part in (tmp_path.name, "my caches", "my output", "/tmp", str(Path.home())):
            assert part not in text
        assert text.replace("\n", "").isprintable()

    def test_a_package(self, worker: Worker, tmp_path: Path) -> None:
        package = make_tpkx(tmp_path / "x.tpkx", world())
        package.write_bytes(package.read_bytes()[:-30])
        [message] = [
            message.description
            for message in said(told(worker, order(package, tmp_path / "out", {})))
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
    def test_words(self, text: str, expected: str) -> None:
        assert path_redactor("Maps/World", Path("/data/World"), Path("/srv/out put"))(text) == expected

    @given(st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=5))
    def test_whatever_folders_are_called(self, names: list[str]) -> None:
        location = Path("/", *("<" + re.sub("[/\0<]", "-", name) + ">" for name in names))
        error = GptoolError("not XML", where=location / "conf.xml", found=repr(str(location.parent / "<others>")))
        text = path_redactor("World", location, Path("/out"))(str(error))
        assert text.startswith("World/conf.xml: not XML; found ")
        assert "<" not in text
