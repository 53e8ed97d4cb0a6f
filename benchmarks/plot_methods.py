"""Draw docs/images/methods.svg: size against SSIMULACRA2 for each method, over the requested qualities.

.venv/bin/python benchmarks/plot_methods.py

It needs the extra `bench` and what make_imagery installs, and takes about five minutes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from colour import Original, average  # noqa: E402
from imagery import KINDS  # noqa: E402
from inputs import Tiles  # noqa: E402
from libraries import JPEGLI, LIBRARIES, MOZJPEG  # noqa: E402
from rivals import (  # noqa: E402
    EFFICIENT,
    EXACT,
    LOSSLESS,
    METHODS,
    PILLOW_OPTIMIZED,
    TURBO_PIXELS,
    encode_optimized,
    optimise,
    split,
)

from gptool.jpeg.pixels import encode  # noqa: E402

OUTPUT = ROOT / "docs" / "images" / "methods.svg"
SOURCES, REQUESTS = (75, 90), range(20, 81, 10)
FRESH = "fresh encode of the original"

COLOURS = {
    EFFICIENT: "#0f766e",
    EXACT: "#65a30d",
    TURBO_PIXELS: "#b91c1c",
    PILLOW_OPTIMIZED: "#ea580c",
    MOZJPEG: "#7c3aed",
    JPEGLI: "#2563eb",
    FRESH: "#94a3b8",
}
"""The methods and the colours of their lines. simplejpeg, OpenCV and imagecodecs make the tiles of PyTurboJPEG."""

Point = tuple[float, float]
"""Bytes, % of the tiles as they are, and SSIMULACRA2."""


class Panel(NamedTuple):
    """Tiles of one quality: a line for each method, and single points."""

    source: int
    lines: dict[str, list[Point]]
    lossless: Point
    unchanged: Point


def _measure(originals: list[Original], source: int) -> Panel:
    tiles = Tiles.of("", [encode(original.pixels, source) for original in originals])

    def point(cut: list[bytes]) -> Point:
        score = average([original.score(tile) for original, tile in zip(originals, cut, strict=True)])
        return 100 * score.size / float(tiles.sizes.mean()), score.ssimulacra2

    def encode_again(_: Tiles, quality: int) -> list[bytes]:
        return [encode_optimized(original.pixels, quality) for original in originals]

    loaded = {name: library.load() for name, library in LIBRARIES.items() if name in COLOURS}
    methods: dict[str, Callable[[Tiles, int], Any]] = {**METHODS, **loaded, FRESH: encode_again}
    lines = {name: [point(split(methods[name](tiles, quality))) for quality in REQUESTS] for name in COLOURS}
    return Panel(source, lines, point(split(optimise(tiles))), point(tiles.cut))


# ---- drawing ----

WIDTH, HEIGHT, GAP = 420, 380, 60
LEFT, TOP = 56, 40
SIZES, SCORES = (10, 110), (20, 90)
STEP = 10
INK, FAINT = "#334155", "#e2e8f0"


def _x(size: float) -> float:
    return (size - SIZES[0]) / (SIZES[1] - SIZES[0]) * WIDTH


def _y(score: float) -> float:
    return (SCORES[1] - score) / (SCORES[1] - SCORES[0]) * HEIGHT


def _text(x: float, y: float, text: str, attributes: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {attributes}>{escape(text)}</text>'


def _grid() -> list[str]:
    parts = [f'<rect width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="{INK}"/>']
    for size in range(SIZES[0], SIZES[1] + 1, STEP):
        parts.append(f'<path d="M{_x(size):.1f} 0v{HEIGHT}" stroke="{FAINT}"/>')
        parts.append(_text(_x(size), HEIGHT + 16, f"{size} %", 'text-anchor="middle"'))
    for score in range(SCORES[0], SCORES[1] + 1, STEP):
        parts.append(f'<path d="M0 {_y(score):.1f}h{WIDTH}" stroke="{FAINT}"/>')
        parts.append(_text(-8, _y(score) + 4, str(score), 'text-anchor="end"'))
    return parts


def _line(points: list[Point], colour: str, dashes: str) -> list[str]:
    places = [(_x(size), _y(score)) for size, score in points]
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    dots = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.6" fill="{colour}"/>' for x, y in places]
    return [f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>', *dots]


def _dashes(name: str) -> str:
    return ' stroke-dasharray="5 4"' if name == FRESH else ""


def _panel(panel: Panel, left: int) -> list[str]:
    parts = [f'<g transform="translate({left} {TOP})">', *_grid()]
    parts.append(_text(WIDTH / 2, -14, f"tiles of q{panel.source}", 'text-anchor="middle" font-weight="600"'))
    for name, points in panel.lines.items():
        parts += _line(points, COLOURS[name], _dashes(name))
    for (size, score), fill in ((panel.lossless, COLOURS[EFFICIENT]), (panel.unchanged, INK)):
        parts.append(f'<rect x="{_x(size) - 4:.1f}" y="{_y(score) - 4:.1f}" width="8" height="8" fill="{fill}"/>')
    return [*parts, "</g>"]


def _legend(left: int) -> list[str]:
    entries = [
        (name, f'<path d="M0 0h22" stroke="{colour}" stroke-width="3"{_dashes(name)}/>')
        for name, colour in COLOURS.items()
    ]
    for name, fill in ((LOSSLESS, COLOURS[EFFICIENT]), ("tiles as they are", INK)):
        entries.append((name, f'<rect x="7" y="-4" width="8" height="8" fill="{fill}"/>'))
    parts = []
    for number, (name, mark) in enumerate(entries):
        column, row = divmod(number, 3)
        place = f"translate({left + column * 300} {TOP + HEIGHT + 62 + row * 20})"
        parts.append(f'<g transform="{place}">{mark}{_text(30, 4, name)}</g>')
    return parts


def draw(panels: list[Panel]) -> str:
    """Return the picture, SVG."""
    width, height = LEFT + len(panels) * (WIDTH + GAP), TOP + HEIGHT + 124
    label = "Size against SSIMULACRA2 of recompressed tiles, a line for each method over the requested qualities"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="{label}" '
        f'font-family="system-ui, -apple-system, Segoe UI, DejaVu Sans, sans-serif" font-size="12" fill="{INK}">',
        f'<rect width="{width}" height="{height}" rx="8" fill="#ffffff"/>',
        _text(LEFT, TOP + HEIGHT + 38, "bytes of the results, % of the tiles; upwards: SSIMULACRA2"),
    ]
    for number, panel in enumerate(panels):
        parts += _panel(panel, LEFT + number * (WIDTH + GAP))
    return "\n".join([*parts, *_legend(LEFT), "</svg>", ""])


def main() -> None:
    """Measure and draw."""
    originals = [Original(pixels) for make in KINDS.values() for pixels in make()]
    OUTPUT.write_text(draw([_measure(originals, source) for source in SOURCES]), encoding="utf-8")


if __name__ == "__main__":
    main()
