"""Pages of other origins: what browsers need of a service that allows them, and what stays forbidden to all others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.rest_client import Reply, RestClient
from helpers.service_process import ServiceProcess

MAPS, LOCAL, OTHER = "https://maps.example.com", "http://127.0.0.1:8080", "https://other.example.com"
WORLD = "services/World/ImageServer"
START = f"{WORLD}/exportTiles"
TILE = f"{WORLD}/tile/0/0/0"
ALLOW_ORIGIN, EXPOSE = "access-control-allow-origin", "access-control-expose-headers"
EXPOSED = {"accept-ranges", "content-disposition", "content-length", "content-range", "etag"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[ServiceProcess]:
    folder = tmp_path_factory.mktemp("origins")
    with ServiceProcess(folder, f"World={cache}", "--allow-origin", MAPS, "--allow-origin", LOCAL) as running:
        yield running


@pytest.fixture
def client(service: ServiceProcess) -> RestClient:
    return RestClient(service.address)


@pytest.fixture(scope="module")
def open_client(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[RestClient]:
    """A client of a service that allows every origin."""
    folder = tmp_path_factory.mktemp("every_origin")
    with ServiceProcess(folder, f"World={cache}", "--allow-origin", "*") as running:
        yield RestClient(running.address)


def ask_preflight(client: RestClient, origin: str, method: str = "POST", path: str = START) -> Reply:
    return client.ask(
        "OPTIONS",
        client.path(path),
        Origin=origin,
        Access_Control_Request_Method=method,
        Access_Control_Request_Headers="content-type,x-esri-authorization,x-requested-with",
    )


def check_allowed(reply: Reply, origin: str) -> None:
    assert reply.headers[ALLOW_ORIGIN] == origin
    assert "origin" in reply.headers["vary"].lower().split(", ")
    assert {name.strip().lower() for name in reply.headers[EXPOSE].split(",")} == EXPOSED
    assert "access-control-allow-credentials" not in reply.headers


def check_not_allowed(reply: Reply) -> None:
    assert ALLOW_ORIGIN not in reply.headers
    assert "access-control-allow-credentials" not in reply.headers
    assert "origin" in reply.headers["vary"].lower().split(", ")


@pytest.mark.parametrize("origin", [MAPS, LOCAL])
def test_preflight_allows_what_clients_send(client: RestClient, origin: str) -> None:
    for path in (START, TILE, "services", "directories/arcgisoutput/j0/World.tpkx"):
        reply = ask_preflight(client, origin, path=path)
        assert reply.status == 200
        assert reply.headers[ALLOW_ORIGIN] == origin
        assert {"GET", "POST"} <= set(reply.headers["access-control-allow-methods"].split(", "))
        assert "x-esri-authorization" in reply.headers["access-control-allow-headers"]
        assert "origin" in reply.headers["vary"].lower()
        assert "access-control-allow-credentials" not in reply.headers


@pytest.mark.parametrize("origin", [OTHER, "null", f"{MAPS}.example.com", "http://maps.example.com", f"{LOCAL}0"])
def test_preflight_refuses_other_origins(client: RestClient, origin: str) -> None:
    reply = ask_preflight(client, origin)
    assert reply.status == 400
    assert ALLOW_ORIGIN not in reply.headers
    assert ask_preflight(client, MAPS, "DELETE").status == 400


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("services?f=json", 200),
        ("services", 200),
        (f"{WORLD}?f=json", 200),
        ("services/Nowhere/ImageServer?f=json", 200),
        (f"{START}/jobs/j0?f=json", 200),
        (TILE, 200),
        (f"{WORLD}/tile/0/9/9", 404),
        ("nothing", 404),
        ("static/style.css", 200),
        ("openapi.json", 200),
    ],
)
def test_allowed_origin_may_read_answers_and_errors(client: RestClient, path: str, status: int) -> None:
    target = f"/arcgis/rest/{path}"
    reply = client.ask("GET", target, Origin=MAPS)
    assert reply.status == status
    check_allowed(reply, MAPS)
    check_not_allowed(client.ask("GET", target, Origin=OTHER))
    # A cache must not answer the page of an allowed origin with what it kept of a request without one.
    check_not_allowed(client.ask("GET", target))


def test_allowed_origin_may_read_tiles_that_have_not_changed(client: RestClient) -> None:
    etag = client.get(TILE).headers["etag"]
    reply = client.ask("GET", client.path(TILE), Origin=MAPS, If_None_Match=etag)
    assert reply.status == 304
    check_allowed(reply, MAPS)


def test_allowed_origin_may_start_and_cancel_jobs_and_read_results(client: RestClient) -> None:
    browser = {"Origin": MAPS, "Sec_Fetch_Site": "cross-site"}
    for method in ("GET", "POST"):
        reply = client.ask(method, client.path(START) + "?levels=0&tilePackage=true&f=json", **browser)
        check_allowed(reply, MAPS)
    job = f"{START}/jobs/{reply.json()['jobId']}"
    assert client.wait(job)["jobStatus"] == "esriJobSucceeded"
    cancelled = client.ask("POST", client.path(f"{job}/cancel") + "?f=json", **browser)
    assert cancelled.error()["details"][0].startswith("job cannot be cancelled")
    package = client.path(f"{client.result(job)}/World.tpkx")
    check_allowed(client.ask("GET", package, **browser), MAPS)
    part = client.ask("GET", package, Range="bytes=0-9", **browser)
    assert part.status == 206
    check_allowed(part, MAPS)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": OTHER, "Sec_Fetch_Site": "cross-site"},
        {"Origin": "null", "Sec_Fetch_Site": "cross-site"},
        {"Origin": OTHER},
        {"Sec_Fetch_Site": "cross-site", "Referer": f"{MAPS}/"},
        {"Referer": f"{MAPS}/"},
    ],
)
def test_other_origins_and_links_start_no_jobs(client: RestClient, headers: dict[str, str]) -> None:
    for method in ("GET", "POST"):
        reply = client.ask(method, client.path(START) + "?levels=0&f=json", **headers)
        assert reply.error()["code"] == 403


@pytest.mark.parametrize("origin", [OTHER, "null"])
def test_every_origin_can_be_allowed_but_never_with_cookies(open_client: RestClient, origin: str) -> None:
    assert ask_preflight(open_client, origin).headers[ALLOW_ORIGIN] == "*"
    for headers in ({}, {"Cookie": "token=secret"}):
        reply = open_client.ask(
            "POST",
            open_client.path(START) + "?levels=0&f=json",
            **{"Origin": origin, "Sec_Fetch_Site": "cross-site", **headers},
        )
        assert "jobId" in reply.json()
        check_allowed(reply, "*")


def test_images_start_no_jobs_even_if_every_origin_is_allowed(open_client: RestClient) -> None:
    reply = open_client.ask("GET", open_client.path(START) + "?levels=0&f=json", Sec_Fetch_Site="cross-site")
    assert reply.error()["code"] == 403


def test_no_origin_is_allowed_by_default(rest_service: ServiceProcess) -> None:
    client = RestClient(rest_service.address)
    assert ask_preflight(client, MAPS).status == 405
    assert ALLOW_ORIGIN not in client.ask("GET", client.path(TILE), Origin=MAPS).headers
