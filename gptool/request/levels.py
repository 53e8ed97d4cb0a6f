"""The `levels` parameter: lists and ranges of level IDs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from operator import index
from typing import SupportsIndex

from gptool.errors import ParameterError
from gptool.model import Lod, TilingScheme

TOKEN = re.compile(r"([0-9]{1,9})(?:\s*-\s*([0-9]{1,9}))?")


def parse_levels(levels: str | SupportsIndex | Iterable[SupportsIndex] | None, scheme: TilingScheme) -> tuple[Lod, ...]:
    """Return the levels of detail that are meant, coarsest first.

    Parameters
    ----------
    levels : str, int, iterable of int or None
        Level IDs: `0-6`, `1,2,3`, `1-4, 7-9`; a range in either order picks the scheme's levels from one to the other.
        None, or a blank text, means all.

    Raises
    ------
    ParameterError
        When the text can't be understood, or names a level that the scheme does not have.
    """
    if levels is None or (isinstance(levels, str) and not levels.strip()):
        return scheme.lods
    text = levels if isinstance(levels, str) else _as_text(levels)
    wanted: set[int] = set()
    for token in text.split(","):
        match = TOKEN.fullmatch(token.strip())
        if match is None:
            raise _unreadable(text)
        first = _existing(int(match[1]), scheme)
        last = _existing(int(match[2]), scheme) if match[2] else first
        low, high = sorted((first, last))
        wanted.update(lod.level for lod in scheme.lods if low <= lod.level <= high)
    return tuple(lod for lod in scheme.lods if lod.level in wanted)


def _as_text(levels: SupportsIndex | Iterable[SupportsIndex]) -> str:
    try:
        numbers = levels if isinstance(levels, Iterable) else [levels]
        return ",".join(str(index(level)) for level in numbers)
    except TypeError:
        raise _unreadable(levels) from None


def _unreadable(levels: object) -> ParameterError:
    return ParameterError(
        "not a list of level IDs", where="levels", found=repr(levels), expected="one such as 0-6 or 1-4,7-9"
    )


def _existing(level: int, scheme: TilingScheme) -> int:
    if scheme.lod(level) is None:
        known = ", ".join(str(lod.level) for lod in scheme.lods)
        raise ParameterError(
            "no such level in the tiling scheme", where="levels", found=level, expected=f"levels of {known}"
        )
    return level
