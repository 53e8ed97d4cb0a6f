"""The table of JPEG kinds in native/README.md, as data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from gptool._jpeg import Outcome
from gptool.model import Tables
from helpers import jpeg_kinds
from helpers.jpeg_requantisation import TABLE_MODES

README = Path(__file__).parents[2] / "native" / "README.md"


def read_rows() -> Iterator[tuple[str, dict[Tables, Outcome]]]:
    """Yield each kind of the table with its outcomes: one for both kinds of tables, or one for each."""
    for line in README.read_text(encoding="utf-8").splitlines():
        kind, outcomes, *_ = [*(cell.strip() for cell in line.strip("|").split("|")), ""]
        if line.startswith("|") and (names := re.findall(r"`(\w+)`", outcomes)):
            yield kind, dict(zip(TABLE_MODES, [Outcome[name] for name in (names * 2)[:2]], strict=True))


OUTCOMES = dict(read_rows())
RECOMPRESSED = [kind for kind in jpeg_kinds.KINDS if set(OUTCOMES.get(kind, {}).values()) == {Outcome.RECOMPRESSED}]

WITHOUT_CHROMINANCE = {
    "grayscale",
    "grayscale, sampled 2 x 2",
    "CMYK",
    "CMYK without APP14",
    "RGB",
    "RGB by component IDs",
    "two components",
    "one table for all",
    "coefficients beyond baseline, reduced by requantisation",
    "quantisation step of 0",
}
"""Kinds whose tables are all luminance tables."""
