"""root.json of a .tpkx (Esri's tile-package-spec, docs/root.md). Numbers keep their text."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple, Self

from gptool.cache.description import (
    CacheDescription,
    DocumentNode,
    FieldNames,
    read_extent,
    read_image,
    read_scheme,
    read_storage,
)
from gptool.cache.paths import split_path
from gptool.errors import CacheError, ConfError
from gptool.model import DOMAIN_KEYS, Extent, StorageFormat
from gptool.system.store_url import Location

NAMES = FieldNames(
    origin="origin",
    x="x",
    y="y",
    rows="rows",
    columns="cols",
    dpi="dpi",
    level="level",
    resolution="resolution",
    scale="scale",
    wkid="wkid",
    latest_wkid="latestWkid",
    wkt="wkt",
    domain=DOMAIN_KEYS,
    format="format",
    default_format="MIXED",  # tileImageInfo is optional, and tiles tell their own format
    qualities=("compressionQuality", "compression"),  # the specification's table has the latter
    band_count="bandCount",
    lerc_error="lercError",
    storage="storageFormat",
    packet_size="packetSize",
    extent=("xmin", "ymin", "xmax", "ymax"),
)

SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class RootJson(NamedTuple):
    """The content of a root.json.

    Attributes
    ----------
    tiles_folder : str
        Path of the folder of level folders.
    """

    description: CacheDescription
    full_extent: Extent | None
    tiles_folder: str


def read_root_json(data: bytes, where: Location) -> RootJson:
    """Read a root.json.

    Raises
    ------
    ConfError
        If it is not valid JSON, or a field is missing or invalid.
    CacheError
        If it is that of a vector tile package.
    """
    root = _Object(_parse(data, where), "", where)
    tile_info = root.required_child("tileInfo", "the tiling scheme of a tile package")
    if (tile_info.text("format") or "").lower() == "pbf":
        raise vector_tiles_error(where)
    lods = tile_info.children("lods")
    if not lods:
        raise tile_info.error("lods", None, "at least one level of detail")
    reference = root.child("spatialReference") or tile_info.child("spatialReference")
    scheme = read_scheme(tile_info, lods, reference, NAMES)
    image = read_image(root.child("tileImageInfo") or tile_info, NAMES)
    storage, warnings = read_storage(root.child("storageInfo"), NAMES, StorageFormat.COMPACT_V2)
    node = root.child("fullExtent")
    extent = read_extent(node, node.child("spatialReference"), NAMES, scheme) if node else None
    return RootJson(
        CacheDescription(scheme, image, storage, root_json=data, warnings=warnings), extent, _tiles_folder(root)
    )


def vector_tiles_error(where: Location) -> CacheError:
    """Return the error of a vector tile package."""
    return CacheError(
        "vector tile packages are not supported, as they contain vector tiles and styles but no images",
        where=where,
        expected="an image tile package (.tpkx, .tpk) or cache folder",
    )


def _tiles_folder(root: _Object) -> str:
    text = root.text("tileBundlesPath") or "./tile"
    parts = split_path(text)
    if parts is None or text.startswith("/"):
        raise root.error("tileBundlesPath", text, "the path of a folder in the package")
    return "/".join(parts)


def _parse(data: bytes, where: Location) -> dict[str, Any]:
    try:
        # Numbers keep their text; `DocumentNode` converts those that are needed.
        value = json.loads(data, parse_float=str, parse_int=str, parse_constant=str)
        if SURROGATE.search(data):
            json.dumps(value, ensure_ascii=False).encode()  # an unpaired surrogate cannot be written to any result
    except (ValueError, RecursionError) as error:
        raise ConfError(f"is not valid JSON: {error}", where=where) from None
    if not isinstance(value, dict):
        raise ConfError(
            "is not a JSON object", where=where, found=_describe(value), expected="the root.json of a package"
        )
    return value


def _describe(value: object) -> str:
    """Return a JSON value in words; numbers are strings here."""
    match value:
        case None | bool():
            return json.dumps(value)
        case dict():
            return "an object"
        case list():
            return "an array" if value else "an empty array"
    return str(value).strip() or "an empty string"


class _Object(DocumentNode):
    """A JSON object; `name` is the path to it."""

    def __init__(self, fields: dict[str, Any], name: str, where: Location) -> None:
        self.fields, self.name, self.where = fields, name, where

    def children(self, name: str) -> list[Self]:
        """Return the objects of an array, none if there is no array. Raises ConfError if it has other values."""
        items = self.fields.get(name)
        if not isinstance(items, list):
            return []
        if not all(isinstance(item, dict) for item in items):
            raise self.error(name, "an array with other values", "an array of objects")
        return [type(self)(item, f"{self.label(name)}[{i}]", self.where) for i, item in enumerate(items)]

    def child(self, name: str) -> Self | None:
        value = self.fields.get(name)
        return type(self)(value, self.label(name), self.where) if isinstance(value, dict) else None

    def text(self, name: str) -> str | None:
        value = self.fields.get(name)
        return (value.strip() or None) if isinstance(value, str) else None

    def label(self, name: str) -> str:
        return f"{self.name}.{name}" if self.name else name

    def describe(self, name: str) -> str | None:
        return _describe(self.fields[name]) if name in self.fields else None
