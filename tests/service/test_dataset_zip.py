"""The dataset of a job as one zip."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path

from gptool import open_cache
from helpers.rest_client import RestClient
from helpers.service_process import ServiceProcess
from helpers.tile_readers import read_cache

EXPORT = "services/World/ImageServer/exportTiles"


def zip_of(job: str) -> str:
    return f"directories/arcgisoutput/{job.rpartition('/')[2]}.zip"


def test_zip_has_the_files_of_the_dataset(client: RestClient, rest_service: ServiceProcess, tmp_path: Path) -> None:
    job, _ = client.run(EXPORT, levels="0-2", tilePackage="false")
    reply = client.get(zip_of(job))
    assert reply.headers["content-type"] == "application/zip"
    assert int(reply.headers["content-length"]) == len(reply.body)
    with zipfile.ZipFile(io.BytesIO(reply.body)) as package:
        assert package.testzip() is None
        assert {info.compress_type for info in package.infolist()} == {zipfile.ZIP_STORED}
        assert {name.partition("/")[0] for name in package.namelist()} == {"World"}
        package.extractall(tmp_path)
    assert len(read_cache(tmp_path / "World")) == 21
    assert open_cache(tmp_path / "World").scheme.reference.wkid == 102100
    assert not list(rest_service.output.rglob("*.zip")), "nothing is written"


def test_packages_estimates_and_unknown_jobs_have_no_zip(client: RestClient) -> None:
    package, _ = client.run(EXPORT, levels="0", tilePackage="true")
    estimate, _ = client.run("services/World/ImageServer/estimateExportTilesSize", levels="0")
    for job in (package, estimate, f"{EXPORT}/jobs/j0"):
        assert client.get(zip_of(job), f="json").error()["code"] == 404


def test_parts_are_listed_one_by_one_and_as_one_zip(client: RestClient, tmp_path: Path) -> None:
    job, _ = client.run(EXPORT, tilePackage="true", maxPartTiles="40")
    folder = f"directories/arcgisoutput/{job.rpartition('/')[2]}"
    assert [url.rpartition("/")[2] for url in client.json(folder)["folders"]] == ["World"]
    files = {file["name"]: file for file in client.json(f"{folder}/World")["files"]}
    manifest = json.loads(client.get(f"{folder}/World/manifest.json").body)
    parts = {part["name"]: part for part in manifest["parts"]}
    assert files.keys() == {"manifest.json", *parts}
    for name, part in parts.items():
        data = client.get(f"{folder}/World/{name}").body
        assert (len(data), hashlib.sha256(data).hexdigest()) == (part["bytes"], part["sha256"])
        assert files[name]["size"] == part["bytes"]
    with zipfile.ZipFile(io.BytesIO(client.get(zip_of(job)).body)) as package:
        assert set(package.namelist()) == {f"World/{name}" for name in files}
