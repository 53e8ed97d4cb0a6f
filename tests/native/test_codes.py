"""The enumerations of the native modules: their values, the C header that defines them and the stubs."""

from __future__ import annotations

import ast
import re
from enum import IntEnum
from importlib import import_module
from pathlib import Path

import pytest

import gptool

HEADER = Path(__file__).parents[2] / "native" / "codes.h"

VALUES = {
    "_bundle.TileKind": {"UNKNOWN": 0, "JPEG": 1, "PNG": 2, "LERC": 3},
    "_jpeg.Damage": {
        "NONE": 0,
        "NOT_JPEG": 1,
        "TRUNCATED": 2,
        "CORRUPT_HEADER": 3,
        "MISSING_TABLE": 4,
        "CORRUPT_DATA": 5,
        "IMPLAUSIBLE": 6,
        "UNSUPPORTED": 7,
    },
    "_jpeg.Relation": {
        "SAME": 0,
        "COARSER": 1,
        "UNREADABLE": 2,
        "OTHER_SHAPE": 3,
        "FINER_STEPS": 4,
        "OTHER_COEFFICIENTS": 5,
    },
    "_jpeg.Outcome": {
        "RECOMPRESSED": 0,
        "KEPT_QUALITY": 1,
        "KEPT_UNCHANGED": 2,
        "KEPT_NOT_SMALLER": 3,
        "KEPT_NOT_JPEG": 4,
        "KEPT_UNSUPPORTED": 5,
        "DAMAGED": 6,
        "NOT_REQUESTED": 7,
        "OPTIMISED": 8,
    },
}
"""The values are stored in arrays and reports, so they must never change."""

C_PREFIXES = {
    "_bundle.TileKind": "GPT_TILE_",
    "_jpeg.Damage": "GPT_DAMAGE_",
    "_jpeg.Relation": "GPT_RELATION_",
    "_jpeg.Outcome": "GPT_OUTCOME_",
}


def enumeration(name: str) -> type[IntEnum]:
    module, _, member = name.partition(".")
    found = getattr(import_module(f"gptool.{module}"), member)
    assert issubclass(found, IntEnum)
    return found


def stub_members(name: str) -> list[tuple[str, object]]:
    """Return the names and values that a stub gives the members of an enumeration."""
    module, _, member = name.partition(".")
    stub = Path(gptool.__file__).with_name(f"{module}.pyi").read_text(encoding="utf-8")
    [definition] = [each for each in ast.parse(stub).body if isinstance(each, ast.ClassDef) and each.name == member]
    return [
        (ast.unparse(line.targets[0]), ast.literal_eval(line.value))
        for line in definition.body
        if isinstance(line, ast.Assign)
    ]


@pytest.mark.parametrize("name", VALUES)
def test_values_never_change(name: str) -> None:
    assert {member.name: int(member) for member in enumeration(name)} == VALUES[name]


@pytest.mark.parametrize("name", VALUES)
def test_every_code_of_the_header_is_a_member(name: str) -> None:
    codes = re.findall(rf"\b{C_PREFIXES[name]}(\w+) = (\d+)", HEADER.read_text(encoding="utf-8"))
    assert [(code, int(value)) for code, value in codes] == [(member.name, member) for member in enumeration(name)]


@pytest.mark.parametrize("name", VALUES)
def test_stub_declares_every_member_without_repeating_its_value(name: str) -> None:
    assert stub_members(name) == [(member.name, ...) for member in enumeration(name)]
