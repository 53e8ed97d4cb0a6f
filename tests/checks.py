"""Verbs that tests share: an independent reader of packages and caches, and what must hold for every package."""

from __future__ import annotations

import json
import re
import struct
import zipfile
from pathlib import Path
from typing import Any

from caches import Address

BUNDLE = re.compile(r"(?:.*/)?L(\d\d)/R([0-9a-f]{4,})C([0-9a-f]{4,})\.bundle")


def read_bundle(name: str, data: bytes) -> dict[Address, bytes]:
    """The tiles of a compact V2 bundle, as its specification has them: no code shared with the package."""
    match = BUNDLE.fullmatch(name)
    assert match, name
    level, row, column = int(match[1]), int(match[2], 16), int(match[3], 16)
    tiles = {}
    for i, entry in enumerate(struct.unpack_from("<16384Q", data, 64)):
        size, offset = entry >> 40, entry & (1 << 40) - 1
        if size:
            assert struct.unpack_from("<I", data, offset - 4)[0] == size
            tiles[level, row + i // 128, column + i % 128] = data[offset : offset + size]
            assert len(tiles[level, row + i // 128, column + i % 128]) == size
    return tiles


def read_package(path: Path) -> dict[Address, bytes]:
    """All tiles of a .tpkx."""
    tiles: dict[Address, bytes] = {}
    with zipfile.ZipFile(path) as package:
        for name in package.namelist():
            if name.endswith(".bundle"):
                tiles |= read_bundle(name, package.read(name))
    return tiles


def read_cache(folder: Path) -> dict[Address, bytes]:
    """All tiles of a compact V2 cache folder, whose size prefixes may be anything."""
    tiles: dict[Address, bytes] = {}
    for path in sorted((folder / "_alllayers").glob("L*/*.bundle")):
        tiles |= read_bundle(path.as_posix(), path.read_bytes())
    return tiles


def read_json(path: Path, member: str) -> dict[str, Any]:
    """root.json or iteminfo.json of a package."""
    with zipfile.ZipFile(path) as package:
        value: dict[str, Any] = json.loads(package.read(member))
    return value


def check_package(path: Path, *, levels: set[int]) -> None:
    """What every client relies on, whatever was exported."""
    with zipfile.ZipFile(path) as package:
        assert package.testzip() is None
        assert all(member.compress_type == zipfile.ZIP_STORED for member in package.infolist())
        names = package.namelist()
        assert names[:3] == ["iteminfo.json", "root.json", "thumbnail.png"]
        assert names[3:] == sorted(names[3:])
        assert len(names) == len(set(names))
        for name in names[3:]:
            check_bundle_head(package.read(name))
        assert b"tileBundlesPath" in package.read("root.json")[:512]
        root, item = (json.loads(package.read(name)) for name in ("root.json", "iteminfo.json"))
        assert struct.unpack(">2I", package.read("thumbnail.png")[16:24]) == (200, 133)
    assert {int(name[6:8]) for name in names[3:]} == levels
    assert (root["minLOD"], root["maxLOD"]) == (min(levels), max(levels))
    assert root["version"] == item["version"] == 1.0
    assert root["storageInfo"] == {"storageFormat": "esriMapCacheStorageModeCompactV2", "packetSize": 128}
    extent = root["fullExtent"]
    assert extent["xmin"] < extent["xmax"]
    assert extent["ymin"] < extent["ymax"]
    assert item["name"] == root["name"] == path.stem
    assert item["typeKeywords"] == ["Compact Tile Package", "Tile Package", "tpkx"]
    box = item["extent"]
    assert -180 <= box["xmin"] < box["xmax"] <= 180
    assert -90 <= box["ymin"] < box["ymax"] <= 90


def check_bundle_head(data: bytes) -> None:
    """The header of Esri's specification, with the record count that GDAL looks for in folders."""
    head = struct.unpack_from("<4I3Q6I", data)
    entries = struct.unpack_from("<16384Q", data, 64)
    largest = max(entry >> 40 for entry in entries)
    assert head == (3, 16384, largest, 5, 0, len(data), 40, 131092, 3, 16, 16384, 5, 131072)


def check_nothing_left(folder: Path, *names: str) -> None:
    """Nothing but these is in the folder: no staging, no half-written file."""
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
