"""The `levels` parameter: lists and ranges of level IDs, resolutions or scales."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

from gptool.errors import ParameterError
from gptool.model import Lod, Message, TilingScheme
from gptool.request.values import format_value, read_number
from gptool.text import format_count, format_levels

ExportBy = Literal["LevelID", "Resolution", "Scale"]

NUMBER = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
"""A number whose exponent, if any, belongs to it: the dash in 1e-05 does not make a range. It is unambiguous, so that
matching takes linear time."""

TOKEN = re.compile(rf"({NUMBER})(?:\s*-\s*({NUMBER}))?")

MAX_TEXT_LENGTH = 10_000
MAX_TOKEN_LENGTH = 140

TOLERANCE = 1e-4
"""Relative tolerance of scales and resolutions: clients send 6 decimals, people type 5 significant digits."""

SUGGESTED_LEVELS = 3
"""Number of levels that an error message suggests."""

SMALLEST = 1e-200
"""Least scale or resolution that is compared by ratios, in place of 0."""

HINT = "; with nearestLevel the nearest one is used"
"""The end of error messages about resolutions and scales."""

MAX_LISTED_NOTICES = 10
"""Values and ranges that messages tell of one by one."""


class LevelRange(NamedTuple):
    """A range of levels as requested, or a single value.

    Attributes
    ----------
    first, last : float
        Level IDs, resolutions or scales, in either order; equal for a single value.
    text : str
        The range as requested, for messages.
    """

    first: float
    last: float
    text: str


def read_levels(value: Any) -> tuple[LevelRange, ...]:
    """Return the requested values and ranges.

    Parameters
    ----------
    value : str, number or iterable of numbers
        `0-6`, `1,2,3`, `1-4, 7-9`, `18489297.737236-9244648.868618`, `1e-05`.

    Raises
    ------
    ParameterError
        If the value is not a list of values and ranges.
    """
    text = value if isinstance(value, str) else _join_numbers(value)
    if len(text) > MAX_TEXT_LENGTH:
        raise _invalid_levels_error(value)
    ranges = []
    for token in map(str.strip, text.strip().removesuffix(",").split(",")):
        match = TOKEN.fullmatch(token) if len(token) <= MAX_TOKEN_LENGTH else None
        first, last = (float(match[1]), float(match[2] or match[1])) if match else (math.inf, math.inf)
        if not math.isfinite(first + last):
            raise _invalid_levels_error(value)
        ranges.append(LevelRange(first, last, token))
    return tuple(ranges)


def _join_numbers(value: Any) -> str:
    try:
        numbers = list(value) if isinstance(value, Iterable) and not isinstance(value, bytes) else [value]
        # Converted to float since the repr of NumPy scalars, for one, is not a number.
        return ",".join(repr(read_number(number)).removesuffix(".0") for number in numbers)
    except (TypeError, ValueError, OverflowError):
        raise _invalid_levels_error(value) from None


def _invalid_levels_error(value: Any) -> ParameterError:
    return ParameterError(
        "value is not a list of levels",
        where="levels",
        found=format_value(value),
        expected="values and ranges such as 0-6 or 1-4,7-9",
    )


def select_levels(
    ranges: tuple[LevelRange, ...] | None, export_by: ExportBy, scheme: TilingScheme, *, nearest: bool = False
) -> tuple[Lod, ...]:
    """Return the requested levels of detail, coarsest first; by default, all of the tiling scheme.

    A value selects the level that has it, a range all levels between its first and its last value. The ends of a range
    need not be levels: requests name ranges that are longer than tiling schemes, see `level_notices`.

    Parameters
    ----------
    ranges : tuple of LevelRange or None
    export_by : {"LevelID", "Resolution", "Scale"}
    scheme : TilingScheme
    nearest : bool
        True: a resolution or scale, or a range of them, that selects no level stands for the nearest one.

    Raises
    ------
    ParameterError
        If a value or range selects no level of the tiling scheme.
    """
    if ranges is None:
        return scheme.lods
    selected: set[int] = set()
    for requested in ranges:
        by_id = export_by == "LevelID"
        lods = _levels_by_id(requested, scheme) if by_id else _levels_by_value(requested, export_by, scheme)
        if not lods and not nearest:
            suggested = _by_distance(requested, export_by, scheme)[:SUGGESTED_LEVELS]
            raise _unknown_level_error(requested.text, suggested, f"a {export_by.lower()}", HINT)
        selected.update(lod.level for lod in lods or _by_distance(requested, export_by, scheme)[:1])
    return tuple(lod for lod in scheme.lods if lod.level in selected)


def level_notices(
    ranges: tuple[LevelRange, ...] | None, export_by: ExportBy, scheme: TilingScheme, *, nearest: bool = False
) -> list[Message]:
    """Return messages about values and ranges that are not read literally. Parameters as for `select_levels`.

    They name the levels that are used for a range of level IDs whose ends are not both levels of the tiling scheme, and
    the nearest level if that is used.
    """
    notices = []
    if ranges is None and (nearest or export_by != "LevelID"):
        name = "nearestLevel" if nearest else "exportBy"
        return [Message("Warning", f"{name} has no effect without levels: all levels with tiles are exported")]
    if nearest and export_by == "LevelID":
        notices.append(Message("Warning", "nearestLevel has no effect on level IDs, only on resolutions and scales"))
    for requested in ranges or ():
        if export_by == "LevelID":
            lods = _levels_by_id(requested, scheme)
            if {lods[0].level, lods[-1].level} != {requested.first, requested.last}:
                used = f"{format_levels(scheme.level_ranges(lods))} {'are' if len(lods) > 1 else 'is'} used"
                text = f"levels: the tiling scheme has no level at an end of {requested.text}: {used}"
                notices.append(Message("Warning", text))
        elif not _levels_by_value(requested, export_by, scheme):
            lod = _by_distance(requested, export_by, scheme)[0]
            text = f"levels: no level has the {export_by.lower()} {requested.text}: the nearest level is used, "
            notices.append(Message("Informative", text + _lod_text(lod)))
    more = len(notices) - MAX_LISTED_NOTICES
    if more > 0:
        text = f"levels: {format_count(more, 'more value')} or ranges not read literally"
        notices[MAX_LISTED_NOTICES:] = [Message("Warning", text)]
    return notices


def _levels_by_id(requested: LevelRange, scheme: TilingScheme) -> list[Lod]:
    low, high = sorted((requested.first, requested.last))
    lods = [lod for lod in scheme.lods if low <= lod.level <= high]
    broken = next((level for level in (requested.first, requested.last) if not level.is_integer()), None)
    if broken is not None or not lods:
        is_single = broken is None or low == high
        found = requested.text if is_single else f"{broken:g} in {requested.text}"
        low, high = (low, high) if broken is None else (broken, broken)
        suggested = sorted(scheme.lods, key=lambda lod: max(low - lod.level, lod.level - high))[:SUGGESTED_LEVELS]
        raise _unknown_level_error(found, suggested, "a level ID")
    return lods


def _value_of(lod: Lod, export_by: ExportBy) -> float:
    return lod.scale.value if export_by == "Scale" else lod.resolution.value


def _levels_by_value(requested: LevelRange, export_by: ExportBy, scheme: TilingScheme) -> list[Lod]:
    """Return the levels whose scale or resolution is the requested value or within the range; none if there is none."""

    def snap(value: float) -> float:
        """Return the value of the nearest level if it is within the tolerance, else the value itself."""
        candidates = (_value_of(lod, export_by) for lod in scheme.lods)
        nearest = min(candidates, key=lambda candidate: abs(candidate - value))
        return nearest if abs(nearest - value) <= TOLERANCE * nearest else value

    low, high = sorted((snap(requested.first), snap(requested.last)))
    return [lod for lod in scheme.lods if low <= _value_of(lod, export_by) <= high]


def _by_distance(requested: LevelRange, export_by: ExportBy, scheme: TilingScheme) -> list[Lod]:
    """Return the levels, sorted by the ratio between their scale or resolution and the nearer end of the range."""
    low, high = sorted((requested.first, requested.last))

    def ratio(lod: Lod) -> float:
        value = _value_of(lod, export_by)
        return max(low / value, value / max(high, SMALLEST))

    return sorted(scheme.lods, key=ratio)


def _unknown_level_error(found: str, suggested: list[Lod], kind: str, hint: str = "") -> ParameterError:
    return ParameterError(
        "level is not in the tiling scheme",
        where="levels",
        found=found,
        expected=f"{kind} of the tiling scheme; the nearest levels are {', '.join(map(_lod_text, suggested))}{hint}",
    )


def _lod_text(lod: Lod) -> str:
    return f"{lod.level} (resolution {lod.resolution}, scale {lod.scale})"
