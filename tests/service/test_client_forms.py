"""Forms of requests of some clients: letter case, repeated parameters, compression, and what arcgistiles saves."""

from __future__ import annotations

import gzip
import json
import zipfile
from io import BytesIO

import pytest
from urllib3.filepost import encode_multipart_formdata

from helpers.rest_client import RestClient
from helpers.service_process import ServiceProcess

WORLD = "services/World/ImageServer"
TASK = "services/ExportTiles/GPServer/ExportTiles"
JSON = {"f=json", "F=JSON", "f=json&f=json", "f=html&f=pjson", "f=&f=json"}


def test_parts_are_fields(client: RestClient) -> None:
    area = '{"rings": [[[0,0],[0,9],[9,9],[0,0]]]}'
    body, content_type = encode_multipart_formdata(
        {"f": "json", "levels": "0-1", "areaOfInterest": ("area.json", area)}
    )
    path = client.path(f"{WORLD}/estimateExportTilesSize")
    job = client.ask("POST", path, body, Content_Type=content_type).json()
    for name, value in {"levels": "0-1", "areaOfInterest": area}.items():
        assert client.get(f"{WORLD}/jobs/{job['jobId']}/inputs/{name}", f="json").json()["value"] == value


class TestLetterCase:
    @pytest.mark.parametrize("query", sorted(JSON))
    def test_format(self, client: RestClient, query: str) -> None:
        reply = client.ask("GET", f"{client.path(WORLD)}?{query}")
        assert reply.json()["name"] == "World"

    @pytest.mark.parametrize(
        "path",
        [
            "/ArcGIS/REST/Services/World/imageserver",
            "/arcgis/rest/services/World/IMAGESERVER/exporttiles",
            "/ARCGIS/rest/services/World/ImageServer/ESTIMATEEXPORTTILESSIZE/",
            "/arcgis/REST/info",
        ],
    )
    def test_paths(self, client: RestClient, path: str) -> None:
        assert "error" not in client.ask("GET", f"{path}?f=json&levels=0").json()

    def test_tiles(self, client: RestClient) -> None:
        expected = client.get(f"{WORLD}/tile/0/0/0")
        for path in (
            "/ArcGIS/rest/services/World/imageserver/TILE/0/0/0",
            "/arcgis/rest/Services/World/mapserver/tile/0/0/0",
        ):
            for query in ("", "?F=image"):
                reply = client.ask("GET", path + query)
                assert (reply.status, reply.body == expected.body) == (200, query == "")

    def test_names_of_services_keep_theirs(self, client: RestClient) -> None:
        assert client.get("services/world/ImageServer", f="json").error()["code"] == 404


class TestCompression:
    def test_texts_are_compressed_for_clients_that_accept_it(self, client: RestClient) -> None:
        for path, query in ((WORLD, "?f=json"), (TASK, ""), ("static/style.css", "")):
            plain = client.ask("GET", client.path(path) + query)
            packed = client.ask("GET", client.path(path) + query, Accept_Encoding="gzip")
            assert packed.headers["content-encoding"] == "gzip"
            assert "Accept-Encoding" in packed.headers["vary"]
            assert gzip.decompress(packed.body) == plain.body
            assert len(packed.body) < len(plain.body)
            assert "content-encoding" not in plain.headers

    def test_tiles_and_results_are_not(self, client: RestClient) -> None:
        job, _ = client.run(f"{WORLD}/exportTiles", levels="0-2", tilePackage="true")
        [file] = client.get(client.result(job)).json()["files"]
        for path in (client.path(f"{WORLD}/tile/0/0/0"), client.path(file["url"])):
            reply = client.ask("GET", path, Accept_Encoding="gzip")
            assert "content-encoding" not in reply.headers
            assert int(reply.headers["content-length"]) == len(reply.body)


@pytest.fixture(scope="module")
def address(rest_service: ServiceProcess) -> str:
    """The address that is the result of an export of a package."""
    client = RestClient(rest_service.address)
    job, _ = client.run(f"{WORLD}/exportTiles", levels="0-2", tilePackage="true")
    return str(client.result(job))


class TestArcgistiles:
    """The client for R: it saves what the address of the result returns, and reads another name of the count."""

    def test_package_is_returned_in_place_of_the_listing(self, client: RestClient, address: str) -> None:
        reply = client.ask("GET", client.path(address), User_Agent="arcgisutils v0.4.0")
        with zipfile.ZipFile(BytesIO(reply.body)) as package:
            assert "root.json" in package.namelist()
        assert "World.tpkx" in reply.headers["content-disposition"]

    @pytest.mark.parametrize("agent", ["arcgisutils v0.4.0", "Geosaurus/2.4.4", "node", ""])
    def test_listing_is_returned_if_json_is_requested(self, client: RestClient, address: str, agent: str) -> None:
        reply = client.ask("GET", f"{client.path(address)}?f=json", User_Agent=agent)
        assert [file["name"] for file in reply.json()["files"]] == ["World.tpkx"]

    def test_other_clients_get_the_listing(self, client: RestClient, address: str) -> None:
        assert json.loads(client.ask("GET", client.path(address), User_Agent="Geosaurus/2.4.4").body)["files"]

    def test_dataset_is_listed(self, client: RestClient) -> None:
        job, _ = client.run(f"{WORLD}/exportTiles", levels="0", tilePackage="false")
        reply = client.ask("GET", client.path(client.result(job)), User_Agent="arcgisutils v0.4.0")
        assert reply.json()["folders"]

    def test_estimate_is_found_below_the_export_and_has_both_counts(self, client: RestClient) -> None:
        job, _ = client.run(f"{WORLD}/estimateExportTilesSize", levels="0-2")
        job_id = job.rpartition("/")[2]
        value = client.result(f"{WORLD}/exportTiles/jobs/{job_id}")
        assert value["totalTileCount"] == value["totalTilesToExport"] == 21
