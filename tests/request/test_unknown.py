"""Warnings about unknown parameters."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from gptool.request import INPUTS, unknown_notices
from gptool.request.parameters import normalise_name
from helpers.recordings import FOLDER, read_recording

SUBMISSIONS = "exportTiles", "estimateExportTilesSize", "submitJob"


def texts(sent: dict[Any, Any]) -> list[str]:
    notices = unknown_notices(sent)
    assert {notice.type for notice in notices} <= {"Warning"}
    assert all(notice.description.isprintable() for notice in notices)
    return [notice.description for notice in notices]


@pytest.mark.parametrize("name", [path.stem for path in FOLDER.glob("*.json")])
def test_no_client_is_warned(name: str) -> None:
    requests = [r for r in read_recording(name) if urlsplit(r["path"]).path.rpartition("/")[2] in SUBMISSIONS]
    assert requests
    for request in requests:
        assert texts(dict(parse_qsl(urlsplit(request["path"]).query) + parse_qsl(request["body"]))) == []


@pytest.mark.parametrize(
    "name",
    ["f", "token", "callback", "env:outSR", "ENV:PROCESSSR", "returnMessages", "context", "createItem", "returnZ",
     "dojo.preventCache", "_ts", "returnFeatureCollection", "returnColumnName", "returnTrueCurves", "outSR"],
)  # fmt: skip
def test_names_of_clients_are_expected(name: str) -> None:
    assert texts({name: "x"}) == []


@pytest.mark.parametrize("parameter", INPUTS, ids=lambda parameter: parameter.name)
def test_each_parameter_with_a_letter_missing_is_recognised(parameter: Any) -> None:
    for i in range(len(parameter.name)):
        name = parameter.name[:i] + parameter.name[i + 1 :]
        assert texts({name: 1}) == [
            f"unknown parameter {name!r} is ignored; the nearest known name is {parameter.name}"
        ]
    for known in (parameter.name, parameter.python_name, *parameter.aliases, normalise_name(parameter.name).upper()):
        assert texts({known: "x"}) == []


def test_names_that_are_near_to_none_have_no_suggestion() -> None:
    assert texts({"nonsense": 1}) == ["unknown parameter 'nonsense' is ignored"]


def test_names_without_a_value_and_names_that_are_no_texts_are_ignored() -> None:
    assert texts({"lvels": "", "lvel": None, "level_s": "  ", 1: 2, None: 3, b"lvels": 4}) == []


def test_hostile_names_give_few_short_messages() -> None:
    found = texts({**{"x" * 100_000 + str(i): 1 for i in range(1000)}, "\x1b[31m\n\u202e": 1})
    assert len(found) == 11
    assert found[-1] == "991 more unknown parameters ignored"
    assert max(map(len, found)) < 400
    assert texts({"\x1b[31m\n\u202elevels": 1})[0].startswith(
        "unknown parameter '\\x1b[31m\\n\\u202elevels' is ignored"
    )
