"""The `areaOfInterest` parameter: polygons in Esri JSON or GeoJSON, parsed into rings."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from gptool.errors import ParameterError
from gptool.request.area_files import read_json_file, read_other_file
from gptool.request.area_members import EXPECTED, PARAMETER, Member, RequestedPolygon, SkippedMember, format_members
from gptool.request.esri_geometry import read_esri
from gptool.request.geojson import read_geojson
from gptool.request.misspelt import misspelt_warnings
from gptool.request.values import read_json
from gptool.text import format_count

POLYGON_SCHEMA = {
    "geometryType": "esriGeometryPolygon",
    "spatialReference": {"wkid": 4326},
    "fields": [{"name": "OBJECTID", "type": "esriFieldTypeOID", "alias": "OBJECTID"}],
    "features": [],
}
"""The schema of the parameter: an empty feature set of polygons. Clients of geoprocessing services assume points if
there is no schema, and without a spatial reference features drawn on a map do not state theirs."""

MAX_LISTED_MEMBERS = 10
"""Skipped members that are listed one by one."""


class RequestedArea(NamedTuple):
    """The polygons of a value, at least one, and warnings about members that are skipped or not understood."""

    polygons: tuple[RequestedPolygon, ...]
    warnings: tuple[str, ...] = ()


def read_area(value: Any) -> RequestedArea:
    """Return the requested polygons.

    Parameters
    ----------
    value : str, mapping or path
        JSON: a feature set, whose spatial reference is stated by each geometry, by the set, or not at all; a polygon;
        or GeoJSON. A path is that of a file with such JSON, or in another format of GDAL. Members without a geometry,
        or with one that is no area, are skipped if others are areas.

    Raises
    ------
    ParameterError
        If the value contains no polygon, or a polygon that is invalid.
    """
    if not isinstance(value, os.PathLike):
        return _read_json_area(value)
    try:
        text = read_json_file(value)
        if text is not None:
            return _read_json_area(text)
        area = _select_polygons(list(read_other_file(value)), "no features")
    except ParameterError as error:
        within = str(error.where or "").removeprefix(PARAMETER)
        where = f"{PARAMETER}: {value}{within}"
        raise ParameterError(error.what, where=where, found=error.found, expected=error.expected) from None
    if all(polygon.reference is not None for polygon in area.polygons):
        return area
    unreferenced = f"{PARAMETER}: {value}: states no spatial reference, so that its coordinates are those of the cache"
    return area._replace(warnings=(unreferenced, *area.warnings))


def _read_json_area(value: Any) -> RequestedArea:
    """Return the polygons of a value of JSON."""
    area = read_json(value, PARAMETER, EXPECTED)
    try:
        members = list(read_geojson(area, "") if isinstance(area.get("type"), str) else read_esri(area))
    except RecursionError:
        raise ParameterError("geometries are nested too deeply", where=PARAMETER, expected=EXPECTED) from None
    found = _select_polygons(members, "no features" if area.get("features") == [] else format_members(area))
    return found._replace(warnings=(*misspelt_warnings(area), *found.warnings))


def _select_polygons(members: list[Member], found: str) -> RequestedArea:
    """Return the polygons among members, and warnings about the others; `found` is the value in short.

    Raises
    ------
    ParameterError
        If no member is a polygon.
    """
    skipped = [member for member in members if isinstance(member, SkippedMember)]
    polygons = tuple(member for member in members if isinstance(member, RequestedPolygon))
    if not polygons and skipped:
        raise skipped[0].error()
    if not polygons:
        raise ParameterError("value contains no polygon", where=PARAMETER, found=found, expected=EXPECTED)
    return RequestedArea(polygons, _describe_skipped(skipped, polygons))


def _describe_skipped(skipped: list[SkippedMember], polygons: tuple[RequestedPolygon, ...]) -> tuple[str, ...]:
    """Return a warning for each skipped member and for each polygon whose empty rings are left out."""
    warnings = [f"{PARAMETER}: {member.name}: skipped, as it is no area; found {member.found}" for member in skipped]
    warnings += [
        f"{PARAMETER}: {polygon.name}: empty rings are left out" for polygon in polygons if polygon.empty_rings
    ]
    more = len(warnings) - MAX_LISTED_MEMBERS
    if more > 0:
        warnings[MAX_LISTED_MEMBERS:] = [f"{PARAMETER}: {format_count(more, 'more member')} skipped or mended"]
    return tuple(warnings)
