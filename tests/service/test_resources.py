"""Resources of the service over a socket, by GET and POST, and error objects."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gptool import export_tiles
from gptool.errors import MAX_FOUND
from helpers.caches import make_cache, world
from helpers.checks import read_cache, read_tiles
from helpers.rest_client import Reply, RestClient
from helpers.service_process import ServiceProcess

WORLD = "services/World/ImageServer"
IN_FOLDER = "services/Maps/Second/ImageServer"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[ServiceProcess]:
    folder = tmp_path_factory.mktemp("service")
    other = make_cache(folder / "second", world())
    with ServiceProcess(folder, f"World={cache}", f"Maps/Second={other}") as running:
        yield running


@pytest.fixture
def client(service: ServiceProcess) -> RestClient:
    return RestClient(service.address)


class TestDescriptions:
    def test_info_names_no_token_service_and_no_authentication_scheme(self, client: RestClient) -> None:
        reply = client.get("info", f="json")
        assert reply.json() == {
            "currentVersion": 11.3,
            "fullVersion": "11.3.0",
            "authInfo": {"isTokenBasedSecurity": False},
        }
        assert not {"www-authenticate", "set-cookie"} & set(reply.headers)

    def test_services_and_folders(self, client: RestClient) -> None:
        root = client.json("services")
        assert root["folders"] == ["Maps"]
        assert [(item["name"], item["type"]) for item in root["services"]] == [
            ("World", "ImageServer"),
            ("World", "MapServer"),
            ("ExportTiles", "GPServer"),
        ]
        folder = client.json("services/Maps")
        assert [item["name"] for item in folder["services"]] == ["Maps/Second", "Maps/Second"]

    @pytest.mark.parametrize("kind", ["ImageServer", "MapServer"])
    def test_description_of_a_cached_service(self, client: RestClient, cache: Path, kind: str) -> None:
        value = client.json(f"services/World/{kind}")
        scheme = value["tileInfo"]
        assert (value["exportTilesAllowed"], value["maxExportTilesCount"]) == (True, 100_000)
        assert value["exportTileCacheCompactV2Allowed"] is True
        assert (value["minLOD"], value["maxLOD"]) == (0, 8)
        assert value["storageInfo"] == {"storageFormat": "esriMapCacheStorageModeCompactV2", "packetSize": 128}
        assert (scheme["rows"], scheme["cols"], scheme["format"]) == (64, 64, "JPEG")
        assert value["spatialReference"] == scheme["spatialReference"] == value["fullExtent"]["spatialReference"]
        stated = (cache / "conf.xml").read_text()
        text = client.get(f"services/World/{kind}", f="json").body.decode()
        for lod in scheme["lods"]:
            assert f"<LevelID>{lod['level']}</LevelID>" in stated
        for resolution in re.findall("<Resolution>(.*?)</Resolution>", stated):
            assert f'"resolution":{resolution},' in text

    def test_openapi_describes_the_operations(self, client: RestClient) -> None:
        paths = client.json("openapi.json")["paths"]
        for path in ("exportTiles", "exportTiles/submitJob", "exportTiles/jobs/{job}", "jobs/{job}/cancel"):
            assert f"/arcgis/rest/services/{{service}}/ImageServer/{path}" in paths
        parameters = paths["/arcgis/rest/services/{service}/MapServer/exportTiles"]["get"]["parameters"]
        assert {"levels", "areaOfInterest", "tilePackage", "f", "service"} <= {item["name"] for item in parameters}


class TestTiles:
    def test_tiles_are_returned_as_stored(self, client: RestClient, cache: Path) -> None:
        tiles = read_cache(cache)
        for level, row, column in list(tiles)[::37]:
            reply = client.get(f"{WORLD}/tile/{level}/{row}/{column}")
            assert reply.body == tiles[level, row, column]
            assert (reply.status, reply.headers["content-type"]) == (200, "image/jpeg")

    def test_unchanged_tile_is_not_sent_again(self, client: RestClient) -> None:
        first = client.get(f"{WORLD}/tile/0/0/0")
        path = client.path(f"{WORLD}/tile/0/0/0")
        again = client.ask("GET", path, If_None_Match=f'"x", W/{first.headers["etag"]}')
        assert (again.status, again.body) == (304, b"")
        assert client.ask("GET", path, If_None_Match='"x"').body == first.body

    @pytest.mark.parametrize(
        "address", ["0/0/1", "3/0/0", "99/0/0", "0/99999999999999999999/0", "0/-1/0", "a/0/0", "8/1e1/0", "0/0/٣"]
    )
    def test_missing_tile_is_not_found(self, client: RestClient, address: str) -> None:
        assert client.get(f"{WORLD}/tile/{address}").status == 404


RESOURCES = [
    "info",
    "services",
    "services/Maps",
    WORLD,
    IN_FOLDER,
    "services/World/MapServer",
    "services/ExportTiles/GPServer",
    "services/ExportTiles/GPServer/ExportTiles",
    "services/Nowhere/ImageServer",
    f"{WORLD}/jobs/j0",
    "directories/arcgisoutput/j0",
]


class TestFormats:
    @pytest.mark.parametrize("path", RESOURCES)
    def test_get_and_post_return_the_same_in_all_formats(self, client: RestClient, path: str) -> None:
        plain = client.get(path, f="json")
        assert plain.status == 200
        assert client.post(path, f="json").body == plain.body
        assert client.get(f"{path}/", f="json").json() == plain.json()
        assert client.post(path, F="x", f="JSON ").json() == plain.json()
        indented = client.get(path, f="pjson")
        assert indented.json() == plain.json()
        assert indented.body.count(b"\n") > plain.body.count(b"\n")

    @pytest.mark.parametrize("path", RESOURCES[:-1])
    def test_default_format_is_html(self, client: RestClient, path: str) -> None:
        reply = client.get(path)
        assert (reply.status, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert reply.body.startswith(b"<!doctype html>")
        assert client.get(path, f="html").body == reply.body

    def test_body_takes_precedence_over_query(self, client: RestClient) -> None:
        reply = client.ask(
            "POST", client.path("info") + "?f=html", b"f=json", Content_Type="application/x-www-form-urlencoded"
        )
        assert reply.json()["currentVersion"] == 11.3

    def test_unknown_formats_and_jsonp_are_rejected(self, client: RestClient) -> None:
        assert client.get("services", f="kmz").error()["details"] == [
            "f: invalid choice; found 'kmz', expected html, json or pjson"
        ]
        rejected = client.get("services", f="json", callback="steal")
        assert rejected.error()["code"] == 400
        assert b"steal" not in rejected.body

    def test_other_content_types_are_rejected(self, client: RestClient) -> None:
        reply = client.ask("POST", client.path(WORLD), b'{"f": "json"}', Content_Type="application/json")
        assert reply.error()["details"] == [
            "unsupported content type; found application/json, expected application/x-www-form-urlencoded"
        ]

    @pytest.mark.parametrize("path", ["nothing", "services/World/ImageServer/nothing/else", "static/nothing.js"])
    def test_other_paths_are_not_found(self, client: RestClient, path: str) -> None:
        assert client.get(path, f="json").status == 404


EXPORT = {"levels": "0-2", "tilePackage": "true"}


@pytest.fixture(scope="module")
def succeeded(service: ServiceProcess) -> str:
    """Return the path of a succeeded export job."""
    client = RestClient(service.address)
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

    def test_job_is_found_below_all_its_parent_resources(self, client: RestClient, succeeded: str) -> None:
        job_id = succeeded.rpartition("/")[2]
        same = client.json(succeeded)
        for path in (f"{WORLD}/jobs", "services/World/MapServer/exportTiles/jobs", "services/World/MapServer/jobs"):
            assert client.json(f"{path}/{job_id}") == same
            assert client.result(f"{path}/{job_id}") == client.result(succeeded)
        for path in (f"{WORLD}/estimateExportTilesSize/jobs", f"{IN_FOLDER}/jobs"):
            assert client.get(f"{path}/{job_id}", f="json").error()["code"] == 404

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
        for path in ("results/other", "inputs/other", "inputs/f"):
            assert client.get(f"{succeeded}/{path}", f="json").error()["code"] == 400

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
        assert client.result(job) == {"totalSize": exported.size, "totalTilesToExport": exported.tiles}
        assert client.get(f"directories/arcgisoutput/{job.rpartition('/')[2]}").error()["code"] == 404

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

    def test_errors_are_returned_as_json_and_as_pages(self, client: RestClient) -> None:
        error = client.get("services/<b>/ImageServer", f="json").error()
        assert (error["code"], error["details"]) == (404, ["<b>: service not found"])
        page = client.get("services/<b>/ImageServer").body.decode()
        assert "&lt;b&gt;" in page
        assert "<b>" not in page


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


def test_export_can_be_disallowed(tmp_path: Path, cache: Path) -> None:
    settings = f"[caches.World]\nlocation = {json.dumps(str(cache))}\nexportTilesAllowed = false\n"
    (tmp_path / "service.toml").write_text(settings)
    with ServiceProcess(tmp_path, "--config", tmp_path / "service.toml") as service:
        client = RestClient(service.address)
        assert client.json(WORLD)["exportTilesAllowed"] is False
        assert client.get(f"{WORLD}/tile/0/0/0").status == 200
        assert client.post(f"{WORLD}/exportTiles", f="json", levels="0").error()["code"] == 403
        assert b"does not allow exportTiles" in client.get(f"{WORLD}/exportTiles").body
        [cache_parameter] = client.json("services/ExportTiles/GPServer/ExportTiles")["parameters"][:1]
        assert cache_parameter["choiceList"] == []


def test_cache_that_cannot_be_read(tmp_path: Path) -> None:
    cache = make_cache(tmp_path / "here", world())
    with ServiceProcess(tmp_path, f"World={cache}") as service:
        client = RestClient(service.address)
        cache.rename(tmp_path / "gone")
        for path in (WORLD, f"{WORLD}/tile/0/0/0", f"{WORLD}/exportTiles"):
            error = client.get(path, f="json").error()
            assert error["details"] == ["cache cannot be read; see the log of the service"]
        errors = [line for line in service.log().splitlines() if "ERROR" in line]
        assert len(errors) == 3
        assert all(line.endswith(f"{cache}: cannot be opened: No such file or directory") for line in errors)
        (tmp_path / "gone").rename(cache)
        assert client.get(f"{WORLD}/tile/0/0/0").status == 200
