"""Which tiles of a part of a level exist: the tilemap of a cached service, from the indexes of its bundles.

ArcGIS REST API, "Tilemap"; the Maps SDK for JavaScript asks for it before it requests tiles.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.concurrency import run_in_threadpool

from gptool.cache import TileCache
from gptool.errors import ServiceError
from gptool.model import MAX_GRID_INDEX, PACKET_SIZE, TileWindow
from gptool.service.resources.image_service import find_service
from gptool.service.resources.request_context import RequestContext
from gptool.service.resources.responses import Representation

MAX_SIDE = PACKET_SIZE
"""The most rows, and columns, of one request: those of four bundles at most."""

NUMBER = re.compile("[0-9]{1,19}", re.ASCII)


async def tilemap(context: RequestContext) -> Representation:
    """Return 1 for each tile of a window that exists and 0 for the others, row by row.

    Raises
    ------
    ServiceError
        If there is no such service, or a number of the path is invalid (code 400).
    CacheError
        If an index cannot be read.
    """
    cached = await find_service(context)
    level, row, column = (_read_number(context, name, 0, int(MAX_GRID_INDEX)) for name in ("level", "row", "column"))
    width, height = (_read_number(context, name, 1, MAX_SIDE) for name in ("width", "height"))
    window = TileWindow(row, row + height - 1, column, column + width - 1)
    found = await run_in_threadpool(_existing_tiles, cached.cache, level, window)
    value: dict[str, Any] = {
        "adjusted": False,
        "location": {"left": column, "top": row, "width": width, "height": height},
        "valid": True,
        "data": found.astype(int).ravel().tolist(),
    }
    page = {"title": "Tilemap", "breadcrumbs": context.breadcrumbs(*cached.name.split("/")), "result": value}
    return Representation(value, "result.html", page)


def _existing_tiles(cache: TileCache, level: int, window: TileWindow) -> NDArray[np.bool_]:
    """Return for each tile of a window, bool[rows, columns], whether the cache contains it."""
    rows, columns = window.row_max - window.row_min + 1, window.column_max - window.column_min + 1
    # With a margin of a bundle on each side, so that every bundle lies in it whole.
    wide = np.zeros((rows + 2 * PACKET_SIZE, columns + 2 * PACKET_SIZE), bool)
    lod = cache.scheme.lod(level)
    for address in cache.bundles(lod, window) if lod else ():
        with cache.open_bundle(address) as bundle:
            top, left = (
                first - low + PACKET_SIZE
                for first, low in ((address.row, window.row_min), (address.column, window.column_min))
            )
            sizes = bundle.sizes.reshape(PACKET_SIZE, PACKET_SIZE)
            wide[top : top + PACKET_SIZE, left : left + PACKET_SIZE] = sizes > 0
    return wide[PACKET_SIZE : PACKET_SIZE + rows, PACKET_SIZE : PACKET_SIZE + columns]


def _read_number(context: RequestContext, name: str, low: int, high: int) -> int:
    text = str(context.request.path_params.get(name, 1))
    number = int(text) if NUMBER.fullmatch(text) else None
    if number is None or not low <= number <= high:
        raise ServiceError(
            "value is out of range", code=400, where=name, found=repr(text), expected=f"an integer from {low} to {high}"
        )
    return number
