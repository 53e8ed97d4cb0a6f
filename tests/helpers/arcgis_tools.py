"""What tests of both toolboxes need: areas, outputs, and the messages beside parameters."""

from __future__ import annotations

import json
from typing import Any

from helpers.arcpy_parameters import Parameter
from helpers.arcpy_stand_in import ArcPy, FeatureSet


def square(*, west: float, south: float, side: float, wkid: int = 102100) -> FeatureSet:
    """One square with its spatial reference on the geometry, as map clients send it."""
    x, y = (west, west + side), (south, south + side)
    rings = [[[x[0], y[0]], [x[0], y[1]], [x[1], y[1]], [x[1], y[0]], [x[0], y[0]]]]
    geometry = {"rings": rings, "spatialReference": {"wkid": wkid}}
    content = {"geometryType": "esriGeometryPolygon", "fields": [], "features": [{"geometry": geometry}]}
    return FeatureSet(json.dumps(content))


def outputs(result: Any) -> dict[str, Any]:
    """Derived outputs of a run by name; files as text."""
    derived = [parameter for parameter in result.parameters if parameter.parameterType == "Derived"]
    return {p.name: p.valueAsText if p.datatype == "File" else p.value for p in derived}


def messages_of(arcpy: ArcPy, tool: Any, kind: str, **values: Any) -> dict[str, str]:
    """The errors or warnings that ArcGIS shows beside the parameters when they have these values."""
    shown = {"error": Parameter.hasError, "warning": Parameter.hasWarning}[kind]
    return {p.name: p.message or "" for p in arcpy.validate(tool, values) if shown(p)}


def enabled(parameters: list[Parameter]) -> dict[str, bool]:
    """Whether parameters are available, by name."""
    return {parameter.name: parameter.enabled for parameter in parameters}
