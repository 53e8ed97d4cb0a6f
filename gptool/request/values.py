"""Values as clients send them: text from a form, or what Python has for them."""

from __future__ import annotations

import json
import re
import reprlib
from collections.abc import Mapping
from operator import index
from typing import Any, TypeVar

from gptool.errors import MAX_FOUND, ParameterError
from gptool.model import NumberText

Meaning = TypeVar("Meaning")

WHOLE = re.compile(r"([+-]?[0-9]{1,15})(?:\.0{0,15})?")
MOST_JSON = 64 * 1024 * 1024
"""Characters of JSON that are read: more than the vertices of any area that people draw take."""


def shown(sent: Any) -> str:
    """Return what was sent as a message shows it, whatever it is: in short, since it may be of any size and depth."""
    if isinstance(sent, str | bytes):
        return repr(sent[: MAX_FOUND + 1])
    return reprlib.repr(sent)


def is_absent(value: Any) -> bool:
    """Tell whether a parameter was not sent: clients leave it out, or send nothing for it."""
    return value is None or (isinstance(value, str) and not value.strip())


def is_empty(value: Any) -> bool:
    """Tell whether a member of JSON says nothing."""
    return value is None or value in ({}, "")


def read_boolean(sent: Any, parameter: str) -> bool:
    """Return a truth value, of `true` or `false` in any letter case.

    Raises
    ------
    ParameterError
        When it is another.
    """
    if isinstance(sent, bool):
        return sent
    return read_choice(sent, parameter, {"true": True, "false": False})


def read_choice(sent: Any, parameter: str, choices: Mapping[str, Meaning]) -> Meaning:
    """Return what a word stands for, in any letter case.

    Raises
    ------
    ParameterError
        When it is none of them.
    """
    word = sent.strip().lower() if isinstance(sent, str) else None
    for choice, meaning in choices.items():
        if choice.lower() == word:
            return meaning
    raise ParameterError("not one of its words", where=parameter, found=shown(sent), expected=_either(choices))


def _either(choices: Mapping[str, Any]) -> str:
    *others, last = choices
    return f"{', '.join(others)} or {last}"


def read_whole_number(sent: Any, parameter: str, low: int, high: int) -> int:
    """Return a whole number, of its digits or any type that stands for one. Raises as `whole_number`."""
    digits = WHOLE.fullmatch(sent.strip()) if isinstance(sent, str) else None
    if isinstance(sent, float) and sent.is_integer():
        sent = int(sent)
    return whole_number(int(digits[1]) if digits else sent, parameter, low, high)


def whole_number(value: Any, parameter: str, low: int, high: int | None = None) -> int:
    """Return a whole number, of any type that stands for one.

    Raises
    ------
    ParameterError
        When it is no whole number, or below `low` or above `high`.
    """
    what = "out of range"
    try:
        number = low - 1 if isinstance(value, bool) else index(value)
    except TypeError:
        what, number = "no whole number", low - 1
    if number < low or (high is not None and number > high):
        limits = f"{low} to {high}" if high is not None else f"of {low} or more"
        raise ParameterError(what, where=parameter, found=shown(value), expected=f"a whole number {limits}")
    return number


def read_number(sent: Any) -> float:
    """Return a number, of its text too. Raises TypeError, ValueError or OverflowError when it is none."""
    if isinstance(sent, bool | bytes):
        raise TypeError("no number")
    return NumberText(sent.strip()).value if isinstance(sent, str) else float(sent)


def read_json(sent: Any, parameter: str, expected: str) -> dict[str, Any]:
    """Return a JSON object, of its text or as Python has it.

    Parameters
    ----------
    expected : str
        What it should be, for people.

    Raises
    ------
    ParameterError
        When it is no JSON object.
    """
    if isinstance(sent, Mapping):
        return dict(sent)
    if not isinstance(sent, str):
        raise ParameterError("not JSON", where=parameter, found=shown(sent), expected=expected)
    if len(sent) > MOST_JSON:
        raise ParameterError(
            "too long", where=parameter, found=f"{len(sent)} characters", expected=f"{MOST_JSON} at most"
        )
    try:
        value = json.loads(sent)
    except RecursionError:
        raise ParameterError("JSON in too many layers", where=parameter, found=shown(sent), expected=expected) from None
    except ValueError as error:
        raise ParameterError(f"not JSON ({error})", where=parameter, found=shown(sent), expected=expected) from None
    if not isinstance(value, dict):
        raise ParameterError("no JSON object", where=parameter, found=shown(sent), expected=expected)
    return value
