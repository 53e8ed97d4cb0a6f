"""Packages in the form of Esri's own, made in code field by field; a verification passes them until they are edited."""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image

from helpers.bundles import Address, bundle_path, bundle_v1_bytes, group_by_bundle
from helpers.caches import ORIGIN, TILE, conf_text, jpeg_tile, lod_text

LEVELS = range(9)
REFERENCE = {"wkid": 102100, "latestWkid": 3857}
DOMAIN = {
    "xyTolerance": 0.001,
    "zTolerance": 0.001,
    "mTolerance": 0.001,
    "falseX": -20037700,
    "falseY": -30241100,
    "xyUnits": 10000,
    "falseZ": -100000,
    "zUnits": 10000,
    "falseM": -100000,
    "mUnits": 10000,
}
GUID = "8F615B9F-DC0C-4BAB-860B-B3558FF71006"
WORLD = {"xmin": -20037508.0, "ymin": -20037508.0, "xmax": 20037508.0, "ymax": 20037508.0}
DEGREES = {"xmin": -180.0, "ymin": -85.0, "xmax": 180.0, "ymax": 85.0}
PROLOG = '<?xml version="1.0" encoding="utf-8" ?>'


@dataclass
class ZipFields:
    """The fields of a zip, which edits may change.

    Attributes
    ----------
    members : dict of str to bytes
        In the order of the zip.
    fields : dict of str to dict
        Fields of single members that differ: `needed`, `made_by`, `flags`, `method`, `attributes`, `extra`, `comment`,
        `crc32`, `local_size`, `stream`.
    comment, prefix : bytes
    zip64_end : bool
        Write a Zip64 end record that no number needs.
    """

    members: dict[str, bytes]
    fields: dict[str, dict[str, Any]] = field(default_factory=dict)
    comment: bytes = b""
    prefix: bytes = b""
    zip64_end: bool = False

    def write(self, path: Path) -> Path:
        """Write the zip and return its path."""
        body, directory = bytearray(self.prefix), bytearray()
        for name, data in self.members.items():
            values = {**FIELDS, **self.fields.get(name, {})}
            stream = values["stream"] if values["stream"] is not None else data
            crc32 = zlib.crc32(data) if values["crc32"] is None else values["crc32"]
            encoded, extra, offset = name.encode(), values["extra"], len(body) - len(self.prefix)
            start = struct.pack("<5H", values["needed"], values["flags"], values["method"], 0, 0x21)
            local_size = len(data) if values["local_size"] is None else values["local_size"]
            body += b"PK\3\4" + start + struct.pack("<3I", crc32, len(stream), local_size)
            body += struct.pack("<2H", len(encoded), len(extra)) + encoded + extra + stream
            directory += b"PK\1\2" + struct.pack("<H", values["made_by"]) + start
            directory += struct.pack("<3I", crc32, len(stream), len(data))
            sizes = len(encoded), len(extra), len(values["comment"])
            directory += struct.pack("<5H2I", *sizes, 0, 0, values["attributes"], offset)
            directory += encoded + extra + values["comment"]
        count, size, offset = len(self.members), len(directory), len(body) - len(self.prefix)
        end = b""
        if self.zip64_end:
            end += struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, offset)
            end += struct.pack("<4sLQL", b"PK\6\7", 0, offset + size, 1)
        end += struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, size, offset, len(self.comment))
        path.write_bytes(bytes(body + directory) + end + self.comment)
        return path


FIELDS: dict[str, Any] = {
    "needed": 10,
    "made_by": 20,
    "flags": 0,
    "method": 0,
    "attributes": 0x20,
    "extra": b"",
    "comment": b"",
    "crc32": None,
    "local_size": None,
    "stream": None,
}
"""The fields of each member by default, as ArcGIS writes them."""


@cache
def thumbnail(size: tuple[int, int] = (200, 133)) -> bytes:
    """Return a PNG."""
    file = io.BytesIO()
    Image.new("RGB", size, (10, 120, 200)).save(file, "PNG")
    return file.getvalue()


def small_world() -> dict[Address, bytes]:
    """Return all tiles of levels 0 to 2, and those of level 3 that touch the middle."""
    tiles = {
        (level, row, column): jpeg_tile(100 * level + 10 * row + column)
        for level in range(3)
        for row in range(2**level)
        for column in range(2**level)
    }
    return tiles | {(3, row, column): jpeg_tile(10 * row + column) for row in range(8) for column in range(8)}


def v2_bundle(tiles: Mapping[tuple[int, int], bytes]) -> bytes:
    """Return a compact V2 bundle as ArcGIS writes it into packages."""
    index, body = [4] * 16384, bytearray()
    for (row, column), tile in tiles.items():
        body += struct.pack("<I", len(tile))
        index[128 * row + column] = len(tile) << 40 | 64 + 131072 + len(body)
        body += tile
    largest, size = max([131092, *map(len, tiles.values())]), 64 + 131072 + len(body)
    head = struct.pack("<4I3Q6I", 3, 0, largest, 5, 0, size, 40, 131092, 3, 0, 16384, 5, 131072)
    return head + struct.pack("<16384Q", *index) + bytes(body)


def root_json(levels: range = LEVELS, *, last: int = 3) -> dict[str, Any]:
    """Return root.json, in the order of the server's."""
    reference = {**REFERENCE, **DOMAIN}
    lods = [
        {"level": level, "resolution": float(resolution), "scale": float(scale)}
        for level, (scale, resolution) in ((level, lod_text(level)) for level in levels)
    ]
    return {
        "tileImageInfo": {"format": "JPEG", "compressionQuality": 85, "bandCount": 3, "lercError": 0},
        "name": "World",
        "version": 1.0,
        "serviceDescription": "",
        "tileBundlesPath": "./tile",
        "spatialReference": reference,
        "units": "esriMeters",
        "minLOD": 0,
        "maxLOD": last,
        "resampling": True,
        "tileInfo": {
            "rows": TILE,
            "cols": TILE,
            "dpi": 96,
            "origin": {"x": -float(ORIGIN), "y": float(ORIGIN)},
            "spatialReference": REFERENCE,
            "lods": lods,
        },
        "exportTilesAllowed": False,
        "storageInfo": {"storageFormat": "esriMapCacheStorageModeCompactV2", "packetSize": 128},
        "layers": [{"id": 0, "name": "World", "parentLayerId": -1, "defaultVisibility": True, "subLayerIds": None}],
        "initialExtent": {**WORLD, "spatialReference": reference},
        "fullExtent": {**WORLD, "spatialReference": reference},
    }


def item_json() -> dict[str, Any]:
    """Return iteminfo.json."""
    return {
        "creator": "CreateMapTilePackage ArcGIS Pro",
        "name": "World",
        "guid": GUID,
        "version": 1.0,
        "created": 0,
        **dict.fromkeys(("snippet", "description", "summary"), ""),
        "title": "World",
        "tags": "",
        "type": "Compact Tile Package",
        "typeKeywords": ["Compact Tile Package", "Tile Package", "tpkx"],
        "thumbnail": "./thumbnail.png",
        "extent": {**DEGREES, "spatialReference": {"wkid": 4326, "latestWkid": 4326}},
    }


def to_json(value: object) -> bytes:
    """Return JSON as ArcGIS writes it: without blanks."""
    return json.dumps(value, separators=(",", ":")).encode()


def tpkx(tiles: Mapping[Address, bytes] | None = None) -> ZipFields:
    """Return a .tpkx in the form of Esri's own."""
    bundles = group_by_bundle(Path("tile"), small_world() if tiles is None else tiles)
    return ZipFields(
        {
            "iteminfo.json": to_json(item_json()),
            "root.json": to_json(root_json()),
            "thumbnail.png": thumbnail(),
            **{path.as_posix(): v2_bundle(content) for path, content in bundles.items()},
        }
    )


def item_xml(extent: Mapping[str, float] = DEGREES) -> str:
    """Return iteminfo.xml."""
    sides = "".join(f"<{name}>{value!r}</{name}>\r\n" for name, value in extent.items())
    fields = {"name": "World", "guid": GUID, "title": "World", "type": "Tile Package"}
    texts = "".join(f"<{name}>{value}</{name}>\r\n" for name, value in fields.items())
    return f"{PROLOG}\r\n<ESRI_ItemInformation>\r\n{texts}<extent>\r\n{sides}</extent>\r\n</ESRI_ItemInformation>\r\n"


def service_json() -> dict[str, Any]:
    """Return mapserver.json."""
    extent = {**WORLD, "spatialReference": REFERENCE}
    contents = {
        "currentVersion": 10.31,
        "serviceDescription": "",
        "mapName": "Layers",
        "layers": [{"id": 0, "name": "x"}],
        "spatialReference": REFERENCE,
        "initialExtent": extent,
        "fullExtent": extent,
        "units": "esriMeters",
    }
    return {
        "name": "MapServer",
        "contents": contents,
        "resourceInfo": {"geoFullExtent": DEGREES, "geoInitialExtent": DEGREES},
    }


def cdi_xml() -> str:
    """Return conf.cdi."""
    sides = dict(zip(("XMin", "YMin", "XMax", "YMax"), WORLD.values(), strict=True))
    return f"{PROLOG}<EnvelopeN>{''.join(f'<{name}>{value!r}</{name}>' for name, value in sides.items())}</EnvelopeN>"


def tpk(tiles: Mapping[Address, bytes] | None = None) -> ZipFields:
    """Return a .tpk in the form of Esri's own, without its layer files."""
    lines = ("<pkinfo>", f"<ID>{GUID}</ID>", "<name>World</name>", "<type>Tile Package</type>", "</pkinfo>")
    members = {
        "esriinfo/item.pkinfo": "".join(f"{line}\r\n" for line in (PROLOG, *lines)).encode(),
        "esriinfo/iteminfo.xml": item_xml().encode(),
        "esriinfo/thumbnail/thumbnail.png": thumbnail(),
        "servicedescriptions/mapserver/mapserver.json": to_json(service_json()),
        "v101/Layers/conf.cdi": cdi_xml().encode(),
        "v101/Layers/conf.properties": f"{PROLOG}<PropertySet></PropertySet>".encode(),
        "v101/Layers/conf.xml": conf_text(LEVELS, storage="esriMapCacheStorageModeCompact").strip().encode(),
    }
    found = group_by_bundle(Path("v101/Layers/_alllayers"), small_world() if tiles is None else tiles)
    for path, content in found.items():
        data, index = bundle_v1_bytes(content)
        members |= {path.as_posix(): data, path.with_suffix(".bundlx").as_posix(): index}
    return ZipFields(members)


def member_of(level: int, *, suffix: str = ".bundle", folder: str = "tile") -> str:
    """Return the name of the bundle of a level."""
    return bundle_path(Path(folder), level, 0, 0).with_suffix(suffix).as_posix()
