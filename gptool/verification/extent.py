"""Rules of extents: real boxes that hold the tiles, and agree with each other."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from gptool.cache import TileCache
from gptool.model import PACKET_SIZE, Extent
from gptool.verification.contents import Contents
from gptool.verification.documents import box, text
from gptool.verification.finding import Where
from gptool.verification.metadata_tpk import ITEM, MAPSERVER, child_text
from gptool.verification.recorder import Recorder
from gptool.verification.rule import ALL, Kind, Rule

TPK = frozenset({Kind.TPK})

FULL = Rule("extent.full", "The full extent is a box with an area.", kinds=ALL)
INITIAL = Rule("extent.initial", "The initial extent is a box with an area.")
TILES = Rule("extent.tiles", "No tile of the last level lies outside the full extent.", kinds=ALL)
ITEM_EXTENT = Rule("extent.item", "The extent of the item is a box in longitude and latitude, in the world.")
AGREEMENT = Rule("extent.agreement", "Extents that state the same have the same numbers.", kinds=TPK)
TIGHT = Rule("extent.tight", "The full extent does not reach beyond the tiles.", kinds=ALL, is_general=False)
BUNDLE_COUNT = Rule(
    "extent.bundle-count",
    "The full extent spans at most 40,000 bundles at every level with tiles.",
    kinds=ALL,
    is_general=False,
)

RULES = (FULL, INITIAL, TILES, ITEM_EXTENT, AGREEMENT, TIGHT, BUNDLE_COUNT)

Box = tuple[float, float, float, float]
SIDES = ("xmin", "ymin", "xmax", "ymax")
WORLD: Box = (-180.001, -90.001, 180.001, 90.001)
"""The world in degrees; programs round outwards."""

RELATIVE_TOLERANCE, DEGREE_TOLERANCE = 1e-9, 1e-9
MAX_BUNDLES = 40_000
BOX = "a box with numbers xmin < xmax, ymin < ymax"


def check_tpkx_extents(root: Mapping[str, Any] | None, item: Mapping[str, Any] | None, recorder: Recorder) -> None:
    """Check the extents of root.json and iteminfo.json."""
    for name, rule in (("fullExtent", FULL), ("initialExtent", INITIAL)):
        if root is not None and name in root:
            recorder.require(box(root[name]), rule, Where("root.json", name), _sides(root[name]), BOX)
    if item is not None and "extent" in item:
        extent = item["extent"]
        where, expected = Where("iteminfo.json", "extent"), "a box within the world, in degrees of WKID 4326"
        reference = extent.get("spatialReference") if isinstance(extent, dict) else None
        wkid = reference.get("wkid") if isinstance(reference, dict) else None
        valid = _in_world(box(extent)) and wkid == 4326
        recorder.require(valid, ITEM_EXTENT, where, f"{_sides(extent)}, WKID {wkid}", expected)


def check_tpk_extents(documents: Mapping[str, Any], recorder: Recorder) -> None:
    """Check the extents of mapserver.json, iteminfo.xml and conf.cdi of a .tpk."""
    service, item = documents.get("service"), documents.get("item")
    cdi = check_cdi(documents, recorder)
    initial = degrees = None
    if isinstance(service, dict):
        contents, info = service.get("contents"), service.get("resourceInfo")
        for name, rule in (("fullExtent", FULL), ("initialExtent", INITIAL)):
            if isinstance(contents, dict) and name in contents:
                where = Where(MAPSERVER, f"contents.{name}")
                recorder.require(box(contents[name]), rule, where, _sides(contents[name]), BOX)
        initial = box(contents.get("initialExtent")) if isinstance(contents, dict) else None
        degrees = box(info.get("geoInitialExtent")) if isinstance(info, dict) else None
    if initial and cdi:
        where = Where(MAPSERVER, "contents.initialExtent")
        recorder.require(_same(initial, cdi), AGREEMENT, where, str(initial), f"{cdi}, as conf.cdi")
    if item is not None:
        sides = _to_box([child_text(item, "extent", side) for side in SIDES])
        where = Where(ITEM, "extent")
        recorder.require(_in_world(sides), ITEM_EXTENT, where, str(sides), "a box within the world, in degrees")
        if sides and degrees:
            agrees = _same(sides, degrees)
            recorder.require(agrees, AGREEMENT, where, str(sides), f"{degrees}, as geoInitialExtent of {MAPSERVER}")


def check_cdi(documents: Mapping[str, Any], recorder: Recorder) -> Box | None:
    """Check conf.cdi and return its box; None if there is none."""
    cdi = documents.get("cdi")
    if cdi is None:
        return None
    texts = [child_text(cdi, side) for side in ("XMin", "YMin", "XMax", "YMax")]
    sides = _to_box(texts)
    # Esri software writes an empty extent of a cache without tiles as NaN.
    recorder.require(sides, FULL, Where(documents.get("cdi path")), ", ".join(texts), BOX)
    return sides


def check_tile_extent(cache: TileCache, contents: Contents, recorder: Recorder) -> None:
    """Check the full extent against the tiles."""
    extent, filled = cache.declared_extent, contents.filled_levels
    if extent is None or not filled:
        return
    scheme = cache.scheme
    for level in filled:
        lod = scheme.lod(level)
        if lod is None:
            continue
        window = scheme.window(lod, extent)
        rows = window.row_max // PACKET_SIZE - window.row_min // PACKET_SIZE + 1
        columns = window.column_max // PACKET_SIZE - window.column_min // PACKET_SIZE + 1
        within = rows * columns <= MAX_BUNDLES
        recorder.require(within, BUNDLE_COUNT, Where(level=level), f"{rows * columns:,}", f"at most {MAX_BUNDLES:,}")
    lod, tiles = scheme.lod(filled[-1]), contents.levels[filled[-1]].window
    if lod is None or tiles is None:
        return
    window, where = scheme.window(lod, extent), Where(member="fullExtent", level=lod.level)
    found = f"tiles of rows {tiles.row_min}-{tiles.row_max}, columns {tiles.column_min}-{tiles.column_max}"
    stated = f"rows {window.row_min}-{window.row_max}, columns {window.column_min}-{window.column_max}"
    recorder.require(window.contains(tiles), TILES, where, found, f"at most {stated}, as the full extent")
    needed = _needed_extent(cache, contents)
    allowed = scheme.window(lod, needed).union(tiles)
    recorder.require(allowed.contains(window), TIGHT, where, f"an extent of {stated}", f"{found} or less")


def _needed_extent(cache: TileCache, contents: Contents) -> Extent:
    """Return the smallest extent that shows all tiles: that of the last level, and of others that do not touch it."""
    extent: Extent | None = None
    for level in reversed(contents.filled_levels):
        lod, window = cache.scheme.lod(level), contents.levels[level].window
        if lod is None or window is None:
            continue
        if extent is None:
            extent = cache.scheme.extent(lod, window)
        elif not cache.scheme.window(lod, extent).contains(window):
            extent = extent.union(cache.scheme.extent(lod, window))
    assert extent is not None, "there are tiles"
    return extent


def _to_box(texts: list[str]) -> Box | None:
    try:
        xmin, ymin, xmax, ymax = (float(side) for side in texts)
    except ValueError:
        return None
    finite = all(map(math.isfinite, (xmin, ymin, xmax, ymax)))
    return (xmin, ymin, xmax, ymax) if finite and xmin < xmax and ymin < ymax else None


def _in_world(sides: Box | None) -> bool:
    if sides is None:
        return False
    return WORLD[0] <= sides[0] and WORLD[1] <= sides[1] and sides[2] <= WORLD[2] and sides[3] <= WORLD[3]


def _same(a: Box, b: Box) -> bool:
    pairs = zip(a, b, strict=True)
    return all(math.isclose(x, y, rel_tol=RELATIVE_TOLERANCE, abs_tol=DEGREE_TOLERANCE) for x, y in pairs)


def _sides(value: object) -> str:
    return ", ".join(text(value.get(side)) for side in SIDES) if isinstance(value, dict) else text(value)
