"""The `areaOfInterest` parameter: polygons as Esri's JSON or GeoJSON states them, taken apart into rings."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gptool.errors import ParameterError
from gptool.model import SpatialReference
from gptool.request.spatial_reference import FARTHEST, WGS84, read_reference
from gptool.request.values import MOST_JSON, is_absent, is_empty, read_json, shown

PARAMETER = "areaOfInterest"

NO_POLYGONS = {
    "geometryType": "esriGeometryPolygon",
    "spatialReference": {"wkid": 4326},
    "fields": [{"name": "OBJECTID", "type": "esriFieldTypeOID", "alias": "OBJECTID"}],
    "features": [],
}
"""What clients of tasks learn of the parameter: that it is polygons. They take what has no such schema for points. It
has a reference so that areas drawn on a map say theirs."""

EXPECTED = "a feature set, a polygon with rings, or GeoJSON polygons"
POLYGON = "esriGeometryPolygon"

NOT_POLYGONS = {
    "curveRings": "curves",
    "curvePaths": "curves",
    "paths": "a line",
    "points": "points",
    "x": "a point",
    "xmin": "an envelope, which exportExtent takes",
}
"""By what members one knows the geometries that are no polygons of straight lines."""

CRS84 = ("urn:ogc:def:crs:OGC:1.3:CRS84", "urn:ogc:def:crs:OGC::CRS84", "urn:ogc:def:crs:EPSG::4326", "EPSG:4326")
"""What the `crs` of older GeoJSON may say."""

WORLD_TWICE = 720.0
"""Degrees: longitudes beyond are none, even of areas across the antimeridian."""

Ring = NDArray[np.float64]
"""[n, 2]: x, y of the vertices, as sent."""


class Shape(NamedTuple):
    """One polygon, of any number of parts and holes, as it was sent.

    Attributes
    ----------
    name : str
        Where it stands in what was sent.
    rings : list of Ring
        Outer ones clockwise, holes the other way.
    reference : SpatialReference or None
        None means the cache's.
    """

    name: str
    rings: list[Ring]
    reference: SpatialReference | None


def read_area(sent: Any) -> tuple[Shape, ...]:
    """Return the polygons that were sent, at least one.

    Parameters
    ----------
    sent : str, mapping or path
        JSON: a feature set, whose reference stands on each geometry, on the set, or nowhere; a polygon; or GeoJSON. A
        path is that of a file of them.

    Raises
    ------
    ParameterError
        When there is no polygon in it, or anything that is no polygon of straight lines.
    """
    value = read_json(_read_file(sent) if isinstance(sent, os.PathLike) else sent, PARAMETER, EXPECTED)
    try:
        shapes = tuple(_geojson(value, "") if isinstance(value.get("type"), str) else _esri(value))
    except RecursionError:
        raise ParameterError("geometries in too many layers", where=PARAMETER, expected=EXPECTED) from None
    if not shapes:
        raise ParameterError("no polygon in it", where=PARAMETER, found=_outline(value), expected=EXPECTED)
    return shapes


def file_or_json(sent: Any) -> Any:
    """Return a text that does not look like JSON as the path of a file, for callers who may read files."""
    if isinstance(sent, str) and not is_absent(sent) and not sent.lstrip().startswith(("{", "[")):
        return Path(sent)
    return sent


def _read_file(path: os.PathLike[str]) -> str:
    try:
        with Path(path).open(encoding="utf-8-sig") as file:
            return file.read(MOST_JSON + 1)
    except (OSError, ValueError) as error:
        raise ParameterError(
            f"can't be read: {error}", where=f"{PARAMETER}: {path}", expected="a file of JSON"
        ) from None


def _esri(value: dict[str, Any]) -> Iterator[Shape]:
    """Take a feature set or a geometry of Esri's JSON apart."""
    if "features" not in value:
        geometry = value.get("geometry", value)
        yield from _esri_geometry(geometry, "the geometry", value.get("spatialReference"))
        return
    declared = value.get("geometryType")
    if not is_empty(declared) and str(declared).lower() != POLYGON.lower():
        raise _no_polygon("the feature set", f"geometryType {shown(declared)}")
    for i, feature in enumerate(_list(value["features"], "features")):
        geometry = feature.get("geometry") if isinstance(feature, Mapping) else feature
        yield from _esri_geometry(geometry, f"feature {i}", value.get("spatialReference"))


def _esri_geometry(geometry: Any, name: str, reference: Any) -> Iterator[Shape]:
    if not isinstance(geometry, Mapping):
        raise _no_polygon(name, shown(geometry))
    for member, what in NOT_POLYGONS.items():
        if member in geometry:
            raise _no_polygon(name, what)
    if "rings" not in geometry:
        raise _no_polygon(name, _outline(geometry))
    rings = [_ring(ring, f"{name}, ring {i}") for i, ring in enumerate(_list(geometry["rings"], f"{name}, rings"))]
    if not rings:
        raise _no_polygon(name, "no rings")
    own = geometry.get("spatialReference")
    yield Shape(name, rings, read_reference(reference if is_empty(own) else own, f"{PARAMETER}: {name}"))


def _geojson(value: Mapping[str, Any], name: str) -> Iterator[Shape]:
    """Take GeoJSON apart; what is within has the name of its place."""
    _check_crs(value)
    within = f"{name}, " if name else ""
    match value.get("type"):
        case "FeatureCollection":
            for i, feature in enumerate(_list(value.get("features"), "features")):
                yield from _member(feature, f"{within}feature {i}")
        case "Feature":
            yield from _member(value.get("geometry"), name or "the feature")
        case "GeometryCollection":
            for i, geometry in enumerate(_list(value.get("geometries"), f"{within}geometries")):
                yield from _member(geometry, f"{within}geometry {i}")
        case "MultiPolygon":
            for i, polygon in enumerate(_list(value.get("coordinates"), f"{within}coordinates")):
                yield _geojson_polygon(polygon, f"{within}polygon {i}")
        case "Polygon":
            yield _geojson_polygon(value.get("coordinates"), name or "the polygon")
        case other:
            raise _no_polygon(name or "the GeoJSON", f"type {shown(other)}")


def _member(value: Any, name: str) -> Iterator[Shape]:
    if not isinstance(value, Mapping):
        raise _no_polygon(name, shown(value))
    return _geojson(value, name)


def _check_crs(value: Mapping[str, Any]) -> None:
    crs = value.get("crs")
    properties = crs.get("properties") if isinstance(crs, Mapping) else crs
    name = properties.get("name") if isinstance(properties, Mapping) else properties
    if name is not None and name not in CRS84:
        raise ParameterError(
            "GeoJSON in another reference",
            where=PARAMETER,
            found=shown(name),
            expected="longitude and latitude, or Esri's JSON with a spatialReference",
        )


def _geojson_polygon(coordinates: Any, name: str) -> Shape:
    """Return a polygon whose first ring is the outer one, with its rings turned as Esri's turn."""
    rings = [_ring(ring, f"{name}, ring {i}") for i, ring in enumerate(_list(coordinates, f"{name}, coordinates"))]
    if not rings:
        raise _no_polygon(name, "no rings")
    for i, ring in enumerate(rings):
        wrong = (np.abs(ring) > (WORLD_TWICE, 90.0)).any(axis=1)
        if wrong.any():
            raise ParameterError(
                "not longitude and latitude, which GeoJSON is in",
                where=f"{PARAMETER}: {name}, ring {i}, vertex {int(wrong.argmax())}",
                found=", ".join(map(repr, ring[wrong.argmax()].tolist())),
                expected="degrees, or Esri's JSON with a spatialReference",
            )
        if (signed_area(ring) > 0) != (i > 0):
            rings[i] = ring[::-1]
    return Shape(name, rings, WGS84)


def signed_area(ring: Ring) -> float:
    """Return the area in a ring, above 0 when it runs counter-clockwise."""
    x, y = (ring - ring[0]).T
    return float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


def _ring(sent: Any, name: str) -> Ring:
    """Return the vertices of a ring; heights and measures after x and y are left out."""
    vertices = _list(sent, name)
    try:
        # Added to 0.0, so that what is no number is not taken for one: NumPy reads texts too.
        ring = np.array([(0.0 + vertex[0], 0.0 + vertex[1]) for vertex in vertices], np.float64).reshape(-1, 2)
    except (TypeError, ValueError, KeyError, IndexError, OverflowError):
        raise _bad_vertices(name, _outline_of_ring(vertices)) from None
    if not (np.abs(ring) <= FARTHEST).all():
        raise _bad_vertices(name, f"a number that is not finite, or beyond {FARTHEST:g}")
    if len(ring) == 0:
        raise _bad_vertices(name, "none")
    return ring


def _bad_vertices(name: str, found: str) -> ParameterError:
    return ParameterError(
        "vertices", where=f"{PARAMETER}: {name}", found=found, expected="pairs of finite numbers, x and y"
    )


def _outline_of_ring(vertices: Sequence[Any]) -> str:
    """Return the first vertex that is no pair of numbers."""
    for i, vertex in enumerate(vertices):
        pair = vertex[:2] if isinstance(vertex, list | tuple) else None
        if pair is None or len(pair) < 2 or not all(isinstance(number, int | float) for number in pair):
            return f"{shown(vertex)} as vertex {i}"
    return "numbers beyond any"


def _list(value: Any, name: str) -> list[Any] | tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise ParameterError("no list", where=f"{PARAMETER}: {name}", found=shown(value), expected="a list")
    return value


def _no_polygon(name: str, found: str) -> ParameterError:
    return ParameterError("no polygon", where=f"{PARAMETER}: {name}", found=found, expected=EXPECTED)


def _outline(value: Mapping[str, Any]) -> str:
    return "members " + ", ".join(map(str, value)) if value else "nothing"
