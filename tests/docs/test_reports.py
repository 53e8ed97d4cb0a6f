"""The codes that docs/reports.md lists are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

from gptool._jpeg import Outcome
from gptool.export.report import OUTCOME_TEXTS
from gptool.jpeg.damage import TileDamage

PAGE = Path(__file__).parents[2] / "docs" / "reports.md"
ROW = re.compile(r"^\| `([A-Z_]+)` \| (.+?) \|$", re.MULTILINE)


def documented(section: str) -> dict[str, str]:
    [text] = re.findall(rf"^## {section}\n(.*?)(?=^## |\Z)", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return dict(ROW.findall(text))


def test_outcomes_are_documented() -> None:
    assert documented("Outcomes") == {outcome.name: OUTCOME_TEXTS[outcome] for outcome in Outcome}


def test_kinds_of_damage_are_documented() -> None:
    assert list(documented("Damage")) == [damage.value for damage in TileDamage]
