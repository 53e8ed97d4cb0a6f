"""A service behind nginx, with TLS and a path, configured as the documentation says; and what does not need nginx."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from http.client import HTTPSConnection
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
from lxml import html

from helpers.gate import Gate
from helpers.replay import Replay
from helpers.rest_client import REST, RestClient
from helpers.reverse_proxy import NGINX, OPENSSL, PREFIX, ReverseProxy, free_port
from helpers.service_process import ServiceProcess
from helpers.waiting import wait_until

PUBLIC = "https://gis.example.com/tiles"
WORLD = "services/World/ImageServer"

needs_nginx = pytest.mark.skipif(not (NGINX and OPENSSL), reason="nginx or openssl is not installed")


class Proxied(NamedTuple):
    """A service, the proxy in front of it, and its public URL."""

    service: ServiceProcess
    proxy: ReverseProxy
    url: str


@pytest.fixture(scope="module", params=["removed", "kept"])
def proxied(
    request: pytest.FixtureRequest,
    served_caches: dict[str, Path],
    service_gate: Gate,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Proxied]:
    """A service behind nginx, which removes the path of the public URL from requests, or keeps it."""
    folder = tmp_path_factory.mktemp("proxied")
    port = free_port()
    url = f"https://localhost:{port}{PREFIX}"
    config = "".join(
        f'[caches."{name}"]\nlocation = {json.dumps(str(path))}\n'
        f"maxExportTilesCount = {9 if name == 'Few' else 2_000_000}\n"
        for name, path in served_caches.items()
    )
    (folder / "service.toml").write_text(f'[service]\npublicUrl = "{url}/"\n{config}')
    keeps_prefix = request.param == "kept"
    with (
        ServiceProcess(folder, "--config", "service.toml", environment=service_gate.environment) as service,
        ReverseProxy(folder, port, service.address, keeps_prefix=keeps_prefix) as proxy,
    ):
        yield Proxied(service, proxy, url)


@pytest.fixture(scope="module")
def service(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    folder = tmp_path_factory.mktemp("public")
    with ServiceProcess(folder, f"World={cache}", "--public-url", PUBLIC) as running:
        yield running


@pytest.fixture
def client(service: ServiceProcess) -> RestClient:
    return RestClient(service.address, Host="gis.example.com")


@needs_nginx
@pytest.mark.parametrize("name", ["arcgis-layers", "arcgis-toolbox", "rest-js"])
def test_clients_work_through_nginx(
    proxied: Proxied, service_gate: Gate, served_caches: dict[str, Path], tmp_path: Path, name: str
) -> None:
    replay = Replay(proxied.url, served_caches, tmp_path, proxied.proxy.tls)
    replay.send_recording(name, service_gate)
    assert replay.jobs
    assert replay.files


@needs_nginx
def test_large_areas_and_parts_of_results_pass_nginx(proxied: Proxied) -> None:
    base = urlsplit(proxied.url)
    path = f"{base.path}{REST}/{WORLD}/exportTiles"

    def ask(method: str, target: str, body: str = "", **headers: str) -> tuple[int, bytes]:
        connection = HTTPSConnection(base.netloc, context=proxied.proxy.tls)
        sent = {"Content-Type": "application/x-www-form-urlencoded", **headers}
        connection.request(method, target, body or None, sent)
        response = connection.getresponse()
        answer = response.status, response.read()
        connection.close()
        return answer

    area = "x" * 300_000
    assert b"jobId" in ask("GET", f"{path}?f=json&levels=0&areaOfInterest={area}")[1]
    assert b"jobId" in ask("POST", path, f"f=json&levels=0&areaOfInterest={40 * area}")[1]
    job = json.loads(ask("POST", path, "f=json&levels=0-2&tilePackage=true")[1])["jobId"]
    package = f"{base.path}{REST}/directories/arcgisoutput/{job}/World.tpkx"
    wait_until(lambda: b"esriJobSucceeded" in ask("GET", f"{path}/jobs/{job}?f=json")[1])
    assert ask("GET", package, Range="bytes=0-3") == (206, b"PK\3\4")


@needs_nginx
def test_links_of_pages_work_through_nginx(proxied: Proxied) -> None:
    """Follow the links from the list of services, with all forms, scripts, style sheets and images."""
    base = urlsplit(proxied.url)
    waiting, found = [f"{base.path}/"], {}
    while waiting:
        path = waiting.pop()
        connection = HTTPSConnection(base.netloc, context=proxied.proxy.tls)
        connection.request("GET", path, headers={"Accept": "text/html"})
        response = connection.getresponse()
        content = response.read()
        connection.close()
        found[path] = response.status
        if location := response.getheader("Location"):
            urls = [location]
        else:
            is_page = response.headers.get_content_type() == "text/html"
            urls = paths_of_page(content.decode()) if is_page else []
        assert all(url.startswith(f"{base.path}{REST}/") for url in urls), (path, urls)
        waiting += [url for url in {*urls} - {*found, *waiting} if "/tile" not in url.removeprefix(base.path)]
    assert {*found.values()} == {200, 303}
    assert any(path.endswith("/World/MapServer/exportTiles") for path in found)
    assert any(path.endswith(".js") for path in found)


def paths_of_page(text: str) -> list[str]:
    """Return what the links, scripts, forms and data attributes of a page refer to."""
    document = html.document_fromstring(text)
    values = [value for _, _, value, _ in document.iterlinks()]
    values += [value for element in document.iter() for value in element.attrib.values() if value.startswith("/")]
    return [value for value in values if not value.startswith(("#", "data:"))]


@pytest.mark.parametrize("path", ["", PREFIX])
@pytest.mark.parametrize("host", ["gis.example.com", "127.0.0.1:6080"])
def test_urls_of_a_job_start_with_the_public_url(service: ServiceProcess, path: str, host: str) -> None:
    client = RestClient(service.address, Host=host)
    task = "services/ExportTiles/GPServer/ExportTiles"
    submitted = client.post(f"{task}/submitJob", f="json", levels="0", tilePackage="true").json()
    job = f"{task}/jobs/{submitted['jobId']}"
    assert client.wait(job)["jobStatus"] == "esriJobSucceeded"
    reply = client.ask("GET", f"{path}{REST}/{job}/results/package?f=json").json()
    folder = client.ask("GET", f"{path}{REST}/{job}/results/out_service_url?f=json").json()["value"]
    assert folder == f"{PUBLIC}{REST}/directories/arcgisoutput/{job.rpartition('/')[2]}"
    assert reply["value"]["url"] == f"{folder}/World.tpkx"
    listing = client.ask("GET", f"{path}{urlsplit(folder).path.removeprefix(PREFIX)}").json()
    assert listing["files"][0]["url"] == f"{folder}/World.tpkx"
    assert listing["report"] == f"{folder}/report.json"
    page = client.ask("GET", f"{path}{REST}/{job}?f=html").body.decode()
    assert [url for url in paths_of_page(page) if not url.startswith(f"{PREFIX}{REST}/")] == []
    result = client.ask("GET", f"{path}{REST}/{job}/results/out_service_url?f=html").body.decode()
    assert f'<a href="{PREFIX}{REST}/directories' in result


def test_redirects_stay_below_the_public_url(client: RestClient) -> None:
    for path in ("/", "/arcgis", "/tiles", "/tiles/", "/tiles/arcgis/rest/"):
        assert client.ask("GET", path).headers["location"] == f"{PREFIX}{REST}/services"
    started = client.ask("POST", client.path(f"{WORLD}/exportTiles"), b"levels=0")
    assert re.fullmatch(rf"{PREFIX}{REST}/{WORLD}/exportTiles/jobs/j\w+", started.headers["location"])
    cancelled = client.ask("POST", f"{started.headers['location']}/cancel", b"f=html")
    assert cancelled.status in (200, 303)
    assert cancelled.headers.get("location", PREFIX).startswith(PREFIX)


def test_error_pages_have_the_public_path(client: RestClient) -> None:
    page = client.get("services/Nowhere/ImageServer").body.decode()
    assert [url for url in paths_of_page(page) if not url.startswith(f"{PREFIX}{REST}/")] == []


def test_openapi_names_the_public_url(client: RestClient) -> None:
    assert client.json("openapi.json")["servers"] == [{"url": PUBLIC}]


def test_path_that_only_begins_like_the_public_path_is_not_found(client: RestClient) -> None:
    assert client.ask("GET", f"/tilesx{REST}/info?f=json").status == 404
    assert client.ask("GET", f"/tiles/tiles{REST}/info?f=json").status == 404


@pytest.mark.parametrize("host", ["evil.example", "gis.example.com.evil.example", "example.com", ""])
def test_other_host_names_are_rejected(client: RestClient, host: str) -> None:
    assert client.ask("GET", client.path("info"), Host=host).status == 421


def test_own_pages_start_jobs_whichever_host_name_the_proxy_passes(service: ServiceProcess) -> None:
    for host in ("gis.example.com", service.address):
        client = RestClient(service.address, Host=host)
        target = client.path(f"{WORLD}/exportTiles") + "?levels=0&f=json"
        assert "jobId" in client.ask("POST", target, Origin="https://gis.example.com").json()
        assert client.ask("POST", target, Origin="https://other.example.com").error()["code"] == 403


def test_scheme_of_the_proxy_is_believed_on_this_machine(rest_service: ServiceProcess) -> None:
    client = RestClient(rest_service.address, X_Forwarded_Proto="https")
    assert client.json("openapi.json")["servers"] == [{"url": f"https://{rest_service.address}"}]
