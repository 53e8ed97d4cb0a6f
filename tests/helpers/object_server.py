"""A web server of files by ranges, which also answers as a bucket of S3 and as a WebDAV server, and fails on purpose.

It counts what it is asked for. `python -m helpers.object_server FOLDER [DELAY]` runs it alone, and prints its port.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

SECRET = "do-not-show"
RANGE = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass(frozen=True)
class Asked:
    """A request: method, path or listed prefix, query, range as offset and size, and the bytes that were sent."""

    method: str
    path: str
    query: str
    range: tuple[int, int] | None
    sent: int
    authorization: str | None


@dataclass
class Fault:
    """What is wrong with the answers to requests, by their numbers: 1, 2, ...

    Attributes
    ----------
    status : int
        Sent instead of the file, if it is not 0.
    sent : float
        Fraction of the body after which the connection is cut.
    lies : int
        Bytes that are missing although neither the length nor the range says so.
    seconds : float
        Delay before the answer.
    applies : callable
        Whether the fault applies to a number and a path.
    """

    status: int = 0
    sent: float = 1
    lies: int = 0
    seconds: float = 0
    applies: Callable[[int, str], bool] = lambda _number, _path: True


@dataclass
class ObjectServer:
    """The running server.

    Attributes
    ----------
    root : Path
        The folder of its files. Its folders are buckets.
    asked : list of Asked
        What it was asked for.
    fault : Fault
    ranges : bool
        Whether it answers range requests.
    tags : bool
        Whether it states entity tags.
    """

    root: Path
    asked: list[Asked] = field(default_factory=list)
    fault: Fault = field(default_factory=Fault)
    ranges: bool = True
    tags: bool = True
    port: int = 0
    number: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """Variables with which S3 is this server."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "eu-central-1",
        }

    @property
    def files(self) -> list[Asked]:
        """The requests for files, not for listings."""
        return [asked for asked in self.asked if asked.range is not None]

    @property
    def sent(self) -> int:
        return sum(asked.sent for asked in self.asked)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: ObjectServer

    def log_message(self, *_arguments: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_PROPFIND(self) -> None:
        self._answer()

    def _answer(self) -> None:
        state, parts = self.state, urlsplit(self.path)
        with state.lock:
            state.number += 1
            number = state.number
            state.in_flight += 1
            state.most_in_flight = max(state.in_flight, state.most_in_flight)
        path = unquote(parts.path).strip("/")
        fault = state.fault if state.fault.applies(number, path) else Fault()
        try:
            time.sleep(fault.seconds)
            if fault.status:
                self._record(path, None, 0)
                self._send(fault.status, b"")
            elif self.command == "PROPFIND":
                self._list_webdav(path)
            elif "list-type" in parse_qs(parts.query):
                self._list_bucket(path, parse_qs(parts.query))
            else:
                self._send_file(path, fault)
        finally:
            with state.lock:
                state.in_flight -= 1

    def _record(self, path: str, range_: tuple[int, int] | None, sent: int) -> None:
        asked = Asked(self.command, path, urlsplit(self.path).query, range_, sent, self.headers.get("Authorization"))
        with self.state.lock:
            self.state.asked.append(asked)

    def _send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _send_file(self, path: str, fault: Fault) -> None:
        file = self.state.root / path
        if not file.is_file():
            self._record(path, None, 0)
            bucket = self.state.root / path.partition("/")[0]
            code = "NoSuchKey" if bucket.is_dir() else "NoSuchBucket"
            self._send(404, f"<Error><Code>{code}</Code></Error>".encode())
            return
        size = file.stat().st_size
        start, end = 0, size
        match = RANGE.fullmatch(self.headers.get("Range", "")) if self.state.ranges else None
        if match:
            first, last = match.groups()
            start = int(first) if first else max(size - int(last), 0)
            end = min(int(last) + 1, size) if first and last else size
            if start >= size:
                self._record(path, None, 0)
                self._send(416, b"", Content_Range=f"bytes */{size}")
                return
        self.send_response(206 if match else 200)
        if match:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
        for name, value in file_headers(file, tags=self.state.tags).items():
            self.send_header(name, value)
        length = end - start - fault.lies
        self.send_header("Content-Length", str(length))
        self.end_headers()
        sent = 0 if self.command == "HEAD" else int(length * fault.sent)
        self._record(path, (start, end - start), sent)
        with file.open("rb") as source:
            source.seek(start)
            self.wfile.write(source.read(sent))
        self.close_connection = sent < length and self.command != "HEAD"

    def _list_bucket(self, bucket: str, query: dict[str, list[str]]) -> None:
        """Answer as ListObjectsV2 of S3, five hundred entries a page."""
        folder = self.state.root / bucket
        prefix, after = (query.get(name, [""])[0] for name in ("prefix", "continuation-token"))
        self._record(f"{bucket}/{prefix}".strip("/"), None, 0)
        if not folder.is_dir():
            self._send(404, b"<Error><Code>NoSuchBucket</Code></Error>")
            return
        entries = sorted(set(_entries(folder, prefix, is_flat="delimiter" not in query)))
        page = [entry for entry in entries if entry > after][:500]
        is_last = not page or page[-1] == entries[-1]
        xml = "".join(self._entry_xml(folder, entry) for entry in page)
        token = "" if is_last else f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>"
        body = f"<ListBucketResult><IsTruncated>{str(not is_last).lower()}</IsTruncated>{token}{xml}</ListBucketResult>"
        self._send(200, body.encode(), Content_Type="application/xml")

    def _entry_xml(self, folder: Path, entry: str) -> str:
        if entry.endswith("/"):
            return f"<CommonPrefixes><Prefix>{escape(entry)}</Prefix></CommonPrefixes>"
        status = (folder / entry).stat()
        modified = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(status.st_mtime))
        tag = file_headers(folder / entry, tags=True)["ETag"]
        return (
            f"<Contents><Key>{escape(entry)}</Key><LastModified>{modified}</LastModified>"
            f"<ETag>{escape(tag)}</ETag><Size>{status.st_size}</Size></Contents>"
        )

    def _list_webdav(self, path: str) -> None:
        self._record(path, None, 0)
        folder = self.state.root / path
        if not folder.exists():
            self._send(404, b"")
            return
        found = [folder, *sorted(folder.iterdir())] if folder.is_dir() else [folder]
        entries = []
        for each in found:
            status, is_folder = each.stat(), each.is_dir()
            kind = "<D:resourcetype><D:collection/></D:resourcetype>" if is_folder else "<D:resourcetype/>"
            href = quote(f"/{each.relative_to(self.state.root).as_posix()}{'/' * is_folder}".replace("/./", "/"))
            entries.append(
                f"<D:response><D:href>{href}</D:href><D:propstat><D:prop>"
                f"<D:getlastmodified>{formatdate(status.st_mtime, usegmt=True)}</D:getlastmodified>"
                f"<D:getcontentlength>{status.st_size}</D:getcontentlength>{kind}"
                "</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>"
            )
        body = f'<?xml version="1.0"?><D:multistatus xmlns:D="DAV:">{"".join(entries)}</D:multistatus>'
        self._send(207, body.encode(), Content_Type="application/xml")


def file_headers(file: Path, *, tags: bool) -> dict[str, str]:
    """Return the headers that state when a file was modified."""
    status = file.stat()
    headers = {"Last-Modified": formatdate(status.st_mtime, usegmt=True)}
    if tags:
        digest = hashlib.blake2b(f"{status.st_size} {status.st_mtime_ns}".encode(), digest_size=8).hexdigest()
        headers["ETag"] = f'"{digest}"'
    return headers


def _entries(folder: Path, prefix: str, *, is_flat: bool) -> Iterator[str]:
    if is_flat:
        for path in folder.rglob("*"):
            name = path.relative_to(folder).as_posix()
            if path.is_file() and name.startswith(prefix):
                yield name
    elif (folder / prefix).is_dir():
        for entry in os.scandir(folder / prefix):
            yield f"{prefix}{entry.name}{'/' * entry.is_dir()}"


@contextmanager
def object_server(root: Path) -> Iterator[ObjectServer]:
    """Run a server of the files in a folder, on a port of the loopback address."""
    state = ObjectServer(root)
    handler = type("Handler", (_Handler,), {"state": state})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        state.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()


if __name__ == "__main__":
    with object_server(Path(sys.argv[1])) as running:
        running.fault.seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 0
        print(running.port, flush=True)
        sys.stdin.read()
