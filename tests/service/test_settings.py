"""Settings of a service: folders of caches, the table `service`, and invalid values."""

from __future__ import annotations

from pathlib import Path

import pytest

from gptool.errors import SettingsError
from gptool.service.settings import SERVICE_KEYS, ServiceSettings, read_service_settings
from gptool.settings import CacheSettings

SETTINGS = """
[service]
port = 6081
outputDirectory = "output"
maxQueued = 3
keepHours = 48
tokenFile = "../tokens"
allowAnonymous = true
publicUrl = "https://gis.example.com/tiles/"
proxyHosts = ["192.0.2.1", "198.51.100.0/24"]

[caches.World]
location = "w"

[caches."Maps/Roads.2"]
location = "/data/roads.tpkx"
maxExportTilesCount = 5
"""


def write_file(folder: Path, text: str) -> Path:
    path = folder / "service.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_values_and_defaults(tmp_path: Path) -> None:
    assert read_service_settings(write_file(tmp_path, SETTINGS)) == ServiceSettings(
        {"World": CacheSettings(tmp_path / "w"), "Maps/Roads.2": CacheSettings(tmp_path / "/data/roads.tpkx", True, 5)},
        port=6081,
        output_directory=tmp_path / "output",
        max_queued=3,
        keep_hours=48,
        token_file=tmp_path / "../tokens",
        allow_anonymous=True,
        public_url="https://gis.example.com/tiles/",
        proxy_hosts=("192.0.2.1", "198.51.100.0/24"),
    )


def test_table_service_is_optional(tmp_path: Path) -> None:
    settings = read_service_settings(write_file(tmp_path, '[caches.World]\nlocation = "w"'))
    assert (settings.host, settings.port, settings.jobs, settings.allow_anonymous) == ("127.0.0.1", 6080, 2, False)


CACHE = '[caches.World]\nlocation = "w"\n'
INVALID = {
    "unknown key": (
        f"{CACHE}[service]\nmaxqueued = 1",
        r"service.maxqueued \(the nearest is maxQueued\); expected one of host, port",
    ),
    "string for a number": (
        f"{CACHE}[service]\nport = '1'",
        "service.port has an invalid value; found '1', expected an integer from 0",
    ),
    "negative number": (
        f"{CACHE}[service]\njobs = -1",
        "service.jobs has an invalid value; found -1, expected an integer from 0",
    ),
    "number for a boolean": (f"{CACHE}[service]\nallowAnonymous = 1", "found 1, expected true or false"),
    "number in a list": (
        f"{CACHE}[service]\nproxyHosts = ['a', 1]",
        r"service.proxyHosts has an invalid value; found \['a', 1\], expected a list of non-empty strings",
    ),
    "string for a list": (f"{CACHE}[service]\nproxyHosts = 'a'", "found 'a', expected a list of non-empty strings"),
    "empty path": (
        f"{CACHE}[service]\ntokenFile = ''",
        "service.tokenFile has an invalid value; found '', expected a non-empty string",
    ),
    "folder in a folder": ('[caches."A/B/C"]\nlocation = "w"', "found 'A/B/C', expected letters.*Maps/World"),
    "parent folder": ('[caches."../C"]\nlocation = "w"', "found '../C', expected letters"),
    "unknown table": (
        f"{CACHE}[server]",
        r"unknown key server \(the nearest is service\); expected one of service, caches",
    ),
}


@pytest.mark.parametrize("name", INVALID)
def test_errors_state_file_key_found_and_expected(tmp_path: Path, name: str) -> None:
    text, message = INVALID[name]
    with pytest.raises(SettingsError, match=message) as caught:
        read_service_settings(write_file(tmp_path, text))
    assert str(caught.value).startswith(f"{tmp_path / 'service.toml'}: ")


def test_every_key_has_a_help_text() -> None:
    assert "maxAreaVertices" in SERVICE_KEYS
    assert all(item.metadata["help"].endswith(".") for item in SERVICE_KEYS.values())
