"""Checks of reprojected polygons against PROJ's transformation of single points."""

from __future__ import annotations

from itertools import pairwise
from typing import TypeAlias

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from gptool.crs.reference import to_crs
from gptool.crs.reprojection import reproject, world_width
from gptool.model import SpatialReference

Polygonal: TypeAlias = "shapely.Polygon | shapely.MultiPolygon"

WORLD = shapely.box(-180, -90, 180, 90)

EDGE = 20037508.342789244
"""Half the width of the world in web Mercator."""

MAX_NORTHING = 4.4e7
"""Northing of web Mercator up to which results are checked."""

GAUSS_KRUEGER = (
    'PROJCS["DHDN zone 3",GEOGCS["DHDN",DATUM["DHDN",SPHEROID["Bessel 1841",6377397.155,299.1528128]{shift}],'
    'PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],'
    'PARAMETER["latitude_of_origin",0],PARAMETER["central_meridian",9],PARAMETER["scale_factor",1],'
    'PARAMETER["false_easting",3500000],PARAMETER["false_northing",0],UNIT["metre",1]]'
)


def reference(name: int | str) -> SpatialReference:
    """Return the spatial reference of a WKID or well-known text."""
    return SpatialReference(name, name, None) if isinstance(name, int) else SpatialReference(None, None, name)


def crs_of(name: int | str) -> CRS:
    """Return the PROJ CRS of a WKID or well-known text."""
    crs = to_crs(reference(name))
    assert crs is not None
    return crs


def reprojected(
    polygon: Polygonal, source: int | str, target: int | str, tolerance: float = 1.0
) -> shapely.MultiPolygon:
    """Return the reprojected polygon, checked to be valid and not empty."""
    result = reproject(polygon, reference(source), reference(target), tolerance, "area of interest")
    assert isinstance(result, shapely.MultiPolygon)
    assert result.is_valid
    assert not result.is_empty
    return result


def contains(polygon: Polygonal, x: NDArray[np.float64], y: NDArray[np.float64], width: float | None) -> object:
    """Return which points lie in a polygon or its world copies, whose distance is `width`."""
    shifts = [width * world for world in (-2, -1, 0, 1, 2)] if width else [0.0]
    return np.any([shapely.contains_xy(polygon, x + shift, y) for shift in shifts], axis=0)


def assert_same_points(
    result: shapely.MultiPolygon, polygon: Polygonal, source: int | str, target: int | str, tolerance: float
) -> None:
    """Check points near the result's edges and all around it: those inside, transformed back, lie in the polygon."""
    shapely.prepare([polygon, result])
    rng = np.random.default_rng(1)
    xmin, ymin, xmax, ymax = result.bounds
    margin_x, margin_y = (xmax - xmin) / 20, (ymax - ymin) / 20
    everywhere = rng.uniform([xmin - margin_x, ymin - margin_y], [xmax + margin_x, ymax + margin_y], (4000, 2))
    on_edges = shapely.line_interpolate_point(result.boundary, rng.random(4000), normalized=True)
    near = shapely.get_coordinates(on_edges) + rng.uniform(-4, 4, (4000, 2)) * tolerance
    x, y = np.concatenate([everywhere, near]).T
    width = world_width(reference(target))
    if width:
        in_world = (np.abs(x) <= width / 2) & (np.abs(y) < (MAX_NORTHING if width > 400 else width / 4))
        x, y = x[in_world], y[in_world]
    back = Transformer.from_crs(crs_of(target), crs_of(source), always_xy=True).transform(x, y)
    expected = contains(polygon, *back, world_width(reference(source)))
    wrong = expected != shapely.contains_xy(result, x, y)
    distances = shapely.distance(result.boundary, shapely.points(x[wrong], y[wrong]))
    assert (distances <= tolerance).all(), (distances.max(), int((distances > tolerance).sum()))


def assert_edges_follow(
    result: shapely.MultiPolygon, polygon: Polygonal, source: int | str, target: int | str, tolerance: float
) -> None:
    """Check that a thousand points of each edge of the polygon are projected to an edge of the result."""
    position = np.linspace(0, 1, 1000)[:, None]
    boundary = result.boundary
    shapely.prepare(boundary)
    transformer = Transformer.from_crs(crs_of(source), crs_of(target), always_xy=True)
    for ring in shapely.get_rings(shapely.get_parts(polygon)):
        corners = shapely.get_coordinates(ring)
        points = np.concatenate([a * (1 - position) + b * position for a, b in pairwise(corners)])
        x, y = transformer.transform(*points.T)
        assert shapely.distance(boundary, shapely.points(x, y)).max() <= tolerance
