"""The `levels` parameter: lists and ranges of level IDs, resolutions or scales."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple

from gptool.errors import ParameterError
from gptool.model import Lod, TilingScheme
from gptool.request.values import read_number, shown

ExportBy = Literal["LevelID", "Resolution", "Scale"]

NUMBER = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
"""With an exponent if it has one: the dash in 1e-05 makes no range. There is one way only to match a text."""

TOKEN = re.compile(rf"({NUMBER})(?:\s*-\s*({NUMBER}))?")

MOST_TEXT, LONGEST_TOKEN = 10_000, 140
TOLERANCE = 1e-4
"""Relative difference by which a scale or resolution may miss a level's: clients print 6 decimals, people 5 digits."""

NEAREST = 3
"""Levels that an error offers."""


class Span(NamedTuple):
    """Values from the first to the last, in either order; a single value is both."""

    first: float
    last: float
    text: str


def read_levels(sent: Any) -> tuple[Span, ...]:
    """Return the values and ranges that were sent.

    Parameters
    ----------
    sent : str, number or iterable of numbers
        `0-6`, `1,2,3`, `1-4, 7-9`, `18489297.737236-9244648.868618`, `1e-05`.

    Raises
    ------
    ParameterError
        When it can't be understood.
    """
    text = sent if isinstance(sent, str) else _as_text(sent)
    if len(text) > MOST_TEXT:
        raise _unreadable(sent)
    spans = []
    for token in map(str.strip, text.split(",")):
        match = TOKEN.fullmatch(token) if len(token) <= LONGEST_TOKEN else None
        first, last = (float(match[1]), float(match[2] or match[1])) if match else (math.inf, math.inf)
        if not math.isfinite(first + last):
            raise _unreadable(sent)
        spans.append(Span(first, last, token))
    return tuple(spans)


def _as_text(sent: Any) -> str:
    try:
        numbers = list(sent) if isinstance(sent, Iterable) and not isinstance(sent, bytes) else [sent]
        # As floats: NumPy's numbers, among others, write themselves in ways of their own.
        return ",".join(repr(read_number(number)).removesuffix(".0") for number in numbers)
    except (TypeError, ValueError, OverflowError):
        raise _unreadable(sent) from None


def _unreadable(sent: Any) -> ParameterError:
    return ParameterError(
        "not a list of levels", where="levels", found=shown(sent), expected="values and ranges such as 0-6 or 1-4,7-9"
    )


def choose_levels(spans: tuple[Span, ...] | None, export_by: ExportBy, scheme: TilingScheme) -> tuple[Lod, ...]:
    """Return the levels of detail that are meant, coarsest first; all when there are no spans.

    A value means the level that has it, a range all levels from its first to its last value. Level IDs at the ends of
    a range must exist; resolutions and scales may lie between those of levels.

    Raises
    ------
    ParameterError
        When the scheme has no such level.
    """
    if spans is None:
        return scheme.lods
    wanted: set[int] = set()
    for span in spans:
        found = _levels_by_id(span, scheme) if export_by == "LevelID" else _levels_by_value(span, export_by, scheme)
        wanted.update(lod.level for lod in found)
    return tuple(lod for lod in scheme.lods if lod.level in wanted)


def _levels_by_id(span: Span, scheme: TilingScheme) -> list[Lod]:
    for value in (span.first, span.last):
        if not value.is_integer() or scheme.lod(int(value)) is None:
            raise _no_such_level(span, value, lambda lod: float(lod.level), scheme, "a level ID")
    low, high = sorted((span.first, span.last))
    return [lod for lod in scheme.lods if low <= lod.level <= high]


def _levels_by_value(span: Span, export_by: ExportBy, scheme: TilingScheme) -> list[Lod]:
    def value_of(lod: Lod) -> float:
        return lod.scale.value if export_by == "Scale" else lod.resolution.value

    def exact(value: float) -> float:
        """Return the value of the level that is meant, else the value itself."""
        nearest = min(map(value_of, scheme.lods), key=lambda known: abs(known - value))
        return nearest if abs(nearest - value) <= TOLERANCE * nearest else value

    low, high = sorted((exact(span.first), exact(span.last)))
    meant = [lod for lod in scheme.lods if low <= value_of(lod) <= high]
    if not meant:
        raise _no_such_level(span, span.first, value_of, scheme, f"a {export_by.lower()}")
    return meant


def _no_such_level(
    span: Span, value: float, value_of: Callable[[Lod], float], scheme: TilingScheme, what: str
) -> ParameterError:
    nearest = sorted(scheme.lods, key=lambda lod: abs(value_of(lod) - value))[:NEAREST]
    offered = ", ".join(
        f"{lod.level} (resolution {lod.resolution}, scale {lod.scale})" for lod in sorted(nearest, key=value_of)
    )
    return ParameterError(
        "no such level in the tiling scheme",
        where="levels",
        found=span.text if span.first == span.last else f"{value:g} in {span.text}",
        expected=f"{what} of the scheme's, nearest are levels {offered}",
    )
