"""The thumbnail of a package, resampled from its tiles. The only module that imports Pillow."""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from gptool import _bundle
from gptool._bundle import TileKind
from gptool.jpeg.pixels import decode
from gptool.model import MAX_TILE_SIDE, PACKET_SIZE, Extent, TileAddress, TileWindow
from gptool.output.png import encode_png
from gptool.output.resampling import compose, resample
from gptool.plan import LevelPlan, Plan

SIZE = 200, 133
"""Width and height in pixels, the typical ones by Esri's tile-package-spec."""

MAX_WINDOW = 4, 6
"""Rows and columns of tiles; the thumbnail of a package with only deep levels shows a part of it."""

MAX_CELL = 256
"""Pixels per side of a tile on the canvas."""

PNG_DIMENSIONS, PNG_DIMENSIONS_OFFSET = struct.Struct(">2I"), 16
"""Width and height in the IHDR chunk, the first of a PNG (PNG specification, 11.2.1)."""

BACKGROUND = 242, 242, 240


def draw_thumbnail(plan: Plan) -> bytes:
    """Return a 24-bit PNG of 200 x 133 pixels that shows the middle of the package.

    Tiles that cannot be decoded stay blank.

    Raises
    ------
    CacheError
        If the tiles cannot be read.
    """
    level = _choose_level(plan)
    window = _choose_window(level)
    rows, columns = window.row_max - window.row_min + 1, window.column_max - window.column_min + 1
    cell = min(MAX_CELL, max(plan.cache.scheme.tile_rows, plan.cache.scheme.tile_columns))
    canvas = np.full((rows * cell, columns * cell, 3), BACKGROUND, np.uint8)
    for address, kind, tile in _tiles(plan, level, window):
        pixels = _decode_tile(kind, tile)
        if pixels is not None:
            row, column = (address.row - window.row_min) * cell, (address.column - window.column_min) * cell
            canvas[row : row + cell, column : column + cell] = resample(pixels, cell, cell)
    left, upper, right, lower = _crop_box(plan, level, window, (columns * cell, rows * cell))
    return encode_png(resample(_fit(canvas[upper:lower, left:right]), SIZE[1], SIZE[0]))


def _fit(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the middle part of pixels that has the aspect ratio of the thumbnail."""
    rows, columns = pixels.shape[:2]
    kept_rows = max(min(rows, round(columns * SIZE[1] / SIZE[0])), 1)
    kept_columns = max(min(columns, round(rows * SIZE[0] / SIZE[1])), 1)
    row, column = (rows - kept_rows) // 2, (columns - kept_columns) // 2
    return pixels[row : row + kept_rows, column : column + kept_columns]


def _choose_level(plan: Plan) -> LevelPlan:
    """Return the coarsest level with at least the thumbnail's resolution, else the deepest level."""
    extent = plan.extent()
    for level in plan.filled_levels:
        resolution = level.lod.resolution.value
        if extent.xmax - extent.xmin >= SIZE[0] * resolution and extent.ymax - extent.ymin >= SIZE[1] * resolution:
            return level
    return plan.filled_levels[-1]


def _choose_window(level: LevelPlan) -> TileWindow:
    """Return the tiles to draw: all of the level, or the middle of the bundle with most tiles."""
    window = level.window
    assert window is not None, "a level with tiles has a window"
    rows, columns = MAX_WINDOW
    if window.row_max - window.row_min < rows and window.column_max - window.column_min < columns:
        return window
    bundle = max(level.bundles, key=lambda item: item.tiles).address
    overlap = Extent(bundle.column, bundle.row, bundle.column + PACKET_SIZE, bundle.row + PACKET_SIZE).intersection(
        Extent(window.column_min, window.row_min, window.column_max + 1, window.row_max + 1)
    )
    assert overlap is not None, "the window of a level intersects its bundles"
    row = max(int(overlap.ymin + overlap.ymax - rows) // 2, window.row_min)
    column = max(int(overlap.xmin + overlap.xmax - columns) // 2, window.column_min)
    return TileWindow(row, min(row + rows - 1, window.row_max), column, min(column + columns - 1, window.column_max))


def _tiles(plan: Plan, level: LevelPlan, window: TileWindow) -> Iterator[tuple[TileAddress, TileKind, bytes]]:
    """Yield the selected tiles of a window."""
    for address, _, _ in level.bundles:
        if not window.intersects_bundle(address):
            continue
        wanted = plan.selection.selected(level.lod, address)
        with plan.cache.open_bundle(address, wanted) as bundle:
            positions = bundle.present(wanted)
            rows, columns = address.rows_and_columns(positions)
            shown = (rows >= window.row_min) & (rows <= window.row_max)
            shown &= (columns >= window.column_min) & (columns <= window.column_max)
            for batch in bundle.batches(positions[shown]):
                kinds, _ = _bundle.inspect(batch.source, batch.offsets, batch.sizes)
                for i, position in enumerate(batch.positions.tolist()):
                    yield address.tile(position), TileKind(kinds[i]), batch.tile(i)


def _decode_tile(kind: TileKind, tile: bytes) -> NDArray[np.uint8] | None:
    """Return the RGB pixels of a tile; None if it is damaged or in another format than JPEG and PNG."""
    from PIL import Image

    try:
        if kind is TileKind.JPEG:
            return decode(tile)
        if kind is TileKind.PNG:
            if max(PNG_DIMENSIONS.unpack_from(tile, PNG_DIMENSIONS_OFFSET)) > MAX_TILE_SIDE:
                return None  # the decoder allocates memory before it reads the data
            with Image.open(io.BytesIO(tile), formats=["PNG"]) as image:
                return compose(np.asarray(image.convert("RGBA")), BACKGROUND)
    except Exception:  # decoders fail in many ways, and a thumbnail must never make an export fail
        return None
    return None


def _crop_box(plan: Plan, level: LevelPlan, window: TileWindow, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return the box of the canvas that shows the package's extent, in pixels: left, upper, right, lower."""
    drawn = plan.cache.scheme.extent(level.lod, window)
    shown = drawn.intersection(plan.extent()) or drawn
    x, y = size[0] / (drawn.xmax - drawn.xmin), size[1] / (drawn.ymax - drawn.ymin)  # pixels per unit
    left, upper = math.floor((shown.xmin - drawn.xmin) * x), math.floor((drawn.ymax - shown.ymax) * y)
    right, lower = math.ceil((shown.xmax - drawn.xmin) * x), math.ceil((drawn.ymax - shown.ymin) * y)
    return left, upper, max(right, left + 1), max(lower, upper + 1)
