"""JSON whose numbers keep the digits of their source."""

from __future__ import annotations

import json

import pytest

from gptool.model import NumberText
from gptool.output.json_text import to_json_text


@pytest.mark.parametrize(
    ("text", "written"),
    [("1.50", "1.50"), ("-2.5E-05", "-2.5E-05"), (".5", "0.5"), ("+5", "5.0"), ("1.", "1.0"), ("007", "7.0")],
)
def test_number_texts_are_written_verbatim_if_valid(text: str, written: str) -> None:
    assert to_json_text({"a": [NumberText(text), None, True]}) == f'{{"a":[{written},null,true]}}'
    json.loads(to_json_text(NumberText(text)))
