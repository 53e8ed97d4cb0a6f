"""A request, and what it selects in the terms of a tiling scheme."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from gptool.crs.reprojection import is_same, period, reproject, unwrap
from gptool.model import Lod, Message, SpatialReference, StorageFormat, TilingScheme
from gptool.request import area, extent
from gptool.request.area import Shape, file_or_json
from gptool.request.extent import Box
from gptool.request.levels import ExportBy, Span, choose_levels
from gptool.request.parameters import read_values
from gptool.request.polygons import make_polygons, only_polygons, united
from gptool.request.selection import Area, Selection

if TYPE_CHECKING:
    from shapely import MultiPolygon

PART_OF_A_PIXEL = 0.01
"""How far the edges of what is reprojected may lie from where they run, in pixels of the deepest level with tiles."""

Holds = Callable[[Lod], bool]
"""Tells whether there are tiles of a level."""


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


def read_call(
    *,
    area_of_interest: str | Mapping[str, Any] | os.PathLike[str] | None,
    compression_quality: int | None,
    **others: Any,
) -> Request:
    """Return the request of a call from Python, whose arguments have the parameters' names there.

    A caller who can call may read files, and means a quality when he states one.

    Raises
    ------
    ParameterError
        When a value can't be understood.
    """
    return read_request(
        {
            **others,
            "area_of_interest": file_or_json(area_of_interest),
            "compression_quality": compression_quality,
            "optimize_tiles_for_size": compression_quality is not None,
        }
    )


def select(request: Request, scheme: TilingScheme, holds: Holds) -> tuple[Selection, list[Message]]:
    """Return which tiles are meant, and what there is to say about it.

    Raises
    ------
    ParameterError
        When there is no such level, no such reference, or the area can't be brought into the cache's reference.
    """
    lods = choose_levels(request.levels, request.export_by, scheme)
    if request.shapes is not None:
        polygons, told = make_polygons(request.shapes)
        said = [Message("Warning", text) for text in told]
        if request.box:
            said.append(Message("Informative", f"{area.PARAMETER} supersedes {extent.PARAMETER}, which is not used"))
        grid = _Grid(scheme, lods, holds, area.PARAMETER)
        parts = [grid.bring(polygon, reference) for reference, polygon in polygons.items()]
        return Selection(scheme, lods, area=Area.of(united(parts))), said
    if request.box is not None:
        return _select_box(request.box, _Grid(scheme, lods, holds, extent.PARAMETER))
    return Selection(scheme, lods), []


def _select_box(box: Box, grid: _Grid) -> tuple[Selection, list[Message]]:
    import shapely

    sides, said = box.extent, []
    if sides.xmin > sides.xmax:
        round_the_world = period(box.reference or grid.scheme.reference)
        turns = math.ceil((sides.xmin - sides.xmax) / round_the_world) if round_the_world else 0
        xmax = sides.xmax + turns * (round_the_world or 0.0)
        if xmax <= sides.xmin:
            raise extent.no_area(sides)
        across = f"{extent.PARAMETER}: xmin lies east of xmax, taken as a box across the antimeridian"
        said.append(Message("Warning", across))
        sides = sides._replace(xmax=xmax)
    whole = only_polygons(shapely.box(*sides))
    brought = grid.bring(whole, box.reference)
    if brought == whole:
        return Selection(grid.scheme, grid.lods, extent=sides), said
    return Selection(grid.scheme, grid.lods, area=Area.of(brought)), said


class _Grid(NamedTuple):
    """Where polygons are to be brought, and what messages call them."""

    scheme: TilingScheme
    lods: tuple[Lod, ...]
    holds: Holds
    parameter: str

    def bring(self, polygon: MultiPolygon, reference: SpatialReference | None) -> MultiPolygon:
        """Return a polygon in the cache's reference, which it is in when it has none of its own."""
        own = self.scheme.reference
        if reference is not None and not is_same(reference, own):
            return reproject(polygon, reference, own, PART_OF_A_PIXEL * self._finest(), self.parameter)
        # Both: a grid may go on beyond the antimeridian, or show on its other side what lies there.
        beyond = unwrap(polygon, own)
        return polygon if beyond == polygon else united([polygon, beyond])

    def _finest(self) -> float:
        """Return the resolution of the deepest level that has tiles: schemes go deeper than most caches."""
        deepest = next((lod for lod in reversed(self.lods) if self.holds(lod)), self.lods[-1])
        return deepest.resolution.value
