"""Rules of the tiling scheme: spatial reference, levels of detail, and which levels have tiles."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from gptool.cache import TileCache
from gptool.cache.paths import join_path
from gptool.model import MAX_TILE_SIDE, Lod, TilingScheme
from gptool.verification.contents import Contents
from gptool.verification.documents import is_integer, is_number, text
from gptool.verification.finding import Where
from gptool.verification.recorder import Recorder
from gptool.verification.rule import ALL, FOLDERS, Kind, Rule, form
from gptool.verification.spatial_reference import REFERENCE, ids, is_web_mercator
from gptool.verification.target import Target

TPKX = frozenset({Kind.TPKX})
ROOT = "root.json"

LODS = Rule("scheme.levels", "Every level of detail has an id and a resolution, as numbers.", kinds=TPKX)
LOD_SCALES = Rule("scheme.level-scales", "Every level of detail has a scale, as a number.", kinds=TPKX)
RESOLUTIONS = Rule("scheme.resolutions", "Resolutions descend from level to level.", kinds=ALL)
SCALES = Rule("scheme.scales", "Scales and resolutions have the same ratio at all levels.", kinds=ALL)
TILE_SIZE = Rule("scheme.tile-size", "Tiles are squares of at most 8192 pixels a side.", kinds=ALL)
LEVEL_RANGE = Rule("scheme.level-range", "minLOD and maxLOD are levels of the scheme, in this order.", kinds=TPKX)
FILLED = Rule("scheme.levels-with-tiles", "minLOD and maxLOD are the first and the last level with tiles.", kinds=TPKX)
UNKNOWN = Rule("scheme.unknown-levels", "Every level folder is that of a level of the scheme.", kinds=ALL)
ALL_LEVELS = form("scheme.numbering", "Level ids ascend.", TPKX)
MERCATOR_ONLY = Rule("scheme.web-mercator-only", "The spatial reference is web Mercator.", kinds=ALL, is_general=False)
STANDARD = Rule(
    "scheme.standard-levels",
    "Origin and levels of detail are those of ArcGIS Online's basemaps.",
    kinds=ALL,
    is_general=False,
)
GAPS = Rule("scheme.gaps", "No level between the first and the last with tiles is empty.", kinds=ALL, is_general=False)
GRID_SIZE = Rule("scheme.grid-size", "The grid has less than 2^31 pixels a side.", kinds=FOLDERS, is_general=False)
WELL_KNOWN_TEXT = Rule(
    "scheme.well-known-text", "conf.xml has the well-known text of the reference.", kinds=FOLDERS, is_general=False
)

RULES = (
    *(LODS, LOD_SCALES, RESOLUTIONS, SCALES, TILE_SIZE, LEVEL_RANGE, FILLED, UNKNOWN, ALL_LEVELS),
    *(MERCATOR_ONLY, STANDARD, GAPS, GRID_SIZE, WELL_KNOWN_TEXT),
)

RATIO_TOLERANCE = 1e-4
STANDARD_RESOLUTION, STANDARD_ORIGIN = 156543.033928, 20037508.342787
"""Of ArcGIS Online's basemaps: units per pixel at level 0, and half the width of the world."""

STANDARD_TOLERANCE, ORIGIN_TOLERANCE = 1e-7, 0.01
MAX_GRID = 2**31


def check_documents(root: Mapping[str, Any], recorder: Recorder) -> None:
    """Check the tiling scheme as root.json states it."""
    tile_info = root.get("tileInfo")
    lods = tile_info.get("lods") if isinstance(tile_info, dict) else None
    if not isinstance(lods, list) or not lods:
        if "tileInfo" in root:
            recorder.add(LODS, Where(ROOT, "tileInfo.lods"), text(lods), "a list of levels of detail")
        return
    for i, lod in enumerate(lods):
        for name in ("level", "resolution", "scale"):
            value = lod.get(name) if isinstance(lod, dict) else None
            valid = is_integer(value) if name == "level" else is_number(value)
            where = Where(ROOT, f"tileInfo.lods[{i}].{name}")
            rule = LOD_SCALES if name == "scale" else LODS
            recorder.require(valid, rule, where, text(value), "an integer" if name == "level" else "a number")
    levels = [level for lod in lods if isinstance(lod, dict) and isinstance(level := lod.get("level"), int)]
    ascends = all(a < b for a, b in pairwise(levels))
    recorder.require(ascends, ALL_LEVELS, Where(ROOT, "tileInfo.lods"), text(levels), "ascending ids")
    _check_level_range(root, levels, recorder)


def _check_level_range(root: Mapping[str, Any], levels: list[int], recorder: Recorder) -> None:
    found = [root.get(name) for name in ("minLOD", "maxLOD")]
    for name, level in zip(("minLOD", "maxLOD"), found, strict=True):
        if name in root:
            known = is_integer(level) and level in levels
            recorder.require(known, LEVEL_RANGE, Where(ROOT, name), text(level), "the id of a level")
    first, last = found
    if isinstance(first, int) and isinstance(last, int):
        recorder.require(first <= last, LEVEL_RANGE, Where(ROOT, "minLOD"), text(found), "minLOD up to maxLOD")


def check_scheme(target: Target, cache: TileCache, recorder: Recorder) -> None:
    """Check the tiling scheme as the reader of the cache understands it."""
    scheme, where = cache.scheme, Where(str(cache.location.name), "tiling scheme")
    if not recorder.has_finding(LODS):  # the reader replaces what is missing
        _check_numbers(scheme, where, recorder)
    size = f"{scheme.tile_columns} x {scheme.tile_rows}"
    square = scheme.tile_columns == scheme.tile_rows <= MAX_TILE_SIDE
    recorder.require(square, TILE_SIZE, where, size, f"a square of at most {MAX_TILE_SIDE} pixels a side")
    reference = scheme.reference
    if target.kind is not Kind.TPKX:
        has_reference = reference.wkid or reference.latest_wkid or reference.wkt
        recorder.require(has_reference, REFERENCE, where, "neither", "a WKID or a well-known text")
    recorder.require(reference.wkt, WELL_KNOWN_TEXT, where, ids(reference), "a well-known text too")
    for path in _unknown_folders(cache):
        recorder.add(UNKNOWN, Where(path), "a level folder", "folders of levels of the scheme only")
    _check_standard(scheme, recorder, where)
    for lod in scheme.lods:
        pixels = 2 * abs(scheme.origin_x.value) / lod.resolution.value
        recorder.require(pixels < MAX_GRID - 1, GRID_SIZE, Where(level=lod.level), f"{pixels:.0f}", f"below {MAX_GRID}")


def _check_numbers(scheme: TilingScheme, where: Where, recorder: Recorder) -> None:
    for a, b in pairwise(scheme.lods):
        descends, found = a.resolution.value > b.resolution.value, f"{a.resolution} and {b.resolution}"
        recorder.require(descends, RESOLUTIONS, Where(where.file, level=b.level), found, "smaller numbers")
    if recorder.has_finding(LOD_SCALES):
        return
    ratios = [lod.scale.value / lod.resolution.value for lod in scheme.lods]
    usual = sorted(ratios)[len(ratios) // 2]
    for lod, ratio in zip(scheme.lods, ratios, strict=True):
        close = math.isclose(ratio, usual, rel_tol=RATIO_TOLERANCE)
        recorder.require(close, SCALES, Where(level=lod.level), f"scale / resolution = {ratio:g}", f"{usual:g}")


def _unknown_folders(cache: TileCache) -> list[str]:
    known = {cache.level_folder(lod.level) for lod in cache.scheme.lods}
    names = [name for name in cache.files.list_names(cache.tiles_folder) if re.fullmatch(r"[Ll][0-9]+", name)]
    paths = sorted(join_path(cache.tiles_folder, name) for name in names)
    return [path for path in paths if path not in known and cache.files.is_folder(path)]


def _check_standard(scheme: TilingScheme, recorder: Recorder, where: Where) -> None:
    found = ids(scheme.reference)
    mercator = is_web_mercator(scheme.reference)
    recorder.require(mercator, MERCATOR_ONLY, where, found, "102100 or 3857")
    origin = (scheme.origin_x.value, scheme.origin_y.value)
    ideal = (-STANDARD_ORIGIN, STANDARD_ORIGIN)
    is_origin = all(math.isclose(a, b, abs_tol=ORIGIN_TOLERANCE) for a, b in zip(origin, ideal, strict=True))
    recorder.require(is_origin, STANDARD, where, f"origin {origin}", f"{ideal}")
    other = [lod for lod in scheme.lods if not _is_standard(lod, scheme)]
    if other:
        recorder.add(
            STANDARD,
            Where(where.file, level=other[0].level),
            f"resolution {other[0].resolution}; {len(other)} of {len(scheme.lods)} levels differ",
            f"{_standard(other[0], scheme):.10g}",
        )


def _standard(lod: Lod, scheme: TilingScheme) -> float:
    """Return the resolution of the level with that id in ArcGIS Online's basemaps, for tiles of any size."""
    return STANDARD_RESOLUTION / 2.0**lod.level * (256 / scheme.tile_columns)


def _is_standard(lod: Lod, scheme: TilingScheme) -> bool:
    return math.isclose(lod.resolution.value, _standard(lod, scheme), rel_tol=STANDARD_TOLERANCE)


def check_filled_levels(root: Mapping[str, Any] | None, contents: Contents, recorder: Recorder) -> None:
    """Check which levels have tiles; `root` is root.json, None for other kinds."""
    filled = contents.filled_levels
    if not filled:
        return  # a rule of tiles
    for name, level in (("minLOD", filled[0]), ("maxLOD", filled[-1])):
        stated = (root or {}).get(name)
        if root is not None and is_integer(stated) and stated in contents.levels:
            recorder.require(stated == level, FILLED, Where(ROOT, name), text(stated), f"level {level}")
    for level in sorted(contents.levels):
        if filled[0] < level < filled[-1] and level not in filled:
            recorder.add(GAPS, Where(level=level), "no tiles", "tiles at every level from the first to the last")
