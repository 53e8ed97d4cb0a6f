"""The response to a request for a tile."""

from __future__ import annotations

from typing import NamedTuple

from starlette.responses import Response

from gptool.model import MAX_GRID_INDEX, TileAddress
from gptool.output.png import SIGNATURE
from gptool.service.middleware import NOSNIFF
from gptool.service.resources.responses import etag_matches
from gptool.service.state import ServiceState

MAX_DIGITS = 19
"""Maximum number of digits of a level, row or column in a path."""

MEDIA_TYPES = {b"\xff\xd8\xff": b"image/jpeg", SIGNATURE: b"image/png"}
"""Media types by the first bytes of a tile."""

DEFAULT_MEDIA_TYPE = b"application/octet-stream"
CACHE_CONTROL = b"cache-control", b"private, max-age=60"
NOT_FOUND = b"tile not found"


class TileResponse(NamedTuple):
    """A response: status, headers and body as in ASGI."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""

    def to_response(self) -> Response:
        """Return it as the response of a resource."""
        response = Response(self.body, self.status)
        response.raw_headers = self.headers
        return response


async def tile_response(
    state: ServiceState, service: str, level: str, row: str, column: str, *, if_none_match: str
) -> TileResponse:
    """Return a stored tile; HTTP status 404 if there is none, 304 if the client has it.

    Parameters
    ----------
    state : ServiceState
    service, level, row, column : str
        As in the path.
    if_none_match : str
        The entity tags of what the client has (RFC 9110, 13.1.2).

    Raises
    ------
    ServiceError
        If there is no such service.
    CacheError
        If the cache cannot be read.
    """
    cached = await state.catalog.find(service)
    address = _parse_address(level, row, column)
    tile = await state.tiles.find(cached, address) if address else None
    if tile is None:
        headers = [(b"content-length", b"%d" % len(NOT_FOUND)), (b"content-type", b"text/plain; charset=utf-8")]
        return TileResponse(404, headers, NOT_FOUND)
    headers = [(b"etag", tile.etag.encode()), CACHE_CONTROL, NOSNIFF]
    if if_none_match and etag_matches(if_none_match, tile.etag):
        return TileResponse(304, headers)
    data = await tile.read()
    return TileResponse(
        200, [(b"content-length", b"%d" % len(data)), (b"content-type", media_type(data)), *headers], data
    )


def media_type(data: bytes) -> bytes:
    """Return the media type of a tile."""
    for start, name in MEDIA_TYPES.items():
        if data.startswith(start):
            return name
    return DEFAULT_MEDIA_TYPE


def _parse_address(*texts: str) -> TileAddress | None:
    """Return the address of a path, or None if one of its parts is not an integer from 0 to `MAX_GRID_INDEX`."""
    if not all(text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS for text in texts):
        return None
    address = TileAddress(*map(int, texts))
    return address if max(address) <= MAX_GRID_INDEX else None
