"""Exports into a store: S3 as moto answers it, behind a proxy that records requests and fails on purpose."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from functools import cache as cached
from pathlib import Path
from typing import Any

import pytest

from gptool import export_tiles, info, open_cache, verify
from gptool.cache.object_client import make_client
from gptool.cache.object_writer import PART_BYTES
from gptool.errors import OutputError, OutputExistsError, ParameterError, notes
from gptool.export.leftovers import list_leftovers, remove_leftover
from gptool.model import Phase
from helpers.caches import conf_text, jpeg_tile, large_tile, make_cache, make_exploded_cache, world
from helpers.fault_proxy import Fault, FaultProxy, Sent, fault_proxy
from helpers.killed_export import KilledExports
from helpers.moto_server import incomplete_uploads, moto_server, stored_objects
from helpers.object_server import SECRET
from helpers.waiting import TIMEOUT, wait_until

pytest.importorskip("moto.server", reason="moto is not installed (the extra `stores`)")
boto3 = pytest.importorskip("boto3")

KILLS = int(os.environ.get("GPTOOL_KILLS", "3"))
"""How often each export is killed at random."""

RESULTS: dict[str, tuple[str, dict[str, Any]]] = {
    "tpkx copied": ("x.tpkx", {}),
    "tpkx recompressed": ("a b/x.tpkx", {"compression_quality": 40}),
    "tpk recompressed": ("x.tpk", {"compression_quality": 40}),
    "V2 copied": ("x", {}),
    "V1 recompressed": ("folder/x", {"compression_quality": 40, "storage_format_type": "compact"}),
}

LARGE_LEVEL = 9


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with moto_server() as address:
        yield address


@pytest.fixture
def proxy(moto: str) -> Iterator[FaultProxy]:
    with fault_proxy(moto) as running:
        yield running


@pytest.fixture
def client(moto: str) -> Any:
    """A client that reaches the store itself."""
    return boto3.client("s3", "us-east-1", endpoint_url=moto, aws_access_key_id="AKID", aws_secret_access_key=SECRET)


@pytest.fixture
def bucket(moto: str, proxy: FaultProxy, client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of an empty bucket; exports to it are staged in the folder `staging`."""
    for variable, value in {
        "AWS_ENDPOINT_URL": proxy.url,
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
        "TMPDIR": str(tmp_path / "staging"),
    }.items():
        monkeypatch.setenv(variable, value)
    (tmp_path / "staging").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", None)
    client.create_bucket(Bucket="results")
    make_client.cache_clear()
    yield "results"
    make_client.cache_clear()
    for key in stored_objects(client, "results"):
        client.delete_object(Bucket="results", Key=key)
    for upload in client.list_multipart_uploads(Bucket="results").get("Uploads", []):
        client.abort_multipart_upload(Bucket="results", Key=upload["Key"], UploadId=upload["UploadId"])
    client.delete_bucket(Bucket="results")


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of two bundles of about 10 MB, which are uploaded by parts, and three small ones."""
    tiles = {(LARGE_LEVEL, 128 * (i % 2) + i // 128, i % 128): large_tile(i) for i in range(330)}
    tiles |= {(level, 0, 0): jpeg_tile(level) for level in range(3)}
    return make_cache(tmp_path_factory.mktemp("large") / "large", tiles, conf=conf_text(range(LARGE_LEVEL + 1)))


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of twenty bundles of few tiles."""
    tiles = {(9, 128 * (i % 4), 128 * (i // 8) + i % 8): jpeg_tile(i) for i in range(40)}
    return make_cache(tmp_path_factory.mktemp("many") / "many", tiles, conf=conf_text(range(10)))


def contents(path: Path) -> dict[str, bytes]:
    """Return the bytes of all files of a result, by relative path; that of a package is empty."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return {file.relative_to(path).as_posix().strip("."): file.read_bytes() for file in files}


@cached
def local_result(cache: Path, folder: Path, name: str, options: str = "{}") -> dict[str, bytes]:
    """Return what an export to the disk writes."""
    return contents(export_tiles(cache, folder / "local" / name, **json.loads(options), overwrite=True).path)


def check_stored(client: Any, bucket: str, name: str, expected: dict[str, bytes], folder: Path) -> None:
    """Check that the bucket holds the result and nothing else, and that nothing is left on the disk."""
    assert stored_objects(client, bucket, name) == expected
    check_absent(client, bucket, folder, beside=name)
    assert not list((folder / "staging").iterdir())


def check_absent(client: Any, bucket: str, _folder: Path, beside: str = "\n") -> None:
    """Check that nothing of an export is in the bucket, complete or not."""
    assert [key for key in stored_objects(client, bucket) if not key.startswith(beside)] == []
    assert incomplete_uploads(client, bucket) == []


def staged(folder: Path) -> Path:
    [path] = (folder / "staging").glob(".gptool-*.part")
    return path


# ---- results ----


@pytest.mark.parametrize(("name", "options"), RESULTS.values(), ids=RESULTS)
def test_result_is_that_on_a_disk(
    cache: Path, tmp_path: Path, bucket: str, client: Any, name: str, options: dict[str, Any]
) -> None:
    url = f"s3://{bucket}/{name}"
    result = export_tiles(cache, url, **options)
    expected = local_result(cache, tmp_path, name, json.dumps(options))
    check_stored(client, bucket, name, expected, tmp_path)
    assert str(result.path) == url
    assert result.size == sum(map(len, expected.values()))
    assert info(url).plan.tiles == result.tiles == len(world())
    assert verify(url).passed


@pytest.mark.parametrize("name", ["x.tpkx", "x"])
def test_large_results_are_uploaded_by_parts(
    large: Path, tmp_path: Path, bucket: str, client: Any, proxy: FaultProxy, name: str
) -> None:
    phases: list[tuple[int, int]] = []

    def progress(phase: Phase, done: int, total: int) -> None:
        if phase is Phase.UPLOADING:
            phases.append((done, total))

    export_tiles(large, f"s3://{bucket}/{name}", progress=progress)
    expected = local_result(large, tmp_path, name)
    check_stored(client, bucket, name, expected, tmp_path)
    parts = [sent for sent in proxy.of("PUT") if "partNumber" in sent.query]
    assert len(parts) == sum(-(-len(data) // PART_BYTES) for data in expected.values() if len(data) >= PART_BYTES) > 2
    assert max(sent.size for sent in parts) == PART_BYTES
    assert phases == sorted(phases)
    assert {total for _, total in phases} <= {
        sum(map(len, expected.values())),
        sum(map(len, expected.values())) - len(expected.get("conf.xml", b"")),
    }


def test_target_size(cache: Path, tmp_path: Path, bucket: str, client: Any) -> None:
    export_tiles(cache, f"s3://{bucket}/x.tpkx", target_size=1_500_000)
    check_stored(
        client, bucket, "x.tpkx", local_result(cache, tmp_path, "x.tpkx", '{"target_size": 1500000}'), tmp_path
    )


def test_from_one_store_to_another(cache: Path, tmp_path: Path, bucket: str, client: Any) -> None:
    """The cache is a result in the same bucket."""
    export_tiles(cache, f"s3://{bucket}/a")
    export_tiles(f"s3://{bucket}/a", f"s3://{bucket}/b/x", compression_quality=40)
    options = '{"compression_quality": 40}'
    assert stored_objects(client, bucket, "b/x") == local_result(cache, tmp_path, "x", options)


# ---- what is in the place ----


@pytest.mark.parametrize(
    ("name", "there", "message"),
    [
        ("x.tpkx", "x.tpkx", "output already exists; expected a new name, or overwrite=True"),
        ("x.tpkx", "x.tpkx/a", "cannot replace a folder with a file"),
        ("x", "x/conf.xml", "output already exists"),
        ("x", "x/_alllayers/L00/R0000C0000.bundle", "output already exists"),
        ("x", "x/other", "output already exists"),
        ("x", "x", "cannot replace a file with a folder"),
    ],
)
def test_existing_output_is_refused_before_any_work(
    cache: Path, tmp_path: Path, bucket: str, client: Any, proxy: FaultProxy, name: str, there: str, message: str
) -> None:
    client.put_object(Bucket=bucket, Key=there, Body=b"there")
    with pytest.raises(OutputExistsError, match=f"s3://{bucket}/{name}: {message}"):
        export_tiles(cache, f"s3://{bucket}/{name}", progress=lambda *_: pytest.fail("work was begun"))
    assert stored_objects(client, bucket) == {there: b"there"}
    assert not proxy.of("PUT", "POST", "DELETE")
    assert not list((tmp_path / "staging").iterdir())


@pytest.mark.parametrize(
    ("name", "there"), [("x.tpkx", "x.tpkx"), ("x", "x/conf.xml"), ("x", "x/_alllayers/L00/R0000C0000.bundle")]
)
def test_output_that_appears_meanwhile_is_refused(
    cache: Path, tmp_path: Path, bucket: str, client: Any, name: str, there: str
) -> None:
    def progress(phase: Phase, _done: int, _total: int) -> None:
        if phase is Phase.EXPORTING:
            client.put_object(Bucket=bucket, Key=there, Body=b"there")

    with pytest.raises(OutputExistsError, match="output already exists"):
        export_tiles(cache, f"s3://{bucket}/{name}", progress=progress)
    assert stored_objects(client, bucket) == {there: b"there"}


@pytest.mark.parametrize("name", ["x.tpkx", "large/x.tpkx", "x"])
def test_output_that_appears_during_the_upload_is_not_replaced(
    cache: Path, large: Path, bucket: str, client: Any, proxy: FaultProxy, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another run puts its package, or its conf.xml, into the store after ours has looked for it."""
    there = name if name.endswith(".tpkx") else f"{name}/conf.xml"

    def fault(sent: Sent) -> Fault:
        if sent.method == "PUT" and there not in stored_objects(client, bucket):
            client.put_object(Bucket=bucket, Key=there, Body=b"there")
        return None

    proxy.fault = fault
    monkeypatch.setattr("gptool.output.uploads.MAX_IN_FLIGHT", 1)  # else the first part is one of the last
    with pytest.raises(OutputExistsError, match="output already exists"):
        export_tiles(large if "large" in name else cache, f"s3://{bucket}/{name}")
    assert stored_objects(client, bucket, there) == {"": b"there"}
    assert incomplete_uploads(client, bucket) == []


def test_packages_are_overwritten(cache: Path, tmp_path: Path, bucket: str, client: Any) -> None:
    url = f"s3://{bucket}/x.tpkx"
    export_tiles(cache, url)
    export_tiles(cache, url, levels="0-1", overwrite=True)
    check_stored(client, bucket, "x.tpkx", local_result(cache, tmp_path, "x.tpkx", '{"levels": "0-1"}'), tmp_path)


def test_datasets_are_overwritten(cache: Path, tmp_path: Path, bucket: str, client: Any, proxy: FaultProxy) -> None:
    """The old one has no conf.xml from the start, the new one gets it last; equal bundles are not sent again."""
    url = f"s3://{bucket}/x"
    export_tiles(cache, url)
    kept = stored_objects(client, bucket, "x/_alllayers/L00")
    proxy.sent.clear()
    export_tiles(cache, url, levels="0-1", overwrite=True)
    check_stored(client, bucket, "x", local_result(cache, tmp_path, "x", '{"levels": "0-1"}'), tmp_path)
    writes = [sent.path.removeprefix(f"/{bucket}/x/") for sent in proxy.of("PUT", "POST", "DELETE")]
    assert writes[0].strip("/") == bucket  # the request that deletes conf.xml
    assert [sent.path for sent in proxy.of("PUT")][-1] == f"/{bucket}/x/conf.xml"
    assert "_alllayers/L00/R0000C0000.bundle" not in writes
    assert kept


def test_folders_with_other_files_are_not_overwritten(cache: Path, bucket: str, client: Any, proxy: FaultProxy) -> None:
    export_tiles(cache, f"s3://{bucket}/x", levels="0")
    client.put_object(Bucket=bucket, Key="x/notes.txt", Body=b"notes")
    before = stored_objects(client, bucket)
    proxy.sent.clear()
    message = "x: cannot replace a folder that holds other files; found notes.txt, expected only the files of a cache"
    with pytest.raises(OutputExistsError, match=message):
        export_tiles(cache, f"s3://{bucket}/x", overwrite=True)
    assert stored_objects(client, bucket) == before
    assert not proxy.of("PUT", "POST", "DELETE")


def test_marker_of_a_folder_is_no_object_in_it(cache: Path, tmp_path: Path, bucket: str, client: Any) -> None:
    """Consoles of stores create an empty object for a new folder."""
    client.put_object(Bucket=bucket, Key="x/", Body=b"")
    export_tiles(cache, f"s3://{bucket}/x")
    assert {**local_result(cache, tmp_path, "x"), "": b""} == stored_objects(client, bucket, "x/")


@pytest.mark.parametrize("output", ["World", "", "World/_alllayers/x"])
def test_output_that_is_the_cache_is_refused(cache: Path, bucket: str, client: Any, output: str) -> None:
    export_tiles(cache, f"s3://{bucket}/top/World", levels="0-1")
    before = stored_objects(client, bucket)
    with pytest.raises(
        (ParameterError, OutputExistsError), match=r"the output is the cache or a part of it|other files"
    ):
        export_tiles(f"s3://{bucket}/top/World", f"s3://{bucket}/top/{output}".strip("/"), overwrite=True)
    assert stored_objects(client, bucket) == before


INVALID = {
    "https://me:secret@example.com/x.tpkx?sig=secret": r"https://example\.com/x\.tpkx: results cannot be written to a "
    "web server; expected the path of a file or folder, or a URL that begins with s3://, gs:// or az://",
    "http://127.0.0.1:1/x": "results cannot be written to a web server",
    "s3://results": "s3://results/: output has no name; found a bucket",
    "s3:///x.tpkx": "output: s3:// URL has no bucket or container",
    "s3://AK:secret@results/x": "output: s3:// URL has keys, which are taken from the environment only",
    "s3://results/x.zip": "s3://results/x.zip: unsupported output format; found the suffix .zip",
    "s3://results/.tpkx": "output has no name",
    "s3://results/a//x": r"s3://results/a//x: path has an empty part, \. or \.\.; expected the names of folders and",
    "s3://results/a/../x.tpkx": r"path has an empty part, \. or \.\.",
    "ftp://host/x.tpkx": "is a URL, not a path",
}


@pytest.mark.parametrize(("output", "message"), INVALID.items(), ids=list(INVALID))
def test_invalid_outputs(cache: Path, output: str, message: str) -> None:
    with pytest.raises(ParameterError, match=message) as caught:
        export_tiles(cache, output)
    assert "secret" not in str(caught.value)


def test_parts_are_refused(cache: Path, bucket: str) -> None:
    message = "s3://results/x: parts cannot be written to a store; expected the name of a folder on a disk, or no parts"
    with pytest.raises(ParameterError, match=message):
        export_tiles(cache, f"s3://{bucket}/x", max_part_size="1MB")


# ---- faults ----

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


# ---- kills ----


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
    with subprocess.Popen([sys.executable, "-c", PROGRAM, str(cache), url, *["o"] * overwrite]) as process:
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
