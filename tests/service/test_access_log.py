"""Access log: one line for each request, without tokens; and the lines of jobs, with token and client."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from gptool.service.access_log import AccessLog
from gptool.service.observation import AnsweredRequest
from gptool.service.tokens import add_token
from helpers.rest_client import RestClient
from helpers.service_process import ServiceProcess
from helpers.waiting import wait_until

WORLD = "services/World/ImageServer"
LINE = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (?P<client>\S+) (?P<token>\S+) (?P<method>[A-Z]+) "
    r"(?P<path>/\S*) (?P<status>\d{3}|-) (?P<size>\d+) (?P<milliseconds>\d+\.\d)"
)
REQUEST = AnsweredRequest("192.0.2.1", "", "GET", "/", 200, 5, 0.0014)


class Logged(NamedTuple):
    """A service, its access log, and a token."""

    service: ServiceProcess
    log: Path
    token: str

    @property
    def client(self) -> RestClient:
        return RestClient(self.service.address, Authorization=f"Bearer {self.token}")

    def lines(self, count: int) -> list[dict[str, str]]:
        """Return the fields of the last lines, once there are so many."""
        wait_until(lambda: len(self.log.read_text().splitlines()) >= count, self.log.read_text)
        matches = [LINE.fullmatch(line) for line in self.log.read_text().splitlines()]
        assert all(matches), self.log.read_text()
        return [match.groupdict() for match in matches[-count:] if match]


@pytest.fixture
def logged(tmp_path: Path, cache: Path) -> Iterator[Logged]:
    token = add_token(tmp_path / "tokens", "crew")
    arguments = ("--token-file", "tokens", "--access-log", "access.log", "--proxy-host", "192.0.2.0/24")
    with ServiceProcess(tmp_path, f"World={cache}", *arguments) as service:
        yield Logged(service, tmp_path / "access.log", token)


def test_each_request_is_a_line(logged: Logged) -> None:
    tile = logged.client.get(f"{WORLD}/tile/0/0/0")
    RestClient(logged.service.address).get("services", f="json")
    logged.client.ask("POST", "/nothing", b"x=1")
    first, second, third = logged.lines(3)
    assert (first["client"], first["token"], first["method"]) == ("127.0.0.1", "crew", "GET")
    assert first["path"] == f"/arcgis/rest/{WORLD}/tile/0/0/0"
    assert (first["status"], int(first["size"])) == ("200", len(tile.body))
    assert float(first["milliseconds"]) < 60_000
    assert (second["token"], second["status"]) == ("-", "200")
    assert (third["method"], third["path"], third["status"]) == ("POST", "/nothing", "404")


def test_tokens_are_not_logged_wherever_they_are_sent(logged: Logged) -> None:
    client, token = RestClient(logged.service.address), logged.token
    client.get("services", f="json", token=token)
    client.post("services", f="json", token=token)
    client.ask("GET", client.path("services") + "?f=json", X_Esri_Authorization=f"Bearer {token}")
    client.get(f"{WORLD}", f="html", token=token)
    assert [line["token"] for line in logged.lines(4)] == 4 * ["crew"]
    for text in (logged.log.read_text(), logged.service.log()):
        assert token not in text


def test_address_is_that_of_the_client_of_a_trusted_proxy(logged: Logged) -> None:
    for forwarded in ("203.0.113.5", "198.51.100.1, 203.0.113.6", "203.0.113.7, 192.0.2.9", "2001:db8::1"):
        logged.client.ask("GET", "/healthz", X_Forwarded_For=forwarded)
    assert [line["client"] for line in logged.lines(4)] == ["203.0.113.5", "203.0.113.6", "203.0.113.7", "2001:db8::1"]


def own_address() -> str:
    """Return an address of this machine that is not a loopback address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            pytest.skip("this machine has no other address than the loopback address")
        address: str = probe.getsockname()[0]
    return address


@pytest.mark.parametrize("is_trusted", [False, True])
def test_other_machines_state_addresses_only_if_they_are_proxies(tmp_path: Path, cache: Path, is_trusted: bool) -> None:
    address = own_address()
    arguments = ["--host", "0.0.0.0", "--allow-anonymous", "--access-log", "access.log"]
    proxy = ["--proxy-host", f"{address}/32"] if is_trusted else []
    with ServiceProcess(tmp_path, f"World={cache}", *arguments, *proxy) as service:
        client = RestClient(f"{address}:{service.address.rpartition(':')[2]}", X_Forwarded_For="203.0.113.5")
        servers = RestClient(client.address, X_Forwarded_Proto="https").json("openapi.json")["servers"]
        client.ask("GET", "/healthz")
        _, line = Logged(service, tmp_path / "access.log", "").lines(2)
    assert line["client"] == ("203.0.113.5" if is_trusted else address)
    assert servers == [{"url": f"{'https' if is_trusted else 'http'}://{client.address}"}]


def test_clients_can_forge_no_lines(logged: Logged) -> None:
    for path in ("/a%0Ab", "/a%20-%20GET", "/%0d%0a2026 x", "/%C3%A9%80", "/a%252F%00"):
        logged.client.ask("GET", path.replace(" ", "%20"))
    logged.client.ask("GET", "/healthz", X_Forwarded_For="evil name - x\u00e9")
    lines = logged.lines(6)
    assert lines[5]["client"] == "evil%20name%20-%20x%C3%A9"
    assert lines[0]["path"] == "/a%0Ab"
    assert lines[1]["path"] == "/a%20-%20GET"
    assert lines[4]["path"] == "/a%252F%00"
    assert len(logged.log.read_text().splitlines()) == 6


def test_client_that_leaves_is_logged_once(logged: Logged) -> None:
    host, port = logged.service.address.split(":")
    with socket.create_connection((host, int(port))) as connection:
        head = f"POST /arcgis/rest/services?token={logged.token} HTTP/1.1\r\nHost: {logged.service.address}\r\n"
        connection.sendall(f"{head}Content-Length: 10\r\n\r\nf=".encode())
    [line] = logged.lines(1)
    assert (line["method"], line["path"], line["token"]) == ("POST", "/arcgis/rest/services", "crew")


def test_lines_of_jobs_name_token_and_client(logged: Logged) -> None:
    client = logged.client
    reply = client.ask(
        "POST", client.path(f"{WORLD}/exportTiles") + "?levels=0-2&f=json", X_Forwarded_For="203.0.113.5"
    ).json()
    job = f"{WORLD}/exportTiles/jobs/{reply['jobId']}"
    client.wait(job)
    line = f"job {reply['jobId']} is submitted by 203.0.113.5 as crew: ExportTiles of World\n"
    assert line in logged.service.log()


@pytest.mark.posix("files that can be renamed while they are open")
def test_file_is_opened_again_after_a_rotation(tmp_path: Path) -> None:
    path, moved = tmp_path / "access.log", tmp_path / "access.log.1"
    with AccessLog(path, lambda _: "") as log:
        log(REQUEST)
        wait_until(lambda: path.read_text().count("\n") == 1)
        path.rename(moved)
        log(REQUEST)
        wait_until(lambda: path.exists() and path.read_text().count("\n") == 1)
    assert moved.read_text().count("\n") == 1


def test_lines_are_complete_when_the_log_is_closed(tmp_path: Path) -> None:
    with AccessLog(tmp_path / "access.log", {"digest": "crew"}.__getitem__) as log:
        for _ in range(1000):
            log(REQUEST._replace(owner="digest"))
    lines = (tmp_path / "access.log").read_text().splitlines()
    assert len(lines) == 1000
    assert all(line.endswith(" 192.0.2.1 crew GET / 200 5 1.4") for line in lines)


@pytest.mark.posix("/dev/full")
def test_disk_that_is_full_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    with AccessLog(Path("/dev/full"), lambda _: "") as log:
        for _ in range(10):
            log(REQUEST)
    assert [record.message for record in caplog.records] == ["access log cannot be written: the disk may be full"]
