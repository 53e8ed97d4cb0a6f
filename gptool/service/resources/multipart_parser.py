"""Parser of forms of parts (multipart/form-data, RFC 7578), which some clients send instead of escaped fields.

The library python-multipart finds the parts; a form costs the bytes of its values and, at the end, their text.
"""

from __future__ import annotations

from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from gptool.errors import ServiceError
from gptool.service.resources.form_parser import MAX_FIELDS, MAX_NAME_BYTES, ParsedForm

MULTIPART_TYPE = "multipart/form-data"


class MultipartFormParser(ParsedForm):
    """Parser of one form. The content of a file counts as the value of its field.

    Parameters
    ----------
    content_type : str
        The header of the request, which states the boundary of parts.

    Raises
    ------
    ServiceError
        If there is no valid boundary.
    """

    def __init__(self, content_type: str) -> None:
        super().__init__()
        self._header, self._header_value, self._disposition = bytearray(), bytearray(), b""
        self._value, self._parts, self._has_ended = bytearray(), 0, False
        callbacks: Any = {
            "on_header_begin": self._begin_header,
            "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._header_value.extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_part_begin": self._begin_part,
            "on_part_data": lambda data, start, end: self._value.extend(memoryview(data)[start:end]),
            "on_part_end": self._end_part,
            "on_end": self._end,
        }
        _, options = parse_options_header(content_type)
        try:
            self._parser = MultipartParser(options.get(b"boundary", b""), callbacks)
        except FormParserError as error:
            raise _malformed(str(error)) from None
        if not options.get(b"boundary"):
            raise _malformed("no boundary")

    def feed(self, part: bytes) -> None:
        """Parse the next part of the body.

        Raises
        ------
        ServiceError
            If the body is malformed, there are too many fields, or the name of one is missing or too long.
        """
        try:
            self._parser.write(part)
        except FormParserError as error:
            raise _malformed(str(error)) from None

    def finish(self) -> dict[str, str]:
        """Return all fields, once the body has ended.

        Raises
        ------
        ServiceError
            If it has ended within a part.
        """
        if self._parts and not self._has_ended:
            raise _malformed("no closing boundary")
        return self.fields

    def _begin_part(self) -> None:
        self._parts += 1
        if self._parts > MAX_FIELDS:
            raise ServiceError("too many parameters", code=400, expected=f"at most {MAX_FIELDS}")
        self._value, self._disposition = bytearray(), b""

    def _begin_header(self) -> None:
        self._header, self._header_value = bytearray(), bytearray()

    def _end_header(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = bytes(self._header_value)

    def _end_part(self) -> None:
        _, options = parse_options_header(self._disposition)
        name = options.get(b"name")
        if name is None:
            raise _malformed("a part without a name")
        if len(name) > MAX_NAME_BYTES:
            raise ServiceError("name of a parameter is too long", code=400, expected=f"{MAX_NAME_BYTES} bytes")
        self._add(name, self._value)

    def _end(self) -> None:
        self._has_ended = True


def _malformed(found: str) -> ServiceError:
    return ServiceError("request body is malformed", code=400, found=found, expected=f"{MULTIPART_TYPE} by RFC 7578")
