"""conf.xml (tiling scheme, image format, storage format) and conf.cdi (full extent).

Elements are found by their local names, as the namespaces differ by release.
"""

from __future__ import annotations

from typing import Self

from lxml import etree

from gptool.cache.description import (
    CacheDescription,
    DocumentNode,
    FieldNames,
    read_extent,
    read_image,
    read_reference,
    read_scheme,
    read_storage,
)
from gptool.errors import ConfError
from gptool.model import Domain, Extent, StorageFormat, TilingScheme
from gptool.system.store_url import Location

NAMES = FieldNames(
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
    domain=(
        *("XYTolerance", "ZTolerance", "MTolerance", "XOrigin", "YOrigin"),
        *("XYScale", "ZOrigin", "ZScale", "MOrigin", "MScale"),
    ),
    format="CacheTileFormat",
    default_format="",
    qualities=("CompressionQuality",),
    band_count="BandCount",
    lerc_error="LERCError",
    storage="StorageFormat",
    packet_size="PacketSize",
    extent=("XMin", "YMin", "XMax", "YMax"),
)


def read_conf_xml(data: bytes, where: Location) -> CacheDescription:
    """Read a conf.xml of any release from 9.2 to Pro 3.

    Raises
    ------
    ConfError
        If it is not well-formed XML, or a field is missing or invalid.
    """
    root = _Element(parse_xml(data, where), where)
    tile_info = root.required_child("TileCacheInfo", "the tiling scheme of a cache")
    image = root.required_child("TileImageInfo", "the image format of the tiles")
    lods = tile_info.required_child("LODInfos", "the levels of detail")
    scheme = read_scheme(tile_info, lods.children("LODInfo"), tile_info.child("SpatialReference"), NAMES)
    if not scheme.lods:
        raise lods.error("LODInfo", None, "at least one level of detail")
    # 9.x wrote no CacheStorageInfo, and had only exploded caches.
    storage, warnings = read_storage(root.child("CacheStorageInfo"), NAMES, StorageFormat.EXPLODED)
    return CacheDescription(scheme, read_image(image, NAMES), storage, conf_xml=data, warnings=warnings)


def read_conf_cdi(data: bytes, where: Location, scheme: TilingScheme) -> tuple[Extent | None, Domain]:
    """Read a conf.cdi.

    Returns
    -------
    Extent or None
        The full extent; None if it states none in the spatial reference of the scheme.
    Domain
        That of its spatial reference.

    Raises as `read_conf_xml`.
    """
    root = _Element(parse_xml(data, where), where)
    node = root.child("SpatialReference")
    return read_extent(root, node, NAMES, scheme), read_reference(node, NAMES).domain


def parse_xml(data: bytes, where: Location, *, comments: bool = False) -> etree._Element:
    """Return the root element of a document. Entities are not resolved and the network is not used.

    Parameters
    ----------
    data : bytes
        The document.
    where : Path or StoreUrl
        Its path, as stated in error messages.
    comments : bool
        Keep comments and processing instructions.

    Raises
    ------
    ConfError
        If the document is not well-formed, or declares a document type.
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
        raise ConfError(f"is not well-formed XML: {error}", where=where) from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise ConfError("document type declarations are not allowed", where=where, found="<!DOCTYPE>")
    return root


def children(element: etree._Element, name: str) -> list[etree._Element]:
    """Return the child elements of that local name."""
    return [child for child in element.iterchildren(etree.Element) if etree.QName(child).localname == name]


class _Element(DocumentNode):
    """An XML element. Its fields are the texts of its child elements."""

    def __init__(self, element: etree._Element, where: Location) -> None:
        self.element, self.where = element, where

    def children(self, name: str) -> list[Self]:
        return [type(self)(element, self.where) for element in children(self.element, name)]

    def child(self, name: str) -> Self | None:
        return next(iter(self.children(name)), None)

    def text(self, name: str) -> str | None:
        child = self.child(name)
        return ((child.element.text or "").strip() or None) if child else None

    def label(self, name: str) -> str:
        return f"{etree.QName(self.element).localname}/{name}"

    def describe(self, name: str) -> str | None:
        return "an empty element" if self.child(name) else None
