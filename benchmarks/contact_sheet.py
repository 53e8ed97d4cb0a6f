"""Draw docs/images/recompression.jpg: what recompression does to each kind of imagery.

.venv/bin/python benchmarks/contact_sheet.py
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from colour import Original, Score  # noqa: E402
from imagery import KINDS  # noqa: E402
from inputs import Pixels, Tiles  # noqa: E402
from PIL import Image, ImageDraw, ImageFont  # noqa: E402
from rivals import EFFICIENT, EXACT, METHODS, TURBO_PIXELS, encode_optimized, split  # noqa: E402

from gptool.jpeg.pixels import decode, encode  # noqa: E402

OUTPUT = ROOT / "docs" / "images" / "recompression.jpg"
SOURCE, REQUEST = 75, 50
SIDE, ZOOM, GAP, CAPTION = 96, 2, 8, 34
FONT, SMALL = ImageFont.load_default(size=15), ImageFont.load_default(size=13)
COLUMNS = ("original", f"tile, q{SOURCE}", "efficient tables", "exact tables", "PyTurboJPEG", "fresh encode")


def _results(pixels: Pixels) -> tuple[Original, list[bytes]]:
    """Return an original, and its tile, recompressed by each method and encoded again."""
    tile = encode(pixels, SOURCE)
    batch = Tiles.of("", [tile])
    recompressed = [split(METHODS[name](batch, REQUEST))[0] for name in (EFFICIENT, EXACT, TURBO_PIXELS)]
    return Original(pixels), [tile, *recompressed, encode_optimized(pixels, REQUEST)]


def _caption(score: Score, size: float) -> str:
    return f"{100 * score.size / size:.0f} %   S {score.ssimulacra2:.0f}   dE {score.delta_e:.1f}"


def _draw_kind(sheet: Image.Image, top: int, kind: str, pixels: Pixels) -> None:
    draw = ImageDraw.Draw(sheet)
    original, tiles = _results(pixels)
    captions = [kind, *(_caption(original.score(tile), len(tiles[0])) for tile in tiles)]
    images = [pixels, *map(decode, tiles)]
    corner = (pixels.shape[0] - SIDE) // 2
    for column, (image, caption) in enumerate(zip(images, captions, strict=True)):
        left = GAP + column * (SIDE * ZOOM + GAP)
        crop = Image.fromarray(image[corner : corner + SIDE, corner : corner + SIDE])
        sheet.paste(crop.resize((SIDE * ZOOM, SIDE * ZOOM), Image.Resampling.NEAREST), (left, top))
        draw.text((left, top + SIDE * ZOOM + 3), caption, font=SMALL, fill="black")


def main() -> None:
    """Draw the sheet: a row for each kind of imagery, a column for each method."""
    width = GAP + len(COLUMNS) * (SIDE * ZOOM + GAP)
    row = SIDE * ZOOM + CAPTION
    sheet = Image.new("RGB", (width, CAPTION + len(KINDS) * row), "white")
    draw = ImageDraw.Draw(sheet)
    for column, title in enumerate(COLUMNS):
        draw.text((GAP + column * (SIDE * ZOOM + GAP), 8), title, font=FONT, fill="black")
    for number, (kind, make) in enumerate(KINDS.items()):
        _draw_kind(sheet, CAPTION + number * row, kind, make()[0])
    sheet.save(OUTPUT, quality=88, subsampling="4:4:4", optimize=True)


if __name__ == "__main__":
    main()
