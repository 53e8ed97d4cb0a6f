"""The boxes of a request as they were sent, for messages, and the warning about boxes that look like degrees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from gptool.crs.reference import describe_reference, esri_unit
from gptool.errors import ParameterError
from gptool.model import Extent, SpatialReference, TilingScheme
from gptool.request import area_members, extent
from gptool.request.curve_flattening import outline
from gptool.request.spatial_reference import MAX_COORDINATE

if TYPE_CHECKING:
    from gptool.request.request import Request

LINEAR_UNITS = "esriMeters", "esriFeet"

MAX_LONGITUDE, MAX_LATITUDE = 361.0, 90.0
"""Degrees: boxes across the antimeridian go beyond 180, and clients write the edge of the world as 180.0000001."""

FOR_DEGREES = "for degrees, the JSON or file must state the spatialReference of wkid 4326"

POLE = MAX_LATITUDE + 1e-6
"""Degrees: clients round the edge of the world up."""

TURN = 360.0
"""Degrees of longitude, enough for polygons that cross the antimeridian. Views that show the world twice go beyond."""

BEYOND_TURN = "is outside -360 to 360 degrees; it is taken around the world"
BEYOND_POLE = "lies beyond the pole; there are no tiles"

MIN_REACH = 3600.0
"""Metres or feet that a cache reaches beyond, from the origin of its coordinates, if values of degrees are unlikely:
ten times the width of the world in degrees."""


class RequestedBox(NamedTuple):
    """The box of an extent or of polygons with a common spatial reference, as they were sent.

    Attributes
    ----------
    parameter : str
        The parameter that it belongs to.
    extent : Extent
    reference : SpatialReference or None
        None for that of the cache.
    """

    parameter: str
    extent: Extent
    reference: SpatialReference | None

    def __str__(self) -> str:
        what = "extent" if self.parameter == extent.PARAMETER else "polygons within"
        return f"{what} {format_extent(self.extent)} in {reference_text(self.reference)}"


def requested_boxes(request: Request) -> list[RequestedBox]:
    """Return the box of the polygons for each of their spatial references, or that of the extent; none without both."""
    if request.area is not None:
        bounds: dict[SpatialReference | None, Extent] = {}
        for polygon in request.area.polygons:
            points = outline(polygon)
            box = Extent(*points.min(axis=0).tolist(), *points.max(axis=0).tolist())
            bounds[polygon.reference] = bounds.get(polygon.reference, box).union(box)
        return [RequestedBox(area_members.PARAMETER, box, reference) for reference, box in bounds.items()]
    if request.extent is not None:
        return [RequestedBox(extent.PARAMETER, *request.extent)]
    return []


def format_extent(box: Extent) -> str:
    """Return the sides of a box as a request states them."""
    return ",".join(map(repr, box))


def reference_text(reference: SpatialReference | None) -> str:
    """Return a short text for a spatial reference: the stated WKID if there is one."""
    if reference is None:
        return "the spatial reference of the cache"
    wkid = reference.latest_wkid or reference.wkid
    return f"WKID {wkid}" if wkid else describe_reference(reference)


def degree_warnings(requested: Sequence[RequestedBox], scheme: TilingScheme, declared: Extent | None) -> list[str]:
    """Return a warning if boxes without a spatial reference look like degrees, though those of the cache are none.

    Parameters
    ----------
    requested : sequence of RequestedBox
    scheme : TilingScheme
    declared : Extent or None
        The extent that the cache declares.
    """
    boxes = [box for box in requested if box.reference is None and _is_in_degrees(box.extent)]
    reach = max(map(abs, declared or (scheme.origin_x.value, scheme.origin_y.value)))
    if not boxes or reach < MIN_REACH or esri_unit(scheme.reference) not in LINEAR_UNITS:
        return []
    return [
        f"{box.parameter}: the values look like longitude and latitude, but without a spatialReference they are "
        f"coordinates of the cache ({reference_text(scheme.reference)}); {FOR_DEGREES}"
        for box in boxes
    ]


def check_degrees(requested: Sequence[RequestedBox], scheme: TilingScheme) -> list[str]:
    """Return a warning for each side of boxes in degrees that is beyond the world, as in views of clients.

    Raises
    ------
    ParameterError
        If values cannot be degrees: the world is repeated in x, so that they would select tiles anywhere.
    """
    warnings = []
    for box in requested:
        sides = {side: value for side, value in box.extent._asdict().items() if abs(value) < MAX_COORDINATE}
        beyond = [side for side, value in sides.items() if abs(value) > (TURN if side[0] == "x" else POLE)]
        if not beyond or esri_unit(box.reference or scheme.reference) != "esriDecimalDegrees":
            continue
        impossible = [side for side in beyond if abs(sides[side]) > 2 * (TURN if side[0] == "x" else MAX_LATITUDE)]
        if impossible:
            raise ParameterError(
                "coordinates are not longitude and latitude",
                where=box.parameter,
                found=f"{impossible[0]} {sides[impossible[0]]:g} in {reference_text(box.reference)}",
                expected="longitudes from -360 to 360 and latitudes from -90 to 90",
            )
        for side in beyond:
            meaning = BEYOND_TURN if side[0] == "x" else BEYOND_POLE
            warnings.append(f"{box.parameter}: {side} {sides[side]:g} {meaning}")
    return warnings


def _is_in_degrees(box: Extent) -> bool:
    width, height = max(abs(box.xmin), abs(box.xmax)), max(abs(box.ymin), abs(box.ymax))
    return width <= MAX_LONGITUDE and height <= MAX_LATITUDE
