"""Members of the JSON of an area whose names are wrong, which would be ignored although they change the area."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gptool.request.area_members import PARAMETER
from gptool.request.values import format_value
from gptool.text import nearest_name

SETS = {"features", "geometryType", "spatialReference"}
GEOMETRIES = {"rings", "curveRings", "xmin", "ymin", "xmax", "ymax", "spatialReference"}
FEATURES = {"geometry"}
"""The members of Esri's JSON that are read: those of feature sets, geometries and features."""

OTHERS = {
    *("objectIdFieldName", "uniqueIdField", "globalIdFieldName", "displayFieldName", "fieldAliases", "fields", "hasZ"),
    *("hasM", "exceededTransferLimit", "geometryProperties", "transform", "attributes", "symbol"),
    *("zmin", "zmax", "mmin", "mmax", "centroid", "popupTemplate", "infoTemplate", "type", "name", "ids", "cache"),
    *("hasGeometryProperties", "extent", "layerDefinition", "featureSet", "popupInfo"),
    "aggregateGeometries",
}
"""Members that clients send beside them, which do not change the area."""

MAX_NAME = 40
"""Characters of the longest name that is compared."""

MAX_LISTED = 5
"""Names that are listed."""


def misspelt_warnings(area: Mapping[str, Any]) -> list[str]:
    """Return a warning for each name of a member, wherever it occurs, that is near to one that is read.

    Parameters
    ----------
    area : mapping
        The value as JSON. That of GeoJSON is only asked for Esri's spatialReference, in place of which it has crs.
    """
    if isinstance(area.get("type"), str):
        ignored = "spatialReference" in area and "crs" not in area
        text = f"{PARAMETER}: spatialReference is ignored; GeoJSON without the member crs is in longitude and latitude"
        return [text] if ignored else []
    unknown = {name: known for names, known in _unknown_names(area) for name in names if isinstance(name, str)}
    found = [(name, nearest_name(name, known)) for name, known in unknown.items() if len(name) <= MAX_NAME]
    return [
        f"{PARAMETER}: unknown member {format_value(name)} is ignored; the nearest known name is {near}"
        for name, near in found
        if near
    ][:MAX_LISTED]


def _unknown_names(area: Mapping[str, Any]) -> Iterator[tuple[set[Any], set[str]]]:
    """Yield the names of members that are not known, and the names that they are compared with."""
    features = area.get("features")
    if isinstance(features, list | tuple):
        yield area.keys() - SETS - OTHERS, SETS
        members: Iterable[Any] = (each for each in features if isinstance(each, Mapping))
    else:
        members = [area]
    for member in members:
        geometry = member.get("geometry")
        if isinstance(geometry, Mapping):
            yield member.keys() - FEATURES - SETS - OTHERS, FEATURES | SETS
            yield geometry.keys() - GEOMETRIES - OTHERS, GEOMETRIES
        else:
            yield member.keys() - GEOMETRIES - FEATURES - SETS - OTHERS, GEOMETRIES | FEATURES | SETS
