"""HTTP protocol: connections that clients hold, slow, half-closed, too large and pipelined requests."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Thread

import pytest
import uvicorn

from gptool.service.http_limits import MAX_HEADERS, MAX_LARGE_HEADERS, MAX_PATH_BYTES, MAX_PIPELINED, HttpLimits
from gptool.service.http_protocol import http_protocol
from helpers.rest_client import RestClient
from helpers.service_process import ServiceProcess
from helpers.waiting import TIMEOUT, wait_until

INFO = b"GET /arcgis/rest/info?f=json HTTP/1.1\r\nHost: 127.0.0.1\r\n"
MEGABYTE = 1 << 20
SHORT = 0.3
"""Seconds of time limits in tests."""

BLOCK = bytes(MEGABYTE)


class Application:
    """An ASGI application that answers with the query and the size of the body; below /large, with 16 MB."""

    async def __call__(self, scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        size, more = 0, True
        while more and scope["path"] != "/refused":
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            size, more = size + len(message["body"]), message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(16 if scope["path"] == "/large" else 0):
            await send({"type": "http.response.body", "body": BLOCK, "more_body": True})
        text = scope["query_string"][-20:] + b" %d" % size
        await send({"type": "http.response.body", "body": text})


class Server:
    """The protocol in a server of this process."""

    def __init__(self, limits: HttpLimits) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(Application(), http=http_protocol(limits), ws="none", lifespan="off", log_config=None)
        self.uvicorn = uvicorn.Server(config)
        self._thread = Thread(target=lambda: asyncio.run(self.uvicorn.serve([self._listener])))
        self._thread.start()
        wait_until(lambda: self.uvicorn.started)

    @property
    def connections(self) -> int:
        return len(self.uvicorn.server_state.connections)

    def connect(self) -> socket.socket:
        return socket.create_connection(self._listener.getsockname(), TIMEOUT)

    def stop(self) -> None:
        self.uvicorn.should_exit = True
        self._thread.join()
        self._listener.close()


@contextlib.contextmanager
def running(**limits: float) -> Iterator[Server]:
    server = Server(HttpLimits(**{"connections": 100, **limits}))  # type: ignore[arg-type]
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def patient() -> Iterator[Server]:
    """A server with the default limits of times and sizes."""
    with running() as server:
        yield server


def read_all(connection: socket.socket) -> bytes:
    """Return what a server sends until it ends the connection."""
    with contextlib.suppress(ConnectionResetError):
        return b"".join(iter(lambda: connection.recv(65536), b""))
    return b""


def exchange(server: Server, *parts: bytes, half_closes: bool = False) -> bytes:
    """Send a request and return all that is answered until the connection ends."""
    with closing(server.connect()) as connection:
        for part in parts:
            connection.sendall(part)
        if half_closes:
            connection.shutdown(socket.SHUT_WR)
        return read_all(connection)


def trickle(connection: socket.socket, start: bytes, byte: bytes) -> bytes:
    """Send a start and then bytes one by one, until the server answers or ends the connection."""
    connection.sendall(start)
    connection.settimeout(0.01)
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        with contextlib.suppress(TimeoutError):
            return connection.recv(4096)
        with contextlib.suppress(OSError):
            connection.sendall(byte)
    raise AssertionError("the connection does not end")


class TestTimes:
    def test_silent_connection_is_closed(self) -> None:
        with running(header_seconds=SHORT) as server:
            assert exchange(server) == b""

    @pytest.mark.parametrize("start", [b"G", b"GET /?q HTTP/1.1\r\nHost: h\r\nX-Long: ", b"\r\n"])
    def test_header_byte_by_byte_is_refused(self, start: bytes) -> None:
        with running(header_seconds=SHORT) as server, closing(server.connect()) as connection:
            assert trickle(connection, start, b"\r" if start == b"\r\n" else b"x")[:12] in (
                b"HTTP/1.1 408",
                b"HTTP/1.1 400",
            )

    @pytest.mark.parametrize(
        ("head", "byte"), [(b"Content-Length: 1000000\r\n\r\n", b"x"), (b"Transfer-Encoding: chunked\r\n\r\n", b"0")]
    )
    def test_body_byte_by_byte_is_refused(self, head: bytes, byte: bytes) -> None:
        with running(body_seconds=SHORT) as server, closing(server.connect()) as connection:
            answer = trickle(connection, b"POST / HTTP/1.1\r\nHost: h\r\n" + head, byte)
            assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")

    def test_rest_of_a_refused_body_has_the_time_of_a_body(self) -> None:
        with running(body_seconds=SHORT) as server, closing(server.connect()) as connection:
            start = b"POST /refused HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n"
            assert trickle(connection, start, b"x").startswith(b"HTTP/1.1 200 OK")
            while trickle(connection, b"", b"x"):
                pass

    def test_idle_connection_is_closed(self) -> None:
        with running(idle_seconds=SHORT) as server:
            assert exchange(server, b"GET /?q HTTP/1.1\r\nHost: h\r\n\r\n").count(b"HTTP/1.1") == 1

    def test_client_that_does_not_read_is_disconnected(self) -> None:
        with running(write_seconds=SHORT) as server, closing(server.connect()) as connection:
            connection.sendall(b"GET /large HTTP/1.1\r\nHost: h\r\n\r\n")
            wait_until(lambda: server.connections == 1)
            wait_until(lambda: server.connections == 0)

    def test_client_that_reads_slowly_is_served(self) -> None:
        """It takes longer than the limit for the whole answer, but not for a part of it.

        A machine that holds up the client for the limit makes the server right to disconnect it, so that the limit is
        doubled until it does not.
        """
        for limit in (SHORT * 2**attempt for attempt in range(6)):
            with running(write_seconds=limit, idle_seconds=limit) as server, closing(server.connect()) as connection:
                connection.sendall(b"GET /large HTTP/1.1\r\nHost: h\r\n\r\n")
                size, started = 0, time.monotonic()
                while size < 16 * MEGABYTE and (data := connection.recv(256 * 1024)):
                    size += len(data)
                    time.sleep(limit / 20)
            if size >= 16 * MEGABYTE:
                break
        assert (size >= 16 * MEGABYTE, time.monotonic() - started > 2 * limit) == (True, True)


class TestConnections:
    def test_new_connection_replaces_the_idlest(self) -> None:
        with running(connections=3) as server:
            silent = [server.connect() for _ in range(3)]
            wait_until(lambda: server.connections == 3)
            with closing(server.connect()) as connection:
                connection.sendall(b"GET /?q HTTP/1.1\r\nHost: h\r\n\r\n")
                assert connection.recv(4096).startswith(b"HTTP/1.1 200 OK")
                assert read_all(silent[0]) == b""
                assert server.connections == 3
            for one in silent:
                one.close()

    @pytest.mark.parametrize("start", [b"GET / HTTP/1.1\r\nX", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n"])
    def test_slow_requests_do_not_keep_others_out(self, start: bytes) -> None:
        with running(connections=3) as server:
            slow = [server.connect() for _ in range(3)]
            for one in slow:
                one.sendall(start)
            wait_until(lambda: server.connections == 3)
            time.sleep(0.05)
            for _ in range(20):
                assert b" 200 OK" in exchange(server, b"GET /?q HTTP/1.1\r\nConnection: close\r\n\r\n")
            for one in slow:
                one.close()


@pytest.fixture
def few_files() -> Iterator[None]:
    """A soft limit of open files, for the programs that the test starts, which is lower than what a service needs."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, soft), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.posix("limits of open files")
def test_silent_sockets_and_nonsense_do_not_stop_the_service(few_files: None, cache: Path, tmp_path: Path) -> None:
    with ServiceProcess(tmp_path, f"World={cache}") as service, contextlib.ExitStack() as silent:
        client = RestClient(service.address)
        host, port = service.address.split(":")
        resource = pytest.importorskip("resource")
        resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        for _ in range(1100):
            connection = silent.enter_context(socket.create_connection((host, int(port)), TIMEOUT))
            connection.sendall(b"GET ")
        for _ in range(200):
            assert client.ask("GET", "nonsense").status == 400
        assert client.get("info", f="json").status == 200
        wait_until(lambda: "refused: Bad Request" in service.log())
        assert len(service.log()) < 10_000


class TestSizes:
    def test_query_of_almost_a_megabyte_is_accepted(self, patient: Server) -> None:
        query = b"x" * (MEGABYTE - 1000) + b"end"
        answer = exchange(patient, b"GET /?" + query + b" HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        assert b" 200 OK" in answer
        assert b"xend 0" in answer

    @pytest.mark.parametrize(
        ("request_bytes", "status"),
        [
            (b"GET /?" + b"x" * 2 * MEGABYTE, 431),
            (b"GET / HTTP/1.1\r\nX: " + b"x" * 2 * MEGABYTE, 431),
            (b"GET / HTTP/1.1\r\n" + b"a:b\r\n" * (MAX_HEADERS + 2), 431),
            (b"GET / HTTP/1.1\r\n" + b"a:b\r\n" * (MAX_HEADERS + 1) + b"\r\n", 431),
            (b"GET /" + b"x" * MAX_PATH_BYTES + b" HTTP/1.1\r\n\r\n", 414),
            (b"nonsense\r\n\r\n", 400),
            (b"GET /\xff HTTP/1.1\r\n\r\n", 400),
            (b"CONNECT h:80 HTTP/1.1\r\n\r\n", 400),
            (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
            (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n", 400),
        ],
        ids=range(10),
    )
    def test_what_is_no_acceptable_request_is_refused(self, patient: Server, request_bytes: bytes, status: int) -> None:
        answer = exchange(patient, request_bytes)
        assert answer.startswith(b"HTTP/1.1 %d " % status), answer[:100]
        assert answer.count(b"HTTP/1.1") == 1

    def test_large_headers_on_many_connections_are_refused(self, patient: Server) -> None:
        start = b"GET /?" + b"x" * 100_000
        connections = [patient.connect() for _ in range(MAX_LARGE_HEADERS + 1)]
        for connection in connections:
            connection.sendall(start)
        wait_until(lambda: any(self._is_refused(connection) for connection in connections))
        for connection in connections:
            connection.close()

    @staticmethod
    def _is_refused(connection: socket.socket) -> bool:
        connection.settimeout(0.001)
        with contextlib.suppress(TimeoutError):
            return connection.recv(100).startswith(b"HTTP/1.1 503 ")
        return False

    def test_refused_body_is_received_before_the_connection_ends(self, patient: Server) -> None:
        head = b"POST /refused HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % (16 * MEGABYTE)
        assert b" 200 OK" in exchange(patient, head, bytes(16 * MEGABYTE))

    def test_connection_is_kept_after_a_refused_body(self, patient: Server) -> None:
        head = b"POST /refused HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % MEGABYTE
        answer = exchange(patient, head, bytes(MEGABYTE), b"GET /?q HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert answer.count(b" 200 OK") == 2


class TestOrder:
    def test_half_closed_connection_is_answered(self, patient: Server) -> None:
        answer = exchange(patient, b"GET /?q HTTP/1.1\r\nHost: h\r\n\r\n", half_closes=True)
        assert answer.endswith(b"q 0\r\n0\r\n\r\n")

    @pytest.mark.parametrize("part", [b"", b"GET /", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nx"])
    def test_incomplete_request_of_a_half_closed_connection_ends_it(self, patient: Server, part: bytes) -> None:
        assert exchange(patient, part, half_closes=True) == b""

    def test_pipelined_requests_are_answered_in_order(self, patient: Server) -> None:
        requests = [b"POST /?q%d HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (i, i, b"x" * i) for i in range(20)]
        last = b"GET /?last HTTP/1.1\r\nConnection: close\r\n\r\n"
        answer = exchange(patient, b"".join([*requests, last]))
        places = [answer.index(b"q%d %d\r\n" % (i, i)) for i in range(20)]
        assert places == sorted(places)
        assert answer.index(b"last 0") > places[-1]

    def test_too_many_pipelined_requests_are_refused_and_the_first_answered(self, patient: Server) -> None:
        answer = exchange(patient, b"GET /?q HTTP/1.1\r\n\r\n" * 10_000)
        assert 1 <= answer.count(b" 200 OK") <= MAX_PIPELINED + 1

    def test_requests_before_nonsense_are_answered(self, patient: Server) -> None:
        answer = exchange(patient, b"GET /?a HTTP/1.1\r\n\r\nGET /?b HTTP/1.1\r\n\r\nnonsense\r\n\r\n")
        assert answer.count(b" 200 OK") == 2

    def test_upgrade_to_another_protocol_is_ignored(self, patient: Server) -> None:
        upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
        assert exchange(patient, b"GET /?q HTTP/1.1\r\n" + upgrade + b"\r\n").endswith(b"q 0\r\n0\r\n\r\n")

    def test_expected_continuation_is_sent(self, patient: Server) -> None:
        with closing(patient.connect()) as connection:
            connection.sendall(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
            assert connection.recv(4096).startswith(b"HTTP/1.1 100 Continue\r\n")
            connection.sendall(b"xx")
            assert b" 200 OK" in connection.recv(4096)
