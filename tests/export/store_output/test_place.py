"""What is in the place of a result in a store: what is refused, and what is replaced."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gptool import export_tiles
from gptool.errors import OutputExistsError, ParameterError
from gptool.model import Phase
from helpers.fault_proxy import Fault, FaultProxy, Sent
from helpers.moto_server import incomplete_uploads, stored_objects
from helpers.stored_results import check_stored, local_result

pytest.importorskip("moto.server", reason="moto is not installed (the extra `stores`)")


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
