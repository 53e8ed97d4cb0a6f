"""The algorithms of the plugin as data, made of the tools' descriptions, and so of the one table of parameters.

The plugin reads them from `algorithms.json`. After a change of the parameters, the kinds of results or the version,
`python -m gptool.qgis.descriptions` writes that file and `metadata.txt` again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from gptool import __version__
from gptool.arcgis import tools
from gptool.arcgis.descriptions import ToolDescription, ToolParameter
from gptool.output.registry import FILE_KINDS
from gptool.request.parameters import BY_NAME
from gptool.request.renaming import with_names
from gptool.samples.defaults import DEFAULT_COUNT, DEFAULT_QUALITIES, MAX_COUNT, MAX_QUALITIES

PLUGIN = "gptool_export_tiles"
"""The name of the plugin's folder, by which QGIS knows it."""

PLUGIN_FOLDER = Path(__file__).parent / PLUGIN

Type = Literal["cache", "extent", "polygons", "text", "choice", "choices", "integer", "boolean", "file"]
"""The types of parameters. `file` is a file that is written, or a folder."""

TYPES: Mapping[str, Type] = {
    "DEFile": "file",
    "DEFolder": "cache",
    "GPBoolean": "boolean",
    "GPExtent": "extent",
    "GPFeatureLayer": "polygons",
    "GPLong": "integer",
    "GPString": "text",
}
"""The types by ArcGIS's keyword for them; a text with choices is a choice."""

RESULT_FILTER = ";;".join(
    [*(f"{kind.suffix[1:].upper()} files (*{kind.suffix})" for kind in FILE_KINDS), "Folder of a dataset or parts (*)"]
)
"""What the dialog for the name of a result offers; the first is the default."""

CACHE_FILTER = "Tile caches (*.tpkx *.tpk *.mbtiles conf.xml);;All files (*)"
"""What the dialog for a cache offers. Without the last part, QGIS would reject the paths of folders."""

PAGE_FILTER = "HTML files (*.html)"

ADVANCED = {"export_by", "nearest_level", "tables", "storage_format_type", "max_part_size", "max_part_tiles"}
"""Parameters that the dialog folds away."""

NOT_OF_SAMPLES = {"optimizeTilesForSize", "compressionQuality", "targetSize", "maxPartSize", "maxPartTiles"}
"""Parameters without a meaning where tiles are recompressed to several qualities."""

TEXTS = {
    "in_cache": "A tile cache: a tile package, the conf.xml of a cache folder, or the path of the folder. The URL of a "
    "cache in an object store may be typed, too.",
    "in_package": "A tile package, the conf.xml of a cache folder, or the path of the folder.",
    "out_tiles": "A tile package, or a file for other clients, if the name has its suffix, otherwise the folder of a "
    "cache raster dataset, or of the parts if a maximum size or number of tiles of a part is given.",
    "levels": with_names(BY_NAME["levels"].documentation, {name: item.label for name, item in BY_NAME.items()}),
    "area_of_interest": "Polygons to export, in any spatial reference. All tiles that share area with them are "
    "exported whole.",
}
"""Texts that differ from those of ArcGIS's tools."""


@dataclass(frozen=True, slots=True)
class AlgorithmParameter:
    """A parameter of an algorithm.

    Attributes
    ----------
    name : str
    label, help : str
        Its title, and one to three sentences.
    type : Type
    option : str or None
        The option of the program; None if it is an argument. Arguments are in their order.
    off_option : str or None
        The option for False, if that is not the same as no option at all.
    is_optional, is_advanced : bool
    default : str, bool, int or None
    choices : tuple of str
    limits : (int, int) or None
    filter : str or None
        The kinds of files that the dialog offers.
    """

    name: str
    label: str
    help: str
    type: Type
    option: str | None = None
    off_option: str | None = None
    is_optional: bool = True
    is_advanced: bool = False
    default: str | bool | int | None = None
    choices: tuple[str, ...] = ()
    limits: tuple[int, int] | None = None
    filter: str | None = None


@dataclass(frozen=True, slots=True)
class AlgorithmOutput:
    """A number or truth value that an algorithm returns, besides the files that it has written."""

    name: str
    label: str
    type: Literal["number", "boolean"] = "number"


@dataclass(frozen=True, slots=True)
class Algorithm:
    """An algorithm.

    Attributes
    ----------
    name, label, summary : str
    usage : tuple of str
        Paragraphs.
    command : tuple of str
        The program's command, and the options that it always has.
    parameters : tuple of AlgorithmParameter
    outputs : tuple of AlgorithmOutput
    """

    name: str
    label: str
    summary: str
    usage: tuple[str, ...]
    command: tuple[str, ...]
    parameters: tuple[AlgorithmParameter, ...]
    outputs: tuple[AlgorithmOutput, ...]


def _parameter(described: ToolParameter, name: str | None = None, option: str | None = None) -> AlgorithmParameter:
    """Return the parameter for one of a tool, of another name if its own has a prefix."""
    definition = described.definition
    kind = TYPES[described.datatypes[0]]
    if described.choices:
        kind = "choices" if described.is_list else "choice"
    is_switch = definition is not None and definition.name == "tilePackage"
    default = definition.default if definition and not is_switch else described.default
    return AlgorithmParameter(
        (name or described.name).upper(),
        described.label,
        TEXTS.get(described.name, described.documentation),
        kind,
        option or (definition.option if definition else None),
        off_option="--no-tile-package" if is_switch else None,
        is_optional=described.kind == "Optional" and default is None,
        is_advanced=described.name in ADVANCED,
        default=default,
        choices=described.choices,
        limits=described.limits,
        filter=CACHE_FILTER if kind == "cache" else None,
    )


def _selection(tool: ToolDescription, without: Iterable[str] = ()) -> list[AlgorithmParameter]:
    """Return the parameters of the operation that a tool has."""
    return [_parameter(item) for item in tool.parameters if item.definition and item.definition.name not in without]


def _outputs(tool: ToolDescription) -> tuple[AlgorithmOutput, ...]:
    return tuple(
        AlgorithmOutput(item.name.upper(), item.label, "boolean" if item.datatypes == ("GPBoolean",) else "number")
        for item in tool.parameters
        if item.kind == "Derived"
    )


CACHE = _parameter(tools.IN_CACHE, "cache")
OUTPUT = replace(_parameter(tools.OUT_TILES, "output"), filter=RESULT_FILTER)
PAGE = AlgorithmParameter(
    "OUTPUT", "Page", "The page: one HTML file, which needs no network.", "file", is_optional=False, filter=PAGE_FILTER
)
OVERWRITE = AlgorithmParameter(
    "OVERWRITE",
    "Replace an existing output",
    "By default, that is an error.",
    "boolean",
    "--overwrite",
    is_optional=False,
    default=False,
)
RESTART = AlgorithmParameter(
    "RESTART",
    "Discard what an interrupted run has finished",
    "By default, an interrupted run of the same export is gone on with.",
    "boolean",
    "--restart",
    is_optional=False,
    is_advanced=True,
    default=False,
)
QUALITIES = AlgorithmParameter(
    "QUALITIES",
    "Qualities",
    f"Compression qualities to compare, one to {MAX_QUALITIES}, from 0 to 100.",
    "text",
    "--qualities",
    is_optional=False,
    default=",".join(map(str, DEFAULT_QUALITIES)),
)
COUNT = AlgorithmParameter(
    "COUNT",
    "Number of tiles",
    "Maximum number of tiles on the page. More tiles are scored.",
    "integer",
    "--count",
    is_optional=False,
    default=DEFAULT_COUNT,
    limits=(1, MAX_COUNT),
)
EXPORT = Algorithm(
    "exporttiles",
    "Export tiles",
    tools.EXPORT_SUMMARY,
    (tools.EXPORT_USAGE[0], "The result appears whole or not at all, also if the algorithm is cancelled."),
    ("export-tiles", "--json", "--json-progress"),
    (CACHE, *_selection(tools.DESKTOP_EXPORT), OVERWRITE, RESTART, OUTPUT),
    _outputs(tools.DESKTOP_EXPORT),
)
ESTIMATE = Algorithm(
    "estimatesize",
    "Estimate the size of an export",
    tools.ESTIMATE_SUMMARY,
    tools.ESTIMATE_USAGE,
    ("estimate", "--json", "--json-progress"),
    (CACHE, *_selection(tools.DESKTOP_ESTIMATE)),
    _outputs(tools.DESKTOP_ESTIMATE),
)
VERIFY = Algorithm(
    "verifypackage",
    "Verify a package or cache",
    tools.VERIFY.summary,
    (tools.VERIFY.usage[0], "Findings are warnings in the log. The output Passed can control the branches of a model."),
    ("verify", "--json"),
    tuple(
        _parameter(item, name, option)
        for item, name, option in zip(
            tools.VERIFY.parameters,
            ("package", None, None, None),
            (None, "--client", "--tiles", "--source"),
            strict=False,  # the outputs follow
        )
    ),
    _outputs(tools.VERIFY),
)
SAMPLES = Algorithm(
    "samplecompressions",
    "Sample compressions",
    "Writes a page of representative tiles as they are and at several compression qualities.",
    (
        "The page shows each tile before and after with its bytes and its score, the size of the whole result at each "
        "quality, and the lowest quality whose worst scored tile still looks well.",
    ),
    ("samples", "--json", "--json-progress"),
    (CACHE, QUALITIES, COUNT, *_selection(tools.DESKTOP_ESTIMATE, NOT_OF_SAMPLES), OVERWRITE, PAGE),
    (AlgorithmOutput("RECOMMENDED_QUALITY", "Recommended quality"),),
)
ALGORITHMS = EXPORT, ESTIMATE, VERIFY, SAMPLES

METADATA = {
    "name": "Export Tiles (gptool)",
    "description": "Exports tiles of Esri tile caches to tile packages and cache raster datasets.",
    "about": "Algorithms of Processing that export tiles, estimate the size of an export, verify packages, and show "
    "tiles at several compression qualities. They call the program gptool, which is installed separately.",
    "version": __version__,
    "author": "gptool",
    "qgisMinimumVersion": "3.22",
    "hasProcessingProvider": "yes",
    "category": "Analysis",
    "tags": "processing, tile package, tile cache, tpkx, tpk, mbtiles, offline",
}


def plugin_files() -> dict[str, str]:
    """Return the texts of the generated files of the plugin by their names."""
    algorithms = json.dumps([asdict(algorithm) for algorithm in ALGORITHMS], indent=1)
    metadata = "\n".join(f"{name}={value}" for name, value in METADATA.items())
    return {"algorithms.json": algorithms + "\n", "metadata.txt": f"[general]\n{metadata}\n"}


if __name__ == "__main__":
    for file_name, text in plugin_files().items():
        (PLUGIN_FOLDER / file_name).write_bytes(text.encode())
