"""Resources of the service over a socket, by GET and POST, and error objects."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from lxml import html

from helpers.caches import make_cache, world
from helpers.rest_client import RestClient
from helpers.service_process import ServiceProcess
from helpers.tile_readers import read_cache
from helpers.waiting import wait_until

WORLD = "services/World/ImageServer"
IN_FOLDER = "services/Maps/Second/ImageServer"


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


def test_each_cache_is_listed_once_with_its_figures(client: RestClient) -> None:
    page = html.document_fromstring(client.get("services").body)
    [cache] = page.xpath("//ul[@class='caches']/li")
    assert cache.xpath(".//h3/a/text()") == ["World"]
    [first, last] = cache.xpath(".//p/a/@href")
    assert (first, last) == (f"/arcgis/rest/{WORLD}", "/arcgis/rest/services/World/MapServer")
    assert f"{len(world()):,} tiles" in cache.text_content()
    picture = client.get(cache.xpath(".//img/@src")[0])
    assert (picture.headers["content-type"], picture.body[:4]) == ("image/png", b"\x89PNG")


def test_page_of_a_cache_has_the_tiles_and_bytes_of_each_level(client: RestClient) -> None:
    page = html.document_fromstring(client.get(WORLD).body)
    levels = page.get_element_by_id("levels")
    assert "data-counting" not in levels.attrib
    found = {}
    for row in levels.xpath("./div//tbody/tr"):
        [tiles, size] = row.xpath("td")[2:]
        found[int(row.xpath("th")[0].text)] = int(tiles.text.replace(",", "")), size.get("title")
    expected: dict[int, tuple[int, int]] = {}
    for (level, _, _), tile in world().items():
        count, size = expected.get(level, (0, 0))
        expected[level] = count + 1, size + len(tile)
    assert found == {level: (count, f"{size:,} bytes") for level, (count, size) in expected.items()}
    empty = {int(text) for text in levels.xpath("./details//tbody/tr/th/text()")}
    assert empty
    assert not empty & found.keys()
    assert page.get_element_by_id("tile-url").get("value").endswith(f"/{WORLD}/tile/{{z}}/{{y}}/{{x}}")


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
            "unsupported content type; found application/json, expected application/x-www-form-urlencoded or "
            "multipart/form-data"
        ]

    @pytest.mark.parametrize("path", ["nothing", "services/World/ImageServer/nothing/else"])
    def test_other_paths_are_not_found(self, client: RestClient, path: str) -> None:
        for reply in (client.get(path, f="json"), client.get(path, F="PJSON"), client.post(path, f="json")):
            assert reply.error()["code"] == 404
            assert reply.error()["details"] == [f"/arcgis/rest/{path}: resource not found"]
        page = client.get(path)
        assert (page.status, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
        assert b"resource not found" in page.body

    def test_other_static_files_are_not_found(self, client: RestClient) -> None:
        assert client.get("static/nothing.js").status == 404

    def test_other_methods_are_not_supported(self, client: RestClient) -> None:
        reply = client.ask("DELETE", client.path(WORLD) + "?f=json")
        assert (reply.error()["code"], set(reply.headers["allow"].split(", "))) == (405, {"GET", "HEAD", "POST"})

    def test_errors_are_returned_as_json_and_as_pages(self, client: RestClient) -> None:
        error = client.get("services/<b>/ImageServer", f="json").error()
        assert (error["code"], error["details"]) == (404, ["<b>: service not found"])
        page = client.get("services/<b>/ImageServer").body.decode()
        assert "&lt;b&gt;" in page
        assert "<b>" not in page


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
        wait_until(lambda: b"error" in client.get(WORLD, f="json").body)  # checked once a second
        before = len(service.log().splitlines())
        for path in (WORLD, f"{WORLD}/tile/0/0/0", f"{WORLD}/exportTiles"):
            error = client.get(path, f="json").error()
            assert error["details"] == ["cache cannot be read; see the log of the service"]
        errors = [line for line in service.log().splitlines()[before:] if "ERROR" in line]
        assert len(errors) == 3
        assert all(f"{cache}: cache not found" in line for line in errors)
        (tmp_path / "gone").rename(cache)
        assert client.get(f"{WORLD}/tile/0/0/0").status == 200
