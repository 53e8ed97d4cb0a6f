"""Areas in GeoJSON: RFC 7946, and the `crs` member of the specification of 2008 before it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from gptool.errors import ParameterError
from gptool.model import SpatialReference
from gptool.request.area_members import (
    PARAMETER,
    Member,
    RequestedPolygon,
    SkippedMember,
    read_list,
    read_rings,
    signed_area,
)
from gptool.request.spatial_reference import WGS84
from gptool.request.values import format_value, is_empty

CRS_NAME = re.compile(
    r"(?:urn:(?:ogc|x-ogc):def:crs:|https?://www\.opengis\.net/def/crs/)?"
    r"(?:(?:OGC[:/][0-9.]*[:/]|OGC:)?(?P<crs84>CRS84)|(?:EPSG|ESRI)(?:[:/][0-9.]*)?[:/](?P<wkid>[0-9]{1,9}))",
    re.IGNORECASE,
)
"""The names of spatial references in a `crs` member: `EPSG:25833`, `urn:ogc:def:crs:EPSG::25833`,
`http://www.opengis.net/def/crs/EPSG/0/25833`, and the same of CRS84. Coordinates are x, y whatever the order of axes
that they define (GeoJSON of 2008, section 2.1.1)."""

MAX_LONGITUDE = 720.0
"""Degrees: twice around the world, enough for polygons that cross the antimeridian in either direction."""


def read_geojson(value: Mapping[str, Any], name: str, reference: SpatialReference = WGS84) -> Iterator[Member]:
    """Yield the polygons of a GeoJSON object at the position `name`, empty for the whole value.

    `reference` is the spatial reference of the object that contains it, which it may replace.
    """
    reference = _read_crs(value.get("crs"), reference, name)
    within = f"{name}, " if name else ""
    match value.get("type"):
        case "FeatureCollection":
            for i, feature in enumerate(read_list(value.get("features"), "features")):
                yield from _read_geojson_member(feature, f"{within}feature {i}", reference)
        case "Feature":
            yield from _read_geojson_member(value.get("geometry"), name or "feature", reference)
        case "GeometryCollection":
            for i, geometry in enumerate(read_list(value.get("geometries"), f"{within}geometries")):
                yield from _read_geojson_member(geometry, f"{within}geometry {i}", reference)
        case "MultiPolygon":
            for i, polygon in enumerate(read_list(value.get("coordinates"), f"{within}coordinates")):
                yield _read_geojson_polygon(polygon, f"{within}polygon {i}", reference)
        case "Polygon":
            yield _read_geojson_polygon(value.get("coordinates"), name or "polygon", reference)
        case other:
            yield SkippedMember(name or "GeoJSON", f"type {format_value(other)}")


def _read_geojson_member(value: Any, name: str, reference: SpatialReference) -> Iterator[Member]:
    if isinstance(value, Mapping):
        return read_geojson(value, name, reference)
    return iter([SkippedMember(name, "no geometry" if is_empty(value) else format_value(value))])


def _read_crs(crs: Any, inherited: SpatialReference, name: str) -> SpatialReference:
    """Return the spatial reference of a `crs` member, or the inherited one if it names none.

    Raises
    ------
    ParameterError
        If the name is not a code of EPSG or Esri, nor CRS84.
    """
    properties = crs.get("properties") if isinstance(crs, Mapping) else crs
    stated = properties.get("name", properties) if isinstance(properties, Mapping) else properties
    if is_empty(stated):
        return inherited
    match = CRS_NAME.fullmatch(stated.strip()) if isinstance(stated, str) else None
    if match is None:
        raise ParameterError(
            "unsupported crs of GeoJSON",
            where=f"{PARAMETER}: {name}" if name else PARAMETER,
            found=format_value(stated),
            expected="a code of EPSG or Esri, such as EPSG:25833 or urn:ogc:def:crs:EPSG::25833, or CRS84",
        )
    if match["crs84"] or int(match["wkid"]) == WGS84.wkid:
        return WGS84
    return SpatialReference(int(match["wkid"]), None, None)


def _read_geojson_polygon(coordinates: Any, name: str, reference: SpatialReference) -> Member:
    """Return a GeoJSON polygon, whose first ring is the outer one, with its rings oriented as in Esri JSON."""
    rings, empty = read_rings(coordinates, name, f"{name}, coordinates")
    if not rings:
        return SkippedMember(name, "no ring with vertices")
    for i, ring in enumerate(rings):
        invalid = (np.abs(ring) > (MAX_LONGITUDE, 90.0)).any(axis=1)
        if reference == WGS84 and invalid.any():
            raise ParameterError(
                "coordinates of GeoJSON are not longitude and latitude",
                where=f"{PARAMETER}: {name}, ring {i}, vertex {int(invalid.argmax())}",
                found=", ".join(map(repr, ring[invalid.argmax()].tolist())),
                expected="degrees, or a crs member that names another spatial reference",
            )
        if (signed_area(ring) > 0) != (i > 0):
            rings[i] = ring[::-1]
    return RequestedPolygon(name, rings, reference, empty)
