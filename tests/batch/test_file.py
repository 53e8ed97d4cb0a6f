"""The file of a batch: what it may hold, and how wrong ones are refused."""

from __future__ import annotations

from inspect import signature
from pathlib import Path
from typing import Any

import pytest

from gptool import export_tiles
from gptool.batch import read_batch
from gptool.batch.file import DEFAULTS_KEYS, EXPORT_KEYS, OTHERS, PARAMETERS
from gptool.errors import SettingsError
from gptool.request.parameters import BY_NAME

PAGE = Path(__file__).parents[2] / "docs" / "batch.md"
EXPORT = '[exports.a]\ncache = "world"\noutput = "a.tpkx"\n'
SECOND = '[exports.b]\ncache = "world"\noutput = '
WRONG = {
    "no exports": ("[defaults]", "exports is missing; expected a table"),
    "empty exports": ("[exports]", "exports has no tables; expected a table [exports.NAME] for each export"),
    "not TOML": ("[exports.a", "not valid TOML at end of document: "),
    "nested too deeply": (f"exports = {'[' * 100_000}", "not valid TOML: "),
    "unknown table": (
        f"{EXPORT}[default]",
        "unknown key default (the nearest is defaults); expected one of defaults, exports",
    ),
    "unknown key": (
        f"{EXPORT}lvels = 1",
        "unknown key exports.a.lvels (the nearest is levels); expected one of cache, output, ",
    ),
    "nearest key": (
        f"{EXPORT}compression_quality = 1",
        "exports.a.compression_quality (the nearest is compressionQuality); expected",
    ),
    "output for all": (f'{EXPORT}[defaults]\noutput = "x"', "unknown key defaults.output; expected one of cache, lev"),
    "kind of result": (f"{EXPORT}tilePackage = true", "unknown key exports.a.tilePackage"),
    "not a table": ("[exports]\na = 1", "exports.a has an invalid value; found 1, expected a table"),
    "name": (EXPORT.replace("a]", '"a b"]'), "invalid name of an export; found 'a b', expected letters"),
    "no cache": ('[exports.a]\noutput = "a"', "exports.a.cache is missing; expected a non-empty string"),
    "no output": ('[exports.a]\ncache = "world"', "exports.a.output is missing; expected a non-empty string"),
    "quality": (f"{EXPORT}compressionQuality = 101", "exports.a.compressionQuality: value is out of range; found 101"),
    "default": (f'{EXPORT}[defaults]\nlevels = "x"', "defaults.levels: value is not a list of levels; found 'x'"),
    "date": (f"{EXPORT}levels = 2020-01-01", "exports.a.levels: value is not a list of levels; found datetime.date("),
    "infinite": (f"{EXPORT}exportExtent = [0, 0, inf, 1]", "exports.a.exportExtent: value is not an extent"),
    "area": (f'{EXPORT}areaOfInterest = "{{}}"', "exports.a.areaOfInterest: geometry: not a polygon; found an empty"),
    "area of a wrong type": (f"{EXPORT}areaOfInterest = [1]", "exports.a.areaOfInterest: value is not a JSON object"),
    "tables": (
        f'{EXPORT}tables = "best"',
        "exports.a.tables: invalid choice; found 'best', expected efficient or exact",
    ),
    "limit": (f"{EXPORT}maxExportTilesCount = -1", "exports.a.maxExportTilesCount has an invalid value; found -1"),
    "overwrite": (f'{EXPORT}overwrite = "no"', "exports.a.overwrite has an invalid value; found 'no', expected true"),
    "contradiction": (
        f"{EXPORT}optimizeTilesForSize = false\n[defaults]\ncompressionQuality = 50",
        "exports.a.optimizeTilesForSize: is false although compressionQuality is given",
    ),
    "target size beside a quality": (
        f'{EXPORT}targetSize = "5MB"\n[defaults]\ncompressionQuality = 50',
        "exports.a.targetSize: contradicts compressionQuality; found targetSize 5000000 and compressionQuality 50",
    ),
    "parts beside a target size": (
        f'{EXPORT}maxPartTiles = 9\n[defaults]\ntargetSize = "5MB"',
        "exports.a.targetSize: contradicts maxPartTiles; found targetSize 5000000 and maxPartTiles 9",
    ),
    "parts in a package": (f"{EXPORT}maxPartTiles = 9", "exports.a.output: "),
    "suffix": (f'{SECOND}"b.zip"', "exports.b.output: "),
    "storage format": (f'{EXPORT}storageFormatType = "compact"', "exports.a.storageFormatType: not the"),
    "null character": (f'{SECOND}"b\\u0000.tpkx"', "exports.b.output is not a path; found 'b\\x00"),
    "same output": (f'{EXPORT}{SECOND}"x/../a.tpkx"', "exports.b.output is that of exports.a.output; found "),
    "output in an output": (f'{SECOND}"x"\n{EXPORT.replace("a.tpkx", "x/a")}', "exports.a.output lies in exports.b."),
    "output is a cache": (
        f'{EXPORT}{SECOND.replace("world", "a.tpkx")}"b.tpkx"',
        "exports.b.cache is or lies in exports.a.output; found ",
    ),
    "output over a cache": (f'{SECOND}"world"', "exports.first.cache is or lies in exports.b.output; found "),
}


def write(folder: Path, text: str) -> Path:
    path = folder / "batch.toml"
    path.write_text(text, encoding="utf-8")
    return path


def given(arguments: Any) -> dict[str, Any]:
    """Return the arguments that are not absent."""
    return {name: value for name, value in arguments.items() if value is not None}


def test_defaults_and_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = """
        [defaults]
        cache = "../world"
        compressionQuality = 50
        areaOfInterest = "areas/north.geojson"
        tables = "exact"
        [exports.one]
        output = "one.tpkx"
        [exports.two]
        cache = "/data/two.tpk"
        output = "/data/two"
        areaOfInterest = { rings = [[[0, 0], [0, 9], [9, 0], [0, 0]]] }
        compressionQuality = ""
        overwrite = true
    """
    write(tmp_path, text)
    monkeypatch.chdir(tmp_path.parent)
    one, two = read_batch(Path(tmp_path.name) / "batch.toml").exports
    assert (one.name, one.cache, one.output) == ("one", tmp_path / "../world", tmp_path / "one.tpkx")
    assert given(one.arguments) == {
        "area_of_interest": tmp_path / "areas/north.geojson",  # which need not exist yet
        "compression_quality": 50,
        "tables": "exact",
    }
    assert (two.cache, two.output) == (Path("/data/two.tpk").absolute(), Path("/data/two").absolute())
    area = {"rings": [[[0, 0], [0, 9], [9, 0], [0, 0]]]}
    assert given(two.arguments) == {"area_of_interest": area, "tables": "exact", "overwrite": True}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_file_is_refused(tmp_path: Path, name: str) -> None:
    text, message = WRONG[name]
    first = '[exports.first]\ncache = "world"\noutput = "first.tpkx"\n'
    path = write(tmp_path, f"{first}{text}" if "[exports." in text else text)
    with pytest.raises(SettingsError) as caught:
        read_batch(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


@pytest.mark.posix("symbolic links, which Windows lets only administrators make")
def test_output_through_a_symbolic_link_is_the_same(tmp_path: Path) -> None:
    (tmp_path / "here").symlink_to(tmp_path)
    with pytest.raises(SettingsError, match=r"exports\.b\.output is that of exports\.a\.output"):
        read_batch(write(tmp_path, f'{EXPORT}{SECOND}"here/a.tpkx"'))


def test_every_argument_of_an_export_has_a_key() -> None:
    arguments = {*PARAMETERS.values(), *(argument for argument, _ in OTHERS.values())} - {"restart"} | {"resume"}
    assert arguments == {*signature(export_tiles).parameters} - {"cache", "output", "workers", "executor", "progress"}
    assert {*EXPORT_KEYS} - {"cache", "output", *OTHERS} <= BY_NAME.keys()
    assert {*EXPORT_KEYS} - {*DEFAULTS_KEYS} == {"output"}


@pytest.mark.parametrize("key", EXPORT_KEYS)
def test_key_is_documented(key: str) -> None:
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert any(f"`{key}`" in row.split("|")[1] for row in rows)
