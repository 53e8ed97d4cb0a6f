"""root.json of a .tpkx: Esri's tile-package-spec, docs/root.md, in the form of the packages of Esri's programs.

A package that was exported from a package repeats the other's root.json wherever the export changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from gptool.cache import TileCache
from gptool.crs.reference import esri_unit
from gptool.crs.web_mercator import package_reference
from gptool.errors import ConfError
from gptool.model import PACKET_SIZE, NumberText, StorageFormat
from gptool.output.esri_json import (
    band_count,
    domain_json,
    extent_json,
    layer_json,
    spatial_reference_json,
    tile_info_json,
)
from gptool.output.json_text import Json, to_json_bytes
from gptool.output.kind import ResultInfo
from gptool.plan import Plan

MAX_DEPTH = 64
"""Arrays and objects within each other in a document that is repeated; Esri's have eight."""

Document = Mapping[str, Json]


def root_json(info: ResultInfo) -> bytes:
    """Return root.json, its keys in the order of ArcGIS Server, which puts `tileBundlesPath` near the start.

    Raises
    ------
    ConfError
        If the cache has no spatial reference that the document can state.
    """
    plan = info.plan
    source = source_document(plan.cache)
    root: dict[str, Json] = {
        "tileImageInfo": _tile_image_info(info),
        "name": info.name,
        "version": source.get("version", 1.0),
        "serviceDescription": source.get("serviceDescription", ""),
        "tileBundlesPath": "./tile",
        "spatialReference": source_reference(plan),
        **_levels(plan, source),
        "resampling": source.get("resampling", True),
        "tileInfo": _tile_info(plan, source),
        "exportTilesAllowed": source.get("exportTilesAllowed", False),
        "storageInfo": {"storageFormat": StorageFormat.COMPACT_V2.value, "packetSize": PACKET_SIZE},
        "layers": source.get("layers", [layer_json(info.name)]),
        **_extents(plan, source),
    }
    return to_json_bytes({**root, **{key: value for key, value in source.items() if key not in root}})


def source_reference(plan: Plan) -> dict[str, Json]:
    """Return the spatial reference of a package, with its domain.

    Raises
    ------
    ConfError
        If the cache states none.
    """
    reference = package_reference(plan.cache.scheme)
    stated = spatial_reference_json(reference)
    if not stated:
        raise ConfError(
            "spatial reference is not stated, which a .tpkx requires",
            where=plan.cache.location,
            found="no WKID, no LatestWKID and no WKT",
            expected="one of them",
        )
    return {**stated, **domain_json(reference)}


def source_document(cache: TileCache) -> Document:
    """Return the root.json of a cache, empty if it has none. Raises ConfError if it is nested too deeply."""
    data = cache.root_json
    if data is None:
        return {}
    document: dict[str, Json] = json.loads(data, parse_float=_number, parse_int=_number, parse_constant=lambda _: None)
    if _is_deeper(document, MAX_DEPTH):
        raise ConfError("root.json is nested too deeply", where=cache.location, expected=f"at most {MAX_DEPTH}")
    return document


def _number(text: str) -> NumberText | None:
    try:
        return NumberText(text)
    except ValueError:  # beyond the range of a double, in a field that nothing reads
        return None


def _is_deeper(value: Json, depth: int) -> bool:
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(depth == 0 or _is_deeper(item, depth - 1) for item in items if isinstance(item, dict | list))


def _tile_image_info(info: ResultInfo) -> Json:
    image = info.plan.cache.image
    return {
        "format": image.format,
        "compressionQuality": info.quality,
        "bandCount": band_count(image),
        "lercError": image.lerc_error or 0,
    }


def _levels(plan: Plan, source: Document) -> dict[str, Json]:
    """Return the unit and the levels that have tiles. The scales are the source's if the levels are."""
    first, last = plan.filled_levels[0].lod, plan.filled_levels[-1].lod
    unit = source.get("units") or esri_unit(plan.cache.scheme.reference)
    levels: dict[str, Json] = {**({"units": unit} if unit else {}), "minLOD": first.level, "maxLOD": last.level}
    if not source:
        return {**levels, "minScale": first.scale, "maxScale": last.scale}
    are_same = all(str(source.get(key)) == str(levels[key]) for key in ("minLOD", "maxLOD"))
    scales: dict[str, Json] = {"minScale": first.scale, "maxScale": last.scale}
    return {**levels, **{key: source[key] if are_same else scale for key, scale in scales.items() if key in source}}


def _tile_info(plan: Plan, source: Document) -> Json:
    """Return the tiling scheme, whose numbers clients compare one by one: the source's own, if it is complete."""
    reference = package_reference(plan.cache.scheme)
    stated = spatial_reference_json(reference)
    own = source.get("tileInfo")
    if not isinstance(own, dict) or not _is_complete(own):
        return tile_info_json(plan.cache.scheme, {**stated, **domain_json(reference)})
    return _with_ids(own, stated)


def _with_ids(node: dict[str, Json], stated: dict[str, Json]) -> dict[str, Json]:
    """Return a node of the source with the ids of its spatial reference as the package states them."""
    own = node.get("spatialReference")
    return {**node, "spatialReference": {**(own if isinstance(own, dict) else {}), **stated}}


def _is_complete(tile_info: dict[str, Json]) -> bool:
    lods = tile_info.get("lods")
    keys = {"rows", "cols", "dpi", "origin", "lods"}
    return keys <= tile_info.keys() and all(
        isinstance(lod, dict) and all(isinstance(lod.get(key), NumberText) for key in ("level", "resolution", "scale"))
        for lod in (lods if isinstance(lods, list) else [None])
    )


def _extents(plan: Plan, source: Document) -> dict[str, Json]:
    """Return the initial and the full extent: the source's, unless the selection is a part of it."""
    is_whole = plan.selection.extent is None and plan.selection.area is None
    ids = spatial_reference_json(package_reference(plan.cache.scheme))
    extents: dict[str, Json] = {}
    for key in ("initialExtent", "fullExtent"):
        own = source.get(key)
        if is_whole and isinstance(own, dict):
            extents[key] = _with_ids(own, ids)
        else:
            extents[key] = extent_json(plan.extent(), source_reference(plan))
    return extents
