"""The table of the operation's parameters, from which parsing, command line, toolbox, service and docs are made."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from gptool.errors import ParameterError
from gptool.model import StorageFormat, Tables
from gptool.request.area import read_area
from gptool.request.extent import read_extent
from gptool.request.levels import read_levels
from gptool.request.sizes import read_size
from gptool.request.values import format_value, is_absent, read_boolean, read_choice, read_integer

GPType = Literal["GPString", "GPBoolean", "GPLong", "GPFeatureRecordSetLayer"]
"""The data types that ArcGIS publishes the parameters of a geoprocessing tool as."""

PREFIX = "esriMapCacheStorageMode"
STORAGE_FORMATS = {
    prefix + storage.removeprefix(PREFIX): storage
    for prefix in (PREFIX, "")
    for storage in (StorageFormat.COMPACT_V2, StorageFormat.COMPACT)
}
"""Storage formats by their accepted names: Esri's, and the same without the prefix."""

STORAGE_NAMES = "compactV2 or compact, or Esri's long names for them"

RESPONSE_FORMATS = "html", "json", "pjson"
EXPORT_BY = "LevelID", "Resolution", "Scale"
TABLES: tuple[Tables, ...] = get_args(Tables)
MIN_QUALITY, MAX_QUALITY = 0, 100
PART_TILES = 1, 2**31 - 1
"""The limits of the tiles of a part; GPLong has 32 bits."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the operation.

    Attributes
    ----------
    name : str
        The name that clients of an image service send, in any letter case.
    type : str
        The data type that ArcGIS publishes it as.
    label : str
        The title on forms.
    documentation : str
        A description of one to three sentences.
    read : callable
        Returns the value of what was sent, which is not absent; raises ParameterError.
    default : str, bool or None
        The value if it is absent; None for no value.
    choices : tuple of str
        The valid keywords; empty for other values.
    limits : (int, int) or None
        The minimum and the maximum of a number.
    aliases : tuple of str
        Other names that some clients send.
    response_only : bool
        True if it is about the response of a service only, and has no meaning in tools and commands.
    service_only : bool
        True if it refers to jobs, which only a service has.
    """

    name: str
    type: GPType
    label: str
    documentation: str
    read: Callable[[Any], Any]
    default: str | bool | None = None
    choices: tuple[str, ...] = ()
    limits: tuple[int, int] | None = None
    aliases: tuple[str, ...] = ()
    response_only: bool = False
    service_only: bool = False

    @property
    def python_name(self) -> str:
        """The name in Python, such as `export_extent`."""
        return re.sub("([A-Z]+)", r"_\1", self.name).lower()

    @property
    def option(self) -> str:
        """The name on the command line, such as `--export-extent`."""
        return "--" + self.python_name.replace("_", "-")


SINCE = re.compile(r"j[0-9a-f]{32}|[0-9a-f]{64}")
"""The id of a job, or a SHA-256."""


def _read_since(value: Any) -> str:
    text = value.strip().lower() if isinstance(value, str) else ""
    if not SINCE.fullmatch(text):
        expected = "the id of a job, or 64 hexadecimal digits of a SHA-256"
        raise ParameterError("names no export", where="since", found=format_value(value), expected=expected)
    return text


PARAMETERS: tuple[Parameter, ...] = (
    Parameter(
        "levels",
        "GPString",
        "Levels",
        "Levels to export: values and ranges in the unit of exportBy, such as 0-6, 1,2,3 or 1-4,7-9. By default, all "
        "levels that contain tiles.",
        read_levels,
    ),
    Parameter(
        "exportBy",
        "GPString",
        "Export by",
        "Unit of the values of levels: level IDs, resolutions (units of the cache's spatial reference per pixel) or "
        "scales (denominators).",
        lambda value: read_choice(value, "exportBy", {choice: choice for choice in EXPORT_BY}),
        default=EXPORT_BY[0],
        choices=EXPORT_BY,
    ),
    Parameter(
        "nearestLevel",
        "GPBoolean",
        "Nearest level",
        "Use the nearest level for a resolution or scale in levels that no level has. By default, that is an error.",
        lambda value: read_boolean(value, "nearestLevel"),
        default=False,
    ),
    Parameter(
        "exportExtent",
        "GPString",
        "Export extent",
        "Extent to export: xmin,ymin,xmax,ymax in the spatial reference of the cache, or an envelope as JSON, which "
        "may have its own spatialReference. All tiles that share area with it are exported whole. By default, or with "
        "the keyword DEFAULT, the full extent of the cache.",
        read_extent,
    ),
    Parameter(
        "areaOfInterest",
        "GPFeatureRecordSetLayer",
        "Area of interest",
        "Polygons to export, as JSON: a feature set, a polygon, or GeoJSON (longitude and latitude, unless it has a "
        "crs member). All tiles that share area with them are exported whole. If given, exportExtent is ignored.",
        read_area,
        aliases=("polygon",),
    ),
    Parameter(
        "tilePackage",
        "GPBoolean",
        "Tile package",
        "Make a tile package (a file) instead of a cache raster dataset (a folder).",
        lambda value: read_boolean(value, "tilePackage"),
        default=False,
    ),
    Parameter(
        "storageFormatType",
        "GPString",
        "Storage format type",
        "Storage format of the result. A tile package in compactV2 is a .tpkx file, one in compact a .tpk file. By "
        "default, compactV2.",
        lambda value: read_choice(value, "storageFormatType", STORAGE_FORMATS, STORAGE_NAMES),
        choices=tuple(STORAGE_FORMATS),
        aliases=("storageFormat",),
    ),
    Parameter(
        "optimizeTilesForSize",
        "GPBoolean",
        "Optimize tiles for size",
        "Make JPEG tiles smaller without loss, by Huffman tables of their own. EXIF, XMP and comments are removed. "
        "With compressionQuality, tiles above that quality are recompressed to it.",
        lambda value: read_boolean(value, "optimizeTilesForSize"),
        default=False,
    ),
    Parameter(
        "compressionQuality",
        "GPLong",
        "Compression quality",
        "Quality, from 0 to 100, that JPEG tiles are recompressed to, capped at the quality of each tile. Quality "
        "changes in steps, so a value slightly below the quality of a tile may not lower it. By default, every tile "
        "keeps its quality.",
        lambda value: read_integer(value, "compressionQuality", MIN_QUALITY, MAX_QUALITY),
        limits=(MIN_QUALITY, MAX_QUALITY),
    ),
    Parameter(
        "targetSize",
        "GPString",
        "Target size",
        "Size that the result must not exceed, such as 500MB, 1.5 GB, 200 MiB or a number of bytes. Tiles are copied "
        "if the result fits then, else optimised without loss, else recompressed to the highest quality whose result "
        "fits. It takes the place of compressionQuality.",
        lambda value: read_size(value, "targetSize"),
    ),
    Parameter(
        "maxPartSize",
        "GPString",
        "Maximum size of a part",
        "Divide the result into tile packages of at most this size, such as 1GB, in a folder. Each has all selected "
        "tiles of its area and levels; coarser levels, if any, are in an overview, and manifest.json lists all. "
        "It cannot be combined with targetSize.",
        lambda value: read_size(value, "maxPartSize"),
    ),
    Parameter(
        "maxPartTiles",
        "GPLong",
        "Maximum tiles of a part",
        "Divide the result into tile packages of at most this number of tiles, as maxPartSize does.",
        lambda value: read_integer(value, "maxPartTiles", *PART_TILES),
        limits=PART_TILES,
    ),
    Parameter(
        "tables",
        "GPString",
        "Tables",
        "Quantisation tables of recompressed tiles. With efficient, they are integer multiples of those that each tile "
        "has, which makes smaller tiles at equal quality. With exact, they are the IJG tables of the quality.",
        lambda value: read_choice(value, "tables", {name: name for name in TABLES}),
        default=TABLES[0],
        choices=TABLES,
    ),
    Parameter(
        "optimizePng",
        "GPBoolean",
        "Optimize PNG",
        "Make PNG tiles smaller without loss, by 5 to 45 percent. Their pixels, bit depth and colour type stay; texts "
        "in them are removed. It takes 10 to 100 milliseconds per tile of 256 x 256 pixels.",
        lambda value: read_boolean(value, "optimizePng"),
        default=False,
    ),
    Parameter(
        "since",
        "GPString",
        "Since",
        "An earlier export of this service: the id of its job, or the SHA-256 of its .tpkx as report.json states it. "
        "The result is a delta then: the tiles that changed since, from which gptool apply makes the new package.",
        _read_since,
        service_only=True,
    ),
    Parameter(
        "f",
        "GPString",
        "Format",
        "Format of the response.",
        lambda value: read_choice(value, "f", {choice: choice for choice in RESPONSE_FORMATS}),
        default=RESPONSE_FORMATS[0],
        choices=RESPONSE_FORMATS,
        response_only=True,
    ),
)
"""All parameters, in the order of forms."""

INPUTS = tuple(parameter for parameter in PARAMETERS if not parameter.response_only)
"""The parameters of an export, without those of the response."""

TOOL_INPUTS = tuple(parameter for parameter in INPUTS if not parameter.service_only)
"""Those that tools, commands and batches have, too."""

BY_NAME = {parameter.name: parameter for parameter in PARAMETERS}


def normalise_name(name: str) -> str:
    """Return the form in which names are compared: `exportBy`, `EXPORTBY` and `export_by` are equal."""
    return name.replace("_", "").lower()


INPUT_NAMES = {
    normalise_name(name): parameter.name for parameter in INPUTS for name in (*parameter.aliases, parameter.name)
}
"""Names of the inputs by their names and aliases, normalised."""


def known_inputs(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of inputs that are not absent, by the parameters' names; unknown names are ignored.

    A parameter's own name takes precedence over its aliases.
    """
    inputs: dict[str, Any] = {}
    for name, value in values.items():
        parameter = INPUT_NAMES.get(normalise_name(name)) if isinstance(name, str) else None
        if parameter and not is_absent(value):
            is_own_name = normalise_name(name) == normalise_name(parameter)
            if is_own_name or parameter not in inputs:
                inputs[parameter] = value
    return inputs


def read_inputs(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parsed value of every input by its name; the default, or None, if it is absent.

    Raises
    ------
    ParameterError
        If a value is invalid, or a name is given in two spellings with different values. The message names the
        parameter, the value, and what a valid value is.
    """
    if not isinstance(values, Mapping):
        raise ParameterError("parameters are not a mapping", found=format_value(values), expected="names and values")
    _check_spellings(values)
    inputs = known_inputs(values)
    return {
        parameter.name: parameter.read(inputs[parameter.name]) if parameter.name in inputs else parameter.default
        for parameter in INPUTS
    }


def _check_spellings(values: Mapping[str, Any]) -> None:
    """Raise an error if a name is given in two spellings, such as `levels` and `LEVELS`, with different values."""
    first: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(name, str) and normalise_name(name) in INPUT_NAMES and not is_absent(value):
            other = first.setdefault(normalise_name(name), name)
            if repr(values[other]) != repr(value):
                found = f"{other} {format_value(values[other])} and {name} {format_value(value)}"
                where = INPUT_NAMES[normalise_name(name)]
                raise ParameterError("is given twice", where=where, found=found, expected="one value")


def invalid_inputs(values: Mapping[str, Any]) -> dict[str, str]:
    """Return an error message for each input whose value is invalid for any cache, by the parameter's name."""
    messages = {}
    for name, value in known_inputs(values).items():
        try:
            BY_NAME[name].read(value)
        except ParameterError as error:
            messages[name] = str(error)
    return messages
