"""The parameter table."""

from __future__ import annotations

import pytest

from gptool.errors import ParameterError
from gptool.request.parameters import INPUTS, TOOL_INPUTS, invalid_inputs, known_inputs, read_inputs


def test_names_in_python_and_on_the_command_line() -> None:
    assert [(item.name, item.python_name, item.option) for item in INPUTS] == [
        ("levels", "levels", "--levels"),
        ("exportBy", "export_by", "--export-by"),
        ("nearestLevel", "nearest_level", "--nearest-level"),
        ("exportExtent", "export_extent", "--export-extent"),
        ("areaOfInterest", "area_of_interest", "--area-of-interest"),
        ("tilePackage", "tile_package", "--tile-package"),
        ("storageFormatType", "storage_format_type", "--storage-format-type"),
        ("optimizeTilesForSize", "optimize_tiles_for_size", "--optimize-tiles-for-size"),
        ("compressionQuality", "compression_quality", "--compression-quality"),
        ("targetSize", "target_size", "--target-size"),
        ("maxPartSize", "max_part_size", "--max-part-size"),
        ("maxPartTiles", "max_part_tiles", "--max-part-tiles"),
        ("tables", "tables", "--tables"),
        ("optimizePng", "optimize_png", "--optimize-png"),
        ("since", "since", "--since"),
    ]
    assert [item.name for item in INPUTS if item not in TOOL_INPUTS] == ["since"]


def test_every_choice_and_limit_is_a_valid_value() -> None:
    for item in INPUTS:
        for value in (*item.choices, *(item.limits or ())):
            item.read(str(value))
        assert item.default is None or item.read(item.default) == item.default


def test_absent_inputs_have_their_defaults() -> None:
    values = read_inputs({})
    assert (values.pop("exportBy"), values.pop("tables")) == ("LevelID", "efficient")
    assert {values.pop(name) for name in ("nearestLevel", "tilePackage", "optimizeTilesForSize", "optimizePng")} == {
        False
    }
    assert set(values.values()) == {None}


def test_unknown_and_absent_inputs_are_ignored() -> None:
    values = {"LEVELS": "1", "f": "json", "polygon": "", "storageFormat": "compact", "export_by": None, "x": 1}
    assert known_inputs(values) == {"levels": "1", "storageFormatType": "compact"}


def test_every_invalid_input_has_a_message() -> None:
    messages = invalid_inputs({"levels": "x", "tilePackage": "maybe", "exportExtent": "1,2", "exportBy": "scale"})
    assert list(messages) == ["levels", "tilePackage", "exportExtent"]
    assert messages["tilePackage"] == "tilePackage: invalid choice; found 'maybe', expected true or false"


@pytest.mark.parametrize("names", [("levels", "LEVELS"), ("LeVeLs", "levels"), ("export_by", "exportBy")])
def test_two_spellings_of_a_name_have_one_value(names: tuple[str, str]) -> None:
    first, second = names
    parameter = "levels" if first.lower() == "levels" else "exportBy"
    one, other = ("0", "3") if parameter == "levels" else ("LevelID", "Scale")
    read_inputs({first: one, second: one})
    read_inputs({first: one, second: ""})
    with pytest.raises(ParameterError) as caught:
        read_inputs({first: one, second: other})
    found = f"{first} {one!r} and {second} {other!r}"
    assert str(caught.value) == f"{parameter}: is given twice; found {found}, expected one value"


def test_own_name_precedes_an_alias() -> None:
    area = {"rings": [[[0, 0], [0, 1], [1, 1]]]}
    assert read_inputs({"areaOfInterest": area, "polygon": "nonsense"})["areaOfInterest"] is not None
