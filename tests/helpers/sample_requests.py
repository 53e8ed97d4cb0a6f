"""Requests at random around the tiles of a real cache, and what each means: tile by tile, by shapely and PROJ."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyproj
import shapely
from shapely import affinity

from gptool.model import TilingScheme
from helpers.caches import Address
from helpers.checks import SIDES

WEB, DEGREES = 3857, 4326
REFERENCES = {WEB: {"wkid": 102100, "latestWkid": 3857}, DEGREES: {"wkid": 4326}}
WORLD = {WEB: (20037508.3, 20037508.3), DEGREES: (180.0, 85.0)}
"""How far x and y go in each: the square that both know."""

INTERIORS_MEET = "T********"
"""Of DE-9IM: what shares area."""

SHRUNK = 1e-6
"""Part of a tile's side: what reaches over an edge by less does not mean the tile behind it."""

PART_OF_A_PIXEL = 0.01
"""How far the edges of what came in another reference may lie from where they run, in pixels of the deepest level."""

SPACES = {
    "everything": "own",
    "comma list": "own",
    "envelope that does not say its reference": "own",
    "envelope": "own",
    "envelope in the other reference": "other",
    "polygon with a hole": "own",
    "polygon with a hole in the other reference": "other",
    "GeoJSON with a hole": "degrees",
    "two features": "own",
    "box above all tiles": "own",
}
"""Forms of the selection, which take turns, and the reference that each is sent in."""


class Asked(NamedTuple):
    """A request, and what it means in the cache's reference.

    Attributes
    ----------
    sent : dict
        Under the operation's names.
    levels : set of int
        Those that hold tiles, of what was asked for.
    shape : shapely.Geometry or None
        None: everything.
    margin : float
        How far the shape's edges may lie from where they run.
    """

    sent: dict[str, Any]
    levels: set[int]
    shape: shapely.Geometry | None
    margin: float


class Source(NamedTuple):
    """A real cache."""

    path: Path
    scheme: TilingScheme
    tiles: dict[Address, bytes]

    @property
    def reference(self) -> int:
        own = self.scheme.reference
        return DEGREES if DEGREES in (own.wkid, own.latest_wkid) else WEB

    def reference_of(self, form: str) -> int:
        """The reference that a form of the selection is sent in."""
        return {"own": self.reference, "degrees": DEGREES}.get(SPACES[form], DEGREES + WEB - self.reference)

    def squares(self, addresses: Any, shrunk: float = 0.0) -> Any:
        """The squares of tiles, smaller on each side by a part of it."""
        level, row, column = np.array(addresses).T
        resolutions = {lod.level: lod.resolution.value for lod in self.scheme.lods}
        width, height = (
            np.array([resolutions[i] * pixels for i in level.tolist()])
            for pixels in (self.scheme.tile_columns, self.scheme.tile_rows)
        )
        x, y = self.scheme.origin_x.value + column * width, self.scheme.origin_y.value - row * height
        return shapely.box(x + shrunk * width, y - (1 - shrunk) * height, x + (1 - shrunk) * width, y - shrunk * height)

    def meant(self, asked: Asked, margin: float) -> set[Address]:
        """The tiles of the levels that share area with the shape, made larger by a margin."""
        here = [address for address in self.tiles if address[0] in asked.levels]
        if asked.shape is None:
            return set(here)
        shape = asked.shape.buffer(margin) if margin else asked.shape
        met = shapely.relate_pattern(self.squares(here, SHRUNK), shape, INTERIORS_MEET)
        return {address for address, meets in zip(here, met.tolist(), strict=True) if meets}


# ---- drawing requests ----


def transformed(shape: shapely.Geometry, start: int, goal: int) -> shapely.Geometry:
    if start == goal:
        return shape
    transformer = pyproj.Transformer.from_crs(start, goal, always_xy=True)
    return shapely.transform(shape, lambda xy: np.column_stack(transformer.transform(*xy.T)))


def draw_levels(rng: random.Random, source: Source) -> tuple[dict[str, str], set[int]]:
    """Levels in one of their forms; ranges reach to those without tiles now and then."""
    lods, filled = source.scheme.lods, sorted({level for level, _, _ in source.tiles})
    first = rng.choice(filled)
    last = rng.choice([lod.level for lod in lods if first <= lod.level <= filled[-1] + 1])
    some = sorted({first, last} & set(filled))
    between = {level for level in filled if first <= level <= last}
    scale = {lod.level: lod.scale.value for lod in lods}
    resolution = {lod.level: lod.resolution.value for lod in lods}
    return rng.choice(
        [
            ({}, set(filled)),
            ({"levels": f"{first}-{last}"}, between),
            ({"levels": ", ".join(map(str, some)), "exportBy": "LevelID"}, set(some)),
            ({"levels": ",".join(f"{scale[level]:.6f}" for level in some), "exportBy": "Scale"}, set(some)),
            ({"levels": f"{scale[first]:.6f}-{scale[last]:.6f}", "exportBy": "scale"}, between),
            ({"levels": ",".join(repr(resolution[level]) for level in some), "exportBy": "Resolution"}, set(some)),
            ({"levels": f"{resolution[last]!r}-{resolution[first]!r}", "exportBy": "RESOLUTION"}, between),
        ]
    )


def draw_star(rng: random.Random, source: Source, levels: set[int], own: bool) -> shapely.Geometry:
    """A star with a hole around a place in a tile, within the world; below and above it too in the own reference."""
    most_x, most_y = WORLD[source.reference]
    most_y = math.inf if own else most_y
    level = rng.choice(sorted(levels))  # any as likely: of all tiles, most are of the deepest
    squares = source.squares(sorted(address for address in source.tiles if address[0] == level))
    while True:
        xmin, ymin, xmax, ymax = rng.choice(squares).bounds
        x, y = rng.uniform(xmin, xmax), rng.uniform(ymin, ymax)
        room = min(most_x - abs(x), most_y - abs(y))
        if room > 0.02 * (xmax - xmin):
            break
    largest = min(room, rng.uniform(0.1, 3) * (xmax - xmin))
    corners = rng.randint(4, 16)
    ring = np.array(
        [
            (math.cos(turn) * radius, math.sin(turn) * radius)
            for turn, radius in ((i * math.tau / corners, rng.uniform(0.3, 1) * largest) for i in range(corners))
        ]
    )
    hole = rng.uniform(0.2, 0.7) * ring
    return affinity.translate(shapely.Polygon(ring, [hole]), x, y)


def to_rings(polygon: shapely.Geometry) -> list[Any]:
    """Outer rings clockwise, holes the other way."""
    turned = shapely.orient_polygons(polygon, exterior_cw=True)
    return [np.array(ring.coords).tolist() for ring in (turned.exterior, *turned.interiors)]


def draw_space(rng: random.Random, source: Source, form: str, levels: set[int]) -> tuple[dict[str, Any], Any]:
    """The selection in a form, and its shape in the reference that it is sent in."""
    own, reference = source.reference, source.reference_of(form)
    star = draw_star(rng, source, levels, reference == own)
    if form == "everything":
        return {}, None
    if form == "two features":
        parts = [star, draw_star(rng, source, levels, own=True)]
        features = [{"geometry": {"rings": to_rings(part)}} for part in parts]
        sent = {"features": features, "spatialReference": REFERENCES[own]}
        return {"areaOfInterest": json.dumps(sent)}, shapely.union_all(parts)
    if form == "GeoJSON with a hole":
        star = transformed(star, own, DEGREES)
        return {"areaOfInterest": json.dumps({"type": "Polygon", "coordinates": to_rings(star)})}, star
    if form.startswith("polygon"):
        star = transformed(star, own, reference)
        return {"areaOfInterest": {"rings": to_rings(star), "spatialReference": REFERENCES[reference]}}, star
    box = shapely.box(*star.bounds)
    if form == "box above all tiles":
        top = shapely.total_bounds(source.squares([address for address in source.tiles if address[0] in levels]))[3]
        box = affinity.translate(box, 0, 1.01 * (top - box.bounds[1]))
    box = shapely.box(*transformed(box, own, reference).bounds)
    if form in ("comma list", "box above all tiles"):
        return {"exportExtent": ",".join(map(repr, box.bounds))}, box
    silent = form == "envelope that does not say its reference"
    envelope = dict(zip(SIDES, box.bounds, strict=True)) | (
        {} if silent else {"spatialReference": REFERENCES[reference]}
    )
    return {"exportExtent": json.dumps(envelope)}, box


def draw_request(source: Source, number: int) -> Asked:
    rng = random.Random(f"{source.path.name} {number}")
    form = list(SPACES)[number % len(SPACES)]
    by_level, levels = draw_levels(rng, source)
    space, shape = draw_space(rng, source, form, levels)
    sent = {**by_level, **space, "tilePackage": rng.choice(["true", "false"])}
    storage = rng.choice(["", "Compact", "CompactV2", "esriMapCacheStorageModeCompact"])
    quality = rng.choice([None, 10, 35, 50, 65, 80])
    sent |= {"storageFormatType": storage, "compressionQuality": quality}
    sent["optimizeTilesForSize"] = "false" if quality is None else rng.choice(["true", "true", "false"])
    margin = 0.0
    reference = source.reference_of(form)
    if reference != source.reference:
        deepest = min(lod.resolution.value for lod in source.scheme.lods if lod.level in levels)
        margin = 1.01 * PART_OF_A_PIXEL * deepest
        # What is straight in one reference is not in the other: the steps are small enough to follow it.
        shape = transformed(shapely.segmentize(shape, shape.length / 10_000), reference, source.reference)
    return Asked(sent, levels, shape, margin)
