"""Stand-ins for arcpy's values: feature sets, layers, extents, and the values of file parameters."""

from __future__ import annotations

import json
from typing import Any


class FeatureSet:
    """Features with their schema, from the JSON of a feature set, another feature set, or a layer."""

    __slots__ = ("_content",)

    def __init__(self, table: object = None) -> None:
        if isinstance(table, FeatureSet | Layer):
            self._content: dict[str, Any] = table._content
            return
        assert isinstance(table, str), "a path, JSON, a layer or a feature set"
        content = json.loads(table)
        assert {"geometryType", "fields", "features"} <= content.keys(), "a feature set has a schema"
        shapes = [feature["geometry"] for feature in content["features"]]
        references = [shape["spatialReference"] for shape in shapes if "spatialReference" in shape]
        self._content = {
            "displayFieldName": "",
            "geometryType": content["geometryType"],
            # A feature class has one spatial reference, so its JSON states it on the set, never on a geometry.
            "spatialReference": content.get("spatialReference") or references[0],
            "fields": content["fields"],
            "features": [
                {"attributes": {}, "geometry": {name: value for name, value in shape.items() if name == "rings"}}
                for shape in shapes
            ],
        }

    @property
    def JSON(self) -> str:  # noqa: N802
        return json.dumps(self._content)


class Layer:
    """A layer of a map: the features that are selected in it."""

    __slots__ = ("_content", "name")

    def __init__(self, name: str, selected: FeatureSet) -> None:
        self.name, self._content = name, selected._content


class Extent:
    """A box, with a spatial reference if it has one."""

    __slots__ = ("XMax", "XMin", "YMax", "YMin", "_wkid")

    def __init__(self, xmin: float, ymin: float, xmax: float, ymax: float, *, wkid: int | None = None) -> None:
        self.XMin, self.YMin, self.XMax, self.YMax, self._wkid = xmin, ymin, xmax, ymax, wkid

    @property
    def JSON(self) -> str:  # noqa: N802
        box = {"xmin": self.XMin, "ymin": self.YMin, "xmax": self.XMax, "ymax": self.YMax}
        return json.dumps(box | ({"spatialReference": {"wkid": self._wkid}} if self._wkid else {}))

    def __str__(self) -> str:
        return f"{self.XMin} {self.YMin} {self.XMax} {self.YMax} NaN NaN NaN NaN"


class PathValue:
    """The value of a file or folder: an object of ArcGIS, no text and no path. Its text is `valueAsText`."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __str__(self) -> str:
        return self._text
