"""The plot of size against score, and the steps of the quality, as SVG without styles: classes are in page.css."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

from gptool.samples.figures import QualityFigures, SampleFigures
from gptool.text import format_bytes

WIDTH, HEIGHT = 640, 380
LEFT, RIGHT, TOP, BOTTOM = 56, 616, 24, 320
"""The edges of the plot's frame."""

STRIP_HEIGHT = 74
BAND_TOP, BAND_BOTTOM = 8, 30
SCORE_STEP, LABEL_SCORES = 10, 4
"""The distance of lines of the grid, and the room for labels below the lowest point, in scores."""

LABEL_WIDTH = 20


class _Axes(NamedTuple):
    """From bytes and scores to positions."""

    smallest: float
    largest: float
    lowest: float

    @classmethod
    def around(cls, samples: SampleFigures) -> _Axes:
        """Return axes that show all figures, the threshold, and the result without recompression."""
        sizes = [samples.copied_size, *(size for figures in samples.all_figures for size in figures.interval)]
        scores = [samples.threshold, *(figures.worst_score for figures in samples.all_figures)]
        margin = max(0.06 * (max(sizes) - min(sizes)), 1)
        lowest = (min(scores) - LABEL_SCORES) // SCORE_STEP * SCORE_STEP
        return cls(min(sizes) - margin, max(sizes) + margin, lowest)

    def x(self, size: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * (size - self.smallest) / (self.largest - self.smallest), 1)

    def y(self, score: float) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * (score - self.lowest) / (100 - self.lowest), 1)


def size_plot(samples: SampleFigures) -> str:
    """Return the plot of the bytes of the result against the scores of its tiles, by quality."""
    axes, best = _Axes.around(samples), samples.recommended
    points = [*((f.total_size, f.worst_score, f.mean_score) for f in samples.all_figures)]
    points.append((samples.copied_size, 100.0, 100.0))
    points.sort()
    parts = [
        *_grid(axes),
        _line("threshold", LEFT, axes.y(samples.threshold), RIGHT, axes.y(samples.threshold)),
        _text("mark-text", LEFT + 6, axes.y(samples.threshold) - 6, f"worst score {samples.threshold:g}"),
        _curve("mean", [(axes.x(size), axes.y(mean)) for size, _, mean in points]),
        _curve("worst", [(axes.x(size), axes.y(worst)) for size, worst, _ in points]),
        *(_dot("mean-dot", axes.x(size), axes.y(mean), 3) for size, _, mean in points),
        *_points(axes, samples.all_figures),
        _dot("dot", axes.x(samples.copied_size), axes.y(100), 4),
        _text("", axes.x(samples.copied_size), axes.y(100) - 8, "as it is", "end"),
        f'<circle class="mark" cx="{axes.x(best.total_size)}" cy="{axes.y(best.worst_score)}" r="9"/>',
        _line("mark", axes.x(best.total_size), axes.y(best.worst_score) + 9, axes.x(best.total_size), BOTTOM),
        _text("quiet", (LEFT + RIGHT) / 2, HEIGHT - 8, "bytes of the result", "middle"),
        _text("quiet", LEFT, TOP - 10, "SSIMULACRA 2: solid the worst, dotted the mean of the scored tiles"),
    ]
    title = "Size of the result against score"
    text = f"Quality {best.quality} is recommended. The table of qualities has the same figures."
    return _svg("size-plot", HEIGHT, title, text, parts)


def steps_strip(samples: SampleFigures) -> str:
    """Return a strip of all qualities from 0 to 100, divided where the results of the scored tiles change."""
    marked = {figures.quality for figures in samples.all_figures}

    def x(quality: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * quality / 101, 1)

    parts = [
        f'<rect class="{("even", "odd")[i % 2]}" x="{x(low)}" y="{BAND_TOP}" width="{round(x(high + 1) - x(low), 1)}" '
        f'height="{BAND_BOTTOM - BAND_TOP}"/>'
        for i, (low, high) in enumerate(samples.steps)
    ]
    parts += [_text("quiet", x(quality + 0.5), 64, str(quality), "middle") for quality in range(0, 101, 20)]
    for quality in sorted(marked):
        name = "mark" if quality == samples.recommended.quality else "axis"
        parts.append(_line(name, x(quality + 0.5), BAND_TOP, x(quality + 0.5), BAND_BOTTOM + 8))
        if name == "mark":
            parts.append(_text("mark-text", x(quality + 0.5), BAND_BOTTOM + 22, f"{quality}", "middle"))
    text = f"{len(samples.steps)} steps. Qualities of one step make the same tiles."
    return _svg("steps-strip", STRIP_HEIGHT, "Steps of the quality", text, parts)


def _grid(axes: _Axes) -> Iterable[str]:
    for score in range(int(axes.lowest), 101, SCORE_STEP):
        yield _line("grid", LEFT, axes.y(score), RIGHT, axes.y(score))
        yield _text("quiet", LEFT - 8, axes.y(score) + 4, str(score), "end")
    yield _line("axis", LEFT, BOTTOM, RIGHT, BOTTOM)
    for size in _round_numbers(axes.smallest, axes.largest):
        yield _line("axis", axes.x(size), BOTTOM, axes.x(size), BOTTOM + 5)
        yield _text("quiet", axes.x(size), BOTTOM + 20, format_bytes(size), "middle")


def _round_numbers(low: float, high: float) -> Iterable[float]:
    """Yield three to eight multiples of 1, 2 or 5 times a power of ten between two numbers."""
    step = 10.0 ** math.floor(math.log10((high - low) / 4))
    step *= max(factor for factor in (1, 2, 5) if factor * step <= (high - low) / 3)
    yield from (i * step for i in range(math.ceil(low / step), math.floor(high / step) + 1))


def _points(axes: _Axes, qualities: Iterable[QualityFigures]) -> Iterable[str]:
    """Yield the points of the qualities, with their intervals; labels that would overlap are above and below."""
    last, is_below = -math.inf, True
    for figures in qualities:
        x, y = axes.x(figures.total_size), axes.y(figures.worst_score)
        low, high = figures.interval
        is_below = not is_below if x - last < LABEL_WIDTH else True
        last = x
        yield _line("span", axes.x(low), y, axes.x(high), y)
        yield _dot("dot", x, y, 4)
        yield _text("", x + (7 if is_below else -9), y + (17 if is_below else -9), str(figures.quality))


def _line(name: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{name}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>'


def _curve(name: str, points: Sequence[tuple[float, float]]) -> str:
    return f'<polyline class="{name}" points="{" ".join(f"{x},{y}" for x, y in points)}"/>'


def _dot(name: str, x: float, y: float, radius: int) -> str:
    return f'<circle class="{name}" cx="{x}" cy="{y}" r="{radius}"/>'


def _text(name: str, x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text class="{name}" x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(name: str, height: int, title: str, text: str, parts: Iterable[str]) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="{name}-title {name}-text">'
        f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-text">{escape(text)}</desc>'
        f"{''.join(parts)}</svg>"
    )
