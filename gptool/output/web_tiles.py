"""What formats of web maps hold: square PNG and JPEG tiles of web Mercator's standard scheme, by zoom, column and row.

At zoom z, 2^z x 2^z tiles cover the world. Level IDs of a cache are not zooms: a zoom follows from the size of a tile.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gptool.crs.reference import describe_reference, wgs84_extent
from gptool.crs.web_mercator import HALF_WORLD, is_web_mercator
from gptool.errors import ParameterError
from gptool.model import Extent, Lod, TilingScheme
from gptool.plan import Plan
from gptool.text import format_count, format_levels

TILE_SIDES = 256, 512
"""Widths of tiles that clients of these formats know, pixels; 256 is what all assume by default."""

MAX_LATITUDE = 85.05112878
"""The latitude of the edges of the square world, degrees."""

DEGREE_DIGITS = 7
"""Decimals of degrees: about a centimetre."""

FIRST_BYTES = {0xFF: "JPEG", 0x89: "PNG"}
"""The formats that these kinds of results hold, by the first byte of a tile."""


class TileFormats:
    """Counts the formats of tiles."""

    def __init__(self) -> None:
        self._counts = Counter[int]()

    def add(self, first_bytes: NDArray[np.uint8]) -> None:
        """Count tiles by their first bytes."""
        values, counts = np.unique(first_bytes, return_counts=True)
        self._counts.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))

    def majority(self) -> str:
        """Return the format of most tiles, "JPEG" or "PNG"."""
        return max(FIRST_BYTES.items(), key=lambda item: self._counts[item[0]])[1]

    @property
    def unknown(self) -> int:
        """The number of tiles in another format."""
        return self._counts.total() - sum(self._counts[first] for first in FIRST_BYTES)

    def note(self) -> str | None:
        """Return a clause about tiles in several formats; None if all are in one that is known."""
        counts = {name: self._counts[first] for first, name in FIRST_BYTES.items()}
        counts["another format"] = self.unknown
        used = [f"{format_count(count, 'tile')} in {name}" for name, count in counts.items() if count]
        return " and ".join(used) if len(used) > 1 or counts["another format"] else None


class Zooms(NamedTuple):
    """The levels of a plan as zooms, and its extent in degrees.

    Attributes
    ----------
    by_level : dict of int to int
        The zoom of each level ID that has tiles.
    bounds : Extent
        Longitudes and latitudes, rounded.
    """

    by_level: dict[int, int]
    bounds: Extent

    @classmethod
    def of_plan(cls, plan: Plan) -> Zooms:
        """Return the zooms of a plan that `check_web_tiles` accepts."""
        scheme = plan.cache.scheme
        world = Extent(-180.0, -MAX_LATITUDE, 180.0, MAX_LATITUDE)
        extent = wgs84_extent(scheme.reference, plan.extent()).intersection(world) or world
        bounds = Extent(*(round(side, DEGREE_DIGITS) for side in extent))
        return cls({level.lod.level: zoom(scheme, level.lod) for level in plan.filled_levels}, bounds)

    @property
    def first(self) -> int:
        """The coarsest zoom."""
        return min(self.by_level.values())

    @property
    def last(self) -> int:
        """The deepest zoom."""
        return max(self.by_level.values())

    @property
    def centre(self) -> tuple[float, float]:
        """Longitude and latitude of the middle."""
        xmin, ymin, xmax, ymax = self.bounds
        return round((xmin + xmax) / 2, DEGREE_DIGITS), round((ymin + ymax) / 2, DEGREE_DIGITS)


def zoom(scheme: TilingScheme, lod: Lod) -> int:
    """Return the zoom of a level of web Mercator's standard scheme; negative if its tiles exceed the world."""
    return round(math.log2(2 * HALF_WORLD / scheme.tile_size(lod)[0]))


def check_tile_format(plan: Plan, suffix: str) -> None:
    """Check that the tiles of a cache are PNG or JPEG.

    Raises
    ------
    ParameterError
        If it declares another format.
    """
    image = plan.cache.image
    if not (image.may_be_jpeg or image.may_be_png):
        raise _error(plan, f"a {suffix} holds PNG and JPEG tiles only", f"{image.format} tiles", "a cache of these")


def check_web_tiles(plan: Plan, suffix: str, max_zoom: int) -> None:
    """Check that a format of web maps holds the tiles of a plan.

    Raises
    ------
    ParameterError
        If it does not.
    """
    check_tile_format(plan, suffix)
    scheme, levels = plan.cache.scheme, plan.filled_levels
    standard = "web Mercator's standard scheme"
    if not is_web_mercator(replace(scheme, lods=tuple(level.lod for level in levels))):
        found = f"{describe_reference(scheme.reference)} with its own origin or resolutions"
        raise _error(plan, f"a {suffix} holds tiles of {standard} only", found, standard)
    width, height = scheme.tile_columns, scheme.tile_rows
    if width != height or width not in TILE_SIDES:
        sides = " or ".join(f"{side} x {side}" for side in TILE_SIDES)
        raise _error(plan, f"clients of a {suffix} do not read tiles of this size", f"{width} x {height} pixels", sides)
    for level in levels:
        number, window = zoom(scheme, level.lod), level.window
        if not 0 <= number <= max_zoom:
            what = f"level {level.lod.level} has no zoom that a {suffix} can state"
            raise _error(plan, what, f"zoom {number}", f"0 to {max_zoom}")
        last = 2**number - 1
        if window is not None and max(window.row_max, window.column_max) > last:
            found = f"row {window.row_max} and column {window.column_max}"
            raise _error(plan, f"level {level.lod.level} has tiles outside the square world", found, f"at most {last}")


def web_tile_warnings(plan: Plan, suffix: str) -> list[str]:
    """Return warnings about what clients of a format of web maps may show otherwise than expected."""
    warnings, scheme = [], plan.cache.scheme
    if scheme.tile_columns != TILE_SIDES[0]:
        side = scheme.tile_columns
        warnings.append(
            f"the tiles have {side} x {side} pixels: clients of a {suffix} that assume {TILE_SIDES[0]} must be told"
        )
    zooms = {zoom(scheme, level.lod) for level in plan.filled_levels}
    missing = sorted(set(range(min(zooms), max(zooms))) - zooms)
    if missing:
        warnings.append(
            f"{format_levels(_ranges(missing)).replace('level', 'zoom')} between the others have no tiles: clients of "
            f"a {suffix} may show nothing there"
        )
    return warnings


def attribution(plan: Plan) -> str:
    """Return the copyright text of a tile package's root.json, empty if it states none."""
    data = plan.cache.root_json
    text = json.loads(data).get("copyrightText") if data else None
    return text if isinstance(text, str) else ""


def _ranges(numbers: Iterable[int]) -> list[str]:
    """Return ascending numbers as ranges, as in `3` and `5-7`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return [str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]


def _error(plan: Plan, what: str, found: str, expected: str) -> ParameterError:
    return ParameterError(
        what, where=plan.cache.location, found=found, expected=f"{expected}, or another kind of output"
    )
