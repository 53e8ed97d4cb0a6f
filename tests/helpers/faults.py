"""Faults, one for each rule: edits of a package or cache in the form of Esri's own that break exactly that rule."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from functools import reduce
from operator import getitem
from typing import Any

from helpers.caches import jpeg_tile, png_tile
from helpers.esri_packages import ZipFields, member_of, thumbnail, to_json

Edit = Callable[[ZipFields], object]
ROOT, ITEM, SERVICE = "root.json", "iteminfo.json", "servicedescriptions/mapserver/mapserver.json"
BUNDLE, V1_BUNDLE = member_of(1), member_of(1, folder="v101/Layers/_alllayers")
V1_INDEX = f"{V1_BUNDLE[:-1]}x"
CONF, CDI, ITEM_XML = "v101/Layers/conf.xml", "v101/Layers/conf.cdi", "esriinfo/iteminfo.xml"
INDEX = 64
Values = dict[str, Any]


def values(member: str, edit: Callable[[Values], object]) -> Edit:
    """Return an edit of the object in a JSON document."""

    def apply(package: ZipFields) -> None:
        document = json.loads(package.members[member])
        edit(document)
        package.members[member] = to_json(document)

    return apply


def put(member: str, path: str, value: object) -> Edit:
    """Return an edit that sets a value of a JSON document, by a path such as `tileInfo.lods.0.scale`."""

    def edit(document: Any) -> None:
        *parts, last = [int(part) if part.isdecimal() else part for part in path.split(".")]
        for part in parts:
            document = document[part]
        document[last] = value

    return values(member, edit)


def drop(member: str, *path: str) -> Edit:
    """Return an edit that removes a member of a JSON document, or of an object in it."""
    *objects, name = path
    return values(member, lambda document: reduce(getitem, objects, document).pop(name))


def replace(member: str, old: bytes, new: bytes) -> Edit:
    """Return an edit of the bytes of a document."""

    def apply(package: ZipFields) -> None:
        assert old in package.members[member]
        package.members[member] = package.members[member].replace(old, new)

    return apply


def append(member: str, data: bytes) -> Edit:
    """Return an edit that appends bytes to a member."""
    return lambda package: package.members.update({member: package.members[member] + data})


def pack(member: str, offset: int, form: str, *numbers: int) -> Edit:
    """Return an edit of numbers in a member."""

    def apply(package: ZipFields) -> None:
        data = bytearray(package.members[member])
        struct.pack_into(f"<{form}", data, offset, *numbers)
        package.members[member] = bytes(data)

    return apply


def fields(member: str, **changes: object) -> Edit:
    """Return an edit of the zip's fields of a member."""
    return lambda package: package.fields.update({member: changes})


def rename(old: str, new: str) -> Edit:
    """Return an edit of a member's name; its place in the zip stays."""

    def apply(package: ZipFields) -> None:
        package.members = {new if name == old else name: data for name, data in package.members.items()}

    return apply


def remove(member: str) -> Edit:
    """Return an edit that removes a member."""
    return lambda package: package.members.pop(member)


def tile(new: bytes) -> Edit:
    """Return an edit that replaces the tile at level 0 of a .tpkx by another, of any size."""

    def apply(package: ZipFields) -> None:
        head = bytearray(package.members[member_of(0)][: INDEX + 131072])
        struct.pack_into("<Q", head, INDEX, len(new) << 40 | len(head) + 4)
        struct.pack_into("<Q", head, 24, len(head) + 4 + len(new))
        package.members[member_of(0)] = bytes(head) + struct.pack("<I", len(new)) + new

    return apply


def both(*edits: Edit) -> Edit:
    """Return several edits in one."""
    return lambda package: [edit(package) for edit in edits]


def deflate(member: str) -> Edit:
    """Return an edit that compresses a member."""

    def apply(package: ZipFields) -> None:
        packer = zlib.compressobj(wbits=-15)
        stream = packer.compress(package.members[member]) + packer.flush()
        package.fields[member] = {"method": 8, "stream": stream}

    return apply


def reorder(package: ZipFields) -> None:
    """Move root.json behind the bundles."""
    package.members[ROOT] = package.members.pop(ROOT)


def without_tiles(package: ZipFields) -> None:
    """Remove all tiles, but not the bundles."""
    for name, data in package.members.items():
        if name.endswith(".bundle"):
            head = bytearray(data[:INDEX]) + struct.pack("<Q", 4) * 16384
            struct.pack_into("<Q", head, 24, len(head))
            struct.pack_into("<I", head, 8, 131092)
            package.members[name] = bytes(head)


def corrupt_png() -> bytes:
    """Return a PNG whose image data have a wrong checksum."""
    data = bytearray(png_tile(1))
    data[-20] ^= 1
    return bytes(data)


OTHER_LOD = {"level": 1, "resolution": 1.0, "scale": 1.0}
WGS84 = {"wkid": 4326, "latestWkid": 4326}
DATA_DESCRIPTOR, ENCRYPTED_HEADERS = 0x8, 0x2000

TPKX_FAULTS: dict[str, tuple[str, Edit]] = {
    "a deflated bundle": ("container.stored", deflate(BUNDLE)),
    "a deflated document": ("container.stored", deflate(ROOT)),
    "no thumbnail": ("container.incomplete", remove("thumbnail.png")),
    "no iteminfo.json": ("container.incomplete", remove(ITEM)),
    "no root.json": ("container.missing", remove(ROOT)),
    "litter of macOS": ("container.unexpected", lambda package: package.members.update({"tile/.DS_Store": b"x"})),
    "another file": ("container.unexpected", lambda package: package.members.update({"readme.txt": b"x"})),
    "flags": ("container.flags", fields(BUNDLE, flags=ENCRYPTED_HEADERS)),
    "the flag of UTF-8": ("container.flags", fields(ROOT, flags=0x800)),
    "data descriptor": ("container.data-descriptors", fields(BUNDLE, flags=DATA_DESCRIPTOR)),
    "extra field": ("container.extra-fields", fields(BUNDLE, extra=struct.pack("<2HI", 0x5455, 4, 1))),
    "Zip64 end record": ("container.zip64", lambda package: setattr(package, "zip64_end", True)),
    "version needed": ("container.version-needed", fields(BUNDLE, needed=20)),
    "made on Unix": ("container.system", fields(BUNDLE, made_by=3 << 8 | 20)),
    "attributes": ("container.attributes", fields(BUNDLE, attributes=0)),
    "order of members": ("container.order", reorder),
    "comment of the zip": ("container.comments", lambda package: setattr(package, "comment", b"made by hand")),
    "comment of a member": ("container.comments", fields(BUNDLE, comment=b"made by hand")),
    "local header": ("container.local-headers", fields(BUNDLE, local_size=1)),
    "checksum of a bundle": ("container.checksums", fields(BUNDLE, crc32=1)),
    "bytes in front": ("container.prefix", lambda package: setattr(package, "prefix", b"#!/bin/sh\n")),
    "invalid JSON": ("metadata.json", append(ITEM, b"}")),
    "NaN": ("metadata.json", replace(ITEM, b'"created":0', b'"created":NaN')),
    "a member twice": ("metadata.json", replace(ITEM, b'"created":0', b'"created":0,"created":0')),
    "byte order mark": ("metadata.encoding", lambda p: p.members.update({ITEM: b"\xef\xbb\xbf" + p.members[ITEM]})),
    "Latin-1": ("metadata.encoding", replace(ITEM, b'"tags":""', b'"tags":"\xe9"')),
    "blanks at the end": ("metadata.blanks", append(ROOT, b"   ")),
    "line breaks": ("metadata.line-breaks", replace(ROOT, b',"version"', b',\n"version"')),
    "size of the thumbnail": ("metadata.thumbnail", lambda p: p.members.update({"thumbnail.png": thumbnail((64, 64))})),
    "no image as thumbnail": ("metadata.thumbnail", lambda p: p.members.update({"thumbnail.png": b"an image"})),
    **{
        f"no {name}": ("metadata.root-members", drop(ROOT, name))
        for name in ("serviceDescription", "units", "resampling", "exportTilesAllowed", "layers", "initialExtent")
    },
    "version 1 of two": ("metadata.version", put(ROOT, "version", "1.0")),
    "empty name": ("metadata.name", put(ROOT, "name", "")),
    "packet size": ("metadata.storage", put(ROOT, "storageInfo", {"packetSize": 128, "storageFormat": "compactV2"})),
    "no band count": ("metadata.image-info", put(ROOT, "tileImageInfo.bandCount", None)),
    "quality as a text": ("metadata.image-info", put(ROOT, "tileImageInfo.compressionQuality", "85")),
    "units": ("metadata.units", put(ROOT, "units", "esriDecimalDegrees")),
    "no resampling": ("metadata.resampling", put(ROOT, "resampling", False)),
    "export allowed": ("metadata.export-allowed", put(ROOT, "exportTilesAllowed", True)),
    "no layers": ("metadata.layers", put(ROOT, "layers", [])),
    "no creator": ("metadata.item-members", drop(ITEM, "creator")),
    "further member": ("metadata.item-extra", put(ITEM, "spatialReference", WGS84)),
    "type": ("metadata.item-type", put(ITEM, "type", "Tile Package")),
    "keywords": ("metadata.item-keywords", put(ITEM, "typeKeywords", ["tpkx"])),
    "guid in lower case": ("metadata.guid", put(ITEM, "guid", "8f615b9f-dc0c-4bab-860b-b3558ff71006")),
    "created": ("metadata.created", put(ITEM, "created", 1_700_000_000)),
    "path of the thumbnail": ("metadata.item-thumbnail", put(ITEM, "thumbnail", "thumbnail.png")),
    "no spatial reference": ("scheme.reference", put(ROOT, "initialExtent.spatialReference", {})),
    "3857 twice": (
        "scheme.web-mercator",
        put(ROOT, "tileInfo.spatialReference", {"wkid": 3857, "latestWkid": 3857}),
    ),
    "another reference": ("scheme.same-reference", put(ROOT, "initialExtent.spatialReference", WGS84)),
    "no domain": ("scheme.domain", put(ROOT, "fullExtent.spatialReference", {"wkid": 102100, "latestWkid": 3857})),
    "tolerance of 0": ("scheme.domain", put(ROOT, "spatialReference.xyTolerance", 0)),
    "no scale": ("scheme.level-scales", put(ROOT, "tileInfo.lods.5.scale", None)),
    "a resolution as a text": ("scheme.levels", put(ROOT, "tileInfo.lods.5.resolution", "19567.9")),
    "scale of a level": ("scheme.scales", put(ROOT, "tileInfo.lods.8.scale", 2_300_000.5)),
    "maxLOD is no level": ("scheme.level-range", put(ROOT, "maxLOD", 30)),
    "maxLOD has no tiles": ("scheme.levels-with-tiles", put(ROOT, "maxLOD", 8)),
    "minLOD is not the first": ("scheme.levels-with-tiles", put(ROOT, "minLOD", 1)),
    "order of levels": ("scheme.numbering", values(ROOT, lambda root: root["tileInfo"]["lods"].reverse())),
    "name in capitals": ("bundles.names", rename(member_of(1), "tile/L01/R0000C0000.BUNDLE".replace("R0", "r0", 1))),
    "no bytes": ("bundles.file-length", lambda package: package.members.update({BUNDLE: b"short"})),
    "version": ("bundles.version", pack(BUNDLE, 0, "I", 4)),
    "record count": ("bundles.record-count", pack(BUNDLE, 4, "I", 16384)),
    "largest tile": ("bundles.largest-tile", pack(BUNDLE, 8, "I", 1000)),
    "offset bytes": ("bundles.offset-bytes", pack(BUNDLE, 12, "I", 4)),
    "slack space": ("bundles.offset-bytes", pack(BUNDLE, 16, "Q", 1)),
    "file size": ("bundles.file-size", pack(BUNDLE, 24, "Q", 1)),
    "user header": ("bundles.user-header", pack(BUNDLE, 40, "I", 20)),
    "legacy 1": ("bundles.constants", pack(BUNDLE, 44, "I", 0)),
    "legacy 2": ("bundles.legacy-field", pack(BUNDLE, 48, "I", 16)),
    "index size": ("bundles.index-size", pack(BUNDLE, 60, "I", 0)),
    "absent entries": ("bundles.absent-entries", pack(BUNDLE, INDEX + 8 * 200, "Q", 0)),
    "entry past the end": ("bundles.entries", pack(BUNDLE, INDEX + 8, "Q", 1000 << 40 | 1_000_000)),
    "entry in the index": ("bundles.entries", pack(BUNDLE, INDEX + 8, "Q", 1000 << 40 | 64)),
    "size in front of a tile": ("bundles.tile-sizes", pack(BUNDLE, INDEX + 131072, "I", 77)),
    "no tiles": ("tiles.any", without_tiles),
    "no image": ("tiles.format", tile(b"\0" * 100)),
    "PNG in a JPEG cache": ("tiles.declared-format", tile(png_tile(1))),
    "truncated JPEG": ("tiles.jpeg", tile(jpeg_tile(1)[:-50])),
    "JPEG with a wrong marker": ("tiles.jpeg", tile(jpeg_tile(1)[:-40] + b"\xff\xd0" + jpeg_tile(1)[-38:])),
    "corrupt PNG": ("tiles.png", tile(corrupt_png())),
    "truncated LERC": ("tiles.lerc", tile(b"Lerc2 " + struct.pack("<2I7i", 4, 0, 64, 64, 1, 1, 8, 9999, 0))),
    "size of a tile": ("tiles.size", tile(jpeg_tile(1, size=32))),
    "no area": ("extent.full", put(ROOT, "fullExtent.xmax", -20037508.0)),
    "a side as a text": ("extent.initial", put(ROOT, "initialExtent.xmax", "1")),
    "tiles outside": ("extent.tiles", put(ROOT, "fullExtent.xmax", 1000.0)),
    "item outside the world": ("extent.item", put(ITEM, "extent.xmax", 1000.0)),
    "item in metres": ("extent.item", put(ITEM, "extent.spatialReference", {"wkid": 102100, "latestWkid": 3857})),
}
"""Faults of a .tpkx: the rule that they break, and the edit."""

TPK_FAULTS: dict[str, tuple[str, Edit]] = {
    "a deflated bundle": ("container.stored", deflate(V1_BUNDLE)),
    "no conf.cdi": ("container.incomplete", remove(CDI)),
    "no conf.xml": ("container.missing", remove(CONF)),
    "malformed XML": ("metadata.xml", append("v101/Layers/conf.properties", b"<")),
    "declaration": ("metadata.declaration", replace(CDI, b'<?xml version="1.0" encoding="utf-8" ?>', b"")),
    "line breaks": ("metadata.line-breaks", replace(ITEM_XML, b"\r\n", b"\n")),
    "id of the item": ("metadata.item-id", replace("esriinfo/item.pkinfo", b"8F615B9F", b"8F615B90")),
    "no layers of the service": ("metadata.service", drop(SERVICE, "contents", "layers")),
    "no geoFullExtent": ("metadata.service", drop(SERVICE, "resourceInfo", "geoFullExtent")),
    "storage format": ("metadata.storage", replace(CONF, b"ModeCompact<", b"ModeExploded<")),
    "3857 twice": (
        "scheme.web-mercator",
        put(SERVICE, "contents.spatialReference", {"wkid": 3857, "latestWkid": 3857}),
    ),
    "no index": ("bundles.pair", remove(V1_INDEX)),
    "tail of the index": ("bundles.index-file", pack(V1_INDEX, 16 + 5 * 16384, "I", 1)),
    "short index": ("bundles.file-length", lambda package: package.members.update({V1_INDEX: bytes(100)})),
    "version": ("bundles.version", pack(V1_BUNDLE, 0, "I", 2)),
    "record count": ("bundles.constants", pack(V1_BUNDLE, 4, "I", 0)),
    "largest tile": ("bundles.largest-tile", pack(V1_BUNDLE, 8, "I", 1)),
    "offset bytes": ("bundles.offset-bytes", pack(V1_BUNDLE, 12, "I", 4)),
    "number of tiles": ("bundles.tile-count", pack(V1_BUNDLE, 16, "I", 0)),
    "file size": ("bundles.file-size", pack(V1_BUNDLE, 24, "I", 0)),
    "first row": ("bundles.rows-and-columns", pack(V1_BUNDLE, 44, "I", 128)),
    "entry past the end": ("bundles.entries", pack(V1_INDEX, 16 + 5 * 1, "IB", 0xFFFFFFFF, 0)),
    "absent entry": ("bundles.absent-words", pack(V1_INDEX, 16 + 5 * 500, "IB", 64, 0)),
    "extents of the service": ("extent.agreement", put(SERVICE, "contents.initialExtent.xmax", 1000.0)),
    "extent of the item": ("extent.agreement", replace(ITEM_XML, b"85.0", b"84.0")),
    "item outside the world": (
        "extent.item",
        both(replace(ITEM_XML, b"85.0", b"95.0"), values(SERVICE, lambda service: _widen(service["resourceInfo"]))),
    ),
    "no full extent": ("extent.full", put(SERVICE, "contents.fullExtent.xmax", "x")),
}
"""Faults of a .tpk."""


def _widen(info: Values) -> None:
    for extent in info.values():
        extent.update(ymin=-95.0, ymax=95.0)
