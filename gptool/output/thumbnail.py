"""The package's picture, resampled from its own tiles. The only module that imports Pillow."""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

from gptool import _bundle
from gptool._bundle import TileKind
from gptool.jpeg.pixels import decode
from gptool.model import MAX_TILE_SIDE, PACKET_SIZE, Extent, TileAddress, TileWindow
from gptool.plan.plan import LevelPlan, Plan

if TYPE_CHECKING:
    from PIL.Image import Image

SIZE = 200, 133
"""Pixels, width and height: what Esri's tile-package-spec calls typical."""

LARGEST_WINDOW = 4, 6
"""Rows and columns of tiles at most; a package of deep levels only shows a part of itself."""

LARGEST_CELL = 256
"""Pixels of a tile's side on the canvas at most."""

PNG_SIZE, PNG_SIZE_AT = struct.Struct(">2I"), 16
"""Width and height in a PNG's IHDR chunk, which comes first (PNG specification, 11.2.1)."""

PAPER = 242, 242, 240


def draw_thumbnail(plan: Plan) -> bytes:
    """Return a 24-bit PNG, 200 x 133 pixels, of the middle of the package; tiles that can't be drawn stay blank.

    Raises
    ------
    CacheError
        When the tiles can't be read.
    """
    from PIL import Image, ImageOps

    level = _choose_level(plan)
    window = _middle(level)
    rows, columns = window.row_max - window.row_min + 1, window.column_max - window.column_min + 1
    cell = min(LARGEST_CELL, max(plan.cache.scheme.tile_rows, plan.cache.scheme.tile_columns))
    canvas = Image.new("RGB", (columns * cell, rows * cell), PAPER)
    for address, kind, tile in _tiles(plan, level, window):
        image = _draw(kind, tile)
        if image is not None:
            image = image.resize(
                (cell, cell), Image.Resampling.BOX if image.width > cell else Image.Resampling.BILINEAR
            )
            place = (address.column - window.column_min) * cell, (address.row - window.row_min) * cell
            canvas.paste(image, place, image if image.mode == "RGBA" else None)
    canvas = canvas.crop(_crop(plan, level, window, canvas.size))
    # A good filter over many pixels is slow, and twice the pixels are enough for it.
    canvas = canvas.reduce(max(min(canvas.width // (2 * SIZE[0]), canvas.height // (2 * SIZE[1])), 1))
    file = io.BytesIO()
    ImageOps.fit(canvas, SIZE, Image.Resampling.LANCZOS).save(file, "PNG")
    return file.getvalue()


def _choose_level(plan: Plan) -> LevelPlan:
    """Choose the coarsest level that has a pixel for each of the thumbnail's, else the deepest."""
    extent = plan.extent()
    for level in plan.filled_levels:
        resolution = level.lod.resolution.value
        if extent.xmax - extent.xmin >= SIZE[0] * resolution and extent.ymax - extent.ymin >= SIZE[1] * resolution:
            return level
    return plan.filled_levels[-1]


def _middle(level: LevelPlan) -> TileWindow:
    """Choose the window to draw: all, or the middle of the bundle that holds most."""
    window = level.window
    assert window is not None, "a level with tiles has a window"
    rows, columns = LARGEST_WINDOW
    if window.row_max - window.row_min < rows and window.column_max - window.column_min < columns:
        return window
    bundle = max(level.bundles, key=lambda item: item.tiles).address
    here = Extent(bundle.column, bundle.row, bundle.column + PACKET_SIZE, bundle.row + PACKET_SIZE).intersection(
        Extent(window.column_min, window.row_min, window.column_max + 1, window.row_max + 1)
    )
    assert here is not None, "a level's window meets its bundles"
    row = max(int(here.ymin + here.ymax - rows) // 2, window.row_min)
    column = max(int(here.xmin + here.xmax - columns) // 2, window.column_min)
    return TileWindow(row, min(row + rows - 1, window.row_max), column, min(column + columns - 1, window.column_max))


def _tiles(plan: Plan, level: LevelPlan, window: TileWindow) -> Iterator[tuple[TileAddress, TileKind, bytes]]:
    for address, _, _ in level.bundles:
        if not window.meets_bundle(address):
            continue
        with plan.cache.open_bundle(address) as bundle:
            positions = plan.selection.positions(level.lod, address, bundle.sizes)
            rows, columns = address.rows_and_columns(positions)
            shown = (rows >= window.row_min) & (rows <= window.row_max)
            shown &= (columns >= window.column_min) & (columns <= window.column_max)
            for batch in bundle.batches(positions[shown]):
                kinds, _ = _bundle.inspect(batch.source, batch.offsets, batch.sizes)
                for i, position in enumerate(batch.positions.tolist()):
                    yield address.tile(position), TileKind(kinds[i]), batch.tile(i)


def _draw(kind: TileKind, tile: bytes) -> Image | None:
    """Return a tile's pixels, RGB or RGBA; None when it is damaged or no image that can be drawn."""
    from PIL import Image

    try:
        if kind is TileKind.JPEG:
            return Image.fromarray(decode(tile))
        if kind is TileKind.PNG:
            if max(PNG_SIZE.unpack_from(tile, PNG_SIZE_AT)) > MAX_TILE_SIDE:
                return None  # memory would be taken before the data are read
            with Image.open(io.BytesIO(tile), formats=["PNG"]) as image:
                return image.convert("RGBA")
    except Exception:  # decoders fail in many ways, and a picture must never decide over an export
        return None
    return None


def _crop(plan: Plan, level: LevelPlan, window: TileWindow, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return the pixels of the canvas that lie in the package's extent: left, upper, right, lower."""
    whole = plan.cache.scheme.extent(level.lod, window)
    part = whole.intersection(plan.extent()) or whole
    x, y = size[0] / (whole.xmax - whole.xmin), size[1] / (whole.ymax - whole.ymin)
    left, upper = math.floor((part.xmin - whole.xmin) * x), math.floor((whole.ymax - part.ymax) * y)
    right, lower = math.ceil((part.xmax - whole.xmin) * x), math.ceil((whole.ymax - part.ymin) * y)
    return left, upper, max(right, left + 1), max(lower, upper + 1)
