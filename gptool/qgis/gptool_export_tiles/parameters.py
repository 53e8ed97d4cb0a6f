"""Parameters of Processing: made from their descriptions, and read as values of the program's options."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsFeatureRequest,
    QgsGeometry,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingOutputBoolean,
    QgsProcessingOutputNumber,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterExtent,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterFile,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterNumber,
    QgsProcessingParameterString,
)
from qgis.core import QgsProcessing as Processing

from .command_line import Value

Description = Mapping[str, Any]
"""A parameter or output in algorithms.json."""

WGS84 = "EPSG:4326"
AUTHORITIES = "EPSG", "ESRI"
"""Authorities whose codes the program takes."""


def new_parameter(item: Description) -> QgsProcessingParameterDefinition:
    """Return the parameter for a description."""
    parameter = MAKERS[item["type"]](item)
    parameter.setHelp(item["help"])
    if item["is_advanced"]:
        parameter.setFlags(parameter.flags() | QgsProcessingParameterDefinition.FlagAdvanced)
    return parameter


def new_output(item: Description) -> Any:
    """Return the output for a description."""
    cls = QgsProcessingOutputBoolean if item["type"] == "boolean" else QgsProcessingOutputNumber
    return cls(item["name"], item["label"])


def _common(item: Description) -> dict[str, Any]:
    return {"description": item["label"], "optional": item["is_optional"], "defaultValue": item["default"]}


def _new_choice(item: Description) -> QgsProcessingParameterDefinition:
    return QgsProcessingParameterEnum(
        item["name"],
        options=item["choices"],
        allowMultiple=item["type"] == "choices",
        usesStaticStrings=True,
        **_common(item),
    )


def _new_integer(item: Description) -> QgsProcessingParameterDefinition:
    low, high = item["limits"]
    return QgsProcessingParameterNumber(
        item["name"], type=QgsProcessingParameterNumber.Integer, minValue=low, maxValue=high, **_common(item)
    )


MAKERS: dict[str, Callable[[Description], Any]] = {
    "boolean": lambda item: QgsProcessingParameterBoolean(item["name"], **_common(item)),
    "cache": lambda item: QgsProcessingParameterFile(item["name"], fileFilter=item["filter"], **_common(item)),
    "choice": _new_choice,
    "choices": _new_choice,
    "extent": lambda item: QgsProcessingParameterExtent(item["name"], **_common(item)),
    "file": lambda item: QgsProcessingParameterFileDestination(
        item["name"], fileFilter=item["filter"], **_common(item)
    ),
    "integer": _new_integer,
    "polygons": lambda item: QgsProcessingParameterFeatureSource(
        item["name"], types=[Processing.TypeVectorPolygon], **_common(item)
    ),
    "text": lambda item: QgsProcessingParameterString(item["name"], **_common(item)),
}
"""The functions that make a parameter, by the types of descriptions."""


class Values:
    """Reads the values of an algorithm's parameters.

    Parameters
    ----------
    algorithm : QgsProcessingAlgorithm
    parameters : mapping
        What QGIS passes to the algorithm.
    context : QgsProcessingContext
    folder : Path
        A folder for temporary files.
    """

    def __init__(
        self,
        algorithm: QgsProcessingAlgorithm,
        parameters: Mapping[str, Any],
        context: QgsProcessingContext,
        folder: Path,
    ) -> None:
        self._algorithm, self._parameters, self._context, self._folder = algorithm, parameters, context, folder
        self._readers: dict[str, Callable[..., Value]] = {
            "boolean": algorithm.parameterAsBool,
            "cache": algorithm.parameterAsFile,
            "choice": algorithm.parameterAsEnumString,
            "choices": algorithm.parameterAsEnumStrings,
            "extent": self._extent,
            "file": algorithm.parameterAsFileOutput,
            "integer": self._integer,
            "polygons": self._polygons,
            "text": algorithm.parameterAsString,
        }

    def read(self, item: Description) -> Value:
        """Return the value of the parameter of a description, None if it is not given and has no default."""
        name = item["name"]
        if self._parameters.get(name, item["default"]) in (None, "", []):
            return None
        return self._readers[item["type"]](self._parameters, name, self._context)

    def _integer(self, parameters: Mapping[str, Any], name: str, context: QgsProcessingContext) -> str | None:
        """Return a number, None for an expression without a value, which would be 0 as a number."""
        return self._algorithm.parameterAsString(parameters, name, context) or None

    def _extent(self, parameters: Mapping[str, Any], name: str, context: QgsProcessingContext) -> str | None:
        """Return an extent as Esri's JSON, in the reference that it is given in."""
        extent = self._algorithm.parameterAsExtent(parameters, name, context)
        if extent.isNull():
            return None
        reference = self._algorithm.parameterAsExtentCrs(parameters, name, context)
        box = {
            "xmin": extent.xMinimum(),
            "ymin": extent.yMinimum(),
            "xmax": extent.xMaximum(),
            "ymax": extent.yMaximum(),
        }
        return json.dumps({**box, "spatialReference": _spatial_reference(reference)} if reference.isValid() else box)

    def _polygons(self, parameters: Mapping[str, Any], name: str, context: QgsProcessingContext) -> str:
        """Write the features of a layer to a GeoJSON file and return its path.

        They stay in the reference of the layer, if that has a code: the program knows better than a transformation of
        vertices what becomes of long edges.
        """
        source = self._algorithm.parameterAsSource(parameters, name, context)
        if source is None:
            raise QgsProcessingException(self._algorithm.invalidSourceError(parameters, name))
        reference, request = source.sourceCrs(), QgsFeatureRequest().setSubsetOfAttributes([])
        if not reference.isValid():
            label = self._algorithm.parameterDefinition(name).description()
            raise QgsProcessingException(f"{label}: the layer has no spatial reference; set that of its coordinates.")
        if _code(reference) is None:
            request.setDestinationCrs(QgsCoordinateReferenceSystem(WGS84), context.transformContext())
        crs = {"type": "name", "properties": {"name": WGS84 if _code(reference) is None else reference.authid()}}
        path = self._folder / "area.geojson"
        with path.open("w", encoding="utf-8") as file:
            file.write(f'{{"type": "FeatureCollection", "crs": {json.dumps(crs)}, "features": [\n')
            for i, coordinates in enumerate(_multipolygons(source, request)):
                geometry = {"type": "MultiPolygon", "coordinates": coordinates}
                feature = {"type": "Feature", "properties": {}, "geometry": geometry}
                file.write("," * (i > 0) + json.dumps(feature) + "\n")
            file.write("]}\n")
        return os.fspath(path)


def _multipolygons(source: Any, request: QgsFeatureRequest) -> Iterator[list[Any]]:
    """Yield the coordinates of the features that have a geometry, whose curves are segmented.

    QGIS's own JSON rounds coordinates, which can move an edge across that of a tile.
    """
    for feature in source.getFeatures(request):
        if feature.hasGeometry():
            geometry = QgsGeometry(feature.geometry().constGet().segmentize())
            geometry.convertToMultiType()
            yield [
                [[[point.x(), point.y()] for point in ring] for ring in polygon]
                for polygon in geometry.asMultiPolygon()
            ]


def _code(reference: QgsCoordinateReferenceSystem) -> str | None:
    """Return the code of a reference, if it is one of the program's authorities."""
    authority, _, code = str(reference.authid()).partition(":")
    return code if authority in AUTHORITIES and code.isdigit() else None


def _spatial_reference(reference: QgsCoordinateReferenceSystem) -> dict[str, Any]:
    code = _code(reference)
    if code is None:
        return {"wkt": reference.toWkt(QgsCoordinateReferenceSystem.WKT1_ESRI)}
    return {"wkid": int(code)}
