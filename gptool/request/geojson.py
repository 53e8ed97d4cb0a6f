"""Areas in GeoJSON (RFC 7946)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from gptool.errors import ParameterError
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

CRS84 = ("urn:ogc:def:crs:OGC:1.3:CRS84", "urn:ogc:def:crs:OGC::CRS84", "urn:ogc:def:crs:EPSG::4326", "EPSG:4326")
"""Accepted names in the `crs` member of GeoJSON from before RFC 7946."""

MAX_LONGITUDE = 720.0
"""Degrees: twice around the world, enough for polygons that cross the antimeridian in either direction."""


def read_geojson(value: Mapping[str, Any], name: str) -> Iterator[Member]:
    """Yield the polygons of a GeoJSON object (RFC 7946) at the position `name`, empty for the whole value."""
    _check_geojson_crs(value)
    within = f"{name}, " if name else ""
    match value.get("type"):
        case "FeatureCollection":
            for i, feature in enumerate(read_list(value.get("features"), "features")):
                yield from _read_geojson_member(feature, f"{within}feature {i}")
        case "Feature":
            yield from _read_geojson_member(value.get("geometry"), name or "feature")
        case "GeometryCollection":
            for i, geometry in enumerate(read_list(value.get("geometries"), f"{within}geometries")):
                yield from _read_geojson_member(geometry, f"{within}geometry {i}")
        case "MultiPolygon":
            for i, polygon in enumerate(read_list(value.get("coordinates"), f"{within}coordinates")):
                yield _read_geojson_polygon(polygon, f"{within}polygon {i}")
        case "Polygon":
            yield _read_geojson_polygon(value.get("coordinates"), name or "polygon")
        case other:
            yield SkippedMember(name or "GeoJSON", f"type {format_value(other)}")


def _read_geojson_member(value: Any, name: str) -> Iterator[Member]:
    if isinstance(value, Mapping):
        return read_geojson(value, name)
    return iter([SkippedMember(name, "no geometry" if is_empty(value) else format_value(value))])


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


def _read_geojson_polygon(coordinates: Any, name: str) -> Member:
    """Return a GeoJSON polygon, whose first ring is the outer one, with its rings oriented as in Esri JSON."""
    rings, empty = read_rings(coordinates, name, f"{name}, coordinates")
    if not rings:
        return SkippedMember(name, "no ring with vertices")
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
    return RequestedPolygon(name, rings, WGS84, empty)
