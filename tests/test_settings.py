"""Settings files are read as written, and invalid ones are rejected."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from gptool.errors import GptoolError, ParameterError, SettingsError
from gptool.settings import CacheSettings, read_settings, write_settings

SETTINGS = """
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


def write_file(folder: Path, text: str) -> Path:
    path = folder / "ExportTiles.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.posix("paths of POSIX")
def test_values_and_defaults(tmp_path: Path) -> None:
    settings = read_settings(write_file(tmp_path, SETTINGS))
    assert settings.caches == {
        "World": CacheSettings(Path("/data/caches/World"), True, 100_000),
        "Roads-2": CacheSettings(tmp_path / "roads.tpkx", True, 5),
        "Secret": CacheSettings(tmp_path / "../secret", False, 100_000),
    }
    assert settings.exportable == ["World", "Roads-2"]
    assert settings.cache("Roads-2").max_export_tiles_count == 5


def test_relative_locations_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_file(tmp_path, SETTINGS)
    monkeypatch.chdir(tmp_path.parent)
    settings = read_settings(Path(tmp_path.name) / "ExportTiles.toml")
    assert settings.caches["Roads-2"].location == tmp_path / "roads.tpkx"


def test_workers_share_the_processors_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 12)
    assert read_settings(write_file(tmp_path, SETTINGS)).threads == 6
    assert read_settings(write_file(tmp_path, f"workers = 3\n{SETTINGS}")).threads == 3
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    assert read_settings(write_file(tmp_path, SETTINGS)).threads == 1


@pytest.mark.parametrize("name", ["Secret", "Nowhere", ""])
def test_unknown_and_disallowed_caches_are_rejected(tmp_path: Path, name: str) -> None:
    with pytest.raises(
        ParameterError, match=f"cache: not available for export; found '{name}', expected one of World, Roads-2$"
    ):
        read_settings(write_file(tmp_path, SETTINGS)).cache(name)


def test_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "ExportTiles.toml"
    path.write_text(SETTINGS, encoding="utf-8-sig")
    assert len(read_settings(path).caches) == 3


CACHE = '[caches.World]\nlocation = "w"\n'
INVALID = {
    "no caches": ("", "caches is missing; expected a table"),
    "not TOML": ("[caches.World\n", "not valid TOML at line 1, column "),
    "unknown table": (
        f"{CACHE}[cache]\n",
        r"unknown key cache \(the nearest is caches\); expected one of caches, workers",
    ),
    "caches not a table": ("caches = 1", "caches has an invalid value; found 1, expected a table"),
    "cache not a table": (
        "[caches]\nWorld = 'w'",
        "caches.World has an invalid value; found 'w', expected a table",
    ),
    "invalid name": ('[caches."a;b"]\nlocation = "w"', "invalid cache name; found 'a;b', expected letters"),
    "no location": ("[caches.World]", "caches.World.location is missing; expected a non-empty string"),
    "empty location": (
        "[caches.World]\nlocation = ''",
        "caches.World.location has an invalid value; found '', expected a non-empty string",
    ),
    "misspelt key": (
        f"{CACHE}maxExportTileCount = 1",
        r"maxExportTileCount \(the nearest is maxExportTilesCount\); expected one of location, exportTil",
    ),
    "other letter case": (
        f"{CACHE}exporttilesallowed = true",
        r"caches.World.exporttilesallowed \(the nearest is exportTilesAllowed\);",
    ),
    "dotted name": ('[caches.World.Big]\nlocation = "w"', "unknown key caches.World.Big;"),
    "string for a boolean": (
        f"{CACHE}exportTilesAllowed = 'true'",
        "exportTilesAllowed has an invalid value; found 'true', expected true or false",
    ),
    "number for a boolean": (
        f"{CACHE}exportTilesAllowed = 1",
        "exportTilesAllowed has an invalid value; found 1, expected true or false",
    ),
    "boolean for a number": (
        f"{CACHE}maxExportTilesCount = true",
        "maxExportTilesCount has an invalid value; found True, expected an integer from 0",
    ),
    "fraction": (
        f"{CACHE}maxExportTilesCount = 1.5",
        "maxExportTilesCount has an invalid value; found 1.5, expected an integer from 0",
    ),
    "no workers": (f"workers = 0\n{CACHE}", "workers has an invalid value; found 0, expected an integer from 1"),
    "workers as text": (f"workers = '2'\n{CACHE}", "workers has an invalid value; found '2'"),
    "negative number": (
        f"{CACHE}maxExportTilesCount = -1",
        "maxExportTilesCount has an invalid value; found -1, expected an integer from 0",
    ),
}


@pytest.mark.parametrize("name", INVALID)
def test_errors_state_file_key_found_and_expected(tmp_path: Path, name: str) -> None:
    text, message = INVALID[name]
    with pytest.raises(SettingsError, match=message) as caught:
        read_settings(write_file(tmp_path, text))
    assert str(caught.value).startswith(f"{tmp_path / 'ExportTiles.toml'}: ")
    assert "\n" not in str(caught.value)


def test_missing_and_binary_files_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.toml: cannot be read: No such file"):
        read_settings(tmp_path / "nowhere.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match=r"binary\.toml: not valid TOML"):
        read_settings(tmp_path / "binary.toml")


def test_written_settings_are_read_back(tmp_path: Path) -> None:
    unusual = tmp_path / 'a "quoted" \\ na\u0308me\t\x7f\x01 \U0001f5fa'
    caches = {"World": CacheSettings(unusual), "B.2": CacheSettings(tmp_path / "b", False, 0)}
    write_settings(tmp_path / "ExportTiles.toml", caches)
    assert read_settings(tmp_path / "ExportTiles.toml").caches == caches
    text = (tmp_path / "ExportTiles.toml").read_text(encoding="utf-8")
    assert tomllib.loads(text)["caches"]["B.2"]["exportTilesAllowed"] is False
    assert all(line.startswith("#") for line in text.split("\n\n")[0].splitlines())


def test_location_that_is_not_unicode_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(GptoolError, match="location is not valid Unicode"):
        write_settings(tmp_path / "x.toml", {"World": CacheSettings(Path("/data/\udcff"))})
    assert not (tmp_path / "x.toml").exists()


@pytest.mark.posix("paths of POSIX")
def test_windows_paths_are_literal_strings(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    for location, line in {
        r"C:\caches\World": r"'C:\caches\World'",
        r"\\server\maps\new": r"'\\server\maps\new'",
        r"C:\it's": '"C:\\\\it\'s"',
        "/data/World": '"/data/World"',
    }.items():
        write_settings(path, {"World": CacheSettings(Path(location))})
        text = path.read_text(encoding="utf-8")
        assert f"location = {line}\n" in text
        assert tomllib.loads(text)["caches"]["World"]["location"] == location
