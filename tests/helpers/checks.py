"""Verbs that tests share: independent readers of packages and caches, and what must hold for every result."""

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

from gptool.plan import Plan
from gptool.request import Request, read_request
from helpers.caches import Address

BUNDLE = re.compile(r"(?:.*/)?L(\d\d)/R([0-9a-f]{4,})C([0-9a-f]{4,})\.bundle")
EXPLODED = re.compile(r"L(\d\d)/R([0-9a-f]{8})/C([0-9a-f]{8})\.(?:jpg|png)")
COMPACT, COMPACT_V2 = "esriMapCacheStorageModeCompact", "esriMapCacheStorageModeCompactV2"
SIDES = ("xmin", "ymin", "xmax", "ymax")

Box = tuple[float, float, float, float]


def asked(**parameters: object) -> Request:
    """The request that parameters make, under their names in Python or the operation's."""
    return read_request(parameters)


def tiles_of(plan: Plan) -> set[Address]:
    """The tiles that a plan takes."""
    found = set()
    for level in plan.levels:
        for bundle in level.bundles:
            with plan.cache.open_bundle(bundle.address) as opened:
                for position in plan.selection.positions(level.lod, bundle.address, opened.sizes).tolist():
                    found.add(tuple(bundle.address.tile(position)))
    return found


def bundle_address(name: str) -> Address:
    """Level, first row and first column, as a bundle's name states them."""
    match = BUNDLE.fullmatch(name)
    assert match, name
    return int(match[1]), int(match[2], 16), int(match[3], 16)


def read_bundle(name: str, data: bytes) -> dict[Address, bytes]:
    """The tiles of a compact V2 bundle, as its specification has them: no code shared with the package."""
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
    """The entries of a compact V1 bundle's index, column by column."""
    assert len(index) == 16 + 5 * 16384 + 16
    return np.frombuffer(index, np.uint8)[16:-16].reshape(16384, 5) @ 256 ** np.arange(5)


def read_v1_bundle(name: str, data: bytes, index: bytes) -> dict[Address, bytes]:
    """The tiles of a compact V1 bundle."""
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


def read_v1_cache(folder: Path) -> dict[Address, bytes]:
    """All tiles of a compact V1 cache folder."""
    tiles: dict[Address, bytes] = {}
    for path in sorted((folder / "_alllayers").glob("L*/*.bundle")):
        tiles |= read_v1_bundle(path.as_posix(), path.read_bytes(), path.with_suffix(".bundlx").read_bytes())
    return tiles


def read_exploded(folder: Path) -> dict[Address, bytes]:
    """All tiles of an exploded cache folder."""
    tiles = {}
    for path in (folder / "_alllayers").glob("L*/R*/C*"):
        match = EXPLODED.fullmatch(path.relative_to(folder / "_alllayers").as_posix())
        assert match, path
        tiles[int(match[1]), int(match[2], 16), int(match[3], 16)] = path.read_bytes()
    return tiles


def read_tpk(path: Path) -> dict[Address, bytes]:
    """All tiles of a .tpk."""
    tiles: dict[Address, bytes] = {}
    with zipfile.ZipFile(path) as package:
        for name in package.namelist():
            if name.endswith(".bundle"):
                tiles |= read_v1_bundle(name, package.read(name), package.read(f"{name[:-1]}x"))
    return tiles


def read_dataset(folder: Path) -> dict[Address, bytes]:
    """All tiles of a cache folder, by the storage that its conf.xml states; none means exploded."""
    [conf] = (path for path in folder.iterdir() if path.name.lower() == "conf.xml")
    storage = ElementTree.parse(conf).findtext("{*}CacheStorageInfo/{*}StorageFormat")
    return {COMPACT: read_v1_cache, COMPACT_V2: read_cache}.get(storage or "", read_exploded)(folder)


def read_tiles(path: Path) -> dict[Address, bytes]:
    """All tiles of any cache or package."""
    return {".tpkx": read_package, ".tpk": read_tpk}.get(path.suffix, read_dataset)(path)


def read_member(path: Path, member: str) -> bytes:
    """A file of a package or folder."""
    if path.is_dir():
        return (path / member).read_bytes()
    with zipfile.ZipFile(path) as package:
        return package.read(member)


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


def check_tpk(path: Path, *, levels: set[int]) -> None:
    """What readers of a .tpk rely on: the parts that ArcMap's packages have, without layer files."""
    with zipfile.ZipFile(path) as package:
        assert package.testzip() is None
        assert all(member.compress_type == zipfile.ZIP_STORED for member in package.infolist())
        parts = {name: package.read(name) for name in package.namelist()}
        assert len(parts) == len(package.infolist())
    folder = "v101/Layers/"
    bundles = {name.removeprefix(folder): data for name, data in parts.items() if "_alllayers" in name}
    assert list(parts)[: -len(bundles)] == [
        "esriinfo/item.pkinfo",
        "esriinfo/iteminfo.xml",
        "esriinfo/thumbnail/thumbnail.png",
        "servicedescriptions/mapserver/mapserver.json",
        f"{folder}conf.cdi",
        f"{folder}conf.properties",
        f"{folder}conf.xml",
    ]
    assert list(bundles) == sorted(bundles)
    check_bundles(bundles, COMPACT, levels)
    check_conf(parts[f"{folder}conf.xml"], COMPACT)
    assert struct.unpack(">2I", parts["esriinfo/thumbnail/thumbnail.png"][16:24]) == (200, 133)
    properties = ElementTree.fromstring(parts[f"{folder}conf.properties"])
    assert properties.findtext("PropertyArray/PropertySetProperty/Key") == "CacheTileContentType"
    item = ElementTree.fromstring(parts["esriinfo/iteminfo.xml"])
    pkinfo = ElementTree.fromstring(parts["esriinfo/item.pkinfo"])
    assert item.findtext("name") == item.findtext("title") == pkinfo.findtext("name") == path.stem
    assert item.findtext("guid") == pkinfo.findtext("ID")
    assert item.findtext("type") == pkinfo.findtext("type") == "Tile Package"
    service = json.loads(parts["servicedescriptions/mapserver/mapserver.json"])
    full, degrees = read_box(service["contents"]["fullExtent"]), read_box(service["resourceInfo"]["geoFullExtent"])
    assert full == read_box(service["contents"]["initialExtent"]) == read_cdi(parts[f"{folder}conf.cdi"])
    assert degrees == read_box(service["resourceInfo"]["geoInitialExtent"])
    assert degrees == read_box({side: float(item.findtext(f"extent/{side}") or "nan") for side in SIDES})
    assert -180 <= degrees[0] < degrees[2] <= 180
    assert -90 <= degrees[1] < degrees[3] <= 90


def check_dataset(folder: Path, *, storage: str, levels: set[int]) -> None:
    """What readers of a cache raster dataset rely on."""
    assert {path.name for path in folder.iterdir()} == {"conf.xml", "conf.cdi", "_alllayers"}
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted((folder / "_alllayers").rglob("*"))
        if path.is_file()
    }
    check_bundles(files, storage, levels)
    check_conf((folder / "conf.xml").read_bytes(), storage)
    box = read_cdi((folder / "conf.cdi").read_bytes())
    assert box[0] < box[2]
    assert box[1] < box[3]


def check_bundles(files: dict[str, bytes], storage: str, levels: set[int]) -> None:
    """The files of all bundles, by their paths: each with its index and header, in a folder of its level."""
    names = {name for name in files if name.endswith(".bundle")}
    indexes = {f"{name[:-1]}x" for name in names} if storage == COMPACT else set()
    assert files.keys() == names | indexes
    assert {bundle_address(name)[0] for name in names} == levels
    for name in names:
        assert name.startswith("_alllayers/")
        if storage == COMPACT:
            check_v1_bundle(name, files[name], files[f"{name[:-1]}x"])
        else:
            check_bundle_head(files[name])


def check_conf(data: bytes, storage: str) -> None:
    """Storage, packets and quality, each stated once and by the namespace of its parent."""
    root = ElementTree.fromstring(data)
    space = root.tag.removesuffix("CacheInfo")
    found = [
        root.findall(f"{space}{path}")
        for path in (
            f"CacheStorageInfo/{space}StorageFormat",
            f"CacheStorageInfo/{space}PacketSize",
            f"TileImageInfo/{space}CompressionQuality",
        )
    ]
    assert [len(elements) for elements in found] == [1, 1, 1]
    assert [element.text for [element] in found[:2]] == [storage, "128"]
    assert 0 <= int(found[2][0].text or "") <= 100


def read_cdi(data: bytes) -> Box:
    """The box that a conf.cdi states."""
    root = ElementTree.fromstring(data)
    return read_box(
        {side: float(root.findtext(f"{{*}}{side[0].upper()}{side[1:].capitalize()}") or "nan") for side in SIDES}
    )


def read_box(box: dict[str, float]) -> Box:
    """A box, without what else its JSON states."""
    return (*(box[side] for side in SIDES),)


def check_v1_bundle(name: str, data: bytes, index: bytes) -> None:
    """A compact V1 bundle as ArcGIS Server writes it, byte by byte but for the tiles."""
    _, row, column = bundle_address(name)
    tiles = read_v1_bundle(name, data, index)
    largest, size = max(map(len, tiles.values())), 60 + 65536 + sum(4 + len(tile) for tile in tiles.values())
    head = 3, 16384, largest, 5, 4 * len(tiles), 0, size, 0, 40, 0, 16, row, row + 127, column, column + 127
    assert data[:60] == struct.pack("<15I", *head)
    assert data[60:65596] == bytes(65536)
    assert len(data) == size
    assert index[:16] == struct.pack("<4I", 3, 16, 16384, 5)
    assert index[-16:] == struct.pack("<4I", 0, 16, 16, 0)
    expected = 60 + 4 * np.arange(16384)
    present = [128 * (c - column) + r - row for _, r, c in tiles]
    entries = read_v1_entries(index)
    assert (entries[present] >= 65596).all()
    expected[present] = entries[present]
    assert (entries == expected).all()


def check_bundle_head(data: bytes) -> None:
    """The header of Esri's specification, with the record count that GDAL looks for in folders."""
    head = struct.unpack_from("<4I3Q6I", data)
    entries = struct.unpack_from("<16384Q", data, 64)
    largest = max(entry >> 40 for entry in entries)
    assert head == (3, 16384, largest, 5, 0, len(data), 40, 131092, 3, 16, 16384, 5, 131072)


def check_nothing_left(folder: Path, *names: str) -> None:
    """Nothing but these is in the folder: no staging, no half-written file."""
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
