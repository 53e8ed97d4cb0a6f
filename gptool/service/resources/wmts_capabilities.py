"""The capabilities of a cache as a Web Map Tile Service: OGC 07-057r7, "WMTS Implementation Standard" 1.0.0."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lxml import etree

from gptool.crs.reference import is_northing_first, metres_per_unit, urn, wgs84_extent
from gptool.errors import ServiceError
from gptool.model import Extent, Lod, TilingScheme
from gptool.service.catalog import CachedService

VERSION = "1.0.0"
STYLE, MATRIX_SET = "default", "default028mm"
"""The identifiers of ArcGIS Server."""

PIXEL_METRES = 0.00028
"""The pixel of the standard, metres, to which scale denominators refer."""

MEDIA_TYPES = {"JPEG": ("image/jpeg",), "MIXED": ("image/jpeg", "image/png")}
"""Media types of tiles by the format of a cache; image/png for the others, except those of elevations."""

NAMESPACES = {
    None: "http://www.opengis.net/wmts/1.0",
    "ows": "http://www.opengis.net/ows/1.1",
    "xlink": "http://www.w3.org/1999/xlink",
}
HREF = f"{{{NAMESPACES['xlink']}}}href"

Content = etree._Element | str | Mapping[str, str]
"""A child of an element, its text, or its attributes."""


def layer_name(service: CachedService) -> str:
    """Return the identifier of the only layer."""
    return service.name.replace("/", "_")


def media_types(service: CachedService) -> tuple[str, ...]:
    """Return the media types that tiles of a cache may have.

    Raises
    ------
    ServiceError
        If the cache has elevations, or its spatial reference has no code: the standard needs pictures and a code.
    """
    image_format, reference = service.cache.image.format, service.cache.scheme.reference
    if image_format.startswith("LERC"):
        raise ServiceError("cache cannot be a WMTS", code=400, found=f"tiles of the format {image_format}",
                           expected="JPEG or PNG")  # fmt: skip
    if urn(reference) is None:
        raise ServiceError("cache cannot be a WMTS", code=400, found="a spatial reference without a code",
                           expected="one of EPSG or Esri")  # fmt: skip
    return MEDIA_TYPES.get(image_format, ("image/png",))


def capabilities(service: CachedService, url: str) -> bytes:
    """Return the document of the capabilities.

    Parameters
    ----------
    service : CachedService
    url : str
        The URL of the service, which ends in `/WMTS`.

    Raises
    ------
    ServiceError
        If the cache cannot be a WMTS.
    """
    formats, settings = media_types(service), service.settings
    identification = _ows(
        "ServiceIdentification",
        _ows("Title", _xml_text(service.title)),
        _ows("Abstract", _xml_text(settings.description)),
        _ows("ServiceType", "OGC WMTS"),
        _ows("ServiceTypeVersion", VERSION),
        _ows("AccessConstraints", _xml_text(settings.copyright or "NONE")),
    )
    operations = _ows(
        "OperationsMetadata",
        _operation("GetCapabilities", f"{url}/{VERSION}/WMTSCapabilities.xml", f"{url}?"),
        _operation("GetTile", f"{url}/tile/{VERSION}/", f"{url}?"),
    )
    contents = _wmts("Contents", _layer(service, url, formats), _matrix_set(service))
    metadata = _wmts("ServiceMetadataURL", {HREF: f"{url}/{VERSION}/WMTSCapabilities.xml"})
    root = _wmts("Capabilities", {"version": VERSION}, identification, operations, contents, metadata)
    document: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    return document


def exception_report(code: str, locator: str, text: str) -> bytes:
    """Return an exception report (OGC 06-121r9, OWS Common 1.1)."""
    exception = _ows("Exception", {"exceptionCode": code, "locator": locator}, _ows("ExceptionText", _xml_text(text)))
    report = _ows("ExceptionReport", {"version": "1.1.0"}, exception)
    document: bytes = etree.tostring(report, xml_declaration=True, encoding="UTF-8")
    return document


def _wmts(name: str, *content: Content) -> etree._Element:
    return _element(NAMESPACES[None], name, *content)


def _ows(name: str, *content: Content) -> etree._Element:
    return _element(NAMESPACES["ows"], name, *content)


def _element(namespace: str, name: str, *content: Content) -> etree._Element:
    element = etree.Element(f"{{{namespace}}}{name}", nsmap=NAMESPACES)  # type: ignore[arg-type]
    for part in content:
        if isinstance(part, str):
            element.text = part
        elif isinstance(part, Mapping):
            element.attrib.update(dict(part.items()))
        else:
            element.append(part)
    return element


def _operation(name: str, restful: str, kvp: str) -> etree._Element:
    gets = [
        _ows(
            "Get",
            {HREF: href},
            _ows("Constraint", {"name": "GetEncoding"}, _ows("AllowedValues", _ows("Value", encoding))),
        )
        for href, encoding in ((restful, "RESTful"), (kvp, "KVP"))
    ]
    return _ows("Operation", {"name": name}, _ows("DCP", _ows("HTTP", *gets)))


def _layer(service: CachedService, url: str, formats: Iterable[str]) -> etree._Element:
    name, reference = layer_name(service), service.cache.scheme.reference
    lower, upper = _corners(service.extent)
    west_south, east_north = _corners(wgs84_extent(reference, service.extent))
    template = f"{url}/tile/{VERSION}/{name}/{{Style}}/{{TileMatrixSet}}/{{TileMatrix}}/{{TileRow}}/{{TileCol}}"
    formats = list(formats)
    return _wmts(
        "Layer",
        _ows("Title", _xml_text(service.title)),
        _ows(
            "WGS84BoundingBox",
            {"crs": "urn:ogc:def:crs:OGC:2:84"},
            _ows("LowerCorner", _point(west_south)),
            _ows("UpperCorner", _point(east_north)),
        ),
        _ows("Identifier", name),
        _ows(
            "BoundingBox",
            {"crs": urn(reference) or ""},
            _ows("LowerCorner", _point(lower, swapped=is_northing_first(reference))),
            _ows("UpperCorner", _point(upper, swapped=is_northing_first(reference))),
        ),
        _wmts("Style", {"isDefault": "true"}, _ows("Title", "Default style"), _ows("Identifier", STYLE)),
        *(_wmts("Format", media_type) for media_type in formats),
        _wmts("TileMatrixSetLink", _wmts("TileMatrixSet", MATRIX_SET)),
        *(
            _wmts("ResourceURL", {"format": media_type, "resourceType": "tile", "template": template})
            for media_type in formats
        ),
    )


def _matrix_set(service: CachedService) -> etree._Element:
    """Return the tiling scheme; a matrix ends at the extent of the cache, as it has no end of its own."""
    scheme = service.cache.scheme
    return _wmts(
        "TileMatrixSet",
        _ows("Title", "Tiling scheme of the cache, with pixels of 0.28 mm"),
        _ows("Identifier", MATRIX_SET),
        _ows("SupportedCRS", urn(scheme.reference) or ""),
        *(_matrix(scheme, lod, service.extent) for lod in scheme.lods),
    )


def _matrix(scheme: TilingScheme, lod: Lod, extent: Extent) -> etree._Element:
    origin = scheme.origin_x.value, scheme.origin_y.value
    window = scheme.window(lod, extent)
    denominator = lod.resolution.value * metres_per_unit(scheme.reference) / PIXEL_METRES
    return _wmts(
        "TileMatrix",
        _ows("Identifier", str(lod.level)),
        _wmts("ScaleDenominator", repr(denominator)),
        _wmts("TopLeftCorner", _point(origin, swapped=is_northing_first(scheme.reference))),
        _wmts("TileWidth", str(scheme.tile_columns)),
        _wmts("TileHeight", str(scheme.tile_rows)),
        _wmts("MatrixWidth", str(max(window.column_max + 1, 1))),
        _wmts("MatrixHeight", str(max(window.row_max + 1, 1))),
    )


def _corners(extent: Extent) -> tuple[tuple[float, float], tuple[float, float]]:
    return (extent.xmin, extent.ymin), (extent.xmax, extent.ymax)


def _point(point: tuple[float, float], *, swapped: bool = False) -> str:
    first, second = reversed(point) if swapped else point
    return f"{first!r} {second!r}"


def _xml_text(text: str) -> str:
    """Return a text without the characters that XML does not allow."""
    return "".join(character if character.isprintable() or character in "\n\t" else "?" for character in text)
