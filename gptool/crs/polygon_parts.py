"""Set operations on polygons that drop lines and points, and world copies of polygons beside the antimeridian."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import shapely
    from numpy.typing import NDArray

    from gptool.crs.projection import LonLatBox

    Geometries = NDArray[np.object_]

EDGE_ROUNDING = 1e-9
"""Relative difference, in world widths, between statements of the world's edge: 20037508.342787, 20037508.342789244."""

SNAP_DEGREES = 2.0**-32
"""Grid size, in degrees, that joins the two sides of a cut; cuts lie at integral multiples of it."""

MAX_WORLD_COPIES = 100
"""Number of world copies to either side that a polygon may extend over."""


def polygon_parts(geometries: Geometries) -> Geometries:
    """Return the polygons that geometries consist of, without the lines and points that an intersection may leave."""
    import shapely

    parts = shapely.get_parts(shapely.get_parts(geometries))
    is_polygon = shapely.get_type_id(parts) == shapely.GeometryType.POLYGON
    polygons: Geometries = parts[is_polygon & ~shapely.is_empty(parts)]
    return polygons


def make_valid(polygons: Geometries) -> Geometries:
    """Return valid polygons; those that touch or cross themselves become multipolygons."""
    import shapely

    is_invalid = ~shapely.is_valid(polygons)
    if is_invalid.any():
        polygons = polygons.copy()
        polygons[is_invalid] = shapely.make_valid(polygons[is_invalid])
    return polygons


def merge(geometries: Geometries, grid_size: float | None = None) -> shapely.MultiPolygon:
    """Return one multipolygon of all polygons, united only if they overlap or a grid size is given.

    Parameters
    ----------
    geometries : array of Geometry
    grid_size : float, optional
        The grid that vertices are snapped to, which joins polygons along the cuts between them.
    """
    import shapely

    parts = polygon_parts(make_valid(geometries))
    merged = shapely.MultiPolygon(list(parts))
    if grid_size is None and merged.is_valid:
        return merged
    return shapely.MultiPolygon(list(polygon_parts(np.array([shapely.union_all(parts, grid_size=grid_size)]))))


def clip_world_copies(
    polygons: Geometries, owners: NDArray[np.int64], box: LonLatBox, world_width: float
) -> tuple[Geometries, NDArray[np.int64]]:
    """Return the intersections of a box with polygons and with their copies one or more world widths beside them.

    Parameters
    ----------
    polygons : array of Geometry [n]
    owners : int64[n]
        The owner of each polygon, an arbitrary number.
    box : LonLatBox
        At most one world wide; in the units of the polygons.
    world_width : float
        The distance between world copies: 360 degrees, or the width of the world in the units of a projection.

    Returns
    -------
    clipped : array of Geometry [m]
    clipped_owners : int64[m]
        The owner of each intersection.
    """
    import shapely

    xmin, _, xmax, _ = shapely.bounds(polygons).T
    slack = np.minimum(EDGE_ROUNDING * world_width, (xmax - xmin) / 4)
    first = np.ceil((box.west + slack - xmax) / world_width)
    last = np.floor((box.east - slack - xmin) / world_width)
    clipped: list[Geometries] = [polygons[:0]]
    clipped_owners: list[NDArray[np.int64]] = [owners[:0]]
    for world in range(-MAX_WORLD_COPIES, MAX_WORLD_COPIES + 1):
        intersects = (first <= world) & (world <= last)
        if intersects.any():
            shift = np.array([world * world_width, 0.0])
            copies = shapely.transform(polygons[intersects], shift.__add__)
            clipped.append(shapely.intersection(copies, shapely.box(*box)))
            clipped_owners.append(owners[intersects])
    return np.concatenate(clipped), np.concatenate(clipped_owners)


def union_by_owner(pieces: Geometries, owners: NDArray[np.int64]) -> tuple[Geometries, NDArray[np.int64]]:
    """Return the union of each owner's pieces, which are in degrees, and the owners, sorted."""
    import shapely

    if not len(pieces):
        return pieces, owners
    keys, group = np.unique(owners, return_inverse=True)
    order = np.argsort(group, kind="stable")
    collections = shapely.geometrycollections(pieces[order], indices=group[order])
    unions: Geometries = shapely.union_all(collections[:, None], axis=1)
    has_several = np.bincount(group) > 1
    unions[has_several] = shapely.union_all(collections[has_several][:, None], axis=1, grid_size=SNAP_DEGREES)
    return unions, keys
