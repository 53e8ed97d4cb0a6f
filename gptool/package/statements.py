"""What the metadata of several kinds of results state alike."""

from __future__ import annotations

from collections.abc import Sequence

from gptool.model import Extent, Lod, SpatialReference, TilingScheme
from gptool.package.json_text import Json
from gptool.plan import Plan
from gptool.reference import well_known_id

LATEST = {102100: 3857}
"""The id by which clients know web Mercator today, for caches that state only the old one."""


def summary(plan: Plan) -> str:
    """Return a line for people: how many tiles, of what, of which levels."""
    levels = ", ".join(level_ranges([level.lod for level in plan.filled_levels], plan.cache.scheme))
    return f"{plan.tiles} tiles of {plan.cache.name}, levels {levels}"


def level_ranges(lods: Sequence[Lod], scheme: TilingScheme) -> list[str]:
    """Write levels as `0-6` and `9`: those that follow each other in the scheme make a range."""
    places = {lod: place for place, lod in enumerate(scheme.lods)}
    runs: list[list[Lod]] = []
    for lod in lods:
        if runs and places[lod] == places[runs[-1][-1]] + 1:
            runs[-1].append(lod)
        else:
            runs.append([lod])
    return [str(run[0].level) if len(run) == 1 else f"{run[0].level}-{run[-1].level}" for run in runs]


def reference_json(reference: SpatialReference) -> dict[str, Json]:
    """Return a reference as Esri's JSON states it: by its ids, else by its text, empty when it has neither."""
    wkid = well_known_id(reference)
    if wkid is not None:
        return {"wkid": wkid, "latestWkid": reference.latest_wkid or LATEST.get(wkid, wkid)}
    return {"wkt": reference.wkt} if reference.wkt else {}


def extent_json(extent: Extent, reference: dict[str, Json]) -> dict[str, Json]:
    """Return a box as Esri's JSON states it."""
    return {**extent._asdict(), "spatialReference": reference}


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
