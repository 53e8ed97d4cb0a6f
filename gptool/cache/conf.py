"""conf.xml (scheme, image format, storage) and conf.cdi (full extent), by local names: namespaces differ by release."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from lxml import etree

from gptool.cache.scheme import Conf, Fields, Names, read_box, read_image, read_scheme, read_storage
from gptool.errors import ConfError
from gptool.model import Extent, StorageFormat, TilingScheme

NAMES = Names(
    origin="TileOrigin",
    x="X",
    y="Y",
    rows="TileRows",
    columns="TileCols",
    dpi="DPI",
    level="LevelID",
    resolution="Resolution",
    scale="Scale",
    wkid="WKID",
    latest_wkid="LatestWKID",
    wkt="WKT",
    format="CacheTileFormat",
    quality="CompressionQuality",
    band_count="BandCount",
    lerc_error="LERCError",
    storage="StorageFormat",
    packet_size="PacketSize",
    box=("XMin", "YMin", "XMax", "YMax"),
)


def read_conf(data: bytes, where: Path) -> Conf:
    """Read a conf.xml, of any release from 9.2 to Pro 3.

    Raises
    ------
    ConfError
        When it is not XML, or lacks or contradicts what a tile cache needs.
    """
    root = _Node(parse_xml(data, where), where)
    tiles, image = (root.part(name, "a cache's conf.xml") for name in ("TileCacheInfo", "TileImageInfo"))
    lods = tiles.part("LODInfos", "the levels of detail")
    scheme = read_scheme(tiles, lods.children("LODInfo"), tiles.child("SpatialReference"), NAMES)
    if not scheme.lods:
        raise lods.error("LODInfo", None, "at least one level of detail")
    # 9.x wrote no CacheStorageInfo, and knew one way only.
    storage = read_storage(root.child("CacheStorageInfo"), NAMES, StorageFormat.EXPLODED)
    return Conf(scheme, read_image(image, NAMES), storage, data)


def read_cdi(data: bytes, where: Path, scheme: TilingScheme) -> Extent | None:
    """Read the full extent from a conf.cdi, None where it states none in the scheme's reference.

    Raises as `read_conf`.
    """
    root = _Node(parse_xml(data, where), where)
    return read_box(root, root.child("SpatialReference"), NAMES, scheme)


def parse_xml(data: bytes, where: Path, *, comments: bool = False) -> etree._Element:
    """Return a document's root, with its comments or without. Entities and the network are not for caches.

    Raises
    ------
    ConfError
        When it is not well-formed, or declares a document type.
    """
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=not comments,
        remove_pis=not comments,
    )
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise ConfError(f"not well-formed XML: {error}", where=where) from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise ConfError("a document type declaration is not accepted", where=where, found="<!DOCTYPE>", expected="none")
    return root


def children(element: etree._Element, name: str) -> list[etree._Element]:
    """Return the children of that local name."""
    return [child for child in element.iterchildren(etree.Element) if etree.QName(child).localname == name]


class _Node(Fields):
    """An element."""

    def __init__(self, element: etree._Element, where: Path) -> None:
        self.element, self.where = element, where

    def children(self, name: str) -> list[Self]:
        return [type(self)(element, self.where) for element in children(self.element, name)]

    def child(self, name: str) -> Self | None:
        return next(iter(self.children(name)), None)

    def text(self, name: str) -> str | None:
        child = self.child(name)
        return ((child.element.text or "").strip() or None) if child else None

    def label(self, name: str) -> str:
        return f"<{etree.QName(self.element).localname}> <{name}>"
