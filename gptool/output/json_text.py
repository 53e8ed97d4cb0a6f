"""JSON whose numbers keep the digits of their source."""

from __future__ import annotations

import json
import re

from gptool.model import NumberText

Json = None | bool | int | float | str | NumberText | list["Json"] | dict[str, "Json"]

JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def to_json_bytes(value: Json) -> bytes:
    """Return compact JSON in UTF-8, with `?` for lone surrogates, which stand for undecodable bytes of a file name."""
    return to_json_text(value).encode(errors="replace")


def to_json_text(value: Json) -> str:
    """Return compact JSON. A `NumberText` is written verbatim if that is valid JSON (`.5` is written as `0.5`)."""
    match value:
        case dict():
            return "{" + ",".join(f"{json.dumps(key)}:{to_json_text(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ",".join(map(to_json_text, value)) + "]"
        case NumberText():
            return value.text if JSON_NUMBER.fullmatch(value.text) else json.dumps(value.value)
        case _:
            return json.dumps(value, ensure_ascii=False, allow_nan=False)
