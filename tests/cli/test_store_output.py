"""Results in a store, on the command line and in batches."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gptool import export_tiles
from helpers.caches import make_cache, world
from helpers.command_line import errors_and_notes, run
from helpers.moto_server import incomplete_uploads, moto_server, stored_objects
from helpers.object_server import SECRET

pytest.importorskip("moto.server", reason="moto is not installed (the extra `stores`)")
boto3 = pytest.importorskip("boto3")


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with moto_server() as address:
        yield address


@pytest.fixture
def client(moto: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of the store, which has an empty bucket `results`."""
    for variable, value in {
        "AWS_ENDPOINT_URL": moto,
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
        "TMPDIR": str(tmp_path / "staging"),
    }.items():
        monkeypatch.setenv(variable, value)
    (tmp_path / "staging").mkdir()
    make_cache(tmp_path / "World", world())
    client = boto3.client("s3")
    client.create_bucket(Bucket="results")
    for key in stored_objects(client, "results"):
        client.delete_object(Bucket="results", Key=key)
    return client


@pytest.mark.parametrize("name", ["x.tpkx", "folder/x"])
def test_export_report_info_and_verify(tmp_path: Path, client: Any, name: str) -> None:
    url = f"s3://results/{name}"
    done = run("export-tiles", "World", url, "--json", "--report", "report.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    job = json.loads(done.stdout)
    assert (
        (job["path"], job["results"]["out_service_url"]["value"]) == (url, url)
        if "value" in str(job["results"])
        else (job["path"] == url)
    )
    local = tmp_path / "local" / name
    export_tiles(tmp_path / "World", local)
    files = [local] if local.is_file() else [path for path in local.rglob("*") if path.is_file()]
    expected = {path.relative_to(local).as_posix().strip("."): path.read_bytes() for path in files}
    assert stored_objects(client, "results", name) == expected
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["result"]["name"] == name.rpartition("/")[2]
    done = run("export-tiles", "World", str(local), "--overwrite", "--report", "local.json", cwd=tmp_path)
    assert report["result"] == json.loads((tmp_path / "local.json").read_text())["result"]
    assert report["verification"] == json.loads((tmp_path / "local.json").read_text())["verification"]
    assert json.loads(run("info", url, "--json", cwd=tmp_path).stdout)["tiles"] == len(world())
    verified = json.loads(run("verify", url, "--json", "--source", "World", cwd=tmp_path).stdout)
    assert (verified["passed"], verified["location"]) == (True, url)
    shown = run("export-tiles", "World", url, "--overwrite", cwd=tmp_path).stdout
    assert f"{url}: 165 tiles" in shown


def test_existing_output_needs_overwrite(tmp_path: Path, client: Any) -> None:
    client.put_object(Bucket="results", Key="x.tpkx", Body=b"there")
    done = run("export-tiles", "World", "s3://results/x.tpkx", "--report", "report.json", cwd=tmp_path)
    assert done.returncode == 1
    message = "s3://results/x.tpkx: output already exists; expected a new name, or --overwrite"
    assert errors_and_notes(done) == [f"Error: {message}"]
    assert json.loads((tmp_path / "report.json").read_text())["output"] == "s3://results/x.tpkx"
    assert SECRET not in (tmp_path / "report.json").read_text()


def test_batch(tmp_path: Path, client: Any) -> None:
    batch = '[exports.{}]\ncache = "World"\noutput = "s3://results/{}"\n'
    (tmp_path / "batch.toml").write_text(batch.format("a", "a.tpkx") + batch.format("b", "folder/b"))
    done = run("batch", "batch.toml", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    outputs = [export["output"] for export in json.loads(done.stdout)["exports"]]
    assert outputs == ["s3://results/a.tpkx", "s3://results/folder/b"]
    assert {"a.tpkx", "folder/b/conf.xml"} <= stored_objects(client, "results").keys()
    assert incomplete_uploads(client, "results") == []


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("s3://results/a/b", "exports.b.output lies in exports.a.output"),
        ("s3://results/a", "exports.b.output is that of exports.a.output"),
        ("https://example.com/b", "results cannot be written to a web server"),
        ("s3:///b", "exports.b.output is not valid: s3:// URL has no bucket or container"),
    ],
)
def test_invalid_batch(tmp_path: Path, client: Any, output: str, message: str) -> None:
    (tmp_path / "batch.toml").write_text(
        f'[exports.a]\ncache = "World"\noutput = "s3://results/a"\n[exports.b]\ncache = "World"\noutput = "{output}"\n'
    )
    done = run("batch", "batch.toml", cwd=tmp_path)
    assert done.returncode == 2
    assert message in errors_and_notes(done)[0]
    assert stored_objects(client, "results") == {}
