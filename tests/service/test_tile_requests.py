"""Requests for tiles: GET requests take a shorter way than others, and their responses must not differ for that."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gptool.service.tokens import add_token
from helpers.rest_client import Reply, RestClient
from helpers.service_process import ServiceProcess

PATHS = {
    "tile": "World/ImageServer/tile/0/0/0",
    "tile of a map service": "World/MapServer/tile/8/127/127",
    "in a folder": "Maps/Second/ImageServer/tile/0/0/0",
    "no tile": "World/ImageServer/tile/8/0/0",
    "no number": "World/ImageServer/tile/a/0/0",
    "no service": "Nowhere/ImageServer/tile/0/0/0",
    "percent-encoded": "%57orld/ImageServer/tile/0/0/0",
    "trailing slash": "World/ImageServer/tile/0/0/0/",
}
SERVICES = "/arcgis/rest/services"
SECURITY_HEADERS = "content-security-policy", "x-content-type-options", "referrer-policy"


def without_date(reply: Reply) -> tuple[int, dict[str, str], bytes]:
    return reply.status, {name: value for name, value in reply.headers.items() if name != "date"}, reply.body


class TestShortWay:
    @pytest.mark.parametrize("name", PATHS)
    def test_responses_equal_those_of_the_resource(self, client: RestClient, name: str) -> None:
        path = f"{SERVICES}/{PATHS[name]}"
        short, long = client.ask("GET", path), client.ask("POST", path, b"")
        assert without_date(short) == without_date(long)
        assert short.headers["x-content-type-options"] == "nosniff"

    def test_tiles_have_no_headers_that_only_pages_need(self, client: RestClient) -> None:
        tile, page = (client.ask("GET", f"{SERVICES}/{path}") for path in (PATHS["tile"], "World/ImageServer"))
        assert tile.headers.keys() & set(SECURITY_HEADERS) == {"x-content-type-options"}
        assert set(SECURITY_HEADERS) <= page.headers.keys()

    def test_head(self, client: RestClient) -> None:
        path = f"{SERVICES}/{PATHS['tile']}"
        get, head = client.ask("GET", path), client.ask("HEAD", path)
        assert without_date(head) == (200, without_date(get)[1], b"")

    @pytest.mark.parametrize("query", ["x=1", "_ts=1&blankTile=false", "token=", "f=json", "f=html", "x=1&x=2"])
    def test_query_does_not_change_a_tile(self, client: RestClient, query: str) -> None:
        path = f"{SERVICES}/{PATHS['tile']}"
        assert client.ask("GET", f"{path}?{query}").body == client.ask("GET", path).body

    @pytest.mark.parametrize("query", ["callback=steal", "x=1&callback", "f=kmz", "%66=kmz", "&".join(["x=1"] * 1001)])
    def test_invalid_queries_are_rejected(self, client: RestClient, query: str) -> None:
        assert client.ask("GET", f"{SERVICES}/{PATHS['tile']}?{query}").error()["code"] == 400

    def test_unknown_host_is_rejected(self, client: RestClient) -> None:
        reply = client.ask("GET", f"{SERVICES}/{PATHS['tile']}", Host="evil.example")
        assert (reply.status, reply.body) == (421, b"unknown host name")
        assert set(SECURITY_HEADERS) <= reply.headers.keys()

    def test_unchanged_tile_is_not_sent_again(self, client: RestClient) -> None:
        path = f"{SERVICES}/{PATHS['tile']}"
        first = client.ask("GET", path)
        for tags in (first.headers["etag"], f'"x", W/{first.headers["etag"]}'):
            again = [client.ask(method, path, If_None_Match=tags) for method in ("GET", "POST")]
            assert [(reply.status, reply.body, reply.headers["etag"]) for reply in again] == [
                (304, b"", first.headers["etag"])
            ] * 2
        assert client.ask("GET", path, If_None_Match='"x"').body == first.body


@pytest.fixture
def token(tmp_path: Path) -> str:
    return add_token(tmp_path / "tokens", "ann")


@pytest.fixture
def protected(tmp_path: Path, token: str, cache: Path) -> Iterator[RestClient]:
    with ServiceProcess(tmp_path, f"World={cache}", "--token-file", tmp_path / "tokens") as running:
        yield RestClient(running.address)


def test_tiles_need_a_token(protected: RestClient, token: str) -> None:
    path = f"{SERVICES}/{PATHS['tile']}"
    assert protected.ask("GET", path).error()["code"] == 499
    assert protected.ask("GET", f"{path}?token=x").error()["code"] == 498
    assert protected.ask("GET", f"{path}?token={token}").headers["content-type"] == "image/jpeg"
    for name in ("Authorization", "X_Esri_Authorization"):
        assert protected.ask("GET", path, **{name: f"Bearer {token}"}).headers["content-type"] == "image/jpeg"
        assert protected.ask("GET", path, **{name: "Bearer x"}).error()["code"] == 498
