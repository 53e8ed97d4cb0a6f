"""Polygons on other maps, compared with what PROJ says of single places."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from gptool.crs.reference import to_crs
from gptool.crs.reprojection import period, reproject
from gptool.model import SpatialReference

Polygonal = shapely.Polygon | shapely.MultiPolygon

WORLD = shapely.box(-180, -90, 180, 90)

EDGE = 20037508.342789244
"""Half the way round the world on web Mercator."""

SHOWN = 4.4e7
"""Northings of web Mercator that are followed."""

GAUSS_KRUEGER = (
    'PROJCS["DHDN zone 3",GEOGCS["DHDN",DATUM["DHDN",SPHEROID["Bessel 1841",6377397.155,299.1528128]{shift}],'
    'PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],'
    'PARAMETER["latitude_of_origin",0],PARAMETER["central_meridian",9],PARAMETER["scale_factor",1],'
    'PARAMETER["false_easting",3500000],PARAMETER["false_northing",0],UNIT["metre",1]]'
)


def reference(name: int | str) -> SpatialReference:
    return SpatialReference(name, name, None) if isinstance(name, int) else SpatialReference(None, None, name)


def crs_of(name: int | str) -> CRS:
    crs = to_crs(reference(name))
    assert crs is not None
    return crs


def show(polygon: Polygonal, source: int | str, target: int | str, tolerance: float = 1.0) -> shapely.MultiPolygon:
    result = reproject(polygon, reference(source), reference(target), tolerance, "area of interest")
    assert isinstance(result, shapely.MultiPolygon)
    assert result.is_valid
    assert not result.is_empty
    return result


def contains(polygon: Polygonal, x: NDArray[np.float64], y: NDArray[np.float64], turn: float | None) -> object:
    """Tell which places lie in a polygon, or in its copies round the world."""
    shifts = [turn * world for world in (-2, -1, 0, 1, 2)] if turn else [0.0]
    return np.any([shapely.contains_xy(polygon, x + shift, y) for shift in shifts], axis=0)


def assert_same_places(
    result: shapely.MultiPolygon, polygon: Polygonal, source: int | str, target: int | str, tolerance: float
) -> None:
    """Bring places of the target back to the source: near the result's edges and all over its surroundings."""
    shapely.prepare([polygon, result])
    rng = np.random.default_rng(1)
    xmin, ymin, xmax, ymax = result.bounds
    wide, high = (xmax - xmin) / 20, (ymax - ymin) / 20
    everywhere = rng.uniform([xmin - wide, ymin - high], [xmax + wide, ymax + high], (4000, 2))
    along = shapely.line_interpolate_point(result.boundary, rng.random(4000), normalized=True)
    near = shapely.get_coordinates(along) + rng.uniform(-4, 4, (4000, 2)) * tolerance
    x, y = np.concatenate([everywhere, near]).T
    turn = period(reference(target))
    if turn:
        kept = (np.abs(x) <= turn / 2) & (np.abs(y) < (SHOWN if turn > 400 else turn / 4))
        x, y = x[kept], y[kept]
    back = Transformer.from_crs(crs_of(target), crs_of(source), always_xy=True).transform(x, y)
    meant = contains(polygon, *back, period(reference(source)))
    wrong = meant != shapely.contains_xy(result, x, y)
    off = shapely.distance(result.boundary, shapely.points(x[wrong], y[wrong]))
    assert (off <= tolerance).all(), (off.max(), int((off > tolerance).sum()))


def assert_edges_follow(
    result: shapely.MultiPolygon, polygon: Polygonal, source: int | str, target: int | str, tolerance: float
) -> None:
    """Project a thousand places of each of the polygon's edges: the result's edge runs there."""
    share = np.linspace(0, 1, 1000)[:, None]
    edge = result.boundary
    shapely.prepare(edge)
    transformer = Transformer.from_crs(crs_of(source), crs_of(target), always_xy=True)
    for ring in shapely.get_rings(shapely.get_parts(polygon)):
        corners = shapely.get_coordinates(ring)
        places = np.concatenate([a * (1 - share) + b * share for a, b in pairwise(corners)])
        x, y = transformer.transform(*places.T)
        assert shapely.distance(edge, shapely.points(x, y)).max() <= tolerance
