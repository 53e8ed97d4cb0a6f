"""Checks that all documents of a package share: encoding, blanks, JSON values, the thumbnail."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from gptool import _jpeg
from gptool.png.structure import check_png, png_size
from gptool.verification.finding import Where
from gptool.verification.recorder import Recorder
from gptool.verification.rule import Rule, form

JSON = Rule("metadata.json", "Documents are JSON objects, without NaN, and no member is there twice.")
ENCODING = Rule("metadata.encoding", "Documents are in UTF-8 without a byte order mark.")
BLANKS = form("metadata.blanks", "No document has blanks at its end.")
LINE_BREAKS = form("metadata.line-breaks", "JSON has no line breaks; XML about the item has CRLF.")
THUMBNAIL = Rule("metadata.thumbnail", "The thumbnail is a PNG or JPEG of 200 x 133 pixels.")

RULES = (JSON, ENCODING, BLANKS, LINE_BREAKS, THUMBNAIL)
THUMBNAIL_SIZE = (200, 133)
JPEG_START = b"\xff\xd8"


def check_text(path: str, data: bytes, recorder: Recorder) -> None:
    """Check the encoding of a document, and that it has no blanks at its end."""
    where = Where(path)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        recorder.add(ENCODING, where, f"byte {data[error.start]:#x} at offset {error.start}", "UTF-8")
        return
    recorder.require(not text.startswith("\ufeff"), ENCODING, where, "a byte order mark", "none")
    blanks = len(data) - len(data.rstrip(b" \t\0"))
    recorder.require(blanks == 0, BLANKS, where, f"{blanks} blanks at the end", "none")


def read_json(path: str, data: bytes, recorder: Recorder) -> dict[str, Any] | None:
    """Check a JSON document and return its object; None if it is not an object."""
    check_text(path, data, recorder)
    where = Where(path)
    recorder.require(not {*b"\r\n"} & {*data}, LINE_BREAKS, where, "line breaks", "none")
    try:
        value = json.loads(
            data.decode("utf-8-sig", "replace"), object_pairs_hook=_unique_members, parse_constant=_reject
        )
    except (ValueError, RecursionError) as error:
        recorder.add(JSON, where, error or type(error).__name__, "valid JSON")
        return None
    if not isinstance(value, dict):
        recorder.add(JSON, where, type(value).__name__, "an object")
        return None
    return value


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"member {next(name for name in names if names.count(name) > 1)!r} is there twice")
    return members


def _reject(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def is_number(value: object) -> bool:
    """Return True if a JSON value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and _is_finite(value)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer of hundreds of digits
        return False


def is_integer(value: object) -> bool:
    """Return True if a JSON value is an integer."""
    return isinstance(value, int) and not isinstance(value, bool)


def box(value: object) -> tuple[float, float, float, float] | None:
    """Return the sides of an envelope; None if it is not one with an area."""
    if not isinstance(value, Mapping):
        return None
    sides = [value.get(name) for name in ("xmin", "ymin", "xmax", "ymax")]
    if not all(map(is_number, sides)):
        return None
    xmin, ymin, xmax, ymax = (float(side) for side in sides if side is not None)
    return (xmin, ymin, xmax, ymax) if xmin < xmax and ymin < ymax else None


def text(value: object) -> str:
    """Return a JSON value as a short text."""
    return "nothing" if value is None else json.dumps(value, ensure_ascii=False)[:200]


def check_thumbnail(path: str, data: bytes | None, recorder: Recorder) -> None:
    """Check the thumbnail. A missing one is reported by the container's rules."""
    if data is None:
        return
    expected = "a PNG or JPEG of 200 x 133 pixels"
    # ArcGIS Pro writes JPEG under the name of a PNG.
    problem, size = _inspect_jpeg(data) if data.startswith(JPEG_START) else _inspect_png(data)
    if problem:
        recorder.add(THUMBNAIL, Where(path), problem, expected)
        return
    recorder.require(size == THUMBNAIL_SIZE, THUMBNAIL, Where(path), f"{size[0]} x {size[1]}", expected)


def _inspect_jpeg(data: bytes) -> tuple[str, tuple[int, int]]:
    """Return what is wrong with a JPEG, and its width and height."""
    _, shapes = _jpeg.check_batch(data, np.zeros(1, np.uint64), np.array([len(data)], np.uint32))
    return _jpeg.diagnose(data)[1], (int(shapes[0, 1]), int(shapes[0, 0]))


def _inspect_png(data: bytes) -> tuple[str, tuple[int, int]]:
    """Return what is wrong with a PNG, and its width and height."""
    problem = check_png(data, None)
    return (problem, (0, 0)) if problem else ("", png_size(data))
