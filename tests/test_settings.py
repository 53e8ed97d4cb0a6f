"""The settings file: what it says, and that no slip in it is silent."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from gptool.errors import GptoolError, ParameterError, SettingsError
from gptool.settings import CacheSettings, read_settings, write_settings

SAID = """
[caches.World]
location = "/data/caches/World"

[caches.Roads-2]
location = "roads.tpkx"
exportTilesAllowed = true
maxExportTilesCount = 5

[caches.Secret]
location = "../secret"
exportTilesAllowed = false
"""


def file(folder: Path, text: str) -> Path:
    path = folder / "ExportTiles.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_what_it_says_and_what_stands_where_it_is_silent(tmp_path: Path) -> None:
    settings = read_settings(file(tmp_path, SAID))
    assert settings.caches == {
        "World": CacheSettings(Path("/data/caches/World"), True, 100_000),
        "Roads-2": CacheSettings(tmp_path / "roads.tpkx", True, 5),
        "Secret": CacheSettings(tmp_path / "../secret", False, 100_000),
    }
    assert settings.allowed == ["World", "Roads-2"]
    assert settings.cache("Roads-2").max_export_tiles_count == 5


def test_relative_locations_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file(tmp_path, SAID)
    monkeypatch.chdir(tmp_path.parent)
    settings = read_settings(Path(tmp_path.name) / "ExportTiles.toml")
    assert settings.caches["Roads-2"].location == tmp_path / "roads.tpkx"


@pytest.mark.parametrize("name", ["Secret", "Nowhere", ""])
def test_only_caches_that_are_offered_can_be_had(tmp_path: Path, name: str) -> None:
    with pytest.raises(ParameterError, match=f"cache: no cache .*found {name}, expected World, Roads-2$"):
        read_settings(file(tmp_path, SAID)).cache(name)


def test_an_editors_mark_in_front_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "ExportTiles.toml"
    path.write_text(SAID, encoding="utf-8-sig")
    assert len(read_settings(path).caches) == 3


CACHE = '[caches.World]\nlocation = "w"\n'
BAD = {
    "no caches": ("", "caches: missing; expected a table"),
    "no TOML": ("[caches.World\n", "no TOML: .*line 1"),
    "another table": (f"{CACHE}[cache]\n", "cache: no such key; expected caches$"),
    "caches are no table": ("caches = 1", "caches: a value it can't have; found 1, expected a table"),
    "a cache is no table": (
        "[caches]\nWorld = 'w'",
        "caches.World: a value it can't have; found 'w', expected a table",
    ),
    "a name": ('[caches."a;b"]\nlocation = "w"', "caches: a cache's name; found 'a;b', expected letters"),
    "no location": ("[caches.World]", "caches.World.location: missing; expected a text in quotes"),
    "an empty location": ("[caches.World]\nlocation = ''", "caches.World.location: .*found '', expected a text"),
    "a misspelt key": (f"{CACHE}maxExportTileCount = 1", "caches.World.maxExportTileCount: no such key; expected loc"),
    "another letter case": (f"{CACHE}exporttilesallowed = true", "caches.World.exporttilesallowed: no such key"),
    "a dotted name": ('[caches.World.Big]\nlocation = "w"', "caches.World.Big: no such key"),
    "a word for a truth": (
        f"{CACHE}exportTilesAllowed = 'true'",
        "exportTilesAllowed: .*found 'true', expected true or",
    ),
    "a number for a truth": (f"{CACHE}exportTilesAllowed = 1", "exportTilesAllowed: .*found 1, expected true or false"),
    "a truth for a number": (
        f"{CACHE}maxExportTilesCount = true",
        "maxExportTilesCount: .*found True, expected a whole",
    ),
    "half a tile": (f"{CACHE}maxExportTilesCount = 1.5", "maxExportTilesCount: .*found 1.5, expected a whole number"),
    "less than none": (f"{CACHE}maxExportTilesCount = -1", "maxExportTilesCount: .*found -1, expected a whole number"),
}


@pytest.mark.parametrize("name", BAD)
def test_errors_name_file_key_found_and_expected(tmp_path: Path, name: str) -> None:
    text, message = BAD[name]
    with pytest.raises(SettingsError, match=message) as caught:
        read_settings(file(tmp_path, text))
    assert str(caught.value).startswith(f"{tmp_path / 'ExportTiles.toml'}: ")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.toml: can't be read: No such file"):
        read_settings(tmp_path / "nowhere.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match=r"binary\.toml: no TOML"):
        read_settings(tmp_path / "binary.toml")


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    odd = tmp_path / 'a "quoted" \\ na\u0308me\t\x7f\x01 \U0001f5fa'
    caches = {"World": CacheSettings(odd), "B.2": CacheSettings(tmp_path / "b", False, 0)}
    write_settings(tmp_path / "ExportTiles.toml", caches)
    assert read_settings(tmp_path / "ExportTiles.toml").caches == caches
    text = (tmp_path / "ExportTiles.toml").read_text(encoding="utf-8")
    assert tomllib.loads(text)["caches"]["B.2"]["exportTilesAllowed"] is False
    assert all(line.startswith("#") for line in text.split("\n\n")[0].splitlines())


def test_a_location_that_is_no_unicode_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(GptoolError, match="a location that is no Unicode"):
        write_settings(tmp_path / "x.toml", {"World": CacheSettings(Path("/data/\udcff"))})
    assert not (tmp_path / "x.toml").exists()
