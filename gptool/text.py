"""Text for people: formatted numbers, and names that may have been meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

UNITS = ("B", "kB", "MB", "GB", "TB")


def format_bytes(count: float) -> str:
    """Return a number of bytes in powers of 1000 with two or three significant digits, as in `9.5 MB`."""
    for unit in UNITS:
        if count < 999.5 or unit == UNITS[-1]:
            break
        count /= 1000
    return f"{count:.0f} {unit}" if unit == "B" or count >= 99.95 else f"{count:.1f} {unit}"


def format_count(count: int, noun: str) -> str:
    """Return a number with its noun, as in `1 tile` and `1,024 tiles`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def format_levels(ranges: Iterable[str], separator: str = ", ") -> str:
    """Return ranges of levels with their noun, as in `level 7` and `levels 0-6, 9`."""
    texts = list(ranges)
    is_one = len(texts) == 1 and texts[0].isdecimal()
    return f"level{'s' * (not is_one)} {separator.join(texts)}"


def format_choices(choices: Iterable[str]) -> str:
    """Return choices as in `all, sample or none`."""
    *others, last = choices
    return f"{', '.join(others)} or {last}" if others else last


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that a wrong one resembles most, or None if it resembles none.

    Letter case, underscores and hyphens do not count: `export_by` is near to `exportBy`.
    """
    by_form = {_form(candidate): candidate for candidate in known}
    close = get_close_matches(_form(name), by_form, n=1)
    return by_form[close[0]] if close else None


def _form(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()
