"""The form of the packages of Esri's programs, row by row, as read from the bytes of packages by ArcGIS Server, Pro and
ArcMap. Each row is a function that returns what deviates from it.
"""

from __future__ import annotations

import json
import re
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

from helpers.tile_readers import bundle_address

ROOT_KEYS = (
    *("tileImageInfo", "name", "version", "serviceDescription", "tileBundlesPath", "spatialReference", "units"),
    *("minLOD", "maxLOD", "minScale", "maxScale", "resampling", "tileInfo", "exportTilesAllowed", "storageInfo"),
    *("layers", "initialExtent", "fullExtent"),
)
"""In the order of ArcGIS Server."""

PRO_KEYS = (
    *("tileInfo", "storageInfo", "tileImageInfo", "name", "version", "serviceDescription", "tileBundlesPath"),
    *("spatialReference", "units", "minLOD", "maxLOD", "resampling", "exportTilesAllowed", "layers"),
    *("initialExtent", "fullExtent"),
)

ITEM_KEYS = (
    *("creator", "name", "guid", "version", "created", "snippet", "description", "summary", "title", "tags", "type"),
    *("typeKeywords", "thumbnail", "extent"),
)

DOMAIN_KEYS = (
    *("xyTolerance", "zTolerance", "mTolerance", "falseX", "falseY"),
    *("xyUnits", "falseZ", "zUnits", "falseM", "mUnits"),
)

FIRST_TPK_MEMBERS = (
    *("esriinfo/item.pkinfo", "esriinfo/iteminfo.xml", "esriinfo/thumbnail/thumbnail.png"),
    "servicedescriptions/mapserver/mapserver.json",
)

DECLARATION = b'<?xml version="1.0" encoding="utf-8" ?>'


class Package(NamedTuple):
    """A package and its members by name."""

    path: Path
    infos: list[zipfile.ZipInfo]
    parts: dict[str, bytes]

    @classmethod
    def read(cls, path: Path) -> Package:
        with zipfile.ZipFile(path) as package:
            infos = package.infolist()
            return cls(path, infos, {info.filename: package.read(info) for info in infos if not info.is_dir()})

    @property
    def bundles(self) -> dict[str, bytes]:
        return {name: data for name, data in self.parts.items() if name.endswith(".bundle")}

    def json(self, name: str) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.parts[name], parse_float=str, parse_int=str)
        return value


Row = Callable[[Package], Iterator[str]]


def differences(name: str, found: object, expected: object) -> Iterator[str]:
    if found != expected:
        yield f"{name}: found {found}, expected {expected}"


# ---- .tpkx: bundles ----


def bundle_headers(package: Package) -> Iterator[str]:
    for name, data in package.bundles.items():
        largest = max(entry >> 40 for entry in struct.unpack_from("<16384Q", data, 64))
        head = (3, 0, max(131092, largest), 5, 0, len(data), 40, 131092, 3, 0, 16384, 5, 131072)
        yield from differences(name, struct.unpack_from("<4I3Q6I", data), head)


def absent_entries(package: Package) -> Iterator[str]:
    for name, data in package.bundles.items():
        absent = {entry for entry in struct.unpack_from("<16384Q", data, 64) if entry >> 40 == 0}
        yield from differences(name, absent, {4})


def first_tiles(package: Package) -> Iterator[str]:
    for name, data in package.bundles.items():
        entries = [entry for entry in struct.unpack_from("<16384Q", data, 64) if entry >> 40]
        offsets = {entry & (1 << 40) - 1: entry >> 40 for entry in entries}
        yield from differences(name, min(offsets), 131140)
        for offset, size in offsets.items():
            yield from differences(f"{name}, tile at {offset}", struct.unpack_from("<I", data, offset - 4)[0], size)


# ---- zip ----


def zip_records(package: Package) -> Iterator[str]:
    for info in package.infos:
        found = (info.create_version, info.create_system, info.extract_version, info.external_attr, info.flag_bits)
        yield from differences(info.filename, (*found, info.extra, info.compress_type), (20, 0, 10, 0x20, 0, b"", 0))


def local_headers(package: Package) -> Iterator[str]:
    data = package.path.read_bytes()
    for info in package.infos:
        fields = struct.unpack_from("<4s5H3L2H", data, info.header_offset)
        expected = (b"PK\3\4", 10, 0, 0, info.CRC, info.file_size, info.file_size, len(info.filename), 0)
        yield from differences(info.filename, (*fields[:4], *fields[6:]), expected)


def tpkx_members(package: Package) -> Iterator[str]:
    names = [info.filename for info in package.infos]
    yield from differences("first members", names[:3], ["iteminfo.json", "root.json", "thumbnail.png"])
    for name in names[3:]:
        if not re.fullmatch(r"tile/L[0-9]{2}/R[0-9a-f]{4,}C[0-9a-f]{4,}\.bundle", name):
            yield f"{name}: not the name of a bundle"
    levels = [bundle_address(name)[0] for name in names[3:] if name.endswith(".bundle")]
    yield from differences("levels", levels, sorted(levels))


# ---- .tpkx: documents ----


def root_keys(package: Package) -> Iterator[str]:
    keys = tuple(package.json("root.json"))
    if keys not in (PRO_KEYS, ROOT_KEYS) and keys != tuple(key for key in ROOT_KEYS if not key.endswith("Scale")):
        yield f"root.json: found keys {keys}"


def root_values(package: Package) -> Iterator[str]:
    root = package.json("root.json")
    yield from differences("version", root["version"], "1.0")
    yield from differences("tileBundlesPath", root["tileBundlesPath"], "./tile")
    yield from differences("resampling", root["resampling"], True)
    yield from differences("exportTilesAllowed", root["exportTilesAllowed"], False)
    storage = {"storageFormat": "esriMapCacheStorageModeCompactV2", "packetSize": "128"}
    yield from differences("storageInfo", root["storageInfo"], storage)
    image_keys = ["format", "compressionQuality", "bandCount", "lercError"]
    yield from differences("tileImageInfo", list(root["tileImageInfo"]), image_keys)
    levels = sorted({bundle_address(name)[0] for name in package.bundles})
    yield from differences("levels", (root["minLOD"], root["maxLOD"]), (str(levels[0]), str(levels[-1])))
    yield from differences("name", root["name"], package.json("iteminfo.json")["name"])


def root_references(package: Package) -> Iterator[str]:
    """Web Mercator is 102100 and 3857; the package and its extents state the domain."""
    root = package.json("root.json")
    nodes = {"root.json": root, "initialExtent": root["initialExtent"], "fullExtent": root["fullExtent"]}
    for name, node in nodes.items():
        yield from differences(name, tuple(node["spatialReference"]), ("wkid", "latestWkid", *DOMAIN_KEYS))
    for name, node in {**nodes, "tileInfo": root["tileInfo"]}.items():
        ids = tuple(node["spatialReference"][key] for key in ("wkid", "latestWkid"))
        yield from differences(name, ids, ("102100", "3857"))


def tile_info(package: Package) -> Iterator[str]:
    info = package.json("root.json")["tileInfo"]
    yield from differences("tileInfo", set(info), {"rows", "cols", "dpi", "origin", "spatialReference", "lods"})
    for lod in info["lods"]:
        yield from differences("lods", list(lod), ["level", "resolution", "scale"])


def item_info(package: Package) -> Iterator[str]:
    item = package.json("iteminfo.json")
    yield from differences("iteminfo.json", tuple(item), ITEM_KEYS)
    if not re.fullmatch(r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}", item["guid"]):
        yield f"guid: found {item['guid']}"
    found = [item[key] for key in ("version", "created", "type", "typeKeywords", "thumbnail")]
    kind = "Compact Tile Package"
    yield from differences("item", found, ["1.0", "0", kind, [kind, "Tile Package", "tpkx"], "./thumbnail.png"])
    extent = ("xmin", "ymin", "xmax", "ymax", "spatialReference")
    yield from differences("extent", tuple(item["extent"]), extent)
    yield from differences("extent", item["extent"]["spatialReference"], {"wkid": "4326", "latestWkid": "4326"})


def json_bytes(package: Package) -> Iterator[str]:
    """UTF-8 without BOM, compact, no line breaks, nothing after the last brace."""
    for name, data in package.parts.items():
        if name.endswith(".json"):
            yield from differences(name, (data[:1], data[-1:]), (b"{", b"}"))
            data.decode()
            if b"\n" in data or b"\r" in data or b'": ' in data:
                yield f"{name}: blanks or line breaks"


TPKX_ROWS: list[Row] = [
    *(bundle_headers, absent_entries, first_tiles, zip_records, local_headers, tpkx_members, root_keys, root_values),
    *(root_references, tile_info, item_info, json_bytes),
]


# ---- .tpk ----


def tpk_members(package: Package) -> Iterator[str]:
    names = [info.filename for info in package.infos if not info.filename.endswith(".lyr")]
    documents = (*FIRST_TPK_MEMBERS, *(f"v101/Layers/conf.{name}" for name in ("cdi", "properties", "xml")))
    yield from differences("first members", tuple(names[:7]), documents)
    for name in names[7:]:
        if not re.fullmatch(r"v101/Layers/_alllayers/L[0-9]{2}/R[0-9a-f]{4,}C[0-9a-f]{4,}\.bundl[ex]", name):
            yield f"{name}: not the name of a bundle"


def xml_bytes(package: Package) -> Iterator[str]:
    for name, data in package.parts.items():
        if not name.endswith((".xml", ".cdi", ".pkinfo", ".properties")):
            continue
        yield from differences(name, data[: len(DECLARATION)], DECLARATION)
        if name.startswith("esriinfo"):
            yield from differences(f"{name}, line ends", data.count(b"\n"), data.count(b"\r\n"))
            yield from differences(f"{name}, end", data[-3:], b">\r\n")
        else:
            yield from differences(f"{name}, end", data[-1:], b">")


def tpk_documents(package: Package) -> Iterator[str]:
    item, pkinfo = (
        ElementTree.fromstring(package.parts[name]) for name in ("esriinfo/iteminfo.xml", FIRST_TPK_MEMBERS[0])
    )
    pkinfo_names = ["ID", "name", "version", "size", "created", "type", "servable", "packagelocation", "pkinfolocation"]
    yield from differences("item.pkinfo", [child.tag for child in pkinfo], pkinfo_names)
    item_names = [
        *("name", "guid", "catalogpath", "snippet", "description", "summary", "title", "tags", "type"),
        *("typekeywords", "thumbnail", "documentation", "url", "datalastmodifiedtime", "extent", "spatialreference"),
        *("accessinformation", "licenseinfo"),
    ]
    yield from differences("iteminfo.xml", [child.tag for child in item], item_names)


def tpk_reference(package: Package) -> Iterator[str]:
    for name in ("conf.xml", "conf.cdi"):
        root = ElementTree.fromstring(package.parts[f"v101/Layers/{name}"])
        for element in root.iter("SpatialReference"):
            ids = (element.findtext("WKID"), element.findtext("LatestWKID"))
            yield from differences(name, ids, ("102100", "3857"))
            scale = element.findtext("XYScale")
            if scale is None:
                yield f"{name}: no domain"
    service = json.loads(package.parts[FIRST_TPK_MEMBERS[3]])
    reference = {"wkid": 102100, "latestWkid": 3857}
    yield from differences("mapserver.json", service["contents"]["spatialReference"], reference)


TPK_ROWS: list[Row] = [zip_records, local_headers, tpk_members, xml_bytes, tpk_documents, tpk_reference, json_bytes]
