"""Faults of the store while a result is uploaded."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gptool import export_tiles
from gptool.cache.object_writer import PART_BYTES
from gptool.errors import OutputError, notes
from gptool.model import Phase
from helpers.fault_proxy import Fault, FaultProxy, Sent
from helpers.moto_server import incomplete_uploads, stored_objects
from helpers.object_server import SECRET
from helpers.stored_results import check_absent, check_stored, local_result, staged
from helpers.waiting import TIMEOUT

pytest.importorskip("moto.server", reason="moto is not installed (the extra `stores`)")


KINDS = {"small package": ("cache", "x.tpkx"), "large package": ("large", "x.tpkx"), "dataset": ("large", "x")}


@pytest.fixture(params=KINDS.values(), ids=KINDS)
def kind(request: pytest.FixtureRequest) -> tuple[Path, str]:
    """A cache, and the name of its result."""
    source, name = request.param
    return request.getfixturevalue(source), name


@pytest.mark.parametrize("fault", ["cut before", "cut after", 503])
def test_single_faults_are_repeated(
    tmp_path: Path, bucket: str, client: Any, proxy: FaultProxy, kind: tuple[Path, str], fault: Fault
) -> None:
    """Every other request fails, of those that write."""
    cache, name = kind
    seen: dict[str, int] = {}

    def every_other(sent: Sent) -> Fault:
        key = f"{sent.method} {sent.path} {sent.query}"
        seen[key] = seen.get(key, 0) + 1
        return fault if sent.method != "GET" and seen[key] == 1 else None

    proxy.fault = every_other
    export_tiles(cache, f"s3://{bucket}/{name}")
    check_stored(client, bucket, name, local_result(cache, tmp_path, name), tmp_path)


@pytest.mark.parametrize("overwrite", [False, True])
def test_failed_upload_leaves_nothing_and_is_gone_on_with(
    tmp_path: Path, bucket: str, client: Any, proxy: FaultProxy, kind: tuple[Path, str], overwrite: bool
) -> None:
    """The store refuses the last requests of an upload; the next run uploads what the first has staged."""
    cache, name = kind
    proxy.fault = last_refused(name)
    with pytest.raises(OutputError) as caught:
        export_tiles(cache, f"s3://{bucket}/{name}", overwrite=overwrite)
    assert "cannot be written: the store answers with status 400, Bad Request" in str(caught.value)
    assert str(caught.value).startswith(f"s3://{bucket}/{name}")
    assert notes(caught.value) == (
        f"Finished bundles are kept in {staged(tmp_path)}: "
        "the same export goes on with them, or anew with resume=False.",
    )
    check_absent(client, bucket, tmp_path)
    proxy.fault = lambda _sent: None
    result = export_tiles(cache, f"s3://{bucket}/{name}", overwrite=overwrite)
    assert result.resumed.tiles == result.tiles
    check_stored(client, bucket, name, local_result(cache, tmp_path, name), tmp_path)


def last_refused(name: str) -> Callable[[Sent], Fault]:
    """Return a fault of the request that would make a result appear."""

    def fault(sent: Sent) -> Fault:
        if name == "x":
            return 400 if sent.method == "PUT" and sent.path.endswith("conf.xml") else None
        return (
            400
            if sent.method == "POST"
            or (sent.method == "PUT" and "partNumber=3" in sent.query)
            or (sent.method == "PUT" and not sent.query)
            else None
        )

    return fault


def test_failed_overwrite_removes_the_old_dataset_and_says_so(
    cache: Path, tmp_path: Path, bucket: str, client: Any, proxy: FaultProxy
) -> None:
    """What is left would be a mixture of two datasets."""
    export_tiles(cache, f"s3://{bucket}/x")
    proxy.fault = lambda sent: 400 if sent.method == "PUT" and "L01" in sent.path else None
    with pytest.raises(OutputError) as caught:
        export_tiles(cache, f"s3://{bucket}/x", levels="0-1", compression_quality=40, overwrite=True)
    assert "The dataset that was to be replaced has been removed." in notes(caught.value)
    check_absent(client, bucket, tmp_path)


def test_old_dataset_that_cannot_be_removed_stays(cache: Path, bucket: str, client: Any, proxy: FaultProxy) -> None:
    export_tiles(cache, f"s3://{bucket}/x")
    before = stored_objects(client, bucket)
    proxy.fault = lambda sent: 403 if sent.method in ("POST", "DELETE") else None
    with pytest.raises(OutputError, match="access is denied by the store") as caught:
        export_tiles(cache, f"s3://{bucket}/x", levels="0-1", overwrite=True)
    assert "removed" not in "".join(notes(caught.value))
    assert stored_objects(client, bucket) == before


def test_missing_bucket_is_an_error_before_any_work(cache: Path, bucket: str, tmp_path: Path) -> None:
    for name in ("x.tpkx", "x"):
        with pytest.raises(OutputError, match=f"s3://no-such-bucket/{name}: bucket not found"):
            export_tiles(cache, f"s3://no-such-bucket/{name}", progress=lambda *_: pytest.fail("work was begun"))
    assert not list((tmp_path / "staging").iterdir())


def test_keys_that_may_only_read(cache: Path, tmp_path: Path, bucket: str, client: Any, proxy: FaultProxy) -> None:
    proxy.fault = lambda sent: 403 if sent.method in ("PUT", "POST") else None
    with pytest.raises(OutputError) as caught:
        export_tiles(cache, f"s3://{bucket}/x.tpkx")
    expected = "found status 403, expected credentials that may list, read, write and delete objects"
    assert str(caught.value) == f"s3://{bucket}/x.tpkx: access is denied by the store; {expected}"
    check_absent(client, bucket, tmp_path)
    texts = [path.read_text(errors="replace") for path in staged(tmp_path).glob("*.json*")]
    assert texts
    assert SECRET not in "".join((*texts, *notes(caught.value)))


def test_store_without_conditional_requests(
    cache: Path, tmp_path: Path, bucket: str, client: Any, proxy: FaultProxy
) -> None:
    """A store that does not know If-None-Match says so; then the object is written without it."""
    answered: set[str] = set()

    def fault(sent: Sent) -> Fault:
        if sent.method == "PUT" and sent.path not in answered and sent.size < PART_BYTES:
            return (
                501
                if len([each for each in proxy.sent if each.path == sent.path and each.method == "PUT"]) <= 7
                else None
            )
        return None

    proxy.fault = fault
    export_tiles(cache, f"s3://{bucket}/x.tpkx")
    check_stored(client, bucket, "x.tpkx", local_result(cache, tmp_path, "x.tpkx"), tmp_path)


def test_interrupt_leaves_nothing_and_is_gone_on_with(
    tmp_path: Path, bucket: str, client: Any, proxy: FaultProxy, kind: tuple[Path, str]
) -> None:
    def progress(phase: Phase, _done: int, _total: int) -> None:
        if phase is Phase.UPLOADING and proxy.of("PUT"):
            interrupted.set()
            raise KeyboardInterrupt

    def wait(sent: Sent) -> Fault:
        return None if sent.method != "PUT" or interrupted.wait(TIMEOUT) else 400

    interrupted = threading.Event()
    proxy.fault = wait
    cache, name = kind
    with pytest.raises(KeyboardInterrupt) as caught:
        export_tiles(cache, f"s3://{bucket}/{name}", progress=progress)
    assert "the same export goes on with them" in "".join(notes(caught.value))
    assert incomplete_uploads(client, bucket) == []
    check_absent(client, bucket, tmp_path)
    result = export_tiles(cache, f"s3://{bucket}/{name}")
    assert result.resumed.tiles == result.tiles
    check_stored(client, bucket, name, local_result(cache, tmp_path, name), tmp_path)


@pytest.mark.posix("a limit on the sizes of files")
def test_full_disk_names_the_staging_folder(cache: Path, tmp_path: Path, bucket: str, client: Any) -> None:
    import resource

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (140_000, limits[1]))
    try:
        with pytest.raises(OutputError) as caught:
            export_tiles(cache, f"s3://{bucket}/x.tpkx")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    message = str(caught.value)
    assert message.startswith(str(tmp_path / "staging" / ".gptool-"))
    assert message.endswith(".part: cannot be written: File too large")
    check_absent(client, bucket, tmp_path)
