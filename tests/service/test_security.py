"""Security: cross-site requests, host names, path traversal, limits, and invalid settings."""

from __future__ import annotations

import http.client
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from gptool.cli import main
from helpers.command_line import run
from helpers.rest_client import RestClient
from helpers.service_process import ServiceProcess

WORLD = "services/World/ImageServer"
START = f"{WORLD}/exportTiles"
PARAMETERS = {"levels": "0", "f": "json"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[ServiceProcess]:
    folder = tmp_path_factory.mktemp("open")
    limits = "[service]\nmaxBodyBytes = 20000\nmaxAreaBytes = 5000\nmaxAreaVertices = 100\n"
    (folder / "service.toml").write_text(f"{limits}[caches.World]\nlocation = {json.dumps(str(cache))}\n")
    (folder / "secret.txt").write_text("secret")
    with ServiceProcess(folder, "--config", folder / "service.toml") as running:
        yield running


@pytest.fixture
def client(service: ServiceProcess) -> RestClient:
    return RestClient(service.address)


CROSS_SITE_HEADERS = [
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site", "Origin": "http://127.0.0.1:1"},
    {"Origin": "https://elsewhere.example"},
    {"Origin": "null"},
    {"Referer": "http://elsewhere.example/page"},
    {"Referer": "https://127.0.0.1.elsewhere.example/"},
]
CHROMIUM = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36"
STARTS = [
    START,
    f"{START}/submitJob",
    f"{WORLD}/estimateExportTilesSize",
    "services/ExportTiles/GPServer/ExportTiles/submitJob",
]


class TestCrossSiteRequests:
    @pytest.mark.parametrize("headers", CROSS_SITE_HEADERS)
    @pytest.mark.parametrize("path", STARTS)
    def test_pages_of_other_sites_cannot_start_jobs(
        self, client: RestClient, headers: dict[str, str], path: str
    ) -> None:
        target = client.path(path) + "?levels=0&f=json"
        for method in ("GET", "POST"):
            assert client.ask(method, target, **headers).error()["code"] == 403

    @pytest.mark.parametrize("headers", CROSS_SITE_HEADERS)
    def test_pages_of_other_sites_cannot_cancel_jobs(self, client: RestClient, headers: dict[str, str]) -> None:
        job, _ = client.run(START, levels="0")
        assert client.ask("POST", client.path(f"{job}/cancel") + "?f=json", **headers).error()["code"] == 403

    def test_head_request_starts_no_job(self, service: ServiceProcess, client: RestClient) -> None:
        before = service.log().count("starts:")
        assert client.ask("HEAD", client.path(START) + "?levels=0&f=json").status == 200
        client.run(START, levels="0")
        assert service.log().count("starts:") == before + 1

    def test_image_of_a_page_without_referrer_starts_no_job(self, client: RestClient) -> None:
        reply = client.ask("GET", client.path(START) + "?levels=0&f=json", User_Agent=CHROMIUM)
        assert reply.error()["code"] == 403

    def test_referrers_of_clients_are_accepted(self, client: RestClient) -> None:
        for referer in ("http", "@esri/arcgis-rest-js"):
            reply = client.ask("GET", client.path(START) + "?levels=0&f=json", Referer=referer)
            assert "jobId" in reply.json()

    def test_own_pages_can_start_jobs(self, client: RestClient) -> None:
        own = f"http://{client.address}"
        for headers in (
            {"Sec_Fetch_Site": "same-origin"},
            {"Origin": own},
            {"Referer": f"{own}/arcgis/rest/services", "User_Agent": CHROMIUM},
        ):
            assert "jobId" in client.ask("POST", client.path(START) + "?levels=0&f=json", **headers).json()

    @pytest.mark.parametrize("host", ["evil.example", "evil.example:6080", "127.0.0.1.evil.example", "[::2]", ""])
    def test_unknown_host_names_are_rejected(self, client: RestClient, host: str) -> None:
        assert client.ask("GET", client.path("services") + "?f=json", Host=host).status == 421

    def test_local_host_names_are_accepted(self, client: RestClient) -> None:
        for host in ("localhost", "LOCALHOST:99", "127.0.0.1", "[::1]:6080"):
            assert client.ask("GET", client.path("services") + "?f=json", Host=host).status == 200

    @pytest.mark.parametrize("path", ["services", WORLD, START, "nothing", "static/style.css", f"{WORLD}/tile/9/9/9"])
    def test_content_security_policy_forbids_other_sources(self, client: RestClient, path: str) -> None:
        reply = client.get(path)
        policy = reply.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; ")
        assert "unsafe" not in policy
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert not {"set-cookie", "access-control-allow-origin", "server"} & set(reply.headers)


TRAVERSALS = [
    "..",
    "../..",
    "../../secret.txt",
    "%2e%2e/%2e%2e/secret.txt",
    "..%2f..%2fsecret.txt",
    "//etc/passwd",
    "%2fetc%2fpasswd",
    "World.tpkx/..",
    "World.tpkx/World.tpkx",
    "World.tpkx%00",
    ".",
    "%ff",
    "world.tpkx",
]


class TestPaths:
    @pytest.fixture
    def folder(self, client: RestClient) -> str:
        job, value = client.run(START, levels="0", tilePackage="true")
        assert value["jobStatus"] == "esriJobSucceeded"
        return client.path(client.result(job))

    @pytest.mark.parametrize("path", TRAVERSALS)
    def test_no_path_leads_out_of_a_result(self, client: RestClient, folder: str, path: str) -> None:
        error = client.ask("GET", f"{folder}/{path}").error()
        assert error["code"] == 404

    def test_symbolic_links_are_not_followed(self, service: ServiceProcess, client: RestClient, folder: str) -> None:
        [result] = service.output.glob(f"results/{folder.rpartition('/')[2]}")
        (result / "link").symlink_to(service.output.parent / "secret.txt")
        assert client.get(f"{folder}/link").error()["code"] == 404

    @pytest.mark.parametrize(
        "path", ["static/../../secret.txt", "static/%2e%2e/__init__.py", "services/../../secret.txt/ImageServer"]
    )
    def test_no_path_leads_out_of_other_folders(self, client: RestClient, path: str) -> None:
        reply = client.ask("GET", f"/arcgis/rest/{path}?f=json")
        assert reply.status == 404 or reply.error()["code"] == 404
        assert b"secret" not in reply.body.replace(b"secret.txt", b"")


class TestLimits:
    def test_body_that_is_too_large_is_rejected(self, client: RestClient) -> None:
        error = client.post(START, **PARAMETERS, areaOfInterest="x" * 30_000).error()
        assert error["code"] == 413
        assert re.fullmatch(
            "request body is too large; found at least .* bytes, expected at most 20000", error["details"][0]
        )

    @pytest.mark.parametrize(
        ("area", "message"),
        [
            (json.dumps({"rings": [[[i % 7, i] for i in range(101)]]}), "found 101"),
            ("x" * 6000, "found 6000"),
        ],
    )
    def test_area_that_is_too_large_fails_its_job(self, client: RestClient, area: str, message: str) -> None:
        job, value = client.run(START, levels="0", areaOfInterest=area)
        assert value["jobStatus"] == "esriJobFailed"
        assert any(message in item["description"] for item in value["messages"]), value
        assert client.get(f"{job}/inputs/areaOfInterest", f="json").error()["code"] == 400

    def test_body_with_a_large_content_length_is_rejected_at_once(self, client: RestClient) -> None:
        reply = client.ask("POST", client.path(START) + "?f=json", b"levels=0", Content_Length="99999999999")
        assert reply.error()["code"] == 413

    def test_too_many_parameters_are_rejected(self, client: RestClient) -> None:
        target = client.path("services") + "?f=json&" + "&".join(f"p{i}=1" for i in range(1001))
        assert client.ask("GET", target).error()["code"] == 400

    def test_incomplete_request_does_not_block_others(self, service: ServiceProcess, client: RestClient) -> None:
        host, port = service.address.split(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(
                b"POST /arcgis/rest/services HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nf="
            )
            assert client.get("services", f="json").status == 200

    def test_large_area_can_be_sent_by_get(self, client: RestClient) -> None:
        reply = client.get(f"{WORLD}/estimateExportTilesSize", **PARAMETERS, areaOfInterest="x" * 100_000)
        assert "jobId" in reply.json()


def test_settings_of_a_file_are_named_with_it(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "service.toml").write_text(f"[service]\njobs = 0\n[caches.World]\nlocation = '{cache}'\n")
    done = run("serve", "--config", "service.toml", cwd=tmp_path)
    message = "service.toml: service.jobs has an invalid value; found 0, expected an integer from 1"
    assert (done.returncode, done.stderr.splitlines()) == (2, [f"Error: {message}"])
    done = run("serve", "--config", "service.toml", "--jobs", "1", "--job-minutes", "0", cwd=tmp_path)
    assert done.stderr.startswith("Error: --job-minutes has an invalid value; found 0")


INVALID_SETTINGS = {
    "no caches": ([], "no cache is given; expected at least one", 2),
    "missing cache": (["World=nowhere"], "nowhere: cache not found", 1),
    "invalid name": (["a;b=w"], "invalid cache name; found 'a;b', expected letters", 2),
    "missing name": (["w"], "NAME=CACHE: invalid cache; found 'w', expected NAME=CACHE", 2),
    "public address": (
        ["World={cache}", "--host", "0.0.0.0"],
        "--host is reachable from other machines without authentication; found 0.0.0.0, expected a loopback "
        "address such as 127.0.0.1, or one of --token-file, --user-file and --allow-anonymous",
        2,
    ),
    "missing token file": (["World={cache}", "--token-file", "none"], "none: cannot be read: ", 2),
    "used port": (["World={cache}", "--port", "{used}"], "127.0.0.1:{used}: cannot listen on this address: ", 1),
    "file as output directory": (
        ["World={cache}", "--output-directory", "{cache}/conf.xml"],
        "conf.xml: is not a folder, and so cannot hold the output",
        1,
    ),
    "no jobs": (["World={cache}", "--jobs", "0"], "jobs has an invalid value; found 0, expected an integer from 1", 2),
    "invalid port": (
        ["World={cache}", "--port", "70000"],
        "port has an invalid value; found 70000, expected an integer from 0 to 65535",
        2,
    ),
    "no memory for jobs": (
        ["World={cache}", "--job-memory", "255"],
        "--job-memory has an invalid value; found 255, expected an integer from 256",
        2,
    ),
    "no time for jobs": (
        ["World={cache}", "--job-minutes", "0"],
        "--job-minutes has an invalid value; found 0, expected an integer from 1",
        2,
    ),
    "invalid port of metrics": (
        ["World={cache}", "--metrics-port", "70000"],
        "--metrics-port has an invalid value; found 70000, expected an integer from 0 to 65535",
        2,
    ),
    "used port of metrics": (
        ["World={cache}", "--port", "0", "--metrics-port", "{used}"],
        "127.0.0.1:{used}: cannot listen on this address: ",
        1,
    ),
    "public URL without a scheme": (
        ["World={cache}", "--public-url", "gis.example.com/tiles"],
        "--public-url is invalid; found 'gis.example.com/tiles', expected a URL such as https://gis.example.com/tiles",
        2,
    ),
    "public URL with a query": (
        ["World={cache}", "--public-url", "https://gis.example.com/?a=b"], "--public-url is invalid; found", 2
    ),
    "public URL with a user": (
        ["World={cache}", "--public-url", "https://me@gis.example.com"], "--public-url is invalid; found", 2
    ),
    "public URL of the services": (
        ["World={cache}", "--public-url", "https://gis.example.com/tiles/arcgis/rest/services"],
        "--public-url must not contain the service's own path /arcgis/rest; found 'https://gis.example.com/tiles/arcgis",
        2,
    ),
    "name of a proxy": (
        ["World={cache}", "--proxy-host", "192.0.2.1", "--proxy-host", "gis.example.com"],
        "--proxy-host has an invalid value; found 'gis.example.com'",
        2,
    ),
    "origin with a path": (
        ["World={cache}", "--allow-origin", "https://maps.example.com/"],
        "--allow-origin has an invalid value; found 'https://maps.example.com/', expected * or scheme, host and",
        2,
    ),
    "origin in capitals": (
        ["World={cache}", "--allow-origin", "*", "--allow-origin", "https://Maps.example.com"],
        "--allow-origin has an invalid value; found 'https://Maps.example.com'",
        2,
    ),
    "invalid output directory": (["World={cache}", "--output-directory", "{cache}/conf.xml"], "conf.xml", 1),
}  # fmt: skip


@pytest.mark.parametrize("name", INVALID_SETTINGS)
def test_service_does_not_start_with_invalid_settings(name: str, cache: Path, tmp_path: Path, monkeypatch) -> None:
    arguments, message, status = INVALID_SETTINGS[name]
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        values = {"cache": cache, "used": listener.getsockname()[1]}
        result = CliRunner().invoke(main, ["serve", *(word.format(**values) for word in arguments)])
    assert result.exit_code == status, result.output
    last = result.stderr.splitlines()[-1]
    assert last.startswith("Error: ")
    assert message.format(**values) in last


def test_anonymous_access_from_other_machines_can_be_allowed(cache: Path, tmp_path: Path) -> None:
    with ServiceProcess(tmp_path, f"World={cache}", "--host", "0.0.0.0", "--allow-anonymous") as service:
        connection = http.client.HTTPConnection("127.0.0.1", int(service.address.rpartition(":")[2]))
        connection.request("GET", "/arcgis/rest/services?f=json", headers={"Host": "gis.example.com"})
        assert connection.getresponse().status == 200
        connection.close()
