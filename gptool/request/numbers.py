"""Whole numbers among the parameters."""

from __future__ import annotations

from operator import index
from typing import SupportsIndex

from gptool.errors import ParameterError


def whole_number(value: SupportsIndex, parameter: str, low: int, high: int | None = None) -> int:
    """Return a parameter's value, of any type that stands for a whole number.

    Raises
    ------
    ParameterError
        When it is no whole number, or below `low` or above `high`.
    """
    try:
        number = index(value)
    except TypeError:
        number = low - 1
    if number < low or (high is not None and number > high):
        limits = f"{low} to {high}" if high is not None else f"of {low} or more"
        raise ParameterError("out of range", where=parameter, found=repr(value), expected=f"a whole number {limits}")
    return number
