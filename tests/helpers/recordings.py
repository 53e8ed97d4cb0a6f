"""What clients send: recorded by a proxy between a client and the service, and compared with what was recorded once."""

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
KEPT = {
    *("accept", "accept-encoding", "content-type", "referer", "user-agent"),
    *("authorization", "cookie", "x-esri-authorization"),
}
"""Headers by which a service might answer something else."""

JOB_ID = re.compile(r"\bj[0-9a-f]{32}\b")
POLL = re.compile(r"/jobs/\{job\d+\}(\?|$)")
TIMEOUT = 30


class Request(TypedDict):
    """One request; in path and body `{address}` stands for the service's host and port, `{job1}` for the first job.

    `until`: the status at which the client stops to poll; its many requests are one here.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: str
    until: NotRequired[str]


class ExportAtGate:
    """Holds a client's export at a gate, from its submission until a later request is answered.

    Parameters
    ----------
    gate : Gate
        The gate of the service's workers.
    submission, until : str
        Parts of the two requests: of the first's path or body, of the second's path.
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
        """Open the gate once the later request is answered."""
        if self._until in path:
            self._gate.open()


class RecordingProxy(ThreadingHTTPServer):
    """Hands on to the service what a client sends, and keeps it. Addresses in answers become the proxy's.

    `held`, if given, holds an export of the client's.
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

    def keep(self, request: Request, answer: bytes) -> None:
        """Add a request, unless it is one more poll."""
        with self._lock:
            for text in (request["path"], request["body"], answer.decode(errors="replace")):
                for job_id in JOB_ID.findall(text):
                    self._jobs.setdefault(job_id, f"{{job{len(self._jobs) + 1}}}")
            request["path"], request["body"] = map(self._placeholders, (request["path"], request["body"]))
            if not POLL.search(request["path"]):
                self.requests.append(request)
                return
            known = self._known_poll(request)
            if known is None:
                self.requests.append(known := request)
            known["until"] = json.loads(answer)["jobStatus"].replace("Cancelling", "Cancelled")

    def _known_poll(self, request: Request) -> Request | None:
        for earlier in reversed(self.requests):
            if not POLL.search(earlier["path"]):
                return None
            if what(earlier) == what(request):
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
        sent = {name.lower(): value for name, value in self.headers.items()}
        connection = HTTPConnection(self.server.service, timeout=TIMEOUT)
        onward = sent | {"host": self.server.service, "accept-encoding": "identity", "connection": "close"}
        if self.server.held:
            self.server.held.before(self.path, body.decode())
        connection.request(self.command, self.path, body or None, onward)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        if self.server.held:
            self.server.held.after(self.path)
        headers = {name: value for name, value in sorted(sent.items()) if name in KEPT}
        request = Request(method=self.command, path=self.path, headers=headers, body=body.decode())
        is_json = answer.headers.get_content_type() == "application/json"
        self.server.keep(request, content if is_json else b"")
        if is_json:
            content = content.replace(self.server.service.encode(), self.server.address.encode())
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Keep standard error to those who fail."""


def what(request: Request) -> tuple[str, str, str]:
    """What a request asks, whoever sends it."""
    return request["method"], request["path"], request["body"]


def read_recording(name: str) -> list[Request]:
    """What a client sent, in its order."""
    requests: list[Request] = json.loads((FOLDER / f"{name}.json").read_text())
    return requests


def check_recording(name: str, requests: list[Request]) -> None:
    """Compare what a client sends now with its recording, or record it where GPTOOL_RECORD is set."""
    if "GPTOOL_RECORD" in os.environ:
        (FOLDER / f"{name}.json").write_text(json.dumps(requests, indent=2) + "\n")
    # As sets: some clients poll in a thread beside what they else do.
    assert {*map(what, requests)} == {*map(what, read_recording(name))}
