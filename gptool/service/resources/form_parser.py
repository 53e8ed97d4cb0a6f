"""Parser of forms (application/x-www-form-urlencoded), part by part.

`urllib.parse.parse_qsl` needs up to 70 times the size of a form in memory. Here each part is unescaped as it arrives,
so that a form costs its unescaped bytes and, at the end, their text.
"""

from __future__ import annotations

import numpy as np

from gptool.errors import ServiceError

MAX_FIELDS = 1000
MAX_NAME_BYTES = 1000

ESCAPE = ord("%")
HEX_DIGITS = np.full(256, -1, np.int16)
"""The value of each byte that is a hexadecimal digit, otherwise -1."""
for digits in (b"0123456789abcdef", b"0123456789ABCDEF"):
    HEX_DIGITS[list(digits)] = range(16)


class ParsedForm:
    """The fields of a form that is being parsed."""

    def __init__(self) -> None:
        self._fields: dict[str, list[str]] = {}

    @property
    def fields(self) -> dict[str, str]:
        """The fields that have ended.

        The values of a name that occurs more than once are joined by commas: some clients send lists this way.
        """
        return {name: ",".join(values) for name, values in self._fields.items()}

    def _add(self, name: bytes, value: bytes | bytearray) -> None:
        self._fields.setdefault(name.decode("utf-8", "replace"), []).append(value.decode("utf-8", "replace"))


class FormParser(ParsedForm):
    """Parser of one form."""

    def __init__(self) -> None:
        super().__init__()
        self._separators = 0
        self._name: bytes | None = None
        self._value = bytearray()
        self._rest = b""
        """The start of a name, or of an escape, whose end has not arrived."""

    def feed(self, part: bytes) -> None:
        """Parse the next part of the form.

        Raises
        ------
        ServiceError
            If there are too many fields, or the name of one is too long.
        """
        first, *others = (self._rest + part).split(b"&", MAX_FIELDS)
        self._rest = b""
        self._separators += len(others)
        if self._separators >= MAX_FIELDS:
            raise ServiceError("too many parameters", code=400, expected=f"at most {MAX_FIELDS}")
        self._extend(first)
        for text in others:
            self._end_field()
            self._extend(text)

    def finish(self) -> dict[str, str]:
        """Return all fields, once the form has ended."""
        self._end_field()
        return self.fields

    def _extend(self, text: bytes) -> None:
        """Add a part of a field."""
        if self._name is None:
            name, separator, text = text.partition(b"=")
            if len(name) > MAX_NAME_BYTES:
                raise ServiceError("name of a parameter is too long", code=400, expected=f"{MAX_NAME_BYTES} bytes")
            if not separator:
                self._rest = name
                return
            self._name = name
        start = text.rfind(b"%", max(len(text) - 2, 0))
        if start >= 0:
            text, self._rest = text[:start], text[start:]
        self._value += _unescaped(text)

    def _end_field(self) -> None:
        name, rest = (self._rest, b"") if self._name is None else (self._name, self._rest)
        self._value += _unescaped(rest)
        if name or self._name is not None:
            self._add(_unescaped(name), self._value)
        self._name, self._rest, self._value = None, b"", bytearray()


def _unescaped(text: bytes) -> bytes:
    """Return bytes without percent-encoding. A `%` that two hexadecimal digits do not follow stands for itself."""
    text = text.replace(b"+", b" ")
    if ESCAPE not in text:
        return text
    data = np.frombuffer(text, np.uint8)
    places = np.flatnonzero(data[:-2] == ESCAPE)
    high, low = HEX_DIGITS[data[places + 1]], HEX_DIGITS[data[places + 2]]
    is_escape = (high >= 0) & (low >= 0)
    places, values = places[is_escape], (16 * high + low)[is_escape]
    decoded, is_kept = data.copy(), np.ones(len(data), bool)
    decoded[places] = values
    is_kept[places + 1] = is_kept[places + 2] = False
    return decoded[is_kept].tobytes()
