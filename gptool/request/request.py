"""A request, and what it selects in the terms of a tiling scheme."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gptool.model import Extent, Lod, Message, SpatialReference, StorageFormat, TilingScheme
from gptool.reprojection import is_same, period, reproject, unwrap
from gptool.request import area, extent
from gptool.request.area import Shape
from gptool.request.extent import Box
from gptool.request.levels import ExportBy, Span, choose_levels
from gptool.request.parameters import read_values
from gptool.request.polygons import make_polygons, only_polygons, united
from gptool.request.selection import Area, Selection

if TYPE_CHECKING:
    from shapely import MultiPolygon

PART_OF_A_PIXEL = 0.25
"""How far the edges of what is reprojected may lie from where they run, in pixels of the deepest level."""


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked, whatever the cache. None: nothing was said.

    Attributes
    ----------
    levels : tuple of Span or None
    box : Box or None
    shapes : tuple of Shape or None
        They supersede the box.
    quality : int or None
        0..100; counts only if JPEG tiles are to be recompressed, `optimize`.
    """

    levels: tuple[Span, ...] | None
    export_by: ExportBy
    box: Box | None
    shapes: tuple[Shape, ...] | None
    tile_package: bool
    storage: StorageFormat | None
    optimize: bool
    quality: int | None


def read_request(sent: Mapping[str, Any]) -> Request:
    """Return the request that parameters make, under the operation's own names or those of Python.

    Raises
    ------
    ParameterError
        When a value can't be understood.
    """
    values = read_values(sent)
    return Request(
        values["levels"],
        values["exportBy"],
        values["exportExtent"],
        values["areaOfInterest"],
        values["tilePackage"],
        values["storageFormatType"],
        values["optimizeTilesForSize"],
        values["compressionQuality"],
    )


def select(request: Request, scheme: TilingScheme) -> tuple[Selection, list[Message]]:
    """Return which tiles are meant, and what there is to say about it.

    Raises
    ------
    ParameterError
        When there is no such level, no such reference, or the area can't be brought into the cache's reference.
    """
    lods = choose_levels(request.levels, request.export_by, scheme)
    if request.shapes is not None:
        superseded = Message("Informative", f"{area.PARAMETER} supersedes {extent.PARAMETER}, which is not used")
        said = [superseded] if request.box else []
        return _select_area(request.shapes, scheme, lods, said), said
    if request.box is not None:
        said = []
        return _select_box(request.box, scheme, lods, said), said
    return Selection(scheme, lods), []


def _select_area(
    shapes: tuple[Shape, ...], scheme: TilingScheme, lods: tuple[Lod, ...], said: list[Message]
) -> Selection:
    polygons, told = make_polygons(shapes)
    said += [Message("Warning", text) for text in told]
    parts = [_bring(polygon, reference, scheme, lods, area.PARAMETER) for reference, polygon in polygons.items()]
    return Selection(scheme, lods, area=Area.of(united(parts)))


def _select_box(box: Box, scheme: TilingScheme, lods: tuple[Lod, ...], said: list[Message]) -> Selection:
    import shapely

    sides, reference = box.extent, box.reference or scheme.reference
    if sides.xmin > sides.xmax:
        round_the_world = period(reference)
        if round_the_world is None:
            raise extent.no_area(sides)
        said.append(
            Message(
                "Informative", f"{extent.PARAMETER}: xmin lies east of xmax, taken as a box across the antimeridian"
            )
        )
        sides = Extent(sides.xmin, sides.ymin, sides.xmax + round_the_world, sides.ymax)
    whole = only_polygons(shapely.box(*sides))
    brought = _bring(whole, box.reference, scheme, lods, extent.PARAMETER)
    if brought.equals(whole):
        return Selection(scheme, lods, extent=sides)
    return Selection(scheme, lods, area=Area.of(brought))


def _bring(
    polygon: MultiPolygon,
    reference: SpatialReference | None,
    scheme: TilingScheme,
    lods: tuple[Lod, ...],
    parameter: str,
) -> MultiPolygon:
    """Return a polygon in the cache's reference, which it is in when it has none of its own."""
    if reference is not None and not is_same(reference, scheme.reference):
        tolerance = PART_OF_A_PIXEL * min(lod.resolution.value for lod in lods)
        return reproject(polygon, reference, scheme.reference, tolerance, parameter)
    # Both: a grid may go on beyond the antimeridian, or show on its other side what lies there.
    beyond = unwrap(polygon, scheme.reference)
    return polygon if beyond == polygon else united([polygon, beyond])
