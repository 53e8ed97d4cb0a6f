"""The `areaOfInterest` parameter: polygons in Esri JSON or GeoJSON, parsed into rings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

from gptool.errors import ParameterError
from gptool.request.area_members import EXPECTED, PARAMETER, RequestedPolygon, SkippedMember, format_members
from gptool.request.esri_geometry import read_esri
from gptool.request.geojson import read_geojson
from gptool.request.values import MAX_JSON_LENGTH, is_absent, read_json
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
    """The polygons of a value, at least one, and a warning for each of its members that is skipped."""

    polygons: tuple[RequestedPolygon, ...]
    skipped: tuple[str, ...] = ()


def read_area(value: Any) -> RequestedArea:
    """Return the requested polygons.

    Parameters
    ----------
    value : str, mapping or path
        JSON: a feature set, whose spatial reference is stated by each geometry, by the set, or not at all; a polygon;
        or GeoJSON. A path is that of a file with such JSON. Members without a geometry, or with one that is no area,
        are skipped if others are areas.

    Raises
    ------
    ParameterError
        If the value contains no polygon, or a polygon that is invalid.
    """
    area = read_json(_read_file(value) if isinstance(value, os.PathLike) else value, PARAMETER, EXPECTED)
    try:
        members = list(read_geojson(area, "") if isinstance(area.get("type"), str) else read_esri(area))
    except RecursionError:
        raise ParameterError("geometries are nested too deeply", where=PARAMETER, expected=EXPECTED) from None
    skipped = [member for member in members if isinstance(member, SkippedMember)]
    polygons = tuple(member for member in members if isinstance(member, RequestedPolygon))
    if not polygons and skipped:
        raise skipped[0].error()
    if not polygons:
        raise ParameterError(
            "value contains no polygon", where=PARAMETER, found=format_members(area), expected=EXPECTED
        )
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


def path_or_json(value: Any) -> Any:
    """Return a text that does not look like JSON as the path of a file, for callers who may read files."""
    if isinstance(value, str) and not is_absent(value) and not value.lstrip().startswith(("{", "[")):
        return Path(value)
    return value


def _read_file(path: os.PathLike[str]) -> str:
    try:
        with Path(path).open(encoding="utf-8-sig") as file:
            return file.read(MAX_JSON_LENGTH + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ParameterError(
            f"file cannot be read: {reason}", where=f"{PARAMETER}: {path}", expected="a JSON file in UTF-8"
        ) from None
