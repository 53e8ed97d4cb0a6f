"""Rules of the metadata of a .tpkx: root.json and iteminfo.json (Esri's tile-package-spec, docs/root.md)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gptool.model import PACKET_SIZE, StorageFormat
from gptool.verification.documents import check_thumbnail, is_integer, is_number, read_json, text
from gptool.verification.finding import Severity, Where
from gptool.verification.recorder import Recorder
from gptool.verification.rule import ALL, Kind, Rule, form
from gptool.verification.target import Target

TPKX = frozenset({Kind.TPKX})
ROOT, ITEM = "root.json", "iteminfo.json"

ROOT_MEMBERS = Rule(
    "metadata.root-members", "root.json has the members of all packages by Esri's programs.", kinds=TPKX
)
VERSION = Rule("metadata.version", "version is 1.0 in root.json and iteminfo.json.", kinds=TPKX)
NAME = Rule("metadata.name", "name is a text that is not empty in root.json and iteminfo.json.", kinds=TPKX)
TILES_PATH = Rule("metadata.tiles-path", "tileBundlesPath is ./tile.", kinds=TPKX)
STORAGE = Rule("metadata.storage", "The stated storage format and packet size are those of the files.", kinds=ALL)
IMAGE_INFO = Rule("metadata.image-info", "tileImageInfo states format, quality, bands and LERC error.", kinds=TPKX)
UNITS = Rule("metadata.units", "units are those of the spatial reference.", kinds=TPKX)
RESAMPLING = form("metadata.resampling", "resampling is true.", TPKX)
EXPORT_ALLOWED = form("metadata.export-allowed", "exportTilesAllowed is false.", TPKX)
LAYERS = form("metadata.layers", "layers is a list of at least one layer with id and name.", TPKX)
ITEM_MEMBERS = form("metadata.item-members", "iteminfo.json has the members of packages by Esri's programs.", TPKX)
ITEM_EXTRA = form("metadata.item-extra", "iteminfo.json has no other members.", TPKX)
ITEM_TYPE = Rule("metadata.item-type", "type is Compact Tile Package.", kinds=TPKX)
KEYWORDS = form("metadata.item-keywords", "typeKeywords are Compact Tile Package, Tile Package and tpkx.", TPKX)
GUID = form("metadata.guid", "The guid has 8-4-4-4-12 hexadecimal digits in upper case.")
CREATED = form("metadata.created", "created is 0.", TPKX)
ITEM_THUMBNAIL = form("metadata.item-thumbnail", "thumbnail is ./thumbnail.png.", TPKX)
EARLY_PATH = Rule(
    "metadata.tiles-path-early",
    "tileBundlesPath is in the first 1024 bytes of root.json, where GDAL before 3.9 looks for it.",
    Severity.WARNING,
    TPKX,
    is_general=False,
)
NAME_BLANKS = Rule("metadata.name-blanks", "The name has no blanks.", is_general=False)

RULES = (
    *(ROOT_MEMBERS, VERSION, NAME, TILES_PATH, STORAGE, IMAGE_INFO, UNITS, RESAMPLING, EXPORT_ALLOWED, LAYERS),
    *(ITEM_MEMBERS, ITEM_EXTRA, ITEM_TYPE, KEYWORDS, GUID, CREATED, ITEM_THUMBNAIL, EARLY_PATH, NAME_BLANKS),
)

ROOT_NAMES = (
    *("tileInfo", "storageInfo", "tileImageInfo", "name", "version", "serviceDescription", "tileBundlesPath"),
    *("spatialReference", "units", "minLOD", "maxLOD", "resampling", "exportTilesAllowed", "layers"),
    *("initialExtent", "fullExtent"),
)
ITEM_NAMES = (
    *("creator", "name", "guid", "version", "created", "snippet", "description", "summary", "title", "tags", "type"),
    *("typeKeywords", "thumbnail", "extent"),
)
OPTIONAL_TEXTS = ("serviceDescription", "snippet", "description", "summary", "tags")
"""Members that may be empty."""

ITEM_KIND, ITEM_KEYWORDS = "Compact Tile Package", ["Compact Tile Package", "Tile Package", "tpkx"]
GUID_FORM = re.compile(r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}")
UNITS_OF = {102100: "esriMeters", 3857: "esriMeters", 4326: "esriDecimalDegrees"}
"""Units by WKID, for references that are used most; others may have any."""

FORMATS = ("JPEG", "JPG", "PNG", "PNG8", "PNG24", "PNG32", "MIXED", "LERC", "LERC2D")
EARLY_BYTES = 1024


def check_tpkx_metadata(target: Target, recorder: Recorder) -> dict[str, Any]:
    """Check the metadata of a .tpkx. Return root.json, and iteminfo.json as its member `item`; empty if unreadable."""
    root = item = None
    if (data := target.read(ROOT)) is not None:
        root = read_json(ROOT, data, recorder)
        found = data.find(b'"tileBundlesPath"')
        early = 0 <= found < EARLY_BYTES
        recorder.require(
            early,
            EARLY_PATH,
            Where(ROOT, "tileBundlesPath"),
            f"offset {found}",
            f"below {EARLY_BYTES}, for GDAL before 3.9",
        )
    if (data := target.read(ITEM)) is not None:
        item = read_json(ITEM, data, recorder)
    check_thumbnail("thumbnail.png", target.read("thumbnail.png"), recorder)
    if root is not None:
        _check_root(root, recorder)
    if item is not None:
        _check_item(item, recorder)
    return {"root": root, "item": item}


def _check_root(root: Mapping[str, Any], recorder: Recorder) -> None:
    reference = root.get("spatialReference")
    wkid = reference.get("wkid") if isinstance(reference, dict) else None
    units = UNITS_OF.get(wkid) if isinstance(wkid, int) else None
    for name in ROOT_NAMES:
        # Not every reference has units that Esri names.
        if name != "units" or units:
            recorder.require(name in root, ROOT_MEMBERS, Where(ROOT, name), "nothing", "the member")
    _check_name(ROOT, root, recorder)

    def require(name: str, condition: bool, rule: Rule, expected: str) -> None:
        if name in root:
            recorder.require(condition, rule, Where(ROOT, name), text(root[name]), expected)

    require("tileBundlesPath", root.get("tileBundlesPath") == "./tile", TILES_PATH, '"./tile"')
    storage = {"storageFormat": StorageFormat.COMPACT_V2.value, "packetSize": PACKET_SIZE}
    require("storageInfo", root.get("storageInfo") == storage, STORAGE, text(storage))
    require("resampling", root.get("resampling") is True, RESAMPLING, "true")
    require("exportTilesAllowed", root.get("exportTilesAllowed") is False, EXPORT_ALLOWED, "false")
    layers = root.get("layers")
    require("layers", _are_layers(layers), LAYERS, "objects with id and name")
    require("serviceDescription", isinstance(root.get("serviceDescription"), str), ROOT_MEMBERS, "a text")
    require(
        "tileImageInfo",
        _is_image_info(root.get("tileImageInfo")),
        IMAGE_INFO,
        "a known format, compressionQuality 0 to 100, bandCount and lercError",
    )
    unit = root.get("units")
    is_unit = isinstance(unit, str) and (unit == units if units else unit.startswith("esri"))
    require("units", is_unit, UNITS, units or "a unit of Esri, such as esriMeters")


def _are_layers(layers: object) -> bool:
    return (
        isinstance(layers, list)
        and bool(layers)
        and all(
            isinstance(layer, dict) and is_integer(layer.get("id")) and isinstance(layer.get("name"), str)
            for layer in layers
        )
    )


def _is_image_info(info: object) -> bool:
    if not isinstance(info, dict):
        return False
    quality, bands = info.get("compressionQuality"), info.get("bandCount")
    return (
        info.get("format") in FORMATS
        and is_integer(quality)
        and isinstance(quality, int)
        and 0 <= quality <= 100
        and is_integer(bands)
        and isinstance(bands, int)
        and bands > 0
        and is_number(info.get("lercError"))
    )


def _check_name(path: str, document: Mapping[str, Any], recorder: Recorder) -> None:
    name, version = document.get("name"), document.get("version")
    if "name" in document:
        where = Where(path, "name")
        recorder.require(isinstance(name, str) and name.strip(), NAME, where, text(name), "a text")
        recorder.require(not re.search(r"\s", str(name)), NAME_BLANKS, where, text(name), "no blanks")
    if "version" in document:
        recorder.require(is_number(version) and version == 1.0, VERSION, Where(path, "version"), text(version), "1.0")


def _check_item(item: Mapping[str, Any], recorder: Recorder) -> None:
    for name in ITEM_NAMES:
        recorder.require(name in item, ITEM_MEMBERS, Where(ITEM, name), "nothing", "the member")
    for name in item:
        recorder.require(name in ITEM_NAMES, ITEM_EXTRA, Where(ITEM, name), text(item[name]), "no such member")
    _check_name(ITEM, item, recorder)

    def require(name: str, condition: object, rule: Rule, expected: str) -> None:
        if name in item:
            recorder.require(condition, rule, Where(ITEM, name), text(item[name]), expected)

    for name in (*OPTIONAL_TEXTS, "creator", "title"):
        value = item.get(name)
        valid = isinstance(value, str) and (value or name in OPTIONAL_TEXTS)
        if name != "serviceDescription":
            require(name, valid, ITEM_MEMBERS, "a text")
    require("type", item.get("type") == ITEM_KIND, ITEM_TYPE, text(ITEM_KIND))
    require("typeKeywords", item.get("typeKeywords") == ITEM_KEYWORDS, KEYWORDS, text(ITEM_KEYWORDS))
    guid = item.get("guid")
    require("guid", isinstance(guid, str) and GUID_FORM.fullmatch(guid), GUID, "8-4-4-4-12 upper-case digits")
    require("created", is_number(item.get("created")) and item["created"] == 0, CREATED, "0")
    require("thumbnail", item.get("thumbnail") == "./thumbnail.png", ITEM_THUMBNAIL, '"./thumbnail.png"')
