"""What the tools show while values are chosen: levels of the cache, unavailable parameters, errors and warnings.

ArcGIS calls `updateParameters` after each change, then its own validation, then `updateMessages` (Esri, "Customize tool
behavior in a Python toolbox"). The area may be large, and is checked only when the tool runs.
"""

from __future__ import annotations

import os
from typing import Any, get_args

import arcpy

from gptool.arcgis.parameters import AREA, has_value, operation_values
from gptool.cache import TileCache, open_cache
from gptool.errors import GptoolError, ParameterError
from gptool.output.registry import is_file_name, resolve_output
from gptool.output.staging import check_target
from gptool.request import invalid_inputs
from gptool.request.levels import ExportBy, level_notices, read_levels, select_levels
from gptool.system.store_url import AnyLocation, StoreUrl

Inputs = dict[str, arcpy.Parameter]
"""Parameters by the operation's names."""

EXTENT, QUALITY, OPTIMIZE, LEVELS = "exportExtent", "compressionQuality", "optimizeTilesForSize", "levels"
STORAGE, TABLES, EXPORT_BY, NEAREST = "storageFormatType", "tables", "exportBy", "nearestLevel"
TARGET, PNG = "targetSize", "optimizePng"
PARTS = "maxPartSize", "maxPartTiles"


def find_cache(location: AnyLocation | None) -> TileCache | None:
    """Return the cache at a location, or None if it cannot be read, which the tool reports when it runs."""
    try:
        return open_cache(location) if location else None
    except GptoolError:
        return None


def read_export_by(value: Any) -> ExportBy:
    """Return the unit of levels; level IDs if the value is none."""
    read: dict[str, ExportBy] = {choice.lower(): choice for choice in get_args(ExportBy)}
    return read.get(str(value).lower(), "LevelID")


def level_choices(cache: TileCache | None, unit: str | None) -> list[str]:
    """Return the levels of a cache for a list: IDs with their scales, such as `3 (1:73,957,191)`, or other units."""
    lods, export_by = cache.scheme.lods if cache else (), read_export_by(unit)
    if export_by == "Scale":
        return [lod.scale.text for lod in lods]
    if export_by == "Resolution":
        return [lod.resolution.text for lod in lods]
    return [f"{lod.level} (1:{lod.scale.value:,.0f})" for lod in lods]


def enable_parameters(inputs: Inputs, output: str | None = None) -> None:
    """Make the parameters unavailable that have no effect beside the others.

    Parameters
    ----------
    inputs : dict
    output : str or None
        The output of a desktop tool.
    """
    optimize = bool(inputs[OPTIMIZE].value)
    inputs[EXTENT].enabled = not has_value(inputs[AREA])
    inputs[QUALITY].enabled = optimize
    inputs[TABLES].enabled = (optimize and inputs[QUALITY].value is not None) or has_value(inputs[TARGET])
    inputs[NEAREST].enabled = read_export_by(inputs[EXPORT_BY].value) != "LevelID"
    inputs[STORAGE].enabled = output is None or not is_file_name(output)


def show_messages(inputs: Inputs, cache: TileCache | None) -> None:
    """Show errors of values and warnings beside the parameters.

    ArcGIS's own messages are cleared of values that the operation accepts: its lists know one spelling only.
    """
    values = operation_values(inputs)
    errors = invalid_inputs(values)
    warnings = _warnings(inputs, values, cache)
    if values[QUALITY] is not None and values[TARGET] and values[OPTIMIZE]:
        errors.setdefault(TARGET, "A target size and a compression quality are given; expected one of them.")
    if values[TARGET] and any(values[name] for name in PARTS):
        errors.setdefault(
            TARGET,
            "The target size is given with a maximum size or a maximum number of tiles of a part; expected one limit.",
        )
    if cache and values[LEVELS] and not {LEVELS, EXPORT_BY} & errors.keys():
        try:
            warnings |= _level_warnings(values, cache)
        except ParameterError as error:
            choices = ", ".join(level_choices(cache, values[EXPORT_BY]))
            errors[LEVELS] = f"{error}. The cache has {choices}."
    for name, parameter in inputs.items():
        if name in errors:
            parameter.setErrorMessage(errors[name])
        elif values.get(name) is not None:
            parameter.clearMessage()
    for name, text in warnings.items():
        if name not in errors:
            inputs[name].setWarningMessage(text)


def _level_warnings(values: dict[str, Any], cache: TileCache) -> dict[str, str]:
    """Return what is not read literally in the levels. Raises ParameterError if the cache has none of them."""
    ranges, export_by = read_levels(values[LEVELS]), read_export_by(values[EXPORT_BY])
    nearest = bool(values[NEAREST])
    select_levels(ranges, export_by, cache.scheme, nearest=nearest)
    notices = level_notices(ranges, export_by, cache.scheme, nearest=nearest)
    return {LEVELS: " ".join(notice.description for notice in notices)} if notices else {}


def _warnings(inputs: Inputs, values: dict[str, Any], cache: TileCache | None) -> dict[str, str]:
    """Return what will not be as the values suggest, by parameter."""
    warnings = {}
    quality, optimize = values[QUALITY], bool(values[OPTIMIZE])
    if values[EXTENT] is not None and has_value(inputs[AREA]):
        warnings[EXTENT] = "The extent is not used, since there is an area of interest."
    if quality is not None and not optimize:
        warnings[QUALITY] = "The quality is not used, since tiles are not optimized for size."
    if cache and optimize and not cache.image.may_be_jpeg:
        warnings[OPTIMIZE] = f"The tiles of the cache are {cache.image.format}: only JPEG tiles become smaller."
    elif cache and optimize and quality is not None and quality > (cache.image.compression_quality or quality):
        declared = cache.image.compression_quality
        warnings[QUALITY] = f"The cache declares the quality {declared}: tiles keep their quality if it is lower."
    if cache and values[PNG] and not cache.image.may_be_png:
        warnings[PNG] = f"The tiles of the cache are {cache.image.format}: only PNG tiles become smaller."
    return warnings


def show_output_messages(output: arcpy.Parameter, *, has_parts: bool) -> None:
    """Show an error if an output cannot be written, and a warning if it replaces another one.

    ArcGIS's own message about an existing output says whether the geoprocessing options allow to replace it.
    """
    path = output.valueAsText
    if not path:
        return
    try:
        target, kind = resolve_output(path, None, has_parts=has_parts)
        if isinstance(target, StoreUrl):
            raise ParameterError("is a URL, not a path", where=target, expected="the path of a file or folder")
        if os.path.lexists(target):
            check_target(target, is_folder=has_parts or not kind.is_file, overwrite=arcpy.env.overwriteOutput)
            output.setWarningMessage("The output exists, and will be replaced.")
        elif output.hasError():
            output.clearMessage()  # a parameter of two data types: ArcGIS may expect a folder
    except GptoolError as error:
        output.setErrorMessage(str(error))
