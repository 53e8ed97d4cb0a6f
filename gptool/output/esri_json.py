"""Esri's JSON of spatial references, extents and tiling schemes, for the metadata of results and services."""

from __future__ import annotations

from gptool.crs.reference import well_known_id
from gptool.crs.web_mercator import LATEST_WKID, WKID
from gptool.model import Extent, ImageInfo, SpatialReference, TilingScheme
from gptool.output.json_text import Json
from gptool.plan import Plan
from gptool.text import format_levels

TYPICAL_BAND_COUNTS = {"JPEG": 3, "LERC": 1, "LERC2D": 1}
"""Bands by tile format, for caches that do not state them; 4 for other formats."""


def summary(plan: Plan) -> str:
    """Return a one-line summary of a result: number of tiles, name of the cache, levels."""
    levels = format_levels(plan.cache.scheme.level_ranges([level.lod for level in plan.filled_levels]))
    return f"{plan.tiles} {'tile' if plan.tiles == 1 else 'tiles'} of {plan.cache.name}, {levels}"


def spatial_reference_json(reference: SpatialReference) -> dict[str, Json]:
    """Return a spatial reference by its well-known ids, else by its well-known text; empty if it has neither."""
    wkid = well_known_id(reference)
    if wkid is not None:
        latest = LATEST_WKID if wkid == WKID else wkid
        return {"wkid": wkid, "latestWkid": reference.latest_wkid or latest}
    return {"wkt": reference.wkt} if reference.wkt else {}


def domain_json(reference: SpatialReference) -> dict[str, Json]:
    """Return the domain of a spatial reference, as far as it is known."""
    return dict(reference.domain)


def extent_json(extent: Extent, spatial_reference: dict[str, Json]) -> dict[str, Json]:
    """Return an extent as an envelope with its spatial reference."""
    return {**extent._asdict(), "spatialReference": spatial_reference}


def tile_info_json(scheme: TilingScheme, spatial_reference: dict[str, Json]) -> dict[str, Json]:
    """Return a tiling scheme as `tileInfo`, with its numbers as the cache states them."""
    lods: list[Json] = [{"level": lod.level, "resolution": lod.resolution, "scale": lod.scale} for lod in scheme.lods]
    return {
        "rows": scheme.tile_rows,
        "cols": scheme.tile_columns,
        "dpi": scheme.dpi,
        "origin": {"x": scheme.origin_x, "y": scheme.origin_y},
        "spatialReference": spatial_reference,
        "lods": lods,
    }


def band_count(image: ImageInfo) -> int:
    """Return the number of bands of a cache's tiles: as stated, else the typical number of its format."""
    return image.band_count or TYPICAL_BAND_COUNTS.get(image.format, 4)


def layer_json(name: str) -> Json:
    """Return the single layer of a result."""
    return {
        "id": 0,
        "name": name,
        "parentLayerId": -1,
        "defaultVisibility": True,
        "subLayerIds": None,
        "minScale": 0,
        "maxScale": 0,
    }
