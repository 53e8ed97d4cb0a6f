"""A proxy before a store that records requests, and answers or cuts some of them on purpose."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal, NamedTuple
from urllib.parse import unquote, urlsplit

HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive"}


class Sent(NamedTuple):
    """A request: its number from 1 on, method, path, query and number of bytes."""

    number: int
    method: str
    path: str
    query: str
    size: int


Fault = Literal["cut before", "cut after"] | int | None
"""The connection is cut before or after the store has got the request, or it answers with a status."""


@dataclass
class FaultProxy:
    """The running proxy.

    Attributes
    ----------
    sent : list of Sent
        The requests so far.
    fault : callable
        Returns what is wrong with the answer to a request; None for nothing. It may wait.
    """

    port: int = 0
    sent: list[Sent] = field(default_factory=list)
    fault: Callable[[Sent], Fault] = lambda _sent: None
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def of(self, *methods: str) -> list[Sent]:
        return [sent for sent in self.sent if sent.method in methods]


@contextmanager
def fault_proxy(store: str) -> Iterator[FaultProxy]:
    """Run a proxy before the store at an address."""
    proxy, host = FaultProxy(), urlsplit(store).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_arguments: object) -> None:
            pass

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            parts = urlsplit(self.path)
            with proxy.lock:
                sent = Sent(len(proxy.sent) + 1, self.command, unquote(parts.path), parts.query, len(body))
                proxy.sent.append(sent)
            fault = proxy.fault(sent)
            if fault == "cut before":
                self.close_connection = True
                return
            if isinstance(fault, int):
                self.reply(fault, {}, b"<Error><Code>InternalError</Code></Error>")
                return
            connection = HTTPConnection(host)
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            data = answer.read()
            connection.close()
            if fault == "cut after":
                self.close_connection = True
                return
            self.reply(answer.status, dict(answer.getheaders()), data)

        def reply(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            size = len(body)
            for name, value in headers.items():
                if name.lower() not in HOP_BY_HOP:
                    self.send_header(name, value)
                elif name.lower() == "content-length" and self.command == "HEAD":
                    size = int(value)
            self.send_header("Content-Length", str(size))
            self.end_headers()
            self.wfile.write(body)

    for method in ("GET", "HEAD", "PUT", "POST", "DELETE"):
        setattr(Handler, f"do_{method}", Handler.answer)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        proxy.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()
