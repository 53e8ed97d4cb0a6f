"""A street map: flat colours, thin lines and labels, which JPEG shows most clearly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

FINE = 4
"""Pixels of the drawing for each of the map, which smooths its edges."""

GROUND = (242, 239, 233)
AREAS = ((200, 236, 174), (170, 211, 223), (224, 223, 223), (173, 209, 158), (255, 241, 186))
BUILDING, WALL, CASING = (217, 208, 201), (190, 175, 160), (150, 140, 135)
ROADS = ((3, (255, 255, 255)), (5, (252, 214, 164)), (7, (232, 146, 162)))
"""Widths, pixels of the map, and colours."""

LABELS = (
    *("Forest Road", "Mill Lane", "Station", "Harbour Street"),
    *("Cathedral", "Park Avenue", "Market Square", "Library"),
)
INKS = ((60, 60, 60), (110, 60, 30), (30, 80, 140), (120, 30, 90))

Points = list[tuple[float, float]]


def draw_street_map(side: int) -> NDArray[np.uint8]:
    """Return a square map, uint8[side, side, 3]."""
    random = np.random.default_rng(5)
    image = Image.new("RGB", (side * FINE, side * FINE), GROUND)
    draw = ImageDraw.Draw(image)
    share = (side / 1024) ** 2
    _draw_areas(draw, random, side * FINE, round(14 * share))
    _draw_buildings(draw, random, side * FINE, round(900 * share))
    _draw_roads(draw, random, side * FINE, round(26 * side / 1024))
    image = image.resize((side, side), Image.Resampling.LANCZOS)
    _draw_labels(ImageDraw.Draw(image), random, side, round(170 * share))
    return np.asarray(image)


def _draw_areas(draw: ImageDraw.ImageDraw, random: np.random.Generator, side: int, count: int) -> None:
    for number in range(count):
        centre, radius = random.uniform(0, side, 2), random.uniform(60, 260) * FINE
        angles = np.sort(random.uniform(0, 2 * np.pi, random.integers(5, 9)))
        radii = radius * random.uniform(0.6, 1, angles.size)
        draw.polygon(_points(centre, radii, angles), fill=AREAS[number % len(AREAS)])


def _points(centre: NDArray[np.float64], radii: NDArray[np.float64], angles: NDArray[np.float64]) -> Points:
    around = centre + radii[:, None] * np.stack((np.cos(angles), np.sin(angles)), 1)
    return [(float(x), float(y)) for x, y in around]


def _draw_buildings(draw: ImageDraw.ImageDraw, random: np.random.Generator, side: int, count: int) -> None:
    corners = np.pi / 4 + np.pi / 2 * np.arange(4) + 0.2
    for _ in range(count):
        radii = np.full(4, random.uniform(5, 18) * FINE)
        draw.polygon(_points(random.uniform(0, side, 2), radii, corners), fill=BUILDING, outline=WALL)


def _draw_roads(draw: ImageDraw.ImageDraw, random: np.random.Generator, side: int, count: int) -> None:
    along = np.linspace(-0.1 * side, 1.1 * side, 12)
    lines: list[Points] = []
    for number in range(count):
        across = random.uniform(0, side) + np.cumsum(random.normal(0, 14 * FINE, along.size))
        pair = (along, across) if number % 2 else (across, along)
        lines.append([(float(x), float(y)) for x, y in zip(*pair, strict=True)])
    for casing in (True, False):
        for number, line in enumerate(lines):
            width, colour = ROADS[number % len(ROADS)]
            width, colour = (width + 2, CASING) if casing else (width, colour)
            draw.line(line, fill=colour, width=width * FINE, joint="curve")


def _draw_labels(draw: ImageDraw.ImageDraw, random: np.random.Generator, side: int, count: int) -> None:
    for number in range(count):
        font = ImageFont.load_default(size=int(random.integers(10, 17)))
        place = (float(random.uniform(0, side - 60)), float(random.uniform(0, side)))
        label, ink = LABELS[number % len(LABELS)], INKS[number % len(INKS)]
        draw.text(place, label, font=font, fill=ink, stroke_width=1, stroke_fill=(255, 255, 255))
