"""Exports to a store that are killed, and go on."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gptool import export_tiles, open_cache
from gptool.errors import OutputError, notes
from gptool.export.leftovers import list_leftovers, remove_leftover
from gptool.model import Phase
from helpers.caches import make_exploded_cache, world
from helpers.fault_proxy import Fault, FaultProxy, Sent
from helpers.killed_export import KilledExports
from helpers.moto_server import incomplete_uploads, stored_objects
from helpers.stored_results import RESULTS, check_stored, local_result
from helpers.waiting import TIMEOUT, wait_until

pytest.importorskip("moto.server", reason="moto is not installed (the extra `stores`)")

KILLS = int(os.environ.get("GPTOOL_KILLS", "3"))
"""How often each export is killed at random."""


@pytest.fixture
def killed(tmp_path: Path, bucket: str) -> Iterator[KilledExports]:
    (tmp_path / "killed").mkdir()
    with KilledExports(tmp_path / "killed") as exports:
        yield exports


KILLED = {name: ("many", *result) for name, result in RESULTS.items()} | {
    "tpkx by parts": ("large", "x.tpkx", {}),
    "V2 by parts": ("large", "x", {}),
}


@pytest.mark.posix("processes that are killed")
@pytest.mark.parametrize(("source", "name", "options"), KILLED.values(), ids=KILLED)
def test_kills_at_random_calls(
    tmp_path: Path,
    bucket: str,
    client: Any,
    killed: KilledExports,
    request: pytest.FixtureRequest,
    source: str,
    name: str,
    options: dict[str, Any],
) -> None:
    """Exports are killed again and again; when one comes to its end, another one begins."""
    cache: Path = request.getfixturevalue(source)
    url, rng = f"s3://{bucket}/{name}", random.Random(source + name + str(options))
    expected = local_result(cache, tmp_path, name, json.dumps(options))
    whole = killed.export(cache, url, workers=2, **options)
    assert whole.is_done
    kills = exports = units = 0
    while kills < KILLS:
        for key in stored_objects(client, bucket):
            client.delete_object(Bucket=bucket, Key=key)
        is_done = False
        while not is_done:
            at = rng.randint(1, whole.calls) if kills < KILLS else None
            run = killed.export(cache, url, at=at, workers=2, **options)
            kills, units = kills + (not run.is_done), units + run.units
            # A run that is killed between the removal of the journal and its end has nothing left to do.
            is_journalled = list((tmp_path / "staging").glob(".gptool-*/journal.jsonl"))
            is_done = run.is_done or bool(not is_journalled and stored_objects(client, bucket))
        exports += 1
        assert stored_objects(client, bucket, name) == expected
        assert incomplete_uploads(client, bucket) == []
    repeated = units - exports * whole.units
    print(f"{name} {options}: {kills} kills, {exports} exports, {repeated} of {units} units repeated")
    assert repeated <= kills * 4


PROGRAM = (
    "import sys; from gptool import export_tiles; export_tiles(sys.argv[1], sys.argv[2], overwrite=bool(sys.argv[3:]))"
)


def kill_during_upload(
    cache: Path, url: str, proxy: FaultProxy, *, after: int, overwrite: bool = False, query: str = ""
) -> None:
    """Export in another process, and kill it when it has sent so many requests that write, and waits for the next.

    Those are counted whose query contains a text.
    """

    def is_enough() -> bool:
        return sum(query in sent.query for sent in proxy.of("PUT")) > after

    def wait(sent: Sent) -> Fault:
        if sent.method == "PUT" and is_enough():
            wait_until(lambda: process.poll() is not None)
            return "cut before"
        return None

    proxy.sent.clear()
    proxy.fault = wait
    with subprocess.Popen([sys.executable, "-P", "-c", PROGRAM, str(cache), url, *["o"] * overwrite]) as process:
        wait_until(is_enough)
        process.send_signal(signal.SIGKILL)
        process.wait(TIMEOUT)
    proxy.fault = lambda _sent: None


@pytest.mark.posix("processes that are killed")
@pytest.mark.parametrize("overwrite", [False, True])
def test_killed_upload_of_a_dataset_is_gone_on_with(
    many: Path, tmp_path: Path, bucket: str, client: Any, proxy: FaultProxy, overwrite: bool
) -> None:
    """Without conf.xml it is no dataset; what has arrived is not sent again."""
    url = f"s3://{bucket}/x"
    if overwrite:
        export_tiles(many, url, compression_quality=40)
    kill_during_upload(many, url, proxy, after=9, overwrite=overwrite)
    arrived = stored_objects(client, bucket, "x")
    assert "conf.xml" not in arrived
    expected = local_result(many, tmp_path, "x")
    complete = {name for name, data in arrived.items() if data == expected.get(name)}
    assert complete
    proxy.sent.clear()
    result = export_tiles(many, url, overwrite=overwrite)
    assert result.resumed.tiles == result.tiles
    check_stored(client, bucket, "x", expected, tmp_path)
    assert len(proxy.of("PUT")) == len(expected) - len(complete)


@pytest.mark.posix("processes that are killed")
@pytest.mark.parametrize("name", ["x.tpkx", "x"])
def test_killed_upload_by_parts_is_aborted(
    large: Path, tmp_path: Path, bucket: str, client: Any, proxy: FaultProxy, name: str
) -> None:
    """By the next run; the upload of somebody else to the same object stays."""
    other = client.create_multipart_upload(Bucket=bucket, Key=name)["UploadId"]
    kill_during_upload(large, f"s3://{bucket}/{name}", proxy, after=2, query="partNumber")
    assert len(incomplete_uploads(client, bucket)) > 1
    result = export_tiles(large, f"s3://{bucket}/{name}")
    assert result.resumed.tiles == result.tiles
    assert stored_objects(client, bucket, name) == local_result(large, tmp_path, name)
    assert incomplete_uploads(client, bucket) == [name]
    client.abort_multipart_upload(Bucket=bucket, Key=name, UploadId=other)


def test_uploads_are_not_aborted_without_permission_to_list_them(
    large: Path, tmp_path: Path, bucket: str, client: Any, proxy: FaultProxy
) -> None:
    """The export does not depend on it."""
    proxy.fault = lambda sent: 403 if "uploads=" in sent.query and sent.method == "GET" else None
    export_tiles(large, f"s3://{bucket}/x.tpkx")
    check_stored(client, bucket, "x.tpkx", local_result(large, tmp_path, "x.tpkx"), tmp_path)


@pytest.mark.posix("processes that are killed")
def test_killed_upload_is_removed_by_another_export_and_by_clean(
    many: Path, tmp_path: Path, bucket: str, client: Any, proxy: FaultProxy
) -> None:
    url = f"s3://{bucket}/x"
    kill_during_upload(many, url, proxy, after=9)
    assert stored_objects(client, bucket)
    export_tiles(many, url, compression_quality=40)
    check_stored(client, bucket, "x", local_result(many, tmp_path, "x", '{"compression_quality": 40}'), tmp_path)
    kill_during_upload(many, f"{url}/y", proxy, after=9)
    client.put_object(Bucket=bucket, Key="x/y/other", Body=b"other")
    [leftover] = list_leftovers(tmp_path / "staging")
    assert (leftover.output, leftover.bundles) == (f"{url}/y", 20)
    assert remove_leftover(leftover, before=leftover.modified + 1)
    assert stored_objects(client, bucket, "x/y") == {"other": b"other"}
    assert not list((tmp_path / "staging").iterdir())


def test_store_that_is_lost_during_the_upload(
    many: Path, tmp_path: Path, bucket: str, client: Any, proxy: FaultProxy
) -> None:
    """Objects that cannot be removed then are by the next run."""
    lost = False

    def fault(sent: Sent) -> Fault:
        nonlocal lost
        lost = lost or (sent.method == "PUT" and "R0100" in sent.path)
        return 404 if lost else None

    proxy.fault = fault
    with pytest.raises(OutputError) as caught:
        export_tiles(many, f"s3://{bucket}/x")
    assert any("Objects of the unfinished dataset may be left in the store" in note for note in notes(caught.value))
    proxy.fault = lambda _sent: None
    export_tiles(many, f"s3://{bucket}/x", compression_quality=40)
    check_stored(client, bucket, "x", local_result(many, tmp_path, "x", '{"compression_quality": 40}'), tmp_path)


def test_second_run_at_once_is_refused(cache: Path, bucket: str) -> None:
    url = f"s3://{bucket}/x.tpkx"

    def progress(phase: Phase, _done: int, _total: int) -> None:
        if phase is Phase.UPLOADING:
            with pytest.raises(OutputError, match="is in use by another run"):
                export_tiles(cache, url, overwrite=True)

    export_tiles(cache, url, overwrite=True, progress=progress)


def test_exploded_source(tmp_path: Path, bucket: str, client: Any) -> None:
    source = make_exploded_cache(tmp_path / "World", world())
    export_tiles(open_cache(source), f"s3://{bucket}/x.tpkx")
    check_stored(client, bucket, "x.tpkx", local_result(source, tmp_path, "x.tpkx"), tmp_path)
