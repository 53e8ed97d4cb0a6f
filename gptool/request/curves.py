"""Curved segments of rings: circular arcs, elliptic arcs and Bézier curves, as functions of a parameter from 0 to 1.

The source of the forms is "Geometry objects", "Curve objects" in Esri's documentation of its REST API.
"""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
"""[n, 2]: x, y."""

Point = tuple[float, float]

MAX_ARC_STEP = math.pi / 8
"""Radians between the vertices of an arc, at most: a circle that is smaller than a pixel still has an area."""

MIN_BEZIER_PARTS = 8

MAX_SCALE_ERROR = 0.5
"""Relative distance up to which the ends of an arc may lie beside its ellipse; files state them rounded."""


EQUAL_ANGLES = 1e-6
"""Radians between the ends of an arc that are about equal."""


class Curve(Protocol):
    """A curved segment."""

    def at(self, positions: NDArray[np.float64]) -> Points:
        """Return the points at positions from 0, the start, to 1, the end."""

    @property
    def bend(self) -> float:
        """An upper bound of the length of the second derivative: n parts of equal parameters deviate bend / 8n²."""

    @property
    def min_parts(self) -> int:
        """The least number of straight parts, whatever the tolerance."""


class CircularArc(NamedTuple):
    """A circular arc of less than a whole circle.

    Attributes
    ----------
    start, end : (float, float)
    half_angle : float
        Half of the central angle, radians, between -pi and pi: positive if the arc lies to the right of the chord.
    """

    start: Point
    end: Point
    half_angle: float

    def at(self, positions: NDArray[np.float64]) -> Points:
        """Return the points at positions. They are computed along the chord: the centre of a flat arc is far away."""
        half = self.half_angle
        angles = half * (2 * positions - 1)
        chord = np.subtract(self.end, self.start)
        along = (np.sin(angles) / math.sin(half) + 1) / 2
        aside = np.sin((half - angles) / 2) * np.sin((half + angles) / 2) / math.sin(half)
        points: Points = np.add(self.start, np.outer(along, chord) + np.outer(aside, (chord[1], -chord[0])))
        return points

    @property
    def bend(self) -> float:
        """See `Curve`: the radius times the square of the central angle."""
        return abs(math.dist(self.start, self.end) / 2 / math.sin(self.half_angle) * (2 * self.half_angle) ** 2)

    @property
    def min_parts(self) -> int:
        """See `Curve`."""
        return math.ceil(2 * abs(self.half_angle) / MAX_ARC_STEP)


class EllipticArc(NamedTuple):
    """An arc of an ellipse, or a whole one.

    Attributes
    ----------
    centre : (float, float)
    axis : float
        Length of the semi-major axis.
    ratio : float
        Ratio of the minor to the major axis, at most 1.
    rotation : float
        Angle from the x axis to the major axis, radians, counter-clockwise.
    first, sweep : float
        Angle of the start and central angle on the circle that the ellipse is an image of, radians, counter-clockwise.
    scales : (float, float)
        Distance of start and end from the centre, as a part of the distance of the ellipse: 1 unless they are rounded.
    """

    centre: Point
    axis: float
    ratio: float
    rotation: float
    first: float
    sweep: float
    scales: tuple[float, float] = (1.0, 1.0)

    def at(self, positions: NDArray[np.float64]) -> Points:
        """See `Curve`."""
        angles = self.first + self.sweep * positions
        lengths = self.axis * (self.scales[0] + (self.scales[1] - self.scales[0]) * positions)
        x, y = lengths * np.cos(angles), self.ratio * lengths * np.sin(angles)
        cos, sin = math.cos(self.rotation), math.sin(self.rotation)
        points: Points = np.add(self.centre, np.stack([cos * x - sin * y, sin * x + cos * y], axis=1))
        return points

    @property
    def bend(self) -> float:
        """See `Curve`."""
        change = 2 * abs(self.scales[1] - self.scales[0]) * abs(self.sweep)
        return self.axis * (change + max(self.scales) * self.sweep**2)

    @property
    def min_parts(self) -> int:
        """See `Curve`."""
        return math.ceil(abs(self.sweep) / MAX_ARC_STEP)


class BezierCurve(NamedTuple):
    """A cubic Bézier curve.

    Attributes
    ----------
    start, control_1, control_2, end : (float, float)
    """

    start: Point
    control_1: Point
    control_2: Point
    end: Point

    def at(self, positions: NDArray[np.float64]) -> Points:
        """See `Curve`."""
        t = positions[:, None]
        a, b, c, d = map(np.array, self)
        points: Points = (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t**2 * c + t**3 * d
        return points

    @property
    def bend(self) -> float:
        """See `Curve`: the second derivative is linear between the second differences of the points, times 6."""
        return 6 * float(np.hypot(*np.diff(np.array(self), n=2, axis=0).T).max())

    @property
    def min_parts(self) -> int:
        """See `Curve`."""
        return MIN_BEZIER_PARTS


def arc_through(start: Point, interior: Point, end: Point) -> Curve | None:
    """Return the circular arc from start to end through another point; None if it is a straight line.

    If start and end are equal, it is the whole circle whose opposite point the other one is, clockwise.
    """
    if start == end:
        centre = (start[0] + interior[0]) / 2, (start[1] + interior[1]) / 2
        return arc_around(start, end, centre, is_minor=False, is_clockwise=True)
    to_start, to_end = np.subtract(start, interior), np.subtract(end, interior)
    cross = float(to_start[0] * to_end[1] - to_start[1] * to_end[0])
    # The inscribed angle at the other point is pi less half of the central angle.
    half_angle = math.pi - math.atan2(abs(cross), float(to_start @ to_end))
    return CircularArc(start, end, math.copysign(half_angle, -cross)) if cross and half_angle else None


def arc_around(
    start: Point,
    end: Point,
    centre: Point,
    *,
    is_minor: bool,
    is_clockwise: bool,
    rotation: float = 0.0,
    axis: float | None = None,
    ratio: float = 1.0,
) -> Curve | None:
    """Return the arc from start to end around a centre; None if it is a straight line.

    Parameters
    ----------
    is_minor : bool
        If start and end are about equal, False for a whole ellipse and True for almost none of it. Otherwise centre
        and direction determine the arc.
    axis : float or None
        None for the distance of start from the centre.

    Raises
    ------
    ValueError
        If start or end is not about as far from the centre as the ellipse.
    """
    axis = math.dist(start, centre) if axis is None else axis
    if axis * ratio <= 0:
        return None
    angles, scales = zip(*(_on_circle(point, centre, axis, ratio, rotation) for point in (start, end)), strict=True)
    if not all(abs(scale - 1) <= MAX_SCALE_ERROR for scale in scales):
        raise ValueError("the ends are not on the ellipse")
    sweep = (angles[0] - angles[1] if is_clockwise else angles[1] - angles[0]) % (2 * math.pi)
    if not is_minor and sweep < EQUAL_ANGLES:
        sweep += 2 * math.pi
    elif is_minor and sweep > 2 * math.pi - EQUAL_ANGLES:
        sweep -= 2 * math.pi
    sweep = -sweep if is_clockwise else sweep
    return EllipticArc(centre, axis, ratio, rotation, angles[0], sweep, (scales[0], scales[1]))


def _on_circle(point: Point, centre: Point, axis: float, ratio: float, rotation: float) -> tuple[float, float]:
    """Return the angle and the distance from the centre, 1 on the ellipse, on the circle that it is an image of."""
    dx, dy = point[0] - centre[0], point[1] - centre[1]
    cos, sin = math.cos(rotation), math.sin(rotation)
    x, y = (cos * dx + sin * dy) / axis, (cos * dy - sin * dx) / (axis * ratio)
    return math.atan2(y, x), math.hypot(x, y)
