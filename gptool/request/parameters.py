"""The operation's parameters: the one table that parsing, command line, toolbox and service are made from."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from gptool.errors import ParameterError
from gptool.model import StorageFormat
from gptool.request.area import read_area
from gptool.request.extent import read_extent
from gptool.request.levels import read_levels
from gptool.request.values import is_absent, read_boolean, read_choice, read_whole_number, shown

GPType = Literal["GPString", "GPBoolean", "GPLong", "GPFeatureRecordSetLayer"]
"""The types that ArcGIS publishes a tool's parameters as."""

LONG, SHORT = "esriMapCacheStorageMode", ""
STORAGE_FORMATS = {
    prefix + storage.removeprefix(LONG): storage
    for prefix in (LONG, SHORT)
    for storage in (StorageFormat.COMPACT_V2, StorageFormat.COMPACT)
}
FORMS = "html", "json", "pjson"
EXPORT_BY = "LevelID", "Resolution", "Scale"
LOWEST, BEST = 0, 100


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter.

    Attributes
    ----------
    name : str
        As clients of an image service send it, in any letter case.
    type : str
        As which ArcGIS publishes it.
    label : str
        Its title on a form.
    documentation : str
        Sentences for people.
    read : callable
        Returns the value of what was sent, which is not absent; raises ParameterError.
    default : str, bool or None
        What stands for an absent one; None where nothing does.
    choices : tuple of str
        The words it takes; empty where it takes others.
    limits : (int, int) or None
        The lowest and the highest number it takes.
    aliases : tuple of str
        Names that some clients send it by.
    answers : bool
        Whether it is about a service's answer alone: tools and commands do without.
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
    answers: bool = False

    @property
    def python_name(self) -> str:
        """The name in Python, as in `export_extent`."""
        return re.sub("([A-Z]+)", r"_\1", self.name).lower()

    @property
    def option(self) -> str:
        """The name on the command line, as in `--export-extent`."""
        return "--" + self.python_name.replace("_", "-")


PARAMETERS: tuple[Parameter, ...] = (
    Parameter(
        "levels",
        "GPString",
        "Levels",
        "The levels to export: values and ranges, as in 0-6, 1,2,3 or 1-4,7-9, in the unit of exportBy. All levels "
        "that hold tiles when silent.",
        read_levels,
    ),
    Parameter(
        "exportBy",
        "GPString",
        "Export by",
        "What the values of levels are: level IDs, resolutions (units of the cache's reference for each pixel) or "
        "scales.",
        lambda sent: read_choice(sent, "exportBy", {word: word for word in EXPORT_BY}),
        default=EXPORT_BY[0],
        choices=EXPORT_BY,
    ),
    Parameter(
        "exportExtent",
        "GPString",
        "Export extent",
        "A box: xmin,ymin,xmax,ymax in the cache's reference, or an envelope as JSON, which may have a "
        "spatialReference of its own. Whole tiles that share area with it are exported. DEFAULT, or "
        "nothing, means all tiles.",
        read_extent,
    ),
    Parameter(
        "areaOfInterest",
        "GPFeatureRecordSetLayer",
        "Area of interest",
        "Polygons as JSON: a feature set, a polygon, or GeoJSON (always longitude/latitude). Whole tiles that share "
        "area with them are exported. Supersedes exportExtent.",
        read_area,
        aliases=("polygon",),
    ),
    Parameter(
        "tilePackage",
        "GPBoolean",
        "Tile package",
        "Whether the result is a tile package, one file, or a cache raster dataset, a folder.",
        lambda sent: read_boolean(sent, "tilePackage"),
        default=False,
    ),
    Parameter(
        "storageFormatType",
        "GPString",
        "Storage format type",
        "How the result stores its tiles: a tile package is a .tpkx with compactV2, a .tpk with compact. compactV2 "
        "when silent.",
        lambda sent: read_choice(sent, "storageFormatType", STORAGE_FORMATS),
        choices=tuple(STORAGE_FORMATS),
        aliases=("storageFormat",),
    ),
    Parameter(
        "optimizeTilesForSize",
        "GPBoolean",
        "Optimize tiles for size",
        "Whether JPEG tiles are recompressed, to the quality of compressionQuality.",
        lambda sent: read_boolean(sent, "optimizeTilesForSize"),
        default=False,
    ),
    Parameter(
        "compressionQuality",
        "GPLong",
        "Compression quality",
        "The quality JPEG tiles are recompressed to, 0 to 100, capped at each tile's own. It moves in steps: a "
        "request a little below a tile's own may keep the tile as it is. Every tile keeps its own when silent.",
        lambda sent: read_whole_number(sent, "compressionQuality", LOWEST, BEST),
        limits=(LOWEST, BEST),
    ),
    Parameter(
        "f",
        "GPString",
        "Format",
        "The form of the answer.",
        lambda sent: read_choice(sent, "f", {word: word for word in FORMS}),
        default=FORMS[0],
        choices=FORMS,
        answers=True,
    ),
)
"""In the order of forms."""

INPUTS = tuple(parameter for parameter in PARAMETERS if not parameter.answers)
"""What an export is asked with."""

BY_NAME = {parameter.name: parameter for parameter in PARAMETERS}


def fold(name: str) -> str:
    """Return a name as names are compared: `exportBy`, `EXPORTBY` and `export_by` are one."""
    return name.replace("_", "").lower()


NAMES = {fold(name): parameter.name for parameter in INPUTS for name in (*parameter.aliases, parameter.name)}


def known(sent: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was sent of the inputs, under their own names; absent values and others are left out.

    A parameter's own name counts more than its alias.
    """
    found: dict[str, Any] = {}
    for name, value in sent.items():
        parameter = NAMES.get(fold(name)) if isinstance(name, str) else None
        if parameter and not is_absent(value) and (parameter not in found or fold(name) == fold(parameter)):
            found[parameter] = value
    return found


def read_values(sent: Mapping[str, Any]) -> dict[str, Any]:
    """Return the value of every input, by its own name; the default, or None, where it is absent.

    Raises
    ------
    ParameterError
        When a value can't be understood; it names parameter, value, and what would be right.
    """
    if not isinstance(sent, Mapping):
        raise ParameterError("no parameters", found=shown(sent), expected="names and values")
    found = known(sent)
    return {
        parameter.name: parameter.read(found[parameter.name]) if parameter.name in found else parameter.default
        for parameter in INPUTS
    }


def find_faults(sent: Mapping[str, Any]) -> dict[str, str]:
    """Return for each parameter whose value can't be understood, whatever the cache, what is wrong with it."""
    faults = {}
    for name, value in known(sent).items():
        try:
            BY_NAME[name].read(value)
        except ParameterError as error:
            faults[name] = str(error)
    return faults
