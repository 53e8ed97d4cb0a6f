"""conf.xml, conf.cdi and conf.properties of a cache raster dataset or .tpk.

The conf.xml of a source is repeated with only its storage and quality changed. For a source without conf.xml (.tpkx)
it is built from the values of root.json.
"""

from __future__ import annotations

from copy import deepcopy

from lxml import etree

from gptool.cache.conf_xml import children, parse_xml
from gptool.crs.reference import is_geographic, well_known_text
from gptool.crs.web_mercator import is_web_mercator, package_reference
from gptool.model import PACKET_SIZE, Extent, ImageInfo, Lod, SpatialReference, StorageFormat, TilingScheme
from gptool.output.kind import ResultInfo
from gptool.output.xml_text import add, to_xml_bytes
from gptool.plan import Plan

TYPES_URI, XSI, XS = (
    "http://www.esri.com/schemas/ArcGIS/10.3",
    "http://www.w3.org/2001/XMLSchema-instance",
    "http://www.w3.org/2001/XMLSchema",
)
NAMESPACES: dict[str, str] = {"xsi": XSI, "xs": XS, "typens": TYPES_URI}
ENVELOPE_SIDES = ("XMin", "YMin", "XMax", "YMax")


DOMAIN_ELEMENTS = {
    "XOrigin": "falseX",
    "YOrigin": "falseY",
    "XYScale": "xyUnits",
    "ZOrigin": "falseZ",
    "ZScale": "zUnits",
    "MOrigin": "falseM",
    "MScale": "mUnits",
    "XYTolerance": "xyTolerance",
    "ZTolerance": "zTolerance",
    "MTolerance": "mTolerance",
}
"""The elements of a domain in Esri's order, and the names of their numbers in Esri's JSON."""


def conf_xml(storage_format: StorageFormat, info: ResultInfo, *, is_package: bool = False) -> bytes:
    """Return conf.xml for bundles of that storage format.

    Parameters
    ----------
    storage_format : StorageFormat
    info : ResultInfo
    is_package : bool
        Whether it is for a tile package, where web Mercator is always 102100 and 3857.
    """
    root = _cache_info(info.plan, is_package)
    [tile_image_info] = children(root, "TileImageInfo")[:1]
    set_child(tile_image_info, "CompressionQuality", str(info.quality), after="CacheTileFormat")
    storage_infos = children(root, "CacheStorageInfo")
    storage_info = storage_infos[0] if storage_infos else add_child(root, "CacheStorageInfo", kind="CacheStorageInfo")
    set_child(storage_info, "StorageFormat", storage_format.value)
    set_child(storage_info, "PacketSize", str(PACKET_SIZE), after="StorageFormat")
    return to_xml_bytes(root)


def conf_cdi(plan: Plan, *, is_package: bool = False, extent: Extent | None = None) -> bytes:
    """Return conf.cdi: the full extent, by default that of the plan, with the spatial reference as in conf.xml.

    Parameters as there.
    """
    cache_info = _cache_info(plan, is_package)
    tag = etree.QName(etree.QName(cache_info).namespace, "EnvelopeN")
    envelope = etree.Element(tag, {}, {**NAMESPACES, **cache_info.nsmap})  # type: ignore[dict-item]
    envelope.set(f"{{{XSI}}}type", "typens:EnvelopeN")
    for name, number in zip(ENVELOPE_SIDES, extent or plan.extent(), strict=True):
        add_child(envelope, name, repr(number))
    for tile_cache_info in children(cache_info, "TileCacheInfo"):
        envelope.extend(deepcopy(reference) for reference in children(tile_cache_info, "SpatialReference"))
    return to_xml_bytes(envelope)


def conf_properties(plan: Plan) -> bytes:
    """Return conf.properties, which states whether the tiles hold a map or elevation values."""
    properties = etree.Element("PropertySet", {}, NAMESPACES)
    properties.set(f"{{{XSI}}}type", "typens:PropertySet")
    array = add_child(properties, "PropertyArray", kind="ArrayOfPropertySetProperty")
    item = add_child(array, "PropertySetProperty", kind="PropertySetProperty")
    add_child(item, "Key", "CacheTileContentType")
    value = add_child(item, "Value", "Elevation" if plan.cache.image.format.startswith("LERC") else "Map")
    value.set(f"{{{XSI}}}type", "xs:string")
    return to_xml_bytes(properties)


def _cache_info(plan: Plan, is_package: bool) -> etree._Element:
    """Return the root element of the source's conf.xml, or one with the same information if it has none."""
    cache = plan.cache
    if cache.conf_xml is not None:
        root = parse_xml(cache.conf_xml, cache.location, comments=True)
        if is_package and is_web_mercator(cache.scheme):
            _set_web_mercator(root, package_reference(cache.scheme))
        return root
    root = etree.Element("CacheInfo", {}, NAMESPACES)
    root.set(f"{{{XSI}}}type", "typens:CacheInfo")
    _add_scheme(add_child(root, "TileCacheInfo", kind="TileCacheInfo"), cache.scheme)
    _add_image(add_child(root, "TileImageInfo", kind="TileImageInfo"), cache.image)
    return root


def _add_scheme(tile_cache_info: etree._Element, scheme: TilingScheme) -> None:
    _add_spatial_reference(tile_cache_info, package_reference(scheme))
    origin = add_child(tile_cache_info, "TileOrigin", kind="PointN")
    add_child(origin, "X", scheme.origin_x)
    add_child(origin, "Y", scheme.origin_y)
    add_child(tile_cache_info, "TileCols", scheme.tile_columns)
    add_child(tile_cache_info, "TileRows", scheme.tile_rows)
    add_child(tile_cache_info, "DPI", scheme.dpi)
    lods = add_child(tile_cache_info, "LODInfos", kind="ArrayOfLODInfo")
    for lod in scheme.lods:
        add_level(lods, lod)


def add_level(lods: etree._Element, lod: Lod) -> None:
    """Add a level to the element that lists them."""
    info = add_child(lods, "LODInfo", kind="LODInfo")
    add_child(info, "LevelID", lod.level)
    add_child(info, "Scale", lod.scale)
    add_child(info, "Resolution", lod.resolution)


def _add_spatial_reference(tile_cache_info: etree._Element, reference: SpatialReference) -> None:
    kind = "GeographicCoordinateSystem" if is_geographic(reference) else "ProjectedCoordinateSystem"
    element = add_child(tile_cache_info, "SpatialReference", kind=kind)
    text = well_known_text(reference)
    if text:
        add_child(element, "WKT", text)
    _add_domain(element, reference)
    parts = {
        "WKID": reference.wkid or reference.latest_wkid,
        "LatestWKID": reference.latest_wkid,
    }
    for name, value in parts.items():
        if value:
            add_child(element, name, value)


def _add_domain(element: etree._Element, reference: SpatialReference) -> None:
    domain = dict(reference.domain)
    for name, key in DOMAIN_ELEMENTS.items():
        if key in domain:
            add_child(element, name, domain[key])
    if domain:
        add_child(element, "HighPrecision", "true")


def _set_web_mercator(root: etree._Element, reference: SpatialReference) -> None:
    for tile_cache_info in children(root, "TileCacheInfo"):
        for element in children(tile_cache_info, "SpatialReference"):
            set_child(element, "WKT", str(reference.wkt))
            if not any(children(element, name) for name in DOMAIN_ELEMENTS):
                _add_domain(element, reference)
            set_child(element, "WKID", str(reference.wkid))
            set_child(element, "LatestWKID", str(reference.latest_wkid), after="WKID")
            for name in ("WKID", "LatestWKID"):  # last, as in Esri's documents
                element.extend(children(element, name))


def _add_image(tile_image_info: etree._Element, image: ImageInfo) -> None:
    add_child(tile_image_info, "CacheTileFormat", image.format)
    add_child(tile_image_info, "CompressionQuality", image.compression_quality)
    add_child(tile_image_info, "Antialiasing", "false")
    if image.band_count:
        add_child(tile_image_info, "BandCount", image.band_count)
    add_child(tile_image_info, "LERCError", image.lerc_error or 0)


def add_child(parent: etree._Element, name: str, text: object = None, kind: str | None = None) -> etree._Element:
    """Add an element. `kind` is its xsi:type among Esri's types, stated if the document declares their prefix."""
    element = add(parent, name, text)
    if kind is not None and "typens" in parent.nsmap:
        element.set(f"{{{XSI}}}type", f"typens:{kind}")
    return element


def set_child(parent: etree._Element, name: str, text: str, after: str | None = None) -> None:
    """Set a child's text. A new child follows the child named `after`, or is the last one."""
    found = children(parent, name)
    element = found[0] if found else add_child(parent, name)
    if len(element) or (element.text or "").strip() != text:
        for child in element:  # a comment within the old text
            element.remove(child)
        element.text = text
    if not found and after:
        for other in children(parent, after)[:1]:
            other.addnext(element)
