"""HTTP protocol of the service: that of uvicorn with httptools, with limits of connections, times and sizes.

Clients that hold connections without using them cost nothing but their sockets: when there are too many connections,
the one that has kept the service waiting for the longest time is closed. Reverse proxies are treated like all others;
limits for each address would count all of their clients as one.
"""

from __future__ import annotations

import asyncio
import logging
from asyncio import TimerHandle
from functools import partial
from http import HTTPStatus
from typing import Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gptool.service.http_limits import (
    LARGE_HEADER_BYTES,
    LINGER_SECONDS,
    MAX_DISCARDED_BYTES,
    MAX_HEADER_PARTS,
    MAX_HEADERS,
    MAX_LARGE_HEADERS,
    MAX_PATH_BYTES,
    MAX_PIPELINED,
    HttpLimits,
)

LOG = logging.getLogger(__name__)

IDLE, HEADER, BODY, COMPLETE = "idle", "header", "body", "complete"
"""Phases of a connection: nothing of a request has arrived; parts of its header; of its body; all of it."""


def http_protocol(limits: HttpLimits) -> type[asyncio.Protocol]:
    """Return the factory of connections for uvicorn's `http`."""
    return cast("type[asyncio.Protocol]", partial(LimitedProtocol, limits))


class _AnswerTransport:
    """The transport of an answer. The connection is not closed while the client is still sending: it would be reset."""

    def __init__(self, protocol: LimitedProtocol) -> None:
        self.write = protocol.transport.write
        self.is_closing = protocol.transport.is_closing
        self.close = protocol.close_after_body


class LimitedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, limits: HttpLimits, **uvicorn_state: Any) -> None:
        super().__init__(**uvicorn_state)
        self._limits = limits
        self.timeout_keep_alive = limits.idle_seconds  # type: ignore[assignment]
        self._phase = IDLE
        self._header_bytes = self._header_parts = self._discarded = 0
        self._reading: TimerHandle | None = None
        self._writing: TimerHandle | None = None
        self._waits_since: float | None = None
        self._refusal = HTTPStatus.BAD_REQUEST
        self._is_refused = self._closes_after_body = False

    # Connections

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Admit a connection."""
        super().connection_made(transport)
        self._answer_transport = cast("asyncio.Transport", _AnswerTransport(self))
        # Whatever the client does not receive is noticed by `pause_writing`, also after the end of an answer.
        transport.set_write_buffer_limits(high=0)
        self._read_within(self._limits.header_seconds)
        if len(self.connections) > self._limits.connections:
            self._close_idlest()

    def connection_lost(self, exc: Exception | None) -> None:
        """Release what belongs to a connection that has ended."""
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._stop_reading_timer()
        if self._writing is not None:
            self._writing.cancel()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer the requests of a client that has closed only its side. Return whether the connection stays open."""
        if self._phase != COMPLETE:
            return False
        self.cycle.keep_alive = False
        return True

    def _close_idlest(self) -> None:
        """Close the connection that has been waited for the longest, or this one if the service waits for none."""
        others = [other for other in self.connections if isinstance(other, LimitedProtocol) and other is not self]
        waits = [(other._waits_since, other) for other in others if other._waits_since is not None]
        _, idlest = min(waits, key=lambda wait: wait[0], default=(0.0, self))
        LOG.warning("more than %d connections: the idlest one is closed", self._limits.connections)
        self.connections.discard(idlest)
        idlest.transport.abort()

    # Requests

    def data_received(self, data: bytes) -> None:
        """Parse what a client has sent."""
        if self._is_refused:
            return
        self._unset_keepalive_if_required()
        if self._phase == IDLE:
            self._begin_header()
        self._header_bytes += len(data)
        self._header_parts += 1
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:  # to a protocol that the service does not have: the request is answered
            self._is_refused = True
            self.cycle.keep_alive = False
        except httptools.HttpParserError:
            self._refuse(self._refusal)
        else:
            self._check_progress(len(data))

    def _check_progress(self, received: int) -> None:
        """Check the limits of a request that has not arrived completely, and set its time limit."""
        if self._phase == HEADER:
            if (
                self._header_bytes > self._limits.header_bytes
                or self._header_parts > MAX_HEADER_PARTS
                or len(self.headers or ()) > MAX_HEADERS
            ):
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
            elif self._header_bytes > LARGE_HEADER_BYTES and self._large_headers() > MAX_LARGE_HEADERS:
                self._refuse(HTTPStatus.SERVICE_UNAVAILABLE)
            elif self._reading is None:
                self._read_within(self._limits.header_seconds)
        elif self._phase == BODY:
            if self._reading is None:
                self._read_within(self._limits.body_seconds)
            if self.cycle.response_complete:
                self._discarded += received
                if self._discarded > MAX_DISCARDED_BYTES:
                    self._abort()
        elif self._phase == IDLE:  # the end of a refused body has arrived
            self._read_within(self._limits.idle_seconds)

    def _begin_header(self) -> None:
        self._phase = HEADER
        self._header_bytes = self._header_parts = 0

    def _large_headers(self) -> int:
        return sum(
            isinstance(other, LimitedProtocol) and other._header_bytes > LARGE_HEADER_BYTES
            for other in self.connections
        )

    def on_message_begin(self) -> None:
        """Begin a request; there may be several in what a client has sent at once."""
        super().on_message_begin()
        if self._phase != HEADER:
            self._begin_header()

    def on_headers_complete(self) -> None:
        """Begin to answer a request."""
        path, _, query = self.url.partition(b"?")
        if len(self.headers) > MAX_HEADERS:
            self._stop_parsing(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        if len(path) > MAX_PATH_BYTES:
            self._stop_parsing(HTTPStatus.REQUEST_URI_TOO_LONG)
        if len(self.pipeline) >= MAX_PIPELINED:
            self._stop_parsing(HTTPStatus.TOO_MANY_REQUESTS)
        self._stop_reading_timer()
        self.url = path  # httptools accepts at most 64 KiB, and a query may contain an area
        super().on_headers_complete()
        self.scope["query_string"] = query.partition(b"#")[0]
        self.cycle.transport = self._answer_transport
        self._phase = BODY
        self._header_bytes = self._header_parts = self._discarded = 0

    def on_message_complete(self) -> None:
        """End a request."""
        super().on_message_complete()
        self._stop_reading_timer()
        self._phase = IDLE if self.cycle.response_complete else COMPLETE
        if self._closes_after_body:
            self.transport.close()

    def close_after_body(self) -> None:
        """Close the connection as soon as the body of the present request has arrived."""
        if self._phase == BODY:
            self._closes_after_body = True
        else:
            self.transport.close()

    def on_response_complete(self) -> None:
        """Wait for the next request, unless the rest of a body is still being received or further requests wait."""
        super().on_response_complete()
        if self._phase == COMPLETE and self.cycle.response_complete:
            self._phase = IDLE
            self._waits_since = self.loop.time()

    def _stop_parsing(self, status: HTTPStatus) -> None:
        """Refuse a request of which the parser has just called back."""
        self._refusal = status
        raise ValueError(status.phrase)

    def _refuse(self, status: HTTPStatus) -> None:
        """Refuse what a client sends, and everything after it. Requests before it are answered."""
        LOG.warning("request refused: %s (client %s)", status.phrase, self.client[0] if self.client else "unknown")
        self._is_refused = True
        self._stop_reading_timer()
        is_answering = self.cycle is not None and not self.cycle.response_complete
        if self._phase != BODY and is_answering:
            self.cycle.keep_alive = False
        elif self._phase != BODY or (is_answering and not self.cycle.response_started):
            self._answer(status)
        else:
            self._abort()

    def _answer(self, status: HTTPStatus) -> None:
        """Answer what is refused, in place of the application, and wait for the client to end the connection."""
        if self._phase == BODY:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        text = status.phrase.encode()
        head = f"HTTP/1.1 {status} {status.phrase}\r\ncontent-type: text/plain\r\ncontent-length: {len(text)}\r\n"
        self.transport.write(head.encode() + b"connection: close\r\n\r\n" + text)
        self.transport.write_eof()
        self._phase = IDLE
        self._read_within(LINGER_SECONDS)

    # Times

    def pause_writing(self) -> None:
        """Wait until the client has received what was sent."""
        super().pause_writing()
        self._waits_since = self.loop.time()
        self._check_writing(self.transport.get_write_buffer_size() + 1)

    def _check_writing(self, before: int) -> None:
        """Close the connection if the client has received nothing of as many bytes as waited for it before."""
        waiting = self.transport.get_write_buffer_size()
        if waiting < before:
            self._writing = self.loop.call_later(self._limits.write_seconds, self._check_writing, waiting)
        else:
            self._abort()

    def resume_writing(self) -> None:
        """Go on sending."""
        super().resume_writing()
        self._waits_since = None if self._phase == COMPLETE else self._waits_since
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection between two requests."""
        self.transport.abort()

    def _read_within(self, seconds: float) -> None:
        self._waits_since = self.loop.time()
        self._reading = self.loop.call_later(seconds, self._end_late_request)

    def _stop_reading_timer(self) -> None:
        self._waits_since = None
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _end_late_request(self) -> None:
        if self._phase == IDLE:
            self._abort()
        elif not self.transport.is_closing():
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)

    def _abort(self) -> None:
        self.transport.abort()
