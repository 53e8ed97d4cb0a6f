"""The message of errors."""

from __future__ import annotations

from typing import Any

import pytest

from gptool.errors import MAX_FOUND, GptoolError, ParameterError, TooManyTilesError


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({}, "value is invalid"),
        ({"where": "levels"}, "levels: value is invalid"),
        ({"found": 0}, "value is invalid; found 0"),
        ({"expected": "an integer"}, "value is invalid; expected an integer"),
        ({"where": "levels", "found": "x", "expected": "0-6"}, "levels: value is invalid; found x, expected 0-6"),
    ],
    ids=["what", "where", "found", "expected", "all parts"],
)
def test_message_is_composed_of_its_parts(parts: dict[str, Any], expected: str) -> None:
    assert str(GptoolError("value is invalid", **parts)) == expected


def test_message_is_one_printable_line() -> None:
    error = GptoolError("line 1\r\nline 2", where="a\tb", found="\x1b[31m\u202e\ud800", expected=" x  y ")
    assert str(error) == "a b: line 1 line 2; found ?[31m??, expected x y"


def test_found_value_is_cut_off() -> None:
    assert str(GptoolError("too long", found="x" * MAX_FOUND)).endswith("found " + "x" * MAX_FOUND)
    assert str(GptoolError("too long", found="x" * (MAX_FOUND + 1))).endswith("found " + "x" * MAX_FOUND + "...")


def test_tile_limit_error_has_advice() -> None:
    error = TooManyTilesError("ERROR 001564", ("first", "second"))
    assert isinstance(error, ParameterError)
    assert (str(error), error.advice) == ("ERROR 001564", ("first", "second"))
