"""Checks that every result passes, whatever was exported."""

from __future__ import annotations

import json
import struct
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from helpers.tile_readers import COMPACT, bundle_address, read_v1_bundle, read_v1_entries

SIDES = ("xmin", "ymin", "xmax", "ymax")

Extent = tuple[float, float, float, float]
"""xmin, ymin, xmax, ymax."""


def check_package(path: Path, *, levels: set[int]) -> None:
    """Check what clients rely on in a .tpkx."""
    with zipfile.ZipFile(path) as package:
        assert package.testzip() is None
        assert all(member.compress_type == zipfile.ZIP_STORED for member in package.infolist())
        names = package.namelist()
        assert names[:3] == ["iteminfo.json", "root.json", "thumbnail.png"]
        assert names[3:] == sorted(names[3:])
        assert len(names) == len(set(names))
        for name in names[3:]:
            check_bundle_head(package.read(name), is_packaged=True)
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
    """Check what readers of a .tpk rely on: the files of ArcMap's packages, without layer files."""
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
    full, degrees = (
        read_extent(service["contents"]["fullExtent"]),
        read_extent(service["resourceInfo"]["geoFullExtent"]),
    )
    assert full == read_extent(service["contents"]["initialExtent"]) == read_cdi(parts[f"{folder}conf.cdi"])
    assert degrees == read_extent(service["resourceInfo"]["geoInitialExtent"])
    assert degrees == read_extent({side: float(item.findtext(f"extent/{side}") or "nan") for side in SIDES})
    assert -180 <= degrees[0] < degrees[2] <= 180
    assert -90 <= degrees[1] < degrees[3] <= 90


def check_dataset(folder: Path, *, storage: str, levels: set[int]) -> None:
    """Check what readers of a cache raster dataset rely on."""
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
    """Check the files of all bundles, by path: headers, indexes, and the folders of the levels."""
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
    """Check storage format, packet size and quality: each is stated once, in the namespace of its parent."""
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


def read_cdi(data: bytes) -> Extent:
    """Return the extent that a conf.cdi states."""
    root = ElementTree.fromstring(data)
    return read_extent(
        {side: float(root.findtext(f"{{*}}{side[0].upper()}{side[1:].capitalize()}") or "nan") for side in SIDES}
    )


def read_extent(box: dict[str, float]) -> Extent:
    """Return the sides of an extent in JSON."""
    xmin, ymin, xmax, ymax = (box[side] for side in SIDES)
    return xmin, ymin, xmax, ymax


def check_v1_bundle(name: str, data: bytes, index: bytes) -> None:
    """Check all bytes of a compact V1 bundle but its tiles: they are as ArcGIS Server writes them."""
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


def check_bundle_head(data: bytes, *, is_packaged: bool = False) -> None:
    """Check the header of a compact V2 bundle.

    In folders it is that of ArcGIS Server, with the record count that GDAL needs; in packages that of Esri's packages.
    """
    head = struct.unpack_from("<4I3Q6I", data)
    entries = struct.unpack_from("<16384Q", data, 64)
    largest = max(entry >> 40 for entry in entries)
    count, largest, legacy = (0, max(131092, largest), 0) if is_packaged else (16384, largest, 16)
    assert head == (3, count, largest, 5, 0, len(data), 40, 131092, 3, legacy, 16384, 5, 131072)
    assert {entry for entry in entries if entry >> 40 == 0} <= {4 if is_packaged else 0}


def check_nothing_left(folder: Path, *names: str) -> None:
    """Check that a folder holds these files and nothing else: no staging folder, no partial file."""
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
