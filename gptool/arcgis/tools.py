"""The tools as data: names, texts and parameters, of which ArcGIS's parameters, metadata and documentation are made.

The desktop tools run in ArcGIS Pro on files of the user, the service tools behind ArcGIS Server on the caches of a
settings file. Both take the parameters of the operation from its one table, `gptool.request.TOOL_INPUTS`. This module
does not need arcpy.
"""

from __future__ import annotations

import re
from typing import get_args

from gptool.arcgis.descriptions import ToolboxDescription, ToolDescription, ToolParameter
from gptool.request import TOOL_INPUTS
from gptool.request import Parameter as Definition
from gptool.request.parameters import BY_NAME, PREFIX
from gptool.verification.inspection import Tiles
from gptool.verification.profiles import PROFILES

CACHE_TYPES = "DEFolder", "DEFile"
"""A cache folder or a tile package: a parameter may have several data types (Esri, "Parameter data types in a Python
toolbox", composite data types)."""

SIZE_DOCUMENTATION = "Size of the result in bytes."
TILES_DOCUMENTATION = "Number of tiles."


CATEGORIES = {
    "exportBy": "Levels by resolution or scale",
    "nearestLevel": "Levels by resolution or scale",
    "optimizeTilesForSize": "Size of tiles",
    "optimizePng": "Size of tiles",
    "compressionQuality": "Size of tiles",
    "targetSize": "Size of tiles",
    "tables": "Size of tiles",
    "maxPartSize": "Parts",
    "maxPartTiles": "Parts",
}

STORAGE_CHOICES = tuple(choice for choice in BY_NAME["storageFormatType"].choices if not choice.startswith(PREFIX))
"""One word for each storage format; the first is the default."""

TOOL_DEFAULTS: dict[str, str | bool] = {"tilePackage": True, "storageFormatType": STORAGE_CHOICES[0]}
"""Defaults that differ from those of the REST API: a tool must return something, and shows what it will do."""

DESKTOP_TYPES = {"exportExtent": "GPExtent", "areaOfInterest": "GPFeatureLayer"}

DESKTOP_TEXTS = {
    "levels": "Levels to export. The list shows the levels of the cache and their scales; scripts may also name ranges "
    "such as 0-6 or 1-4,7-9, in the unit of exportBy. By default, all levels that contain tiles.",
    "exportExtent": "Extent to export, in any spatial reference. All tiles that share area with it are exported whole. "
    "By default, the full extent of the cache. It is not used if there is an areaOfInterest.",
    "areaOfInterest": "Polygons to export, of which only the selected ones if there is a selection. All tiles that "
    "share area with them are exported whole.",
    "storageFormatType": "Storage format of a cache raster dataset, or of parts. The name of a file states its own: "
    ".tpkx is compactV2, .tpk is compact.",
}


def service_parameter(definition: Definition) -> ToolParameter:
    """Return the parameter of a service tool: its names and texts are those of the REST API."""
    is_storage = definition.name == "storageFormatType"
    return ToolParameter(
        definition.name,
        definition.label,
        (definition.type,),
        definition.documentation,
        category=CATEGORIES.get(definition.name),
        default=TOOL_DEFAULTS.get(definition.name, definition.default),
        choices=STORAGE_CHOICES if is_storage else definition.choices,
        limits=definition.limits,
        definition=definition,
    )


def desktop_parameter(definition: Definition) -> ToolParameter:
    """Return the parameter of a desktop tool, of the type that ArcGIS Pro has a control for."""
    service = service_parameter(definition)
    text = DESKTOP_TEXTS.get(definition.name, definition.documentation)
    return ToolParameter(
        definition.python_name,
        service.label,
        (DESKTOP_TYPES.get(definition.name, definition.type),),
        re.sub(r"\b[a-z]+[A-Z]\w*", lambda name: _label(name[0]), text),
        category=service.category,
        default=service.default,
        choices=service.choices,
        limits=service.limits,
        is_list=definition.name == "levels",
        definition=definition,
    )


def _label(name: str) -> str:
    """Return the title of a parameter in place of its name in REST, or another word as it is."""
    return BY_NAME[name].label if name in BY_NAME else name


def _derived(name: str, label: str, datatype: str, documentation: str) -> ToolParameter:
    return ToolParameter(name, label, (datatype,), documentation, "Derived", is_output=True)


IN_CACHE = ToolParameter(
    "in_cache",
    "Tile cache",
    CACHE_TYPES,
    "A tile cache: its folder, a tile package (.tpkx or .tpk), or a .mbtiles.",
    "Required",
)
CACHE_NAME = ToolParameter("cache", "Cache", ("GPString",), "The name of the cache.", "Required")

OUT_TILES = ToolParameter(
    "out_tiles",
    "Output tile package or dataset",
    ("DEFile", "DEFolder"),
    "A tile package if the name ends in .tpkx or .tpk, a file for other clients if it ends in .mbtiles, .pmtiles or "
    ".gpkg, otherwise the folder of a cache raster dataset, or of the parts if a maximum size or number of tiles of a "
    "part is given. An existing one is replaced only if the geoprocessing options allow it, and a folder only if it "
    "holds nothing but a dataset or parts.",
    "Required",
    is_output=True,
)

# A long has only 32 bits, so numbers of bytes and tiles are doubles.
TOTALS = (
    _derived("totalSize", "Size in bytes", "GPDouble", SIZE_DOCUMENTATION),
    _derived("totalTilesToExport", "Number of tiles", "GPDouble", TILES_DOCUMENTATION),
)
DESKTOP_TOTALS = (
    _derived("total_size", "Size in bytes", "GPDouble", SIZE_DOCUMENTATION),
    _derived("total_tiles", "Number of tiles", "GPDouble", TILES_DOCUMENTATION),
)

EXPORT_SUMMARY = "Exports tiles of a tile cache, by levels and area, to a tile package or a cache raster dataset."
ESTIMATE_SUMMARY = "Counts the tiles of an export and estimates the size of its result. Nothing is written."
EXPORT_USAGE = (
    "Tiles are copied as they are. JPEG tiles can be made smaller without loss, or recompressed to a lower quality.",
    "The result appears whole or not at all, also if the tool is cancelled.",
)
ESTIMATE_USAGE = ("The size is exact unless tiles are recompressed; then it is estimated from a sample of them.",)

DESKTOP_EXPORT = ToolDescription(
    "ExportTiles",
    "Export Tiles",
    EXPORT_SUMMARY,
    EXPORT_USAGE,
    "import arcpy\n\n"
    'arcpy.gptool.ExportTiles(r"C:\\caches\\World", r"C:\\packages\\World.tpkx", levels="0-6",\n'
    "                         optimize_tiles_for_size=True, compression_quality=50)\n",
    (
        IN_CACHE,
        OUT_TILES,
        *(desktop_parameter(definition) for definition in TOOL_INPUTS if definition.name != "tilePackage"),
        *DESKTOP_TOTALS,
    ),
)

DESKTOP_ESTIMATE = ToolDescription(
    "EstimateExportTilesSize",
    "Estimate Export Tiles Size",
    ESTIMATE_SUMMARY,
    ESTIMATE_USAGE,
    "import arcpy\n\n"
    'result = arcpy.gptool.EstimateExportTilesSize(r"C:\\caches\\World", levels="0-6")\n'
    'print(f"{float(result[0]):,.0f} bytes, {float(result[1]):,.0f} tiles")\n',
    (IN_CACHE, *map(desktop_parameter, TOOL_INPUTS), *DESKTOP_TOTALS),
)

VERIFY = ToolDescription(
    "VerifyPackage",
    "Verify Package",
    "Checks whether a tile package or tile cache, from any producer, is what clients expect.",
    (
        "No device is involved: only the rules are checked that packages of Esri's programs keep, and what is publicly "
        "known of clients.",
        "Findings are warnings. The derived output Passed can control the branches of a model.",
    ),
    'import arcpy\n\nresult = arcpy.gptool.VerifyPackage(r"C:\\packages\\World.tpkx", clients="fieldmaps")\n'
    "print(result.getMessages(1))\n",
    (
        ToolParameter(
            "in_package", "Tile package or cache", CACHE_TYPES, "A .tpkx, a .tpk or the folder of a cache.", "Required"
        ),
        ToolParameter(
            "clients",
            "Clients",
            ("GPString",),
            "Clients whose rules are checked. By default, the rules that all packages of Esri's programs keep.",
            choices=tuple(PROFILES),
            is_list=True,
        ),
        ToolParameter(
            "tiles",
            "Tiles to decode",
            ("GPString",),
            "The tiles that are decoded: all, a sample of each level, or none.",
            default=get_args(Tiles)[0],
            choices=get_args(Tiles),
        ),
        ToolParameter(
            "source",
            "Source cache",
            CACHE_TYPES,
            "The cache that the package was exported from: each tile must be its tile or a coarser quantisation of it, "
            "and none may be missing within the levels and the full extent.",
        ),
        _derived("passed", "Passed", "GPBoolean", "Whether every rule that was checked holds."),
        _derived("findings", "Number of findings", "GPLong", "Number of places where a rule does not hold."),
    ),
)

SERVICE_EXPORT = ToolDescription(
    "ExportTiles",
    "Export Tiles",
    EXPORT_SUMMARY,
    (*EXPORT_USAGE, "The result is a file, a cache raster dataset a .zip of its folder. A report comes with it."),
    "import arcpy\n\n"
    'arcpy.ImportToolbox("https://gis.example.com/server/services;Tiles/ExportTiles")\n'
    'result = arcpy.exporttiles.ExportTiles("World", levels="0-6")\n',
    (
        CACHE_NAME,
        *map(service_parameter, TOOL_INPUTS),
        _derived(
            "package", "Result", "DEFile", "The tile package, or a .zip of the cache raster dataset or of the parts."
        ),
        _derived("report", "Report", "DEFile", "The request as it was understood, and what was written, in JSON."),
    ),
)

SERVICE_ESTIMATE = ToolDescription(
    "EstimateExportTilesSize",
    "Estimate Export Tiles Size",
    ESTIMATE_SUMMARY,
    ESTIMATE_USAGE,
    "import arcpy\n\n"
    'arcpy.ImportToolbox("https://gis.example.com/server/services;Tiles/ExportTiles")\n'
    'result = arcpy.exporttiles.EstimateExportTilesSize("World", levels="0-6")\n',
    (
        CACHE_NAME,
        *map(service_parameter, TOOL_INPUTS),
        _derived("out_service_url", "Estimate", "GPString", "The size and the number of tiles, as JSON."),
        *TOTALS,
    ),
)


DESKTOP = ToolboxDescription(
    "ExportTiles",
    "Export Tiles (gptool)",
    "gptool",
    "Exports tiles of Esri tile caches to tile packages and cache raster datasets.",
    (DESKTOP_EXPORT, DESKTOP_ESTIMATE, VERIFY),
)
SERVICE = ToolboxDescription(
    "ExportTiles",
    "Export Tiles",
    "exporttiles",
    "Exports tiles from tile caches, by levels and area, to tile packages and cache raster datasets.",
    (SERVICE_EXPORT, SERVICE_ESTIMATE),
)

TAGS = "exportTiles", "tile package", "tile cache"
