"""The settings of a service: caches in folders, a table of its own, and no slip in it is silent."""

from __future__ import annotations

from pathlib import Path

import pytest

from gptool.errors import SettingsError
from gptool.service.settings import KEYS, ServiceSettings, read_service_settings
from gptool.settings import CacheSettings

SAID = """
[service]
port = 6081
outputDirectory = "output"
maxQueued = 3
keepHours = 48
tokenFile = "../tokens"
allowAnonymous = true

[caches.World]
location = "w"

[caches."Maps/Roads.2"]
location = "/data/roads.tpkx"
maxExportTilesCount = 5
"""


def file(folder: Path, text: str) -> Path:
    path = folder / "service.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_what_it_says_and_what_stands_where_it_is_silent(tmp_path: Path) -> None:
    assert read_service_settings(file(tmp_path, SAID)) == ServiceSettings(
        {"World": CacheSettings(tmp_path / "w"), "Maps/Roads.2": CacheSettings(Path("/data/roads.tpkx"), True, 5)},
        port=6081,
        output_directory=tmp_path / "output",
        max_queued=3,
        keep_hours=48,
        token_file=tmp_path / "../tokens",
        allow_anonymous=True,
    )


def test_the_table_may_be_left_out(tmp_path: Path) -> None:
    settings = read_service_settings(file(tmp_path, '[caches.World]\nlocation = "w"'))
    assert (settings.host, settings.port, settings.jobs, settings.allow_anonymous) == ("127.0.0.1", 6080, 2, False)


CACHE = '[caches.World]\nlocation = "w"\n'
BAD = {
    "a key": (f"{CACHE}[service]\nmaxqueued = 1", "service.maxqueued: no such key; expected host, port"),
    "a text for a number": (f"{CACHE}[service]\nport = '1'", "service.port: .*found '1', expected a whole number"),
    "less than none": (f"{CACHE}[service]\njobs = -1", "service.jobs: .*found -1, expected a whole number from 0"),
    "a number for a truth": (f"{CACHE}[service]\nallowAnonymous = 1", "found 1, expected true or false"),
    "an empty path": (f"{CACHE}[service]\ntokenFile = ''", "service.tokenFile: .*found '', expected a text"),
    "a folder in a folder": ('[caches."A/B/C"]\nlocation = "w"', "found 'A/B/C', expected letters.*Maps/World"),
    "above the folder": ('[caches."../C"]\nlocation = "w"', "found '../C', expected letters"),
    "another table": (f"{CACHE}[server]", "server: no such key; expected service, caches"),
}


@pytest.mark.parametrize("name", BAD)
def test_errors_name_file_key_found_and_expected(tmp_path: Path, name: str) -> None:
    text, message = BAD[name]
    with pytest.raises(SettingsError, match=message) as caught:
        read_service_settings(file(tmp_path, text))
    assert str(caught.value).startswith(f"{tmp_path / 'service.toml'}: ")


def test_every_key_says_what_it_is() -> None:
    assert "maxAreaVertices" in KEYS
    assert all(item.metadata["text"].endswith(".") for item in KEYS.values())
