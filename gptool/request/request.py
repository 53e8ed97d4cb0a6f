"""A request, and its resolution to a selection of tiles of a tiling scheme."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gptool.crs.map_scale import map_scales
from gptool.crs.reprojection import is_same, reproject, unwrap, world_width
from gptool.errors import ParameterError
from gptool.model import Extent, Lod, Message, SpatialReference, StorageFormat, Tables, TilingScheme
from gptool.request import area_members, extent
from gptool.request.area import RequestedArea
from gptool.request.area_files import path_or_json
from gptool.request.area_members import RequestedPolygon, envelope_corners
from gptool.request.curve_flattening import flatten_curves, has_curves
from gptool.request.curves import Points
from gptool.request.extent import RequestedExtent
from gptool.request.levels import ExportBy, LevelRange, level_notices, select_levels
from gptool.request.parameters import read_inputs
from gptool.request.polygons import build_polygons
from gptool.request.selection import Area, Selection
from gptool.request.unions import polygonal, union
from gptool.request.values import is_absent

if TYPE_CHECKING:
    from shapely import MultiPolygon

PIXEL_TOLERANCE = 0.01
"""Tolerance of reprojected edges, in pixels of the deepest level with tiles."""

NEVER_EMPTY = "levels", "export_extent", "area_of_interest", "target_size", "max_part_size", "max_part_tiles"
"""Arguments of Python calls whose empty text would stand for everything, or for no limit."""

MAX_CROSSINGS = 10
"""The number of envelopes across the antimeridian that warnings list."""

HasTiles = Callable[[Lod], bool]
"""Returns True if the cache has tiles at a level."""


@dataclass(frozen=True, slots=True)
class Request:
    """A parsed request, which may be applied to any cache. None stands for an omitted parameter.

    Attributes
    ----------
    levels : tuple of LevelRange or None
    export_by : {"LevelID", "Resolution", "Scale"}
        The unit of `levels`.
    nearest_level : bool
        True if a resolution or scale that no level has stands for the nearest level.
    extent : RequestedExtent or None
    area : RequestedArea or None
        If given, `extent` is ignored.
    tile_package : bool
        True for a tile package, False for a cache raster dataset.
    storage : StorageFormat or None
    optimize : bool
        True if JPEG tiles are made smaller: optimised without loss, or recompressed to `quality`.
    quality : int or None
        0..100; used if `optimize` is True.
    target_size : int or None
        Bytes that the result must not exceed, in place of `quality`.
    max_part_size : int or None
        Bytes that no part of the result must exceed.
    max_part_tiles : int or None
        The maximum number of tiles in a part of the result.
    tables : {"efficient", "exact"}
        The quantisation tables of recompressed tiles.
    optimize_png : bool
        True if PNG tiles are optimised without loss.
    since : str or None
        The job or the SHA-256 of the package that the result is a delta to.
    """

    levels: tuple[LevelRange, ...] | None
    export_by: ExportBy
    nearest_level: bool
    extent: RequestedExtent | None
    area: RequestedArea | None
    tile_package: bool
    storage: StorageFormat | None
    optimize: bool
    quality: int | None
    target_size: int | None
    max_part_size: int | None
    max_part_tiles: int | None
    tables: Tables
    optimize_png: bool
    since: str | None = None

    @property
    def has_parts(self) -> bool:
        """Whether the result is divided into parts."""
        return self.max_part_size is not None or self.max_part_tiles is not None


def read_request(values: Mapping[str, Any]) -> Request:
    """Return the request that parameters make, by their names in REST or in Python.

    Raises
    ------
    ParameterError
        If a value is invalid, or a target size is given with a compression quality or with parts.
    """
    inputs = read_inputs(values)
    quality, target_size = inputs["compressionQuality"], inputs["targetSize"]
    for other in ("compressionQuality", "maxPartSize", "maxPartTiles") if target_size is not None else ():
        if inputs[other] is not None:
            raise ParameterError(
                f"contradicts {other}",
                where="targetSize",
                found=f"targetSize {target_size} and {other} {inputs[other]}",
                expected="one of them",
            )
    if inputs["since"] is not None:
        _check_delta(inputs)
    return Request(
        levels=inputs["levels"],
        export_by=inputs["exportBy"],
        nearest_level=inputs["nearestLevel"],
        extent=inputs["exportExtent"],
        area=inputs["areaOfInterest"],
        tile_package=inputs["tilePackage"],
        storage=inputs["storageFormatType"],
        optimize=inputs["optimizeTilesForSize"],
        quality=quality,
        target_size=target_size,
        max_part_size=inputs["maxPartSize"],
        max_part_tiles=inputs["maxPartTiles"],
        tables=inputs["tables"],
        optimize_png=inputs["optimizePng"],
        since=inputs["since"],
    )


def _check_delta(inputs: Mapping[str, Any]) -> None:
    """Check that the result is a .tpkx, as every delta is. Raises ParameterError."""
    is_package = inputs["tilePackage"] and inputs["storageFormatType"] in (None, StorageFormat.COMPACT_V2)
    for name, contradicts in (
        ("tilePackage", not is_package),
        ("maxPartSize", inputs["maxPartSize"] is not None),
        ("maxPartTiles", inputs["maxPartTiles"] is not None),
    ):
        if contradicts:
            expected = "tilePackage=true in compactV2, without parts: a delta is one .tpkx"
            raise ParameterError(f"contradicts {name}", where="since", expected=expected)


def read_call(
    *,
    area_of_interest: str | Mapping[str, Any] | os.PathLike[str] | None = None,
    optimize_tiles_for_size: bool | None = None,
    compression_quality: int | None = None,
    **others: Any,
) -> Request:
    """Return the request of a Python call, whose keyword arguments have the Python names of the parameters.

    Unlike a client of a service, the caller may name a file as area of interest, and a compression quality implies
    `optimizeTilesForSize`.

    Raises
    ------
    ParameterError
        If a value is invalid, if a compression quality or a target size is given although `optimize_tiles_for_size` is
        False, or if both are given.
    """
    values = {**others, "area_of_interest": area_of_interest}
    for name in NEVER_EMPTY:
        _refuse_empty_text(name, values.get(name))
    has_quality = not is_absent(compression_quality)
    request = read_request(
        {
            **others,
            "area_of_interest": path_or_json(area_of_interest),
            "compression_quality": compression_quality,
            "optimize_tiles_for_size": has_quality if optimize_tiles_for_size is None else optimize_tiles_for_size,
        }
    )
    reasons = {"compressionQuality": request.quality, "targetSize": request.target_size}
    for name, value in reasons.items():
        if value is not None and optimize_tiles_for_size is not None and not request.optimize:
            raise ParameterError(
                f"is false although {name} is given",
                where="optimizeTilesForSize",
                found=f"{name} {value}",
                expected=f"optimizeTilesForSize to be true or omitted, or no {name}",
            )
    return request


def _refuse_empty_text(name: str, value: Any) -> None:
    """Refuse an empty text, such as that of a form that is not filled in, which would select everything."""
    if isinstance(value, str) and is_absent(value):
        raise ParameterError("is empty", where=name, found=repr(value), expected="a value, or None for the default")


def select(request: Request, scheme: TilingScheme, has_tiles: HasTiles) -> tuple[Selection, list[Message]]:
    """Return the selection of a request, and messages about how it was interpreted.

    Raises
    ------
    ParameterError
        If a level is not in the tiling scheme, a spatial reference is unknown, or the area cannot be reprojected to
        that of the cache.
    """
    by, nearest = request.export_by, request.nearest_level
    lods = select_levels(request.levels, by, scheme, nearest=nearest)
    messages = level_notices(request.levels, by, scheme, nearest=nearest)
    if request.area is not None:
        target = _Target(scheme, lods, has_tiles, area_members.PARAMETER)
        requested, others = _across_antimeridian(request.area.polygons, target)
        messages += others
        if has_curves(requested):
            requested, target = flatten_curves(requested, target.curve_tolerances), target._replace(error_shares=2)
        polygons, repairs = build_polygons(requested)
        messages += [Message("Warning", text) for text in (*request.area.warnings, *repairs)]
        if request.extent:
            ignored = f"{area_members.PARAMETER} supersedes {extent.PARAMETER}, which is ignored"
            messages.append(Message("Informative", ignored))
        parts = [target.reproject(polygon, reference) for reference, polygon in polygons.items()]
        return Selection(scheme, lods, area=Area.from_polygon(union(parts))), messages
    if request.extent is not None:
        selection, others = _select_extent(request.extent, _Target(scheme, lods, has_tiles, extent.PARAMETER))
        return selection, [*messages, *others]
    return Selection(scheme, lods), messages


def _select_extent(requested: RequestedExtent, target: _Target) -> tuple[Selection, list[Message]]:
    import shapely

    sides, messages = requested.extent, []
    if sides.xmin > sides.xmax:
        sides = _unrolled(sides, requested.reference, target)
        messages.append(_crossing_warning(extent.PARAMETER))
    polygon = polygonal(shapely.box(*sides))
    reprojected = target.reproject(polygon, requested.reference)
    if reprojected == polygon:
        return Selection(target.scheme, target.lods, extent=sides), messages
    return Selection(target.scheme, target.lods, area=Area.from_polygon(reprojected)), messages


def _across_antimeridian(
    polygons: Sequence[RequestedPolygon], target: _Target
) -> tuple[Sequence[RequestedPolygon], list[Message]]:
    """Return the polygons, with envelopes that cross the antimeridian made continuous, and warnings about these."""
    if not any(polygon.envelope for polygon in polygons):
        return polygons, []
    found, messages = list(polygons), []
    for i, polygon in enumerate(polygons):
        if polygon.envelope:
            ring = np.array(envelope_corners(*_unrolled(polygon.envelope, polygon.reference, target)))
            found[i] = polygon._replace(rings=[ring], envelope=None)
            messages.append(_crossing_warning(f"{area_members.PARAMETER}: {polygon.name}"))
    return found, messages[:MAX_CROSSINGS]


def _unrolled(sides: Extent, reference: SpatialReference | None, target: _Target) -> Extent:
    """Return the sides of an extent whose `xmin` is greater than its `xmax`, continued beyond the antimeridian.

    Raises
    ------
    ParameterError
        If x is not periodic in the spatial reference, or the extent has no area.
    """
    width = world_width(reference or target.scheme.reference)
    worlds = math.ceil((sides.xmin - sides.xmax) / width) if width else 0
    xmax = sides.xmax + worlds * (width or 0.0)
    if xmax <= sides.xmin:
        raise extent.empty_extent_error(sides, target.parameter)
    return sides._replace(xmax=xmax)


def _crossing_warning(where: str) -> Message:
    return Message("Warning", f"{where}: xmin is greater than xmax, interpreted as an extent across the antimeridian")


class _Target(NamedTuple):
    """The tiling scheme that polygons are reprojected to, and the parameter they come from.

    `error_shares` is the number of steps that share the tolerance: 2 if curves are flattened before the reprojection.
    """

    scheme: TilingScheme
    lods: tuple[Lod, ...]
    has_tiles: HasTiles
    parameter: str
    error_shares: int = 1

    def curve_tolerances(self, points: Points, reference: SpatialReference | None) -> NDArray[np.float64]:
        """Return how far a flattened curve may deviate at points, in the unit of their spatial reference."""
        own, tolerance = self.scheme.reference, PIXEL_TOLERANCE * self._min_resolution()
        if reference is None or is_same(reference, own):
            return np.full(len(points), tolerance)
        return tolerance / 2 / map_scales(points, reference, own)

    def reproject(self, polygon: MultiPolygon, reference: SpatialReference | None) -> MultiPolygon:
        """Return a polygon in the spatial reference of the cache, which it is in already if `reference` is None."""
        own = self.scheme.reference
        if reference is not None and not is_same(reference, own):
            tolerance = PIXEL_TOLERANCE * self._min_resolution() / self.error_shares
            return reproject(polygon, reference, own, tolerance, self.parameter)
        # A grid of tiles may continue beyond the antimeridian, or show the same places on its other side: select both.
        unwrapped = unwrap(polygon, own)
        return polygon if unwrapped == polygon else union([polygon, unwrapped])

    def _min_resolution(self) -> float:
        """Return the resolution of the deepest level that has tiles: schemes are deeper than most of their caches."""
        deepest = next((lod for lod in reversed(self.lods) if self.has_tiles(lod)), self.lods[-1])
        return deepest.resolution.value
