"""conf.xml, conf.cdi and conf.properties of a cache raster dataset or .tpk.

A source's own conf.xml is repeated with its storage and quality changed and nothing else; a source without one (.tpkx)
gets one of what its root.json states.
"""

from __future__ import annotations

from copy import deepcopy

from lxml import etree

from gptool.cache.conf import children, parse_xml
from gptool.crs.reference import is_geographic, well_known_text
from gptool.model import PACKET_SIZE, ImageInfo, SpatialReference, StorageFormat, TilingScheme
from gptool.output.kind import ResultInfo
from gptool.output.xml_text import add, to_xml_bytes
from gptool.plan.plan import Plan

TYPES, XSI, XS = (
    "http://www.esri.com/schemas/ArcGIS/10.3",
    "http://www.w3.org/2001/XMLSchema-instance",
    "http://www.w3.org/2001/XMLSchema",
)
NAMESPACES: dict[str, str] = {"xsi": XSI, "xs": XS, "typens": TYPES}
ENVELOPE = ("XMin", "YMin", "XMax", "YMax")


def conf_xml(storage: StorageFormat, info: ResultInfo) -> bytes:
    """Return conf.xml."""
    root = _conf(info.plan)
    [image] = children(root, "TileImageInfo")[:1]
    _set(image, "CompressionQuality", str(info.quality), after="CacheTileFormat")
    stored = children(root, "CacheStorageInfo")
    storage_info = stored[0] if stored else _add(root, "CacheStorageInfo", kind="CacheStorageInfo")
    _set(storage_info, "StorageFormat", storage.value)
    _set(storage_info, "PacketSize", str(PACKET_SIZE), after="StorageFormat")
    return to_xml_bytes(root)


def conf_cdi(plan: Plan) -> bytes:
    """Return conf.cdi: the full extent, and the reference as conf.xml states it."""
    conf = _conf(plan)
    tag = etree.QName(etree.QName(conf).namespace, "EnvelopeN")
    envelope = etree.Element(tag, {}, {**NAMESPACES, **conf.nsmap})  # type: ignore[dict-item]
    envelope.set(f"{{{XSI}}}type", "typens:EnvelopeN")
    for name, number in zip(ENVELOPE, plan.extent(), strict=True):
        _add(envelope, name, repr(number))
    for tiles in children(conf, "TileCacheInfo"):
        envelope.extend(deepcopy(reference) for reference in children(tiles, "SpatialReference"))
    return to_xml_bytes(envelope)


def conf_properties(plan: Plan) -> bytes:
    """Return conf.properties: whether the tiles show a map or heights."""
    properties = etree.Element("PropertySet", {}, NAMESPACES)
    properties.set(f"{{{XSI}}}type", "typens:PropertySet")
    array = _add(properties, "PropertyArray", kind="ArrayOfPropertySetProperty")
    item = _add(array, "PropertySetProperty", kind="PropertySetProperty")
    _add(item, "Key", "CacheTileContentType")
    value = _add(item, "Value", "Elevation" if plan.cache.image.format.startswith("LERC") else "Map")
    value.set(f"{{{XSI}}}type", "xs:string")
    return to_xml_bytes(properties)


def _conf(plan: Plan) -> etree._Element:
    cache = plan.cache
    if cache.document is not None:
        return parse_xml(cache.document, cache.location, comments=True)
    root = etree.Element("CacheInfo", {}, NAMESPACES)
    root.set(f"{{{XSI}}}type", "typens:CacheInfo")
    _add_scheme(_add(root, "TileCacheInfo", kind="TileCacheInfo"), cache.scheme)
    _add_image(_add(root, "TileImageInfo", kind="TileImageInfo"), cache.image)
    return root


def _add_scheme(tiles: etree._Element, scheme: TilingScheme) -> None:
    _add_reference(tiles, scheme.reference)
    origin = _add(tiles, "TileOrigin", kind="PointN")
    _add(origin, "X", scheme.origin_x)
    _add(origin, "Y", scheme.origin_y)
    _add(tiles, "TileCols", scheme.tile_columns)
    _add(tiles, "TileRows", scheme.tile_rows)
    _add(tiles, "DPI", scheme.dpi)
    lods = _add(tiles, "LODInfos", kind="ArrayOfLODInfo")
    for lod in scheme.lods:
        info = _add(lods, "LODInfo", kind="LODInfo")
        _add(info, "LevelID", lod.level)
        _add(info, "Scale", lod.scale)
        _add(info, "Resolution", lod.resolution)


def _add_reference(tiles: etree._Element, reference: SpatialReference) -> None:
    kind = "GeographicCoordinateSystem" if is_geographic(reference) else "ProjectedCoordinateSystem"
    element = _add(tiles, "SpatialReference", kind=kind)
    parts = {
        "WKT": well_known_text(reference),
        "WKID": reference.wkid or reference.latest_wkid,
        "LatestWKID": reference.latest_wkid,
    }
    for name, value in parts.items():
        if value:
            _add(element, name, value)


def _add_image(image: etree._Element, info: ImageInfo) -> None:
    _add(image, "CacheTileFormat", info.format)
    _add(image, "CompressionQuality", info.compression_quality)
    _add(image, "Antialiasing", "false")
    if info.band_count:
        _add(image, "BandCount", info.band_count)
    _add(image, "LERCError", info.lerc_error or 0)


def _add(parent: etree._Element, name: str, text: object = None, kind: str | None = None) -> etree._Element:
    """Add an element; `kind`: its type among Esri's, where their prefix is known."""
    element = add(parent, name, text)
    if kind is not None and "typens" in parent.nsmap:
        element.set(f"{{{XSI}}}type", f"typens:{kind}")
    return element


def _set(parent: etree._Element, name: str, text: str, after: str | None = None) -> None:
    """Set a child's text; where there is none it goes behind the child named `after`, or to the end."""
    found = children(parent, name)
    element = found[0] if found else _add(parent, name)
    if len(element) or (element.text or "").strip() != text:
        for child in element:  # a comment in the middle of the old text
            element.remove(child)
        element.text = text
    if not found and after:
        for other in children(parent, after)[:1]:
            other.addnext(element)
