"""Limits of connections and of requests, see `gptool.service.http_protocol`."""

from __future__ import annotations

from dataclasses import dataclass

MAX_HEADERS = 200
MAX_PATH_BYTES = 16 * 1024
MAX_HEADER_PARTS = 4096
"""Number of pieces in which a header may arrive: each costs a copy of what has arrived before."""

LARGE_HEADER_BYTES = 64 * 1024
MAX_LARGE_HEADERS = 64
"""Number of connections on which more than `LARGE_HEADER_BYTES` of a header may have arrived."""

MAX_PIPELINED = 32
"""Number of requests that a client may send before it has received the answer to the first one."""

MAX_DISCARDED_BYTES = 64 * 1024 * 1024
"""Size of a refused body that is received and discarded: many clients read the answer after they have sent it all."""

LINGER_SECONDS = 2.0
"""How long a client may go on sending after it was refused, until it reads the answer."""


@dataclass(frozen=True)
class HttpLimits:
    """Limits of connections.

    Attributes
    ----------
    connections : int
        Maximum number of connections.
    header_bytes : int
        Maximum size of a request line with headers.
    idle_seconds : float
        Time between two requests.
    header_seconds : float
        Time from the connection, or the first byte of a later request, to the end of the header.
    body_seconds : float
        Time from there to the end of the body.
    write_seconds : float
        Time for which a client may receive nothing of an answer that waits for it.
    """

    connections: int
    header_bytes: int = 1024 * 1024
    idle_seconds: float = 75.0
    header_seconds: float = 20.0
    body_seconds: float = 120.0
    write_seconds: float = 60.0
