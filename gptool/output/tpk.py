"""The .tpk: item information, a map service's description, conf.xml, conf.cdi, and compact V1 bundles.

There is no public specification. The members are those of packages by ArcMap except its binary layer files (.lyr),
which readers of tiles do not use.
"""

from __future__ import annotations

from lxml import etree

from gptool.crs.reference import esri_unit, reference_name, wgs84_extent
from gptool.crs.web_mercator import package_reference
from gptool.model import Extent, StorageFormat
from gptool.output.bundle import CompactV1Writer
from gptool.output.conf_xml import conf_cdi, conf_properties, conf_xml
from gptool.output.esri_json import extent_json, layer_json, spatial_reference_json, summary
from gptool.output.json_text import Json, to_json_bytes
from gptool.output.kind import ResultInfo
from gptool.output.tile_package import TilePackage
from gptool.output.xml_text import add, to_xml_bytes
from gptool.plan import Plan

CACHE_FOLDER = "v101/Layers"
"""The folder of the cache as ArcMap names it, whatever the name of the package."""

VERSION, VERSION_NUMBER = "10.3", 10.31
"""The release of ArcGIS whose packages are the model."""

STYLE_SHEET = 'type="text/xsl" href="http://www.arcgisonline.com/home/pkinfostylesheet.xsl"'
"""What ArcMap's item.pkinfo refers to."""

ITEM_TYPE = "Tile Package"
KEYWORDS = "Data", "Tile Package", "ArcMap", "ArcGlobe", "tpk"


class Tpk(TilePackage):
    """The kind of a .tpk."""

    def metadata(self, info: ResultInfo) -> dict[str, bytes]:
        """Return the members other than bundles by name; see `TilePackage.metadata`."""
        return {
            "esriinfo/item.pkinfo": _item_pkinfo(info),
            "esriinfo/iteminfo.xml": _iteminfo_xml(info),
            "esriinfo/thumbnail/thumbnail.png": info.thumbnail,
            "servicedescriptions/mapserver/mapserver.json": _mapserver_json(info),
            f"{CACHE_FOLDER}/conf.cdi": conf_cdi(info.plan, is_package=True),
            f"{CACHE_FOLDER}/conf.properties": conf_properties(info.plan),
            f"{CACHE_FOLDER}/conf.xml": conf_xml(self.storage_format, info, is_package=True),
        }


TPK = Tpk(".tpk", StorageFormat.COMPACT, CompactV1Writer, tiles_folder=f"{CACHE_FOLDER}/_alllayers")


def _item_pkinfo(info: ResultInfo) -> bytes:
    root = etree.Element("pkinfo", {"Culture": "en-US"})
    root.addprevious(etree.ProcessingInstruction("xml-stylesheet", STYLE_SHEET))
    _add(root, ID=info.guid, name=info.name, version=VERSION, size="-1", created="", type=ITEM_TYPE)
    _add(root, servable="false", packagelocation="", pkinfolocation="")
    return _to_lines(root)


def _iteminfo_xml(info: ResultInfo) -> bytes:
    plan = info.plan
    reference = package_reference(plan.cache.scheme)
    root = etree.Element("ESRI_ItemInformation", {"Culture": "en-US"})
    _add(root, name=info.name, guid=info.guid, catalogpath="", snippet=summary(plan), description="")
    _add(root, summary=summary(plan), title=info.name, tags="", type=ITEM_TYPE)
    keywords = add(root, "typekeywords")
    for keyword in KEYWORDS:
        _add(keywords, typekeyword=keyword)
    _add(root, thumbnail="thumbnail/thumbnail.png", documentation="", url="", datalastmodifiedtime="")
    extent = add(root, "extent")
    _add(extent, **{side: repr(number) for side, number in _wgs84(plan)._asdict().items()})
    _add(root, spatialreference=reference_name(reference), accessinformation="", licenseinfo="")
    return _to_lines(root)


def _to_lines(root: etree._Element) -> bytes:
    """Return a document as ArcMap writes it: each element on a line of its own, lines ended by CR and LF."""
    root.text = "\n"
    for element in root.iterdescendants():
        element.tail = "\n"
        if len(element):
            element.text = "\n"
    return to_xml_bytes(root).replace(b" ?>", b" ?>\n", 1).replace(b"\n", b"\r\n") + b"\r\n"


def _mapserver_json(info: ResultInfo) -> bytes:
    plan = info.plan
    scheme = plan.cache.scheme
    reference = spatial_reference_json(package_reference(scheme))
    extent, geographic = extent_json(plan.extent(), reference), dict(_wgs84(plan)._asdict())
    first, last = plan.filled_levels[0].lod, plan.filled_levels[-1].lod
    unit = esri_unit(scheme.reference)
    contents: dict[str, Json] = {
        "currentVersion": VERSION_NUMBER,
        "serviceDescription": "",
        "mapName": "Layers",
        "description": "",
        "copyrightText": "",
        "supportsDynamicLayers": False,
        "layers": [layer_json(info.name)],
        "tables": [],
        "spatialReference": reference,
        "singleFusedMapCache": False,
        "initialExtent": extent,
        "fullExtent": extent,
        "minScale": first.scale,
        "maxScale": last.scale,
        **({"units": unit} if unit else {}),
        "supportedImageFormatTypes": "PNG32,PNG24,PNG,JPG",
        "documentInfo": {"Title": info.name, "Author": "", "Comments": "", "Subject": "", "Category": ""},
        "capabilities": "Map",
        "exportTilesAllowed": False,
    }
    resources: list[Json] = [
        {"name": "layers", "resources": []},
        {"name": "tables", "resources": []},
        {"name": "legend", "contents": {"layers": []}},
    ]
    service: dict[str, Json] = {
        "name": "MapServer",
        "contents": contents,
        "resourceInfo": {"geoFullExtent": geographic, "geoInitialExtent": geographic},
        "resources": resources,
    }
    return to_json_bytes(service)


def _wgs84(plan: Plan) -> Extent:
    return wgs84_extent(plan.cache.scheme.reference, plan.extent())


def _add(parent: etree._Element, **texts: str) -> None:
    for name, text in texts.items():
        add(parent, name, text)
