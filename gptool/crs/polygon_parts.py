"""Polygons cut and put together again: valid ones, and nothing but polygons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import shapely
    from numpy.typing import NDArray

    from gptool.crs.projection import Box

    Geometries = NDArray[np.object_]

ROUNDING = 1e-9
"""Part of the world's width by which its edge is stated differently: 20037508.342787, 20037508.342789244."""

SNAP = 2.0**-32
"""Degrees within which the two sides of a cut are one; cuts lie at whole numbers of it."""

MOST_WORLDS = 100
"""Times round the world that a polygon is followed to either side."""


def parts(geometries: Geometries) -> Geometries:
    """Return the polygons that geometries consist of, without lines and points left by a cut."""
    import shapely

    found = shapely.get_parts(shapely.get_parts(geometries))
    kept: Geometries = found[(shapely.get_type_id(found) == shapely.GeometryType.POLYGON) & ~shapely.is_empty(found)]
    return kept


def valid(polygons: Geometries) -> Geometries:
    """Return polygons, those that touch or cross themselves as valid ones of several parts."""
    import shapely

    wrong = ~shapely.is_valid(polygons)
    if wrong.any():
        polygons = polygons.copy()
        polygons[wrong] = shapely.make_valid(polygons[wrong])
    return polygons


def joined(geometries: Geometries, grid: float | None = None) -> shapely.MultiPolygon:
    """Return all polygons as one, united when they overlap, or when there is a grid to close their cuts on."""
    import shapely

    found = parts(valid(geometries))
    whole = shapely.MultiPolygon(list(found))
    if grid is None and whole.is_valid:
        return whole
    return shapely.MultiPolygon(list(parts(np.array([shapely.union_all(found, grid_size=grid)]))))


def copies(
    polygons: Geometries, owners: NDArray[np.int64], box: Box, turn: float
) -> tuple[Geometries, NDArray[np.int64]]:
    """Return what a box shows of polygons and of their copies round the world, and whose each piece is."""
    import shapely

    xmin, _, xmax, _ = shapely.bounds(polygons).T
    slack = np.minimum(ROUNDING * turn, (xmax - xmin) / 4)
    first = np.ceil((box.west + slack - xmax) / turn)
    last = np.floor((box.east - slack - xmin) / turn)
    shown: list[Geometries] = [polygons[:0]]
    whose: list[NDArray[np.int64]] = [owners[:0]]
    for world in range(-MOST_WORLDS, MOST_WORLDS + 1):
        here = (first <= world) & (world <= last)
        if here.any():
            shift = np.array([world * turn, 0.0])
            moved = shapely.transform(polygons[here], shift.__add__)
            shown.append(shapely.intersection(moved, shapely.box(*box)))
            whose.append(owners[here])
    return np.concatenate(shown), np.concatenate(whose)


def gathered(pieces: Geometries, owners: NDArray[np.int64]) -> tuple[Geometries, NDArray[np.int64]]:
    """Return one geometry for each owner, in degrees, and the owners in their order."""
    import shapely

    if not len(pieces):
        return pieces, owners
    keys, group = np.unique(owners, return_inverse=True)
    order = np.argsort(group, kind="stable")
    collections = shapely.geometrycollections(pieces[order], indices=group[order])
    united: Geometries = shapely.union_all(collections[:, None], axis=1)
    several = np.bincount(group) > 1
    united[several] = shapely.union_all(collections[several][:, None], axis=1, grid_size=SNAP)
    return united, keys
