"""Random requests near the tiles of a real cache, and the tiles that they select according to shapely and PROJ."""

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
from helpers.bundles import Address
from helpers.checks import SIDES

WEB_MERCATOR, DEGREES = 3857, 4326
SPATIAL_REFERENCES = {WEB_MERCATOR: {"wkid": 102100, "latestWkid": 3857}, DEGREES: {"wkid": 4326}}
WORLD_LIMITS = {WEB_MERCATOR: (20037508.3, 20037508.3), DEGREES: (180.0, 85.0)}
"""Largest absolute x and y of each spatial reference: the area that both cover."""

INTERIORS_INTERSECT = "T********"
"""DE-9IM pattern of geometries that share area."""

TILE_MARGIN = 1e-6
"""Overlap, as a part of a tile's side, up to which a tile is not selected."""

PIXEL_TOLERANCE = 0.01
"""Tolerance of the edges of reprojected areas, in pixels of the deepest level."""

SELECTION_FORMS = {
    "everything": "own",
    "comma list": "own",
    "envelope without spatial reference": "own",
    "envelope": "own",
    "envelope in the other spatial reference": "other",
    "polygon with a hole": "own",
    "polygon with a hole in the other spatial reference": "other",
    "GeoJSON with a hole": "degrees",
    "two features": "own",
    "extent above all tiles": "own",
}
"""Forms of the spatial selection, used in turn, and the spatial reference that each is stated in."""


class SampleRequest(NamedTuple):
    """A request, and the selection that it makes.

    Attributes
    ----------
    parameters : dict
        The parameters by their REST names.
    levels : set of int
        The requested levels that contain tiles.
    shape : shapely.Geometry or None
        The area in the spatial reference of the cache; None for all tiles.
    tolerance : float
        The tolerance of the area's edges, in units of the spatial reference.
    """

    parameters: dict[str, Any]
    levels: set[int]
    shape: shapely.Geometry | None
    tolerance: float


class SampleCache(NamedTuple):
    """A real cache with its tiles."""

    path: Path
    scheme: TilingScheme
    tiles: dict[Address, bytes]

    @property
    def wkid(self) -> int:
        """The WKID of the cache's spatial reference."""
        own = self.scheme.reference
        return DEGREES if DEGREES in (own.wkid, own.latest_wkid) else WEB_MERCATOR

    def wkid_of(self, form: str) -> int:
        """Return the WKID of the spatial reference that a form of the selection is stated in."""
        other = DEGREES + WEB_MERCATOR - self.wkid
        return {"own": self.wkid, "degrees": DEGREES}.get(SELECTION_FORMS[form], other)

    def tile_boxes(self, addresses: Any, margin: float = 0.0) -> Any:
        """Return the boxes of tiles, reduced on each side by a part of it."""
        level, row, column = np.array(addresses).T
        resolutions = {lod.level: lod.resolution.value for lod in self.scheme.lods}
        width, height = (
            np.array([resolutions[i] * pixels for i in level.tolist()])
            for pixels in (self.scheme.tile_columns, self.scheme.tile_rows)
        )
        x, y = self.scheme.origin_x.value + column * width, self.scheme.origin_y.value - row * height
        return shapely.box(x + margin * width, y - (1 - margin) * height, x + (1 - margin) * width, y - margin * height)

    def selected_tiles(self, request: SampleRequest, buffer: float) -> set[Address]:
        """Return the tiles of the requested levels that share area with the shape, enlarged by a buffer."""
        addresses = [address for address in self.tiles if address[0] in request.levels]
        if request.shape is None:
            return set(addresses)
        shape = request.shape.buffer(buffer) if buffer else request.shape
        selected = shapely.relate_pattern(self.tile_boxes(addresses, TILE_MARGIN), shape, INTERIORS_INTERSECT)
        return {address for address, is_selected in zip(addresses, selected.tolist(), strict=True) if is_selected}


# ---- random requests ----


def transform(shape: shapely.Geometry, source: int, target: int) -> shapely.Geometry:
    """Return a shape whose vertices are transformed between the spatial references of two WKIDs."""
    if source == target:
        return shape
    transformer = pyproj.Transformer.from_crs(source, target, always_xy=True)
    return shapely.transform(shape, lambda xy: np.column_stack(transformer.transform(*xy.T)))


def draw_levels(rng: random.Random, cache: SampleCache) -> tuple[dict[str, str], set[int]]:
    """Return the parameters of levels in one of their forms, and the selected levels that contain tiles."""
    lods, filled = cache.scheme.lods, sorted({level for level, _, _ in cache.tiles})
    first = rng.choice(filled)
    last = rng.choice([lod.level for lod in lods if first <= lod.level <= filled[-1] + 1])
    both = sorted({first, last} & set(filled))
    between = {level for level in filled if first <= level <= last}
    scale = {lod.level: lod.scale.value for lod in lods}
    resolution = {lod.level: lod.resolution.value for lod in lods}
    return rng.choice(
        [
            ({}, set(filled)),
            ({"levels": f"{first}-{last}"}, between),
            ({"levels": ", ".join(map(str, both)), "exportBy": "LevelID"}, set(both)),
            ({"levels": ",".join(f"{scale[level]:.6f}" for level in both), "exportBy": "Scale"}, set(both)),
            ({"levels": f"{scale[first]:.6f}-{scale[last]:.6f}", "exportBy": "scale"}, between),
            ({"levels": ",".join(repr(resolution[level]) for level in both), "exportBy": "Resolution"}, set(both)),
            ({"levels": f"{resolution[last]!r}-{resolution[first]!r}", "exportBy": "RESOLUTION"}, between),
        ]
    )


def draw_star(rng: random.Random, cache: SampleCache, levels: set[int], own: bool) -> shapely.Geometry:
    """Return a star with a hole around a random point in a tile.

    It lies within the world, but in the cache's own spatial reference it may extend above and below.
    """
    max_x, max_y = WORLD_LIMITS[cache.wkid]
    max_y = math.inf if own else max_y
    level = rng.choice(sorted(levels))  # levels are equally likely: most tiles are of the deepest one
    boxes = cache.tile_boxes(sorted(address for address in cache.tiles if address[0] == level))
    while True:
        xmin, ymin, xmax, ymax = rng.choice(boxes).bounds
        x, y = rng.uniform(xmin, xmax), rng.uniform(ymin, ymax)
        max_radius = min(max_x - abs(x), max_y - abs(y))
        if max_radius > 0.02 * (xmax - xmin):
            break
    radius = min(max_radius, rng.uniform(0.1, 3) * (xmax - xmin))
    corners = rng.randint(4, 16)
    ring = np.array(
        [
            (math.cos(angle) * distance, math.sin(angle) * distance)
            for angle, distance in ((i * math.tau / corners, rng.uniform(0.3, 1) * radius) for i in range(corners))
        ]
    )
    hole = rng.uniform(0.2, 0.7) * ring
    return affinity.translate(shapely.Polygon(ring, [hole]), x, y)


def to_rings(polygon: shapely.Geometry) -> list[Any]:
    """Return the rings of a polygon as in Esri JSON: outer rings clockwise, holes counter-clockwise."""
    oriented = shapely.orient_polygons(polygon, exterior_cw=True)
    return [np.array(ring.coords).tolist() for ring in (oriented.exterior, *oriented.interiors)]


def draw_area(rng: random.Random, cache: SampleCache, form: str, levels: set[int]) -> tuple[dict[str, Any], Any]:
    """Return the parameters of a selection in a form, and its shape in the spatial reference that it is stated in."""
    own, wkid = cache.wkid, cache.wkid_of(form)
    star = draw_star(rng, cache, levels, wkid == own)
    if form == "everything":
        return {}, None
    if form == "two features":
        parts = [star, draw_star(rng, cache, levels, own=True)]
        features = [{"geometry": {"rings": to_rings(part)}} for part in parts]
        value = {"features": features, "spatialReference": SPATIAL_REFERENCES[own]}
        return {"areaOfInterest": json.dumps(value)}, shapely.union_all(parts)
    if form == "GeoJSON with a hole":
        star = transform(star, own, DEGREES)
        return {"areaOfInterest": json.dumps({"type": "Polygon", "coordinates": to_rings(star)})}, star
    if form.startswith("polygon"):
        star = transform(star, own, wkid)
        return {"areaOfInterest": {"rings": to_rings(star), "spatialReference": SPATIAL_REFERENCES[wkid]}}, star
    box = shapely.box(*star.bounds)
    if form == "extent above all tiles":
        top = shapely.total_bounds(cache.tile_boxes([address for address in cache.tiles if address[0] in levels]))[3]
        box = affinity.translate(box, 0, 1.01 * (top - box.bounds[1]))
    box = shapely.box(*transform(box, own, wkid).bounds)
    if form in ("comma list", "extent above all tiles"):
        return {"exportExtent": ",".join(map(repr, box.bounds))}, box
    omitted = form == "envelope without spatial reference"
    envelope = dict(zip(SIDES, box.bounds, strict=True)) | (
        {} if omitted else {"spatialReference": SPATIAL_REFERENCES[wkid]}
    )
    return {"exportExtent": json.dumps(envelope)}, box


def draw_request(cache: SampleCache, number: int) -> SampleRequest:
    """Return a random request, always the same for a cache and a number."""
    rng = random.Random(f"{cache.path.name} {number}")
    form = list(SELECTION_FORMS)[number % len(SELECTION_FORMS)]
    by_level, levels = draw_levels(rng, cache)
    by_area, shape = draw_area(rng, cache, form, levels)
    parameters = {**by_level, **by_area, "tilePackage": rng.choice(["true", "false"])}
    storage = rng.choice(["", "Compact", "CompactV2", "esriMapCacheStorageModeCompact"])
    quality = rng.choice([None, 10, 35, 50, 65, 80])
    parameters |= {"storageFormatType": storage, "compressionQuality": quality}
    parameters["optimizeTilesForSize"] = rng.choice(["true", "true", "false"])
    tolerance = 0.0
    wkid = cache.wkid_of(form)
    if wkid != cache.wkid:
        deepest = min(lod.resolution.value for lod in cache.scheme.lods if lod.level in levels)
        tolerance = 1.01 * PIXEL_TOLERANCE * deepest
        # Straight edges become curves in the other spatial reference; short segments follow them closely enough.
        shape = transform(shapely.segmentize(shape, shape.length / 10_000), wkid, cache.wkid)
    return SampleRequest(parameters, levels, shape, tolerance)
