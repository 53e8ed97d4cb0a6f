"""Parser of forms: the same fields as `urllib.parse`, however the form is divided."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptool.errors import ServiceError
from gptool.service.resources.form_parser import MAX_FIELDS, MAX_NAME_BYTES, FormParser

PIECES = [b"a", b"%", b"4", b"%41", b"%c3%A9", b"%C3", b"\xff", b"%f", "é".encode(), b"&", b"=", b"+", b"b=", b"&c="]


def parse(form: bytes, part: int = 1 << 20) -> dict[str, str]:
    parser = FormParser()
    for start in range(0, len(form), part):
        parser.feed(form[start : start + part])
    return parser.finish()


@given(st.lists(st.sampled_from(PIECES), max_size=40), st.integers(1, 9))
def test_fields_are_those_of_urllib(pieces: list[bytes], part: int) -> None:
    form = b"".join(pieces)
    expected: dict[str, list[str]] = {}
    for pair in parse_qsl(form.decode("latin-1"), keep_blank_values=True, encoding="latin-1"):
        name, value = (text.encode("latin-1").decode("utf-8", "replace") for text in pair)
        expected.setdefault(name, []).append(value)
    assert parse(form, part) == {name: ",".join(values) for name, values in expected.items()}


def test_fields_are_known_as_soon_as_they_end() -> None:
    parser = FormParser()
    parser.feed(b"token=a%62c&areaOfInterest=%7B")
    assert parser.fields == {"token": "abc"}
    parser.feed(b"%7D")
    assert parser.finish() == {"token": "abc", "areaOfInterest": "{}"}


def test_numbers_and_names_of_fields_are_limited() -> None:
    assert parse(b"&".join([b"a=1"] * MAX_FIELDS)) == {"a": ",".join("1" * MAX_FIELDS)}
    for separators in (b"&a=1" * MAX_FIELDS, b"&" * 100_000):
        with pytest.raises(ServiceError, match=r"^too many parameters; expected at most 1000$"):
            parse(separators, 1000)
    assert parse(b"n" * MAX_NAME_BYTES) == {"n" * MAX_NAME_BYTES: ""}
    with pytest.raises(ServiceError, match=r"^name of a parameter is too long; expected 1000 bytes$"):
        parse(b"n" * 100_000, 100)
