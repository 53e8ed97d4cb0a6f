"""Recordings of the requests of clients, made by a proxy between client and service."""

from __future__ import annotations

import json
import os
import re
import threading
from functools import partial
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import NotRequired, Self, TypedDict

from helpers.gate import Gate

FOLDER = Path(__file__).parents[1] / "clients" / "recorded"
RECORDED_HEADERS = {
    *("accept", "accept-encoding", "content-type", "referer", "user-agent"),
    *("authorization", "cookie", "x-esri-authorization"),
}
"""Headers on which the response of a service may depend."""

JOB_ID = re.compile(r"\bj[0-9a-f]{32}\b")
POLL = re.compile(r"/jobs/\{job\d+\}(\?|$)")
TIMEOUT = 30


class Request(TypedDict):
    """A recorded request.

    In path and body, `{address}` stands for host and port of the service, and `{job1}` for the id of the first job. A
    request that polls a job is recorded once; `until` is the status at which the client stopped polling.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: str
    until: NotRequired[str]


WIDE, CANCEL = "cache=Wide", "/cancel"
"""Parts of the submission of an export that clients cancel, and of the request that cancels it."""


class ExportAtGate:
    """Context that holds an export of a client at a gate, from its submission to the response to a later request.

    Parameters
    ----------
    gate : Gate
        The gate of the workers of the service.
    submission : str
        A part of the path or body of the submission.
    until : str
        A part of the path of the later request.
    """

    def __init__(self, gate: Gate, submission: str, until: str) -> None:
        self._gate, self._submission, self._until = gate, submission, until

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._gate.open()

    def before(self, path: str, body: str) -> None:
        """Close the gate before the submission is sent."""
        if self._submission in path or self._submission in body:
            self._gate.close()

    def after(self, path: str) -> None:
        """Open the gate after the response to the later request."""
        if self._until in path:
            self._gate.open()


class RecordingProxy(ThreadingHTTPServer):
    """A proxy that forwards requests to the service and records them. URLs in responses point to the proxy.

    Parameters
    ----------
    address : str
        Host and port of the service.
    held : ExportAtGate, optional
        Holds an export of the client.
    """

    daemon_threads = True

    def __init__(self, address: str, held: ExportAtGate | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.held = held
        self.service, self.address = address, f"127.0.0.1:{self.server_port}"
        self.url = f"http://{self.address}/arcgis/rest/services"
        self.requests: list[Request] = []
        self._jobs: dict[str, str] = {}
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=partial(self.serve_forever, 0.05))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def record(self, request: Request, response: bytes) -> None:
        """Record a request, unless it repeats a poll."""
        with self._lock:
            for text in (request["path"], request["body"], response.decode(errors="replace")):
                for job_id in JOB_ID.findall(text):
                    self._jobs.setdefault(job_id, f"{{job{len(self._jobs) + 1}}}")
            request["path"], request["body"] = map(self._placeholders, (request["path"], request["body"]))
            if not POLL.search(request["path"]):
                self.requests.append(request)
                return
            poll = self._earlier_poll(request)
            if poll is None:
                self.requests.append(poll := request)
            poll["until"] = json.loads(response)["jobStatus"].replace("Cancelling", "Cancelled")

    def _earlier_poll(self, request: Request) -> Request | None:
        """Return the recorded request that polled the same job immediately before."""
        for earlier in reversed(self.requests):
            if not POLL.search(earlier["path"]):
                return None
            if key_of(earlier) == key_of(request):
                return earlier
        return None

    def _placeholders(self, text: str) -> str:
        text = JOB_ID.sub(lambda found: self._jobs[found[0]], text)
        return text.replace(self.address, "{address}")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: RecordingProxy

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        received = {name.lower(): value for name, value in self.headers.items()}
        connection = HTTPConnection(self.server.service, timeout=TIMEOUT)
        headers = received | {"host": self.server.service, "accept-encoding": "identity", "connection": "close"}
        if self.server.held:
            self.server.held.before(self.path, body.decode())
        connection.request(self.command, self.path, body or None, headers)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        if self.server.held:
            self.server.held.after(self.path)
        recorded = {name: value for name, value in sorted(received.items()) if name in RECORDED_HEADERS}
        request = Request(method=self.command, path=self.path, headers=recorded, body=body.decode())
        is_json = response.headers.get_content_type() == "application/json"
        self.server.record(request, content if is_json else b"")
        if is_json:
            content = content.replace(self.server.service.encode(), self.server.address.encode())
        self.send_response(response.status)
        for name, value in response.getheaders():
            if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


def key_of(request: Request) -> tuple[str, str, str]:
    """Return method, path and body: what is requested, whichever client sends it."""
    return request["method"], request["path"], request["body"]


def read_recording(name: str) -> list[Request]:
    """Return the recorded requests of a client in their order."""
    requests: list[Request] = json.loads((FOLDER / f"{name}.json").read_text())
    return requests


def check_recording(name: str, requests: list[Request]) -> None:
    """Compare requests with the recording of their client, or replace it if GPTOOL_RECORD is set."""
    if "GPTOOL_RECORD" in os.environ:
        (FOLDER / f"{name}.json").write_text(json.dumps(requests, indent=2) + "\n")
    # The order is not compared: some clients poll in a separate thread.
    assert {*map(key_of, requests)} == {*map(key_of, read_recording(name))}
