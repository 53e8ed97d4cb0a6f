"""Readers of caches and packages after the specifications of their formats; they share no code with gptool."""

from __future__ import annotations

import json
import re
import struct
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from helpers.bundles import Address

BUNDLE = re.compile(r"(?:.*/)?L(\d\d)/R([0-9a-f]{4,})C([0-9a-f]{4,})\.bundle")
EXPLODED = re.compile(r"L(\d\d)/R([0-9a-f]{8})/C([0-9a-f]{8})\.(?:jpg|png)")
COMPACT, COMPACT_V2 = "esriMapCacheStorageModeCompact", "esriMapCacheStorageModeCompactV2"


def bundle_address(name: str) -> Address:
    """Return level, first row and first column, as a bundle's name states them."""
    match = BUNDLE.fullmatch(name)
    assert match, name
    return int(match[1]), int(match[2], 16), int(match[3], 16)


def read_bundle(name: str, data: bytes) -> dict[Address, bytes]:
    """Return the tiles of a compact V2 bundle."""
    level, row, column = bundle_address(name)
    tiles = {}
    entries = np.frombuffer(data, "<u8", 16384, 64)
    for i in np.flatnonzero(entries >> 40).tolist():
        size, offset = int(entries[i]) >> 40, int(entries[i]) & (1 << 40) - 1
        assert struct.unpack_from("<I", data, offset - 4)[0] == size
        tiles[level, row + i // 128, column + i % 128] = data[offset : offset + size]
        assert len(tiles[level, row + i // 128, column + i % 128]) == size
    return tiles


def read_v1_entries(index: bytes) -> NDArray[np.int64]:
    """Return the entries of a compact V1 bundle's index, column by column."""
    assert len(index) == 16 + 5 * 16384 + 16
    return np.frombuffer(index, np.uint8)[16:-16].reshape(16384, 5) @ 256 ** np.arange(5)


def read_v1_bundle(name: str, data: bytes, index: bytes) -> dict[Address, bytes]:
    """Return the tiles of a compact V1 bundle."""
    level, row, column = bundle_address(name)
    entries = read_v1_entries(index)
    sizes = np.frombuffer(data, np.uint8)[entries[:, np.newaxis] + np.arange(4)] @ 256 ** np.arange(4)
    tiles = {}
    for i in np.flatnonzero((entries > 0) & (sizes > 0)).tolist():
        start = int(entries[i]) + 4
        tiles[level, row + i % 128, column + i // 128] = data[start : start + int(sizes[i])]
        assert len(tiles[level, row + i % 128, column + i // 128]) == sizes[i]
    return tiles


def read_package(path: Path) -> dict[Address, bytes]:
    """Return all tiles of a .tpkx."""
    tiles: dict[Address, bytes] = {}
    with zipfile.ZipFile(path) as package:
        for name in package.namelist():
            if name.endswith(".bundle"):
                tiles |= read_bundle(name, package.read(name))
    return tiles


def read_cache(folder: Path) -> dict[Address, bytes]:
    """Return all tiles of a compact V2 cache folder."""
    tiles: dict[Address, bytes] = {}
    for path in sorted((folder / "_alllayers").glob("L*/*.bundle")):
        tiles |= read_bundle(path.as_posix(), path.read_bytes())
    return tiles


def read_v1_cache(folder: Path) -> dict[Address, bytes]:
    """Return all tiles of a compact V1 cache folder."""
    tiles: dict[Address, bytes] = {}
    for path in sorted((folder / "_alllayers").glob("L*/*.bundle")):
        tiles |= read_v1_bundle(path.as_posix(), path.read_bytes(), path.with_suffix(".bundlx").read_bytes())
    return tiles


def read_exploded(folder: Path) -> dict[Address, bytes]:
    """Return all tiles of an exploded cache folder."""
    tiles = {}
    for path in (folder / "_alllayers").glob("L*/R*/C*"):
        match = EXPLODED.fullmatch(path.relative_to(folder / "_alllayers").as_posix())
        assert match, path
        tiles[int(match[1]), int(match[2], 16), int(match[3], 16)] = path.read_bytes()
    return tiles


def read_tpk(path: Path) -> dict[Address, bytes]:
    """Return all tiles of a .tpk."""
    tiles: dict[Address, bytes] = {}
    with zipfile.ZipFile(path) as package:
        for name in package.namelist():
            if name.endswith(".bundle"):
                tiles |= read_v1_bundle(name, package.read(name), package.read(f"{name[:-1]}x"))
    return tiles


def read_dataset(folder: Path) -> dict[Address, bytes]:
    """Return all tiles of a cache folder, whose conf.xml states the storage format; without it, it is exploded."""
    [conf] = (path for path in folder.iterdir() if path.name.lower() == "conf.xml")
    storage = ElementTree.parse(conf).findtext("{*}CacheStorageInfo/{*}StorageFormat")
    return {COMPACT: read_v1_cache, COMPACT_V2: read_cache}.get(storage or "", read_exploded)(folder)


def read_tiles(path: Path) -> dict[Address, bytes]:
    """Return all tiles of a cache or package."""
    return {".tpkx": read_package, ".tpk": read_tpk}.get(path.suffix, read_dataset)(path)


def read_member(path: Path, member: str) -> bytes:
    """Return the content of a file in a package or folder."""
    if path.is_dir():
        return (path / member).read_bytes()
    with zipfile.ZipFile(path) as package:
        return package.read(member)


def read_json(path: Path, member: str) -> dict[str, Any]:
    """Return the object in a JSON file of a package."""
    with zipfile.ZipFile(path) as package:
        value: dict[str, Any] = json.loads(package.read(member))
    return value
