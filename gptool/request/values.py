"""Parsing of single values: text as clients send it, or the equivalent Python objects."""

from __future__ import annotations

import json
import re
import reprlib
from collections.abc import Mapping
from operator import index
from typing import Any, TypeVar

from gptool.errors import MAX_FOUND, ParameterError
from gptool.model import NumberText
from gptool.text import format_choices

T = TypeVar("T")

INTEGER = re.compile(r"([+-]?[0-9]{1,15})(?:\.0{0,15})?")

MAX_JSON_LENGTH = 64 * 1024 * 1024
"""Maximum length of a JSON text in characters: far above that of any area drawn by people."""


def format_value(value: Any) -> str:
    """Return a short representation of a value for a message: a value may be of any size and depth."""
    if isinstance(value, str | bytes):
        return repr(value[: MAX_FOUND + 1])
    return reprlib.repr(value)


def is_absent(value: Any) -> bool:
    """Return True if a parameter is None or an empty text, both of which clients send for an omitted parameter."""
    return value is None or (isinstance(value, str) and not value.strip())


def is_empty(value: Any) -> bool:
    """Return True if a JSON member is null, an empty object or an empty text, that is, as good as missing."""
    return value is None or value in ({}, "")


def read_boolean(value: Any, parameter: str) -> bool:
    """Return a boolean, also from the texts `true` and `false` in any letter case, and from 1 and 0.

    Raises
    ------
    ParameterError
        If the value is neither.
    """
    if isinstance(value, bool):
        return value
    if value in (0, 1, "0", "1"):
        return value in (1, "1")
    return read_choice(value, parameter, {"true": True, "false": False})


def read_choice(value: Any, parameter: str, choices: Mapping[str, T], expected: str | None = None) -> T:
    """Return the value that a keyword, in any letter case, stands for; messages list the choices, or are told them.

    Raises
    ------
    ParameterError
        If the keyword is not one of the choices.
    """
    keyword = value.strip().lower() if isinstance(value, str) else None
    for choice, choice_value in choices.items():
        if choice.lower() == keyword:
            return choice_value
    expected = expected or format_choices(choices)
    raise ParameterError("invalid choice", where=parameter, found=format_value(value), expected=expected)


def read_integer(value: Any, parameter: str, low: int, high: int | None = None) -> int:
    """Return an integer, also from its text (`50`, `50.0`) or a float without a fraction.

    Raises
    ------
    ParameterError
        If the value is not an integer, less than `low`, or greater than `high`.
    """
    digits = INTEGER.fullmatch(value.strip()) if isinstance(value, str) else None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return check_integer(int(digits[1]) if digits else value, parameter, low, high)


def check_integer(value: Any, parameter: str, low: int, high: int | None = None) -> int:
    """Return an integer of any type with `__index__`, except bool.

    Raises
    ------
    ParameterError
        If the value is not an integer, less than `low`, or greater than `high`.
    """
    expected = f"an integer from {low} to {high}" if high is not None else f"an integer of {low} or more"
    try:
        number = None if isinstance(value, bool) else index(value)
    except TypeError:
        number = None
    if number is None:
        raise ParameterError("value is not an integer", where=parameter, found=format_value(value), expected=expected)
    if number < low or (high is not None and number > high):
        raise ParameterError("value is out of range", where=parameter, found=format_value(value), expected=expected)
    return number


def read_number(value: Any) -> float:
    """Return a number, also from its text; it may be infinite or NaN unless it is a text.

    Raises
    ------
    TypeError, ValueError, OverflowError
        If the value is not a number.
    """
    if isinstance(value, bool | bytes):
        raise TypeError("not a number")
    return NumberText(value.strip()).value if isinstance(value, str) else float(value)


def read_json(value: Any, parameter: str, expected: str) -> dict[str, Any]:
    """Return a JSON object, from its text or as a mapping.

    Parameters
    ----------
    value : str or mapping
    parameter : str
        The name of the parameter, for messages.
    expected : str
        A description of a valid value, for messages.

    Raises
    ------
    ParameterError
        If the value is not a JSON object, longer than `MAX_JSON_LENGTH`, or nested too deeply.
    """
    if isinstance(value, Mapping):
        return dict(value)
    what, parsed = "value is not a JSON object", value
    if isinstance(value, str):
        if len(value) > MAX_JSON_LENGTH:
            raise ParameterError(
                "JSON is too long",
                where=parameter,
                found=f"{len(value)} characters",
                expected=f"at most {MAX_JSON_LENGTH}",
            )
        try:
            parsed = json.loads(value)
        except RecursionError:
            what = "JSON is nested too deeply"
        except ValueError as error:
            what = f"value is not valid JSON ({error})"
    if not isinstance(parsed, dict):
        raise ParameterError(what, where=parameter, found=format_value(value), expected=expected)
    return parsed
