"""Large request bodies: the token comes first, and memory is bounded."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPResponse
from pathlib import Path
from urllib.parse import urlencode

import pytest

from gptool.service.large_bodies import PLACES
from gptool.service.resources.request_parameters import FORM_TYPE, SMALL_BODY_BYTES
from gptool.service.settings import ServiceSettings
from gptool.service.tokens import add_token
from helpers.memory import peak_memory, reset_peak_memory
from helpers.rest_client import Reply, RestClient
from helpers.service_process import ServiceProcess
from helpers.waiting import TIMEOUT

START = "services/World/ImageServer/exportTiles"
MAX_BODY_BYTES = ServiceSettings().max_body_bytes
MEGABYTE = 1 << 20
CLIENTS = 40

REQUEST_BYTES = MEGABYTE
"""What a request may need beside its body: buffers of the connection, one part of the body, its decoded form."""

GROWING_BYTES = 5 * MEGABYTE
"""What one large body needs beside that: a buffer that grows is up to an eighth larger than its content."""

AREA = b"f=json&levels=0&areaOfInterest="
ESCAPES = AREA + b"%41" * ((MAX_BODY_BYTES - len(AREA)) // 3)
PART = b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n'
BODIES = {
    "escapes": ESCAPES,
    "text": AREA.ljust(MAX_BODY_BYTES, b"x"),
    "separators": b"f=json".ljust(MAX_BODY_BYTES, b"&"),
    "name": b"f=json&".ljust(MAX_BODY_BYTES, b"n"),
    "parts": (PART % b"f" + b"json\r\n" + PART % b"areaOfInterest").ljust(MAX_BODY_BYTES, b"x"),
    "line breaks in parts": (PART % b"areaOfInterest").ljust(MAX_BODY_BYTES, b"\r"),
}


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    path = tmp_path_factory.mktemp("tokens") / "tokens"
    return path, add_token(path, "crew")


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory, token: tuple[Path, str], cache: Path) -> Iterator[ServiceProcess]:
    folder = tmp_path_factory.mktemp("secured")
    with ServiceProcess(folder, f"World={cache}", "--token-file", token[0]) as running:
        yield running


def post(service: ServiceProcess, body: bytes, query: str = "", **headers: str) -> Reply:
    client = RestClient(service.address)
    content_type = "multipart/form-data; boundary=b" if body.startswith(b"--b") else FORM_TYPE
    return client.ask("POST", client.path(START) + query, body, Content_Type=content_type, **headers)


def send_head(service: ServiceProcess, query: str, body: bytes) -> bytes:
    """Send a request of 16 MB, but only the start of its body. Return what is answered."""
    host, port = service.address.split(":")
    with closing(socket.create_connection((host, int(port)), TIMEOUT)) as connection:
        head = f"POST /arcgis/rest/{START}{query} HTTP/1.1\r\nHost: h\r\nContent-Length: {MAX_BODY_BYTES}\r\n\r\n"
        connection.sendall(head.encode() + body)
        response = HTTPResponse(connection)
        response.begin()
        return response.read()


class TestTokens:
    def test_token_of_the_query_is_checked_before_the_body(self, secured: ServiceProcess) -> None:
        assert b'"code":498' in send_head(secured, "?f=json&token=wrong", b"")

    def test_only_the_start_of_a_body_is_read_without_a_token(self, secured: ServiceProcess) -> None:
        answer = send_head(secured, "", b"f=json&areaOfInterest=".ljust(SMALL_BODY_BYTES + 1, b"x"))
        assert b'"code":499' in answer
        expected = f"expected the token in a header, in the query, or in the first {SMALL_BODY_BYTES} bytes of the body"
        assert expected.encode() in answer

    def test_wrong_token_at_the_start_of_a_body_is_enough(self, secured: ServiceProcess) -> None:
        assert b'"code":498' in send_head(secured, "", b"token=wrong&a=".ljust(SMALL_BODY_BYTES + 1, b"x"))

    @pytest.mark.parametrize("place", ["query", "header", "start", "end"])
    def test_token_admits_a_large_body(self, secured: ServiceProcess, token: tuple[Path, str], place: str) -> None:
        area, sent = {"areaOfInterest": "x" * 100_000}, {"token": token[1]}
        fields = {"levels": "0", "f": "json", **(sent if place == "start" else {}), **area}
        body = urlencode(fields | (sent if place == "end" else {})).encode()
        query = f"?{urlencode(sent)}" if place == "query" else ""
        reply = post(secured, body, query, **({"Authorization": f"Bearer {token[1]}"} if place == "header" else {}))
        if place == "end":
            assert reply.error()["code"] == 499
        else:
            assert "jobId" in reply.json()

    def test_public_resources_take_small_bodies_only(self, secured: ServiceProcess) -> None:
        client = RestClient(secured.address)
        assert "currentVersion" in client.post("info", f="json", a="x" * 1000).json()
        assert client.post("info", f="json", a="x" * SMALL_BODY_BYTES).error()["code"] == 413


@pytest.mark.posix("the peak of memory in /proc")
class TestMemory:
    @pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
    def test_a_body_costs_at_most_twice_its_size(self, cache: Path, tmp_path: Path, body: bytes) -> None:
        """The service is a new one: memory that earlier requests have left would be used again."""
        with ServiceProcess(tmp_path, f"World={cache}") as service:
            pid = service.process.pid
            before = reset_peak_memory(pid)
            post(service, body).json()
            assert peak_memory(pid) - before < 2 * MAX_BODY_BYTES + GROWING_BYTES

    def test_simultaneous_bodies_wait_for_each_other(self, rest_service: ServiceProcess) -> None:
        pid = rest_service.process.pid
        before = reset_peak_memory(pid)
        with ThreadPoolExecutor(CLIENTS) as clients:
            replies = list(clients.map(lambda _: post(rest_service, ESCAPES), range(CLIENTS)))
        assert {reply.error()["code"] if "error" in reply.json() else 0 for reply in replies} <= {
            0,
            429,
            503,
        }  # of a slow machine
        assert peak_memory(pid) - before < 2 * PLACES * MAX_BODY_BYTES + CLIENTS * REQUEST_BYTES

    def test_bodies_without_a_token_cost_nothing(self, secured: ServiceProcess) -> None:
        pid = secured.process.pid
        before = reset_peak_memory(pid)
        with ThreadPoolExecutor(CLIENTS) as clients:
            replies = list(clients.map(lambda _: post(secured, ESCAPES), range(CLIENTS)))
        assert {reply.error()["code"] for reply in replies} == {499}
        assert peak_memory(pid) - before < CLIENTS * REQUEST_BYTES
