"""Parameters of arcpy: made from the tools' descriptions, and read as the values of the operation."""

from __future__ import annotations

import json
import re
from typing import Any

import arcpy

from gptool.arcgis.descriptions import ToolDescription, ToolParameter
from gptool.request.area import POLYGON_SCHEMA

AREA = "areaOfInterest"

LEVEL_LABEL = re.compile(r"(\d+) \(1:[\d,]+\)")
"""A level as the list of a desktop tool shows it, see `gptool.arcgis.validation.level_choices`."""


def new_parameters(tool: ToolDescription) -> list[arcpy.Parameter]:
    """Return the parameters of a tool."""
    return [_new_parameter(parameter) for parameter in tool.parameters]


def _new_parameter(description: ToolParameter) -> arcpy.Parameter:
    datatypes = list(description.datatypes)
    parameter = arcpy.Parameter(
        name=description.name,
        displayName=description.label,
        datatype=datatypes if len(datatypes) > 1 else datatypes[0],
        parameterType=description.kind,
        direction="Output" if description.is_output else "Input",
        category=description.category,
        multiValue=description.is_list,
    )
    if description.choices or description.is_list:
        parameter.filter.type, parameter.filter.list = "ValueList", list(description.choices)
    elif description.limits:
        parameter.filter.type, parameter.filter.list = "Range", list(description.limits)
    elif datatypes == ["GPFeatureLayer"]:
        parameter.filter.list = ["Polygon"]
    elif datatypes == ["GPFeatureRecordSetLayer"]:
        parameter.filter.list = ["Polygon"]
        parameter.value = arcpy.FeatureSet(json.dumps(POLYGON_SCHEMA))
    if description.default is not None:
        parameter.value = description.default
    return parameter


def parameters_by_name(parameters: list[arcpy.Parameter]) -> dict[str, arcpy.Parameter]:
    """Return parameters by their names."""
    return {parameter.name: parameter for parameter in parameters}


def operation_parameters(tool: ToolDescription, parameters: list[arcpy.Parameter]) -> dict[str, arcpy.Parameter]:
    """Return the parameters that stand for those of the operation, by the operation's names."""
    by_name = parameters_by_name(parameters)
    return {
        description.definition.name: by_name[description.name]
        for description in tool.parameters
        if description.definition
    }


def operation_values(inputs: dict[str, arcpy.Parameter]) -> dict[str, Any]:
    """Return the values of the operation's parameters as its REST form has them, but for the area.

    Parameters
    ----------
    inputs : dict
        See `operation_parameters`.
    """
    return {name: _operation_value(parameter) for name, parameter in inputs.items() if name != AREA}


def _operation_value(parameter: arcpy.Parameter) -> Any:
    value = parameter.value
    if value is None:
        return None
    if parameter.datatype == "Extent":
        # The JSON of arcpy's Extent has its spatial reference, if it has one.
        return value.JSON
    if parameter.multiValue:
        return levels_text(parameter.values)
    return value


def levels_text(values: list[str]) -> str:
    """Return chosen and typed levels as the operation's `levels`."""
    matches = [(value, LEVEL_LABEL.fullmatch(value)) for value in values]
    return ",".join(match[1] if match else value for value, match in matches)


def area_json(parameter: arcpy.Parameter) -> str | None:
    """Return polygons as JSON, which states their spatial reference; None if there are none.

    Only the selected features of a layer are read, as in every geoprocessing tool.
    """
    if parameter.value is None:
        return None
    text = arcpy.FeatureSet(parameter.value).JSON
    return text if text and json.loads(text).get("features") else None


def has_value(parameter: arcpy.Parameter) -> bool:
    """Return whether a parameter has a value. A feature set without features is none, as the schema of a service."""
    if parameter.datatype == "Feature Set":
        return area_json(parameter) is not None
    return parameter.value is not None
