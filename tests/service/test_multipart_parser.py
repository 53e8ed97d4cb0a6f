"""Parser of forms of parts: the same fields as those that the standard library writes, however the body is divided."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from urllib3.filepost import encode_multipart_formdata

from gptool.errors import ServiceError
from gptool.service.resources.form_parser import MAX_FIELDS, MAX_NAME_BYTES
from gptool.service.resources.multipart_parser import MultipartFormParser

NAMES = st.text("abcé_.-;= ", min_size=1, max_size=9)
VALUES = st.text(max_size=30) | st.sampled_from(["", "--", "\r\n--b", "--b--", '{"rings": []}', "\r\n\r\n"])


def parse(body: bytes, content_type: str = "multipart/form-data; boundary=b", part: int = 1 << 20) -> dict[str, str]:
    parser = MultipartFormParser(content_type)
    for start in range(0, len(body), part):
        parser.feed(body[start : start + part])
    return parser.finish()


def part(headers: bytes, value: bytes = b"1") -> bytes:
    return b"--b\r\n" + headers + b"\r\n\r\n" + value + b"\r\n"


def named(name: bytes, value: bytes = b"1") -> bytes:
    return part(b'Content-Disposition: form-data; name="' + name + b'"', value)


@given(st.lists(st.tuples(NAMES, VALUES), min_size=1, max_size=9), st.integers(1, 99))
def test_fields_are_those_that_urllib3_writes(fields: list[tuple[str, str]], size: int) -> None:
    body, content_type = encode_multipart_formdata(fields)
    expected: dict[str, list[str]] = {}
    for name, value in fields:
        expected.setdefault(name, []).append(value)
    assert parse(body, content_type, size) == {name: ",".join(values) for name, values in expected.items()}


def test_content_of_a_file_is_a_value() -> None:
    body, content_type = encode_multipart_formdata({"areaOfInterest": ("a.json", '{"rings": []}', "application/json")})
    assert parse(body, content_type) == {"areaOfInterest": '{"rings": []}'}


def test_fields_are_known_as_soon_as_they_end() -> None:
    parser = MultipartFormParser("multipart/form-data; boundary=b")
    parser.feed(named(b"token", b"abc") + named(b"areaOfInterest", b"{")[:-3])
    assert parser.fields == {"token": "abc"}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"no part at all", "request body is malformed; found Expected boundary character"),
        (named(b"a"), "request body is malformed; found no closing boundary, expected multipart/form-data by RFC 7578"),
        (part(b"Content-Type: text/plain") + b"--b--", "request body is malformed; found a part without a name"),
        (named(b"n" * (MAX_NAME_BYTES + 1)) + b"--b--", "name of a parameter is too long; expected 1000 bytes"),
        (named(b"a") * (MAX_FIELDS + 1) + b"--b--", "too many parameters; expected at most 1000"),
        (part(b"X-Header: 1\r\n" * 20) + b"--b--", "request body is malformed; found "),
        (part(b"X" * 100_000 + b": 1") + b"--b--", "request body is malformed; found "),
    ],
)
@pytest.mark.parametrize("size", [7, 1 << 20])
def test_malformed_body_is_refused(body: bytes, message: str, size: int) -> None:
    with pytest.raises(ServiceError) as caught:
        parse(body, part=size)
    assert (str(caught.value).startswith(message), caught.value.code) == (True, 400), str(caught.value)


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary=" + 300 * "b"])
def test_boundary_is_required(content_type: str) -> None:
    with pytest.raises(ServiceError, match=r"^request body is malformed; found "):
        MultipartFormParser(content_type)


@given(st.binary(max_size=200), st.integers(1, 50))
@example(b"--b\r\n\r\n\r\n--b--", 1)
def test_hostile_bytes_are_parsed_or_refused(body: bytes, size: int) -> None:
    for start in (b"", b"--b\r\n", b'--b\r\nContent-Disposition: form-data; name="a'):
        try:
            fields = parse(start + body, part=size)
        except ServiceError as error:
            assert error.code == 400
        else:
            assert sum(map(len, fields.values())) <= len(body)
