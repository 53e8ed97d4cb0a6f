"""Pictures of a cache: its thumbnail, and a tile at a compression quality."""

from __future__ import annotations

import math

from anyio import CapacityLimiter
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from gptool import _jpeg
from gptool.errors import ParameterError
from gptool.model import Extent, ImageInfo, Tables, TileAddress
from gptool.request.parameters import BY_NAME, TABLES
from gptool.service.catalog import CachedService
from gptool.service.resources.image_service import find_service
from gptool.service.resources.request_context import RequestContext
from gptool.service.resources.tile_response import media_type

CACHING = {"Cache-Control": "private, max-age=60"}

MAX_PREVIEWS = 2
"""Previews that are made at once; others wait."""

MAX_NUMBER = 1e12
"""Largest coordinate, in units of the spatial reference."""


async def thumbnail(context: RequestContext) -> Response:
    """Return a picture of a cache, or HTTP status 404 if it has no tiles, or is not counted yet."""
    [figures] = await context.state.figures.figures([await find_service(context)])
    if figures is None or not figures.thumbnail:
        return Response("thumbnail not found", 404, media_type="text/plain")
    return Response(figures.thumbnail, media_type="image/png", headers=CACHING)


class PreviewResource:
    """A tile of a cache at a position, recompressed as an export does it, or as it is stored."""

    def __init__(self) -> None:
        self._limiter = CapacityLimiter(MAX_PREVIEWS)

    async def respond(self, context: RequestContext) -> Response:
        """Return the deepest tile, down to `level`, at `x` and `y`; HTTP status 204 if there is none.

        Without `compressionQuality` the tile is as it is stored.

        Raises
        ------
        ParameterError
            If a parameter is missing or invalid.
        """
        x, y, level = (_number(context, name) for name in ("x", "y", "level"))
        text = context.parameters.get("compressionQuality", "").strip()
        quality = BY_NAME["compressionQuality"].read(text) if text else None
        tables = BY_NAME["tables"].read(context.parameters.get("tables") or TABLES[0])
        service = await find_service(context)
        async with self._limiter:
            data = await _deepest_tile(context, service, (x, y), level)
            if data is None:
                return Response(status_code=204, headers=CACHING)
            if quality is not None:
                data = await run_in_threadpool(_recompressed, data, service.cache.image, quality, tables)
        return Response(data, media_type=media_type(data).decode(), headers=CACHING)


def _recompressed(data: bytes, image: ImageInfo, quality: int, tables: Tables) -> bytes:
    declared = image.compression_quality if image.may_be_jpeg else 0
    return _jpeg.recompress(data, quality, tables=tables, declared_quality=declared or None)[0]


async def _deepest_tile(
    context: RequestContext, service: CachedService, position: tuple[float, float], level: float
) -> bytes | None:
    x, y = position
    for lod in reversed(service.levels):
        window = service.cache.scheme.window(lod, Extent(x, y, x, y))
        row, column = window.row_min, window.column_min
        if lod.level <= level and min(row, column) >= 0:
            tile = await context.state.tiles.find(service, TileAddress(lod.level, row, column))
            if tile:
                return await tile.read()
    return None


def _number(context: RequestContext, name: str) -> float:
    text = context.parameters.get(name, "")
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not abs(number) <= MAX_NUMBER:
        expected = f"a number from {-MAX_NUMBER:g} to {MAX_NUMBER:g}"
        what = "value is not a number within range" if text.strip() else "is missing"
        raise ParameterError(what, where=name, found=repr(text) if text.strip() else None, expected=expected)
    return number
