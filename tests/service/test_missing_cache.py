"""A cache that is missing when the service starts: the others are served, and it appears once it exists."""

from __future__ import annotations

import shutil
from pathlib import Path

from helpers.rest_client import RestClient
from helpers.service_process import ServiceProcess

TASK = "services/ExportTiles/GPServer/ExportTiles"


def test_missing_cache_is_reported_and_appears_once_it_exists(cache: Path, tmp_path: Path) -> None:
    later = tmp_path / "later"
    with ServiceProcess(tmp_path, f"World={cache}", f"Later={later}") as service:
        client = RestClient(service.address)
        assert f"service Later is not available until its cache can be read: {later}: cache not found" in service.log()
        names = {entry["name"] for entry in client.json("services")["services"]}
        assert {"World", "Later"} <= names
        error = client.get("services/Later/ImageServer", f="json").error()
        assert (error["code"], error["details"]) == (500, ["cache cannot be read; see the log of the service"])
        assert b"cache cannot be read" in client.get("services/Later/ImageServer", f="html").body
        assert client.get("services/Later/ImageServer/tile/0/0/0").error()["code"] == 500
        assert client.json("services/World/ImageServer")["name"] == "World"
        assert client.get("services/World/ImageServer/tile/0/0/0").status == 200
        submitted = client.post(f"{TASK}/submitJob", f="json", cache="Later").json()
        assert client.wait(f"{TASK}/jobs/{submitted['jobId']}")["jobStatus"] == "esriJobFailed"
        shutil.copytree(cache, later)
        assert client.json("services/Later/ImageServer")["name"] == "Later"
        assert client.get("services/Later/ImageServer/tile/0/0/0").status == 200
