"""The table of JPEG kinds in native/README.md, as data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from gptool._jpeg import Outcome
from gptool.model import Tables
from helpers import jpegs
from helpers.jpegs_rules import MODES

README = Path(__file__).parents[2] / "native" / "README.md"


def rows() -> Iterator[tuple[str, dict[Tables, Outcome]]]:
    """Yield each kind of the table, and its outcomes: one for both kinds of tables, or one for each."""
    for line in README.read_text(encoding="utf-8").splitlines():
        kind, outcomes, *_ = [*(cell.strip() for cell in line.strip("|").split("|")), ""]
        if line.startswith("|") and (names := re.findall(r"`(\w+)`", outcomes)):
            yield kind, dict(zip(MODES, [Outcome[name] for name in (names * 2)[:2]], strict=True))


TABLE = dict(rows())
RECOMPRESSED = [kind for kind in jpegs.KINDS if set(TABLE.get(kind, {}).values()) == {Outcome.RECOMPRESSED}]

WITHOUT_CHROMINANCE = {
    "grayscale",
    "grayscale, sampled 2 x 2",
    "CMYK",
    "CMYK without APP14",
    "RGB",
    "RGB by its component IDs",
    "two components",
    "one table for all",
    "levels beyond baseline that requantisation brings back",
    "a quantiser of 0",
}
"""Kinds of which all tables are luminance tables."""
