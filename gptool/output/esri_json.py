"""What the metadata of several kinds of results state alike."""

from __future__ import annotations

from gptool.crs.reference import well_known_id
from gptool.model import Extent, ImageInfo, SpatialReference, TilingScheme
from gptool.output.json_text import Json
from gptool.plan.plan import Plan

BANDS = {"JPEG": 3, "LERC": 1, "LERC2D": 1}

LATEST = {102100: 3857}
"""The id by which clients know web Mercator today, for caches that state only the old one."""


def summary(plan: Plan) -> str:
    """Return a line for people: how many tiles, of what, of which levels."""
    levels = ", ".join(plan.cache.scheme.level_ranges([level.lod for level in plan.filled_levels]))
    return f"{plan.tiles} tiles of {plan.cache.name}, levels {levels}"


def reference_json(reference: SpatialReference) -> dict[str, Json]:
    """Return a reference as Esri's JSON states it: by its ids, else by its text, empty when it has neither."""
    wkid = well_known_id(reference)
    if wkid is not None:
        return {"wkid": wkid, "latestWkid": reference.latest_wkid or LATEST.get(wkid, wkid)}
    return {"wkt": reference.wkt} if reference.wkt else {}


def extent_json(extent: Extent, reference: dict[str, Json]) -> dict[str, Json]:
    """Return a box as Esri's JSON states it."""
    return {**extent._asdict(), "spatialReference": reference}


def tile_info_json(scheme: TilingScheme, reference: dict[str, Json]) -> dict[str, Json]:
    """Return a tiling scheme as Esri's JSON states it, its numbers as the cache has them."""
    lods: list[Json] = [{"level": lod.level, "resolution": lod.resolution, "scale": lod.scale} for lod in scheme.lods]
    return {
        "rows": scheme.tile_rows,
        "cols": scheme.tile_columns,
        "dpi": scheme.dpi,
        "origin": {"x": scheme.origin_x, "y": scheme.origin_y},
        "spatialReference": reference,
        "lods": lods,
    }


def band_count(image: ImageInfo) -> int:
    """Return the bands of a cache's tiles, those that its format mostly has where it does not state them."""
    return image.band_count or BANDS.get(image.format, 4)


def layer_json(name: str) -> Json:
    """Return the one layer that a result has."""
    return {
        "id": 0,
        "name": name,
        "parentLayerId": -1,
        "defaultVisibility": True,
        "subLayerIds": None,
        "minScale": 0,
        "maxScale": 0,
    }
