"""Sizes in bytes, as people write them: `500MB`, `1.5 GB`, `200 MiB`, or a plain number."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from gptool.errors import ParameterError
from gptool.request.values import format_value

PREFIXES = ("", "k", "m", "g", "t")
UNITS = {
    **{f"{prefix}b": 1000**power for power, prefix in enumerate(PREFIXES)},
    **{f"{prefix}ib": 1024**power for power, prefix in enumerate(PREFIXES) if prefix},
    "": 1,
}
"""Bytes of each unit, in small letters: those of format_bytes, which are powers of 1000, and powers of 1024."""

SIZE = re.compile(r"([0-9]{1,19}(?:\.[0-9]{0,15})?|\.[0-9]{1,15})\s*([a-z]*)", re.IGNORECASE | re.ASCII)
EXPECTED = "a size of 1 byte or more such as 500MB, 1.5 GB, 200 MiB or a number of bytes"

MAX_SIZE = 2**63 - 1
"""The largest size: that of a file on any system."""


def read_size(value: Any, parameter: str) -> int:
    """Return a size in bytes, from its text or a number; a fraction of a byte is cut off.

    Raises
    ------
    ParameterError
        If the value is not a size, is less than a byte, or is larger than any file.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        value_text = f"{value:f}" if isinstance(value, float) else str(value)
    else:
        value_text = value if isinstance(value, str) else ""
    parts = SIZE.fullmatch(value_text.strip())
    if parts is None or parts[2].lower() not in UNITS:
        raise ParameterError("value is not a size", where=parameter, found=format_value(value), expected=EXPECTED)
    size = int(Decimal(parts[1]) * UNITS[parts[2].lower()])
    if not 1 <= size <= MAX_SIZE:
        raise ParameterError("value is out of range", where=parameter, found=format_value(value), expected=EXPECTED)
    return size
