"""root.json and iteminfo.json of a .tpkx (Esri's tile-package-spec, docs/root.md and docs/iteminfo.md)."""

from __future__ import annotations

from collections.abc import Sequence

from gptool.errors import ConfError
from gptool.model import PACKET_SIZE, Extent, Lod, SpatialReference, StorageFormat, TilingScheme
from gptool.package.json_text import Json, to_json_bytes
from gptool.plan import Plan
from gptool.reference import units, well_known_id, wgs84_extent

ITEM_TYPE = "Compact Tile Package"

LATEST = {102100: 3857}
"""The id by which clients know web Mercator today, for caches that state only the old one."""


def root_json(plan: Plan, name: str, quality: int) -> bytes:
    """Return root.json.

    Parameters
    ----------
    quality : int
        0..100, the effective one: what the tiles' tables say.

    Raises
    ------
    ConfError
        When the cache's reference has no well-known id: readers of the package know no other.
    """
    scheme, image = plan.cache.scheme, plan.cache.image
    reference = _reference(scheme.reference, plan)
    extent = _extent(plan.extent(), reference)
    first, last = plan.filled_levels[0].lod, plan.filled_levels[-1].lod
    unit = units(scheme.reference)
    root: dict[str, Json] = {
        "name": name,
        "version": 1.0,
        # Early: GDAL looks for it in the first kilobyte only.
        "tileBundlesPath": "./tile",
        "serviceDescription": "",
        "spatialReference": reference,
        **({"units": unit} if unit else {}),
        "minLOD": first.level,
        "maxLOD": last.level,
        "minScale": first.scale,
        "maxScale": last.scale,
        "resampling": True,
        "exportTilesAllowed": False,
        "storageInfo": {"storageFormat": StorageFormat.COMPACT_V2.value, "packetSize": PACKET_SIZE},
        "tileImageInfo": {
            "format": image.format,
            "compressionQuality": quality,
            "bandCount": image.band_count or (3 if image.format == "JPEG" else 4),
            "lercError": image.lerc_error or 0,
        },
        "initialExtent": extent,
        "fullExtent": extent,
        "tileInfo": _tile_info(scheme, reference),
        "layers": [_layer(name)],
    }
    return to_json_bytes(root)


def iteminfo_json(plan: Plan, name: str, guid: str) -> bytes:
    """Return iteminfo.json. `created` is 0, as in Esri's own packages: the same request gives the same bytes."""
    wgs84: dict[str, Json] = {"wkid": 4326, "latestWkid": 4326}
    reference = plan.cache.scheme.reference
    keywords: list[Json] = [ITEM_TYPE, "Tile Package", "tpkx"]
    item: dict[str, Json] = {
        "name": name,
        "guid": guid,
        "version": 1.0,
        "created": 0,
        "snippet": _summary(plan),
        "description": "",
        "summary": _summary(plan),
        "title": name,
        "tags": "",
        "type": ITEM_TYPE,
        "typeKeywords": keywords,
        "thumbnail": "./thumbnail.png",
        "extent": _extent(wgs84_extent(reference, plan.extent()), wgs84),
        "spatialReference": _reference(reference, plan),
    }
    return to_json_bytes(item)


def _summary(plan: Plan) -> str:
    levels = _level_ranges([level.lod for level in plan.filled_levels], plan.cache.scheme)
    return f"{plan.tiles} tiles of {plan.cache.name}, levels {levels}"


def _level_ranges(lods: Sequence[Lod], scheme: TilingScheme) -> str:
    """Write levels as `0-6, 9`: those that follow each other in the scheme make a range."""
    places = {lod: place for place, lod in enumerate(scheme.lods)}
    runs: list[list[Lod]] = []
    for lod in lods:
        if runs and places[lod] == places[runs[-1][-1]] + 1:
            runs[-1].append(lod)
        else:
            runs.append([lod])
    return ", ".join(str(run[0].level) if len(run) == 1 else f"{run[0].level}-{run[-1].level}" for run in runs)


def _reference(reference: SpatialReference, plan: Plan) -> dict[str, Json]:
    wkid = well_known_id(reference)
    if wkid is None:
        raise ConfError(
            "the spatial reference has no well-known id, and a .tpkx can state no other",
            where=plan.cache.location,
            found="neither WKID nor LatestWKID, nor a WKT that PROJ knows by one",
            expected="one of them",
        )
    return {"wkid": wkid, "latestWkid": reference.latest_wkid or LATEST.get(wkid, wkid)}


def _extent(extent: Extent, reference: dict[str, Json]) -> dict[str, Json]:
    return {**extent._asdict(), "spatialReference": reference}


def _tile_info(scheme: TilingScheme, reference: dict[str, Json]) -> dict[str, Json]:
    lods: list[Json] = [{"level": lod.level, "resolution": lod.resolution, "scale": lod.scale} for lod in scheme.lods]
    return {
        "rows": scheme.tile_rows,
        "cols": scheme.tile_columns,
        "dpi": scheme.dpi,
        "origin": {"x": scheme.origin_x, "y": scheme.origin_y},
        "spatialReference": reference,
        "lods": lods,
    }


def _layer(name: str) -> dict[str, Json]:
    return {
        "id": 0,
        "name": name,
        "parentLayerId": -1,
        "defaultVisibility": True,
        "subLayerIds": None,
        "minScale": 0,
        "maxScale": 0,
    }
