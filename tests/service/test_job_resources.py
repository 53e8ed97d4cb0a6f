"""Resources of jobs over a socket: exports, estimates, their results and files, and failures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lxml import html

from gptool import export_tiles
from gptool.errors import MAX_FOUND
from helpers.caches import world
from helpers.lossless import check_optimised
from helpers.rest_client import Reply, RestClient
from helpers.service_process import ServiceProcess
from helpers.tile_readers import read_tiles

WORLD = "services/World/ImageServer"
IN_FOLDER = "services/Maps/Second/ImageServer"

EXPORT = {"levels": "0-2", "tilePackage": "true"}


@pytest.fixture(scope="module")
def succeeded(rest_service: ServiceProcess) -> str:
    """Return the path of a succeeded export job."""
    client = RestClient(rest_service.address)
    job, value = client.run(f"{WORLD}/exportTiles", **EXPORT, optimizeTilesForSize="true", compressionQuality="50")
    assert value["jobStatus"] == "esriJobSucceeded", value
    return job


class TestExport:
    def test_package_is_the_same_as_without_a_service(
        self, client: RestClient, succeeded: str, cache: Path, tmp_path: Path
    ) -> None:
        [file] = client.get(client.result(succeeded)).json()["files"]
        package = tmp_path / "from_service.tpkx"
        package.write_bytes(client.get(file["url"]).body)
        assert file["name"] == "World.tpkx"
        assert package.stat().st_size == file["size"]
        export_tiles(cache, tmp_path / "World.tpkx", levels="0-2", compression_quality=50)
        assert read_tiles(package) == read_tiles(tmp_path / "World.tpkx")

    @pytest.mark.parametrize("sent", ["true", "True"])
    def test_tiles_are_optimised_without_a_quality(self, client: RestClient, tmp_path: Path, sent: str) -> None:
        request = {**EXPORT, "optimizeTilesForSize": sent}
        job, value = client.run(f"{WORLD}/exportTiles", **request)
        assert any("optimised without loss: 21 tiles" in message["description"] for message in value["messages"])
        [file] = client.get(client.result(job)).json()["files"]
        package = tmp_path / "from_service.tpkx"
        package.write_bytes(client.get(file["url"]).body)
        check_optimised({a: tile for a, tile in world().items() if a[0] <= 2}, read_tiles(package))
        estimate, _ = client.run(f"{WORLD}/estimateExportTilesSize", **request)
        assert client.result(estimate)["totalSize"] == file["size"]

    @pytest.mark.parametrize(("tables", "quality"), [("exact", 50), ("efficient", 55)])
    def test_tables_are_those_of_the_request(self, client: RestClient, tables: str, quality: int) -> None:
        request = {**EXPORT, "optimizeTilesForSize": "true", "compressionQuality": "50", "tables": tables}
        job, _ = client.run(f"{WORLD}/exportTiles", **request)
        report = client.get(client.get(client.result(job)).json()["report"]).json()
        assert (report["request"]["tables"], report["effectiveQuality"]) == (tables, quality)

    def test_job_is_found_below_all_its_parent_resources(self, client: RestClient, succeeded: str) -> None:
        job_id = succeeded.rpartition("/")[2]
        same = client.json(succeeded)
        for parent in ("", "exportTiles/", "estimateExportTilesSize/"):
            for path in (f"{WORLD}/{parent}jobs", f"services/World/MapServer/{parent}jobs"):
                assert client.json(f"{path}/{job_id}") == same
                assert client.result(f"{path}/{job_id}") == client.result(succeeded)
        assert client.get(f"{IN_FOLDER}/jobs/{job_id}", f="json").error()["code"] == 404

    def test_results_and_inputs_are_listed(self, client: RestClient, succeeded: str) -> None:
        assert client.json(f"{succeeded}/results") == {
            "results": {"out_service_url": {"paramUrl": "results/out_service_url"}}
        }
        inputs = client.json(f"{succeeded}/inputs")["inputs"]
        assert inputs == client.json(succeeded)["inputs"]
        assert inputs["levels"] == {"paramUrl": "inputs/levels"}
        assert b"out_service_url" in client.get(f"{succeeded}/results").body

    def test_page_shows_the_verification_of_the_report(self, client: RestClient, succeeded: str) -> None:
        folder = client.get(client.result(succeeded)).json()
        verification = client.get(folder["report"]).json()["verification"]
        page = html.document_fromstring(client.get(succeeded, f="html").body)
        shown = " ".join(page.get_element_by_id("verification").text_content().split())
        assert verification["summary"] in shown
        assert verification["note"] in shown
        assert verification["passed"]
        assert f"Passed: {verification['summary']}" in shown

    def test_job(self, client: RestClient, succeeded: str) -> None:
        value = client.json(succeeded)
        assert list(value) == ["jobId", "jobStatus", "results", "inputs", "messages"]
        assert value["results"] == {"out_service_url": {"paramUrl": "results/out_service_url"}}
        assert value["messages"][0]["description"].startswith("Start Time: ")
        assert client.json(succeeded, returnMessages="false")["messages"] == []
        assert client.json(f"{succeeded}/inputs/levels") == {
            "paramName": "levels",
            "dataType": "GPString",
            "value": "0-2",
        }
        assert client.json(f"{succeeded}/inputs/tilePackage")["dataType"] == "GPBoolean"
        for path, message in {
            "results/other": "unknown result; found 'other', expected one of out_service_url",
            "inputs/other": "unknown input; found 'other', expected one of exportBy, ",
            "inputs/f": "unknown input; found 'f', expected one of exportBy, ",
        }.items():
            error = client.get(f"{succeeded}/{path}", f="json").error()
            assert error["code"] == 400
            assert error["details"][0].startswith(message)

    @pytest.mark.parametrize("query", ["", "?f=json", "?f=pjson", "/", "/?f=pjson"])
    def test_listings_are_always_json(self, client: RestClient, succeeded: str, query: str) -> None:
        folder = client.result(succeeded)
        listing = client.get(folder + query).json()
        assert [file["url"] for file in listing["files"]] == [f"{folder}/World.tpkx"]
        assert listing["folders"] == []
        assert client.get(listing["report"]).json()["result"]["name"] == "World.tpkx"

    def test_files_and_byte_ranges(self, client: RestClient, succeeded: str) -> None:
        url = f"{client.result(succeeded)}/World.tpkx"
        whole = client.get(f"{url}?f=json")
        assert whole.headers["content-length"] == str(len(whole.body))
        assert whole.body[:2] == b"PK"
        part = client.ask("GET", client.path(url), Range="bytes=10-19", If_Range=whole.headers["etag"])
        assert (part.status, part.body) == (206, whole.body[10:20])
        assert part.headers["content-range"] == f"bytes 10-19/{len(whole.body)}"
        assert client.ask("GET", client.path(url), Range=f"bytes={len(whole.body)}-").status == 416
        assert client.ask("HEAD", client.path(url)).body == b""
        assert client.post(url).body == whole.body
        known = client.ask("GET", client.path(url), If_None_Match=whole.headers["etag"])
        assert (known.status, known.body) == (304, b"")

    def test_dataset_is_a_folder(self, client: RestClient, cache: Path) -> None:
        job, value = client.run(f"{WORLD}/exportTiles", levels="0-2")
        assert value["jobStatus"] == "esriJobSucceeded"
        top = client.get(client.result(job), f="json").json()
        assert top["files"] == []
        [folder] = top["folders"]
        assert folder.endswith("/World")
        listing = client.get(folder).json()
        assert {file["name"] for file in listing["files"]} >= {"conf.xml", "conf.cdi"}
        [tiles] = listing["folders"]
        levels = client.get(tiles).json()["folders"]
        assert [level.rpartition("/")[2] for level in levels] == ["L00", "L01", "L02"]
        [bundle] = client.get(levels[0]).json()["files"]
        assert len(client.get(bundle["url"]).body) == bundle["size"]

    def test_estimate(self, client: RestClient, cache: Path, tmp_path: Path) -> None:
        job, value = client.run(f"{WORLD}/estimateExportTilesSize", **EXPORT)
        assert value["jobStatus"] == "esriJobSucceeded"
        exported = export_tiles(cache, tmp_path / "World.tpkx", levels="0-2")
        assert client.result(job) == {
            "totalSize": exported.size,
            "totalTilesToExport": exported.tiles,
            "totalTileCount": exported.tiles,
        }
        error = client.get(f"directories/arcgisoutput/{job.rpartition('/')[2]}").error()
        assert (error["code"], error["details"]) == (
            404,
            [
                "job has no output files; found EstimateExportTilesSize with status esriJobSucceeded, "
                "expected a succeeded export"
            ],
        )

    @pytest.mark.parametrize("method", ["get", "post"])
    def test_deprecated_path(self, client: RestClient, method: str) -> None:
        reply: Reply = getattr(client, method)(f"{WORLD}/estimateExportTilesSize/submitJob", f="json", levels="0")
        assert client.wait(f"{WORLD}/jobs/{reply.json()['jobId']}")["jobStatus"] == "esriJobSucceeded"

    def test_browser_is_redirected_to_the_page_of_the_job(self, client: RestClient) -> None:
        reply = client.post(f"{WORLD}/estimateExportTilesSize", levels="0")
        assert reply.status == 303
        page = client.get(reply.headers["location"])
        assert b"<title>Job j" in page.body

    def test_browser_without_parameters_gets_the_form(self, client: RestClient) -> None:
        page = client.get(f"{WORLD}/exportTiles").body.decode()
        for name in ("levels", "areaOfInterest", "compressionQuality"):
            assert f'name="{name}"' in page


INVALID = {
    "levels": ({"levels": "x"}, "levels: "),
    "invalid area": ({"areaOfInterest": "{"}, "areaOfInterest: value is not valid JSON"),
    "word instead of an area": ({"areaOfInterest": "features"}, "areaOfInterest: value is not valid JSON"),
    "unknown level": ({"levels": "77"}, "levels"),
    "invalid quality": (
        {"levels": "0", "compressionQuality": "101", "optimizeTilesForSize": "true"},
        "compressionQuality: ",
    ),
}


class TestFailures:
    @pytest.mark.parametrize("name", INVALID)
    def test_invalid_parameters_fail_the_job(self, client: RestClient, name: str) -> None:
        parameters, message = INVALID[name]
        job, value = client.run(f"{WORLD}/exportTiles", **parameters)
        assert value["jobStatus"] == "esriJobFailed"
        errors = [item["description"] for item in value["messages"] if item["type"] == "esriJobMessageTypeError"]
        assert errors[0].startswith(message)
        assert client.get(f"{job}/results/out_service_url", f="json").error()["code"] == 400

    def test_unknown_parameter_is_named_by_a_warning(self, client: RestClient) -> None:
        others = {"levels": "0", "env:outSR": "", "returnZ": "False", "context": "{}", "token": "x", "cache": "World"}
        _, value = client.run(f"{WORLD}/exportTiles", **others, lvels="1")
        assert [text["description"] for text in value["messages"] if text["type"].endswith("Warning")] == [
            "unknown parameter 'lvels' is ignored; the nearest known name is levels"
        ]

    def test_extent_that_a_client_sent_in_parts_fails_the_job(self, client: RestClient) -> None:
        query = "&".join(f"exportExtent={part}" for part in ("xmin", "ymin", "xmax", "ymax", "spatialReference"))
        reply = client.ask("GET", client.path(f"{WORLD}/exportTiles") + f"?f=json&{query}")
        value = client.wait(f"{WORLD}/jobs/{reply.json()['jobId']}")
        assert value["jobStatus"] == "esriJobFailed"
        assert value["messages"][1]["description"].startswith("exportExtent: ")

    def test_unknown_jobs_are_not_found(self, client: RestClient) -> None:
        for job in ("j" + "0" * 32, "..", "j%00", "x" * 5000):
            error = client.ask("GET", client.path(f"{WORLD}/jobs/{job}") + "?f=json").error()
            assert error["code"] == 404
            assert error["details"] == [f"{job[:MAX_FOUND]}: job not found or expired"]

    def test_ended_job_cannot_be_cancelled(self, client: RestClient) -> None:
        job, _ = client.run(f"{WORLD}/exportTiles", levels="0")
        assert client.get(f"{job}/cancel", f="json").error()["code"] == 400
        assert client.json(job)["jobStatus"] == "esriJobSucceeded"


def test_export_above_the_limit_fails(tmp_path: Path, cache: Path) -> None:
    settings = f'[caches."Maps/World"]\nlocation = {json.dumps(str(cache))}\nmaxExportTilesCount = 20\n'
    (tmp_path / "service.toml").write_text(settings)
    with ServiceProcess(tmp_path, "--config", tmp_path / "service.toml") as service:
        client = RestClient(service.address)
        _, value = client.run("services/Maps/World/ImageServer/exportTiles", levels="0-2")
        assert value["jobStatus"] == "esriJobFailed"
        assert value["messages"][1] == {
            "type": "esriJobMessageTypeError",
            "description": "ERROR 001564: Requested tile count(21) exceeds the maximum allowed number of tiles(20) "
            "to be exported for service Maps/World:ImageServer.",
        }
