"""The `areaOfInterest` parameter: polygons in Esri JSON or GeoJSON, parsed into rings."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gptool.errors import ParameterError
from gptool.model import SpatialReference
from gptool.request.spatial_reference import MAX_COORDINATE, WGS84, read_spatial_reference
from gptool.request.values import MAX_JSON_LENGTH, format_value, is_absent, is_empty, read_json

PARAMETER = "areaOfInterest"

POLYGON_SCHEMA = {
    "geometryType": "esriGeometryPolygon",
    "spatialReference": {"wkid": 4326},
    "fields": [{"name": "OBJECTID", "type": "esriFieldTypeOID", "alias": "OBJECTID"}],
    "features": [],
}
"""The schema of the parameter: an empty feature set of polygons. Clients of geoprocessing services assume points if
there is no schema, and without a spatial reference features drawn on a map do not state theirs."""

EXPECTED = "a feature set, a polygon with rings, or GeoJSON polygons"
POLYGON = "esriGeometryPolygon"

OTHER_GEOMETRIES = {
    "curveRings": "curves",
    "curvePaths": "curves",
    "paths": "a polyline",
    "points": "a multipoint",
    "x": "a point",
    "xmin": "an envelope, which is a value of exportExtent",
}
"""Members that identify the geometries of Esri JSON other than polygons of straight segments."""

CRS84 = ("urn:ogc:def:crs:OGC:1.3:CRS84", "urn:ogc:def:crs:OGC::CRS84", "urn:ogc:def:crs:EPSG::4326", "EPSG:4326")
"""Accepted names in the `crs` member of GeoJSON from before RFC 7946."""

MAX_LONGITUDE = 720.0
"""Degrees: twice around the world, enough for polygons that cross the antimeridian in either direction."""

Ring = NDArray[np.float64]
"""[n, 2]: x, y of the vertices, as requested."""


class RequestedPolygon(NamedTuple):
    """A polygon as requested, of any number of parts and holes.

    Attributes
    ----------
    name : str
        Its position in the request, for messages, such as `feature 2`.
    rings : list of Ring
        Outer rings clockwise, holes counter-clockwise (Esri's convention).
    reference : SpatialReference or None
        None for the spatial reference of the cache.
    """

    name: str
    rings: list[Ring]
    reference: SpatialReference | None


def read_area(value: Any) -> tuple[RequestedPolygon, ...]:
    """Return the requested polygons, at least one.

    Parameters
    ----------
    value : str, mapping or path
        JSON: a feature set, whose spatial reference is stated by each geometry, by the set, or not at all; a polygon;
        or GeoJSON. A path is that of a file with such JSON.

    Raises
    ------
    ParameterError
        If the value contains no polygon, or a geometry that is not a polygon of straight segments.
    """
    area = read_json(_read_file(value) if isinstance(value, os.PathLike) else value, PARAMETER, EXPECTED)
    try:
        polygons = tuple(_read_geojson(area, "") if isinstance(area.get("type"), str) else _read_esri(area))
    except RecursionError:
        raise ParameterError("geometries are nested too deeply", where=PARAMETER, expected=EXPECTED) from None
    if not polygons:
        raise ParameterError(
            "value contains no polygon", where=PARAMETER, found=_format_members(area), expected=EXPECTED
        )
    return polygons


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


def _read_esri(value: dict[str, Any]) -> Iterator[RequestedPolygon]:
    """Yield the polygons of a feature set, a feature or a geometry in Esri JSON."""
    if "features" not in value:
        geometry = value.get("geometry", value)
        yield _read_esri_polygon(geometry, "geometry", value.get("spatialReference"))
        return
    declared = value.get("geometryType")
    if not is_empty(declared) and str(declared).lower() != POLYGON.lower():
        raise ParameterError(
            "unsupported geometryType",
            where=f"{PARAMETER}: feature set",
            found=format_value(declared),
            expected=POLYGON,
        )
    for i, feature in enumerate(_read_list(value["features"], "features")):
        geometry = feature.get("geometry") if isinstance(feature, Mapping) else feature
        yield _read_esri_polygon(geometry, f"feature {i}", value.get("spatialReference"))


def _read_esri_polygon(geometry: Any, name: str, reference: Any) -> RequestedPolygon:
    """Return a polygon in Esri JSON; `reference` is the spatial reference if the geometry does not state its own."""
    if not isinstance(geometry, Mapping):
        raise _not_a_polygon(name, format_value(geometry))
    for member, kind in OTHER_GEOMETRIES.items():
        if member in geometry:
            raise _not_a_polygon(name, kind)
    if "rings" not in geometry:
        raise _not_a_polygon(name, _format_members(geometry))
    rings = _read_rings(geometry["rings"], name, f"{name}, rings")
    own = geometry.get("spatialReference")
    return RequestedPolygon(
        name, rings, read_spatial_reference(reference if is_empty(own) else own, f"{PARAMETER}: {name}")
    )


def _read_geojson(value: Mapping[str, Any], name: str) -> Iterator[RequestedPolygon]:
    """Yield the polygons of a GeoJSON object (RFC 7946) at the position `name`, empty for the whole value."""
    _check_geojson_crs(value)
    within = f"{name}, " if name else ""
    match value.get("type"):
        case "FeatureCollection":
            for i, feature in enumerate(_read_list(value.get("features"), "features")):
                yield from _read_geojson_member(feature, f"{within}feature {i}")
        case "Feature":
            yield from _read_geojson_member(value.get("geometry"), name or "feature")
        case "GeometryCollection":
            for i, geometry in enumerate(_read_list(value.get("geometries"), f"{within}geometries")):
                yield from _read_geojson_member(geometry, f"{within}geometry {i}")
        case "MultiPolygon":
            for i, polygon in enumerate(_read_list(value.get("coordinates"), f"{within}coordinates")):
                yield _read_geojson_polygon(polygon, f"{within}polygon {i}")
        case "Polygon":
            yield _read_geojson_polygon(value.get("coordinates"), name or "polygon")
        case other:
            raise _not_a_polygon(name or "GeoJSON", f"type {format_value(other)}")


def _read_geojson_member(value: Any, name: str) -> Iterator[RequestedPolygon]:
    if not isinstance(value, Mapping):
        raise _not_a_polygon(name, format_value(value))
    return _read_geojson(value, name)


def _check_geojson_crs(value: Mapping[str, Any]) -> None:
    crs = value.get("crs")
    properties = crs.get("properties") if isinstance(crs, Mapping) else crs
    name = properties.get("name") if isinstance(properties, Mapping) else properties
    if name is not None and name not in CRS84:
        raise ParameterError(
            "unsupported spatial reference of GeoJSON",
            where=PARAMETER,
            found=format_value(name),
            expected="longitude and latitude, or Esri JSON with a spatialReference",
        )


def _read_geojson_polygon(coordinates: Any, name: str) -> RequestedPolygon:
    """Return a GeoJSON polygon, whose first ring is the outer one, with its rings oriented as in Esri JSON."""
    rings = _read_rings(coordinates, name, f"{name}, coordinates")
    for i, ring in enumerate(rings):
        invalid = (np.abs(ring) > (MAX_LONGITUDE, 90.0)).any(axis=1)
        if invalid.any():
            raise ParameterError(
                "coordinates of GeoJSON are not longitude and latitude",
                where=f"{PARAMETER}: {name}, ring {i}, vertex {int(invalid.argmax())}",
                found=", ".join(map(repr, ring[invalid.argmax()].tolist())),
                expected="degrees, or Esri JSON with a spatialReference",
            )
        if (signed_area(ring) > 0) != (i > 0):
            rings[i] = ring[::-1]
    return RequestedPolygon(name, rings, WGS84)


def signed_area(ring: Ring) -> float:
    """Return the area of a ring, positive if it runs counter-clockwise."""
    x, y = (ring - ring[0]).T
    return float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


def _read_rings(value: Any, name: str, list_name: str) -> list[Ring]:
    rings = [_read_ring(ring, f"{name}, ring {i}") for i, ring in enumerate(_read_list(value, list_name))]
    if not rings:
        raise ParameterError("polygon has no rings", where=f"{PARAMETER}: {name}", expected="at least one ring")
    return rings


def _read_ring(value: Any, name: str) -> Ring:
    """Return the vertices of a ring; heights and measures after x and y are ignored."""
    vertices = _read_list(value, name)
    try:
        # Added to 0.0 to reject texts, which NumPy would convert.
        ring = np.array([(0.0 + vertex[0], 0.0 + vertex[1]) for vertex in vertices], np.float64).reshape(-1, 2)
    except (TypeError, ValueError, KeyError, IndexError, OverflowError):
        raise _invalid_vertex(name, _first_invalid_vertex(vertices)) from None
    if not (np.abs(ring) <= MAX_COORDINATE).all():
        raise _invalid_vertex(name, f"a coordinate that is not finite or exceeds {MAX_COORDINATE:g}")
    if len(ring) == 0:
        raise ParameterError("ring has no vertices", where=f"{PARAMETER}: {name}", expected="at least 3 vertices")
    return ring


def _invalid_vertex(name: str, found: str) -> ParameterError:
    return ParameterError(
        "ring has an invalid vertex",
        where=f"{PARAMETER}: {name}",
        found=found,
        expected="a pair of finite numbers, x and y",
    )


def _first_invalid_vertex(vertices: Sequence[Any]) -> str:
    """Return the first vertex that is not a pair of numbers, for a message."""
    for i, vertex in enumerate(vertices):
        pair = vertex[:2] if isinstance(vertex, list | tuple) else None
        if pair is None or len(pair) < 2 or not all(isinstance(number, int | float) for number in pair):
            return f"{format_value(vertex)} as vertex {i}"
    return "a coordinate that exceeds the range of a double"


def _read_list(value: Any, name: str) -> list[Any] | tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise ParameterError(
            "invalid value", where=f"{PARAMETER}: {name}", found=format_value(value), expected="a list"
        )
    return value


def _not_a_polygon(name: str, found: str) -> ParameterError:
    return ParameterError("not a polygon", where=f"{PARAMETER}: {name}", found=found, expected=EXPECTED)


def _format_members(value: Mapping[str, Any]) -> str:
    """Return the names of the members of a JSON object, for a message."""
    return "members " + ", ".join(map(str, value)) if value else "an empty object"
