"""Areas in Esri JSON: feature sets, features, polygons and envelopes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gptool.errors import ParameterError
from gptool.model import Extent, SpatialReference
from gptool.request.area_members import (
    PARAMETER,
    Member,
    RequestedPolygon,
    SkippedMember,
    envelope_corners,
    format_members,
    read_list,
    read_ring,
    read_rings,
)
from gptool.request.curve_rings import read_curve_rings
from gptool.request.extent import empty_extent_error
from gptool.request.spatial_reference import read_spatial_reference
from gptool.request.values import format_value, is_empty

POLYGON = "esriGeometryPolygon"
GEOMETRY_TYPES = (POLYGON.lower(), "esrigeometryenvelope")

OTHER_GEOMETRIES = {
    "curvePaths": "a polyline",
    "paths": "a polyline",
    "points": "a multipoint",
    "x": "a point",
}
"""Members that identify the geometries of Esri JSON that are not areas."""

SIDES = ("xmin", "ymin", "xmax", "ymax")
"""Members of an envelope."""


def read_esri(value: dict[str, Any]) -> Iterator[Member]:
    """Yield the polygons of a feature set, a feature or a geometry in Esri JSON."""
    if "features" not in value:
        geometry = value.get("geometry", value)
        yield _read_esri_geometry(geometry, "geometry", value.get("spatialReference"))
        return
    declared = value.get("geometryType")
    if not is_empty(declared) and str(declared).lower() not in GEOMETRY_TYPES:
        raise ParameterError(
            "unsupported geometryType",
            where=f"{PARAMETER}: feature set",
            found=format_value(declared),
            expected=POLYGON,
        )
    for i, feature in enumerate(read_list(value["features"], "features")):
        # Some clients send the geometries themselves in place of features.
        geometry = feature.get("geometry", feature) if isinstance(feature, Mapping) else feature
        yield _read_esri_geometry(geometry, f"feature {i}", value.get("spatialReference"))


def _read_esri_geometry(geometry: Any, name: str, reference: Any) -> Member:
    """Return a polygon or an envelope in Esri JSON, or the error of another geometry.

    `reference` is the spatial reference if the geometry does not state its own.
    """
    if not isinstance(geometry, Mapping):
        return SkippedMember(name, "no geometry" if is_empty(geometry) else format_value(geometry))
    for member, kind in OTHER_GEOMETRIES.items():
        if member in geometry:
            return SkippedMember(name, kind)
    own = geometry.get("spatialReference")
    stated = read_spatial_reference(reference if is_empty(own) else own, f"{PARAMETER}: {name}")
    if "xmin" in geometry:
        return _read_envelope(geometry, name, stated)
    if "rings" not in geometry and "curveRings" not in geometry:
        return SkippedMember(name, format_members(geometry))
    polygon = _read_polygon(geometry, name, stated)
    return polygon if polygon.rings else SkippedMember(name, "no ring with vertices")


def _read_polygon(polygon: Mapping[str, Any], name: str, reference: SpatialReference | None) -> RequestedPolygon:
    """Return a polygon, whose curves take precedence over an approximation by `rings`."""
    if is_empty(polygon.get("curveRings")):
        rings, empty = read_rings(polygon.get("rings"), name, f"{name}, rings")
        return RequestedPolygon(name, rings, reference, empty)
    curved, empty = read_curve_rings(polygon["curveRings"], name)
    curves = tuple(ring.curves for ring in curved)
    return RequestedPolygon(name, [ring.vertices for ring in curved], reference, empty, curves)


def _read_envelope(envelope: Mapping[str, Any], name: str, reference: SpatialReference | None) -> RequestedPolygon:
    """Return an envelope as a ring that runs clockwise."""
    where = f"{name}, envelope"
    for side in SIDES:
        if envelope.get(side) is None:
            raise ParameterError(
                f"{side} is missing", where=f"{PARAMETER}: {where}", expected="xmin, ymin, xmax and ymax"
            )
    ring = read_ring(envelope_corners(*(envelope[side] for side in SIDES)), where)
    extent = Extent(*ring[0].tolist(), *ring[2].tolist())
    if extent.ymin > extent.ymax:
        raise empty_extent_error(extent, f"{PARAMETER}: {where}")
    return RequestedPolygon(name, [ring], reference, envelope=extent if extent.xmin > extent.xmax else None)
