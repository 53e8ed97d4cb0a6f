"""conf.xml (scheme, image format, storage) and conf.cdi (full extent), by local names: namespaces differ by release."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lxml import etree

from gptool.errors import CacheError, ConfError
from gptool.model import (
    MAX_TILE_SIDE,
    Extent,
    ImageInfo,
    Lod,
    NumberText,
    SpatialReference,
    StorageFormat,
    TilingScheme,
)

MAX_BYTES = 16 * 1024 * 1024
MAX_LEVEL = 99
LARGEST_MEASURE = 1e15
"""Units, and their inverse: nothing on a map is larger or smaller, and arithmetic stays far from overflow."""


@dataclass(frozen=True, slots=True)
class Conf:
    """What conf.xml states."""

    scheme: TilingScheme
    image: ImageInfo
    storage: StorageFormat


def read_conf(path: Path) -> Conf:
    """Read a conf.xml, of any release from 9.2 to Pro 3.

    Raises
    ------
    ConfError
        When it is not XML, or lacks or contradicts what a tile cache needs.
    CacheError
        When it can't be read.
    """
    root = _Node(_parse(path), path)
    tiles, image, storage = (root.child(name) for name in ("TileCacheInfo", "TileImageInfo", "CacheStorageInfo"))
    if tiles is None or image is None:
        missing = "TileImageInfo" if tiles else "TileCacheInfo"
        raise ConfError(f"no {missing} element", where=path, found=f"<{root.name}>", expected="a cache's conf.xml")
    return Conf(_read_scheme(tiles), _read_image(image), _read_storage(storage))


def read_cdi(path: Path) -> Extent | None:
    """Read the full extent from a conf.cdi, None where it states an empty one. Raises as `read_conf`."""
    root = _Node(_parse(path), path)
    names = ("XMin", "YMin", "XMax", "YMax")
    if any((root.text(name) or "").lower() == "nan" for name in names):
        return None
    extent = Extent(*(root.coordinate(name).value for name in names))
    return extent if extent.xmin < extent.xmax and extent.ymin < extent.ymax else None


def _parse(path: Path) -> etree._Element:
    if path.exists() and not path.is_file():
        raise CacheError("not a file", where=path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise CacheError(f"can't be read: {error.strerror}", where=path) from error
    if len(data) > MAX_BYTES:
        raise ConfError("too large", where=path, found=f"more than {MAX_BYTES} bytes", expected="a few thousand")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise ConfError(f"not well-formed XML: {error}", where=path) from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise ConfError("a document type declaration is not accepted", where=path, found="<!DOCTYPE>", expected="none")
    return root


class _Node:
    """An element that looks its children up by local name and names itself in errors."""

    def __init__(self, element: etree._Element, path: Path) -> None:
        self.element, self.path = element, path
        self.name = etree.QName(element).localname

    def children(self, name: str) -> Iterator[_Node]:
        for element in self.element.iterchildren(etree.Element):
            if etree.QName(element).localname == name:
                yield _Node(element, self.path)

    def child(self, name: str) -> _Node | None:
        return next(self.children(name), None)

    def text(self, name: str) -> str | None:
        """Return the text of a child, stripped; None when the child is absent or empty."""
        child = self.child(name)
        return ((child.element.text or "").strip() or None) if child else None

    def number(self, name: str, default: str | None = None) -> NumberText:
        text = self.text(name) or default
        try:
            return NumberText(text or "")
        except ValueError:
            raise self.error(name, text, "a number") from None

    def measure(self, name: str) -> NumberText:
        number = self.number(name)
        if not 1 / LARGEST_MEASURE <= number.value <= LARGEST_MEASURE:
            raise self.error(name, number, "a number above 0 that a map can have")
        return number

    def coordinate(self, name: str) -> NumberText:
        number = self.number(name)
        if abs(number.value) > LARGEST_MEASURE:
            raise self.error(name, number, "a coordinate that a map can have")
        return number

    def integer(self, name: str, low: int, high: int, default: str | None = None) -> int:
        text = self.text(name) or default
        if text is None or not re.fullmatch(r"[+-]?[0-9]{1,10}", text) or not low <= int(text) <= high:
            raise self.error(name, text, f"a whole number from {low} to {high}")
        return int(text)

    def error(self, name: str, found: object, expected: str) -> ConfError:
        return ConfError(f"<{self.name}> <{name}>", where=self.path, found=found or "none", expected=expected)


def _read_scheme(tiles: _Node) -> TilingScheme:
    origin, levels = tiles.child("TileOrigin"), tiles.child("LODInfos")
    if origin is None or levels is None:
        raise tiles.error("TileOrigin" if origin is None else "LODInfos", None, "the origin and the levels of detail")
    lods = [_read_lod(node) for node in levels.children("LODInfo")]
    if not lods:
        raise levels.error("LODInfo", None, "at least one level of detail")
    if len({lod.level for lod in lods}) < len(lods):
        raise levels.error("LevelID", [lod.level for lod in lods], "each level once")
    return TilingScheme(
        _read_reference(tiles.child("SpatialReference")),
        origin.coordinate("X"),
        origin.coordinate("Y"),
        tiles.integer("TileRows", 1, MAX_TILE_SIDE),
        tiles.integer("TileCols", 1, MAX_TILE_SIDE),
        tiles.number("DPI", "96"),
        tuple(sorted(lods, key=lambda lod: lod.level)),
    )


def _read_lod(node: _Node) -> Lod:
    return Lod(node.integer("LevelID", 0, MAX_LEVEL), node.measure("Resolution"), node.measure("Scale"))


def _read_reference(node: _Node | None) -> SpatialReference:
    if node is None:
        return SpatialReference(None, None, None)
    ids = [node.integer(name, -(2**31), 2**31 - 1, "0") for name in ("WKID", "LatestWKID")]
    wkid, latest_wkid = (id_ if id_ > 0 else None for id_ in ids)  # 0 and -1 stand for none
    return SpatialReference(wkid, latest_wkid, node.text("WKT"))


def _read_image(node: _Node) -> ImageInfo:
    declared = (node.text("CacheTileFormat") or "").upper()
    if not declared:
        raise node.error("CacheTileFormat", None, "JPEG, PNG, PNG8, PNG24, PNG32, MIXED or LERC")
    return ImageInfo(
        "JPEG" if declared == "JPG" else declared,  # 9.3 writes jpg
        node.integer("CompressionQuality", 0, 100, "0"),
        node.integer("BandCount", 0, 255, "0") or None,
        node.number("LERCError", "0"),
    )


def _read_storage(node: _Node | None) -> StorageFormat:
    if node is None:
        return StorageFormat.EXPLODED  # 9.x wrote no CacheStorageInfo and knew no other
    text = node.text("StorageFormat")
    try:
        storage = StorageFormat(text or "")
    except ValueError:
        raise node.error("StorageFormat", text, " or ".join(StorageFormat)) from None
    if storage is not StorageFormat.EXPLODED:
        node.integer("PacketSize", 128, 128, "128")
    return storage
